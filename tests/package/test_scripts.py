"""Scripts of docs and benchmarks: what they take from the package is there, and pages are what they write."""

import ast
import dataclasses
import importlib
import inspect

import pytest
import scripts
from scripts import ROOT
from world import KIND

SCRIPTS = sorted([*(ROOT / "docs").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_takes_what_the_package_has_and_gives_it_what_it_takes(path):
    tree, wrong = ast.parse(path.read_text(), str(path)), []
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and inspect.ismodule(module := value(node.value, names)):
            wrong += [] if hasattr(module, node.attr) else [f"line {node.lineno}: {ast.unparse(node)}"]
        called = value(node.func, names) if isinstance(node, ast.Call) else None
        if inspect.isfunction(called) or dataclasses.is_dataclass(called):
            try:
                bind(called, node)
            except TypeError as error:
                wrong.append(f"line {node.lineno}: {ast.unparse(node)}: {error}")
    assert wrong == []


def imported(tree):
    """{name in a script: what of the package it is}."""
    found = {}
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            full = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
            if full.split(".")[0] == "keras_lottery" and (alias.asname or "." not in alias.name):
                found[alias.asname or alias.name] = _value(full)
    return found


def value(node, names):
    """What an expression such as a.b.c is of the package; None if that is not known."""
    if isinstance(node, ast.Attribute):
        return getattr(value(node.value, names), node.attr, None)
    return names.get(node.id) if isinstance(node, ast.Name) else None


def bind(called, call):
    """Raise TypeError if a call gives a function other arguments than it takes."""
    positional = [argument for argument in call.args if not isinstance(argument, ast.Starred)]
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    is_all = len(positional) + len(keywords) == len(call.args) + len(call.keywords)  # no *more, no **more
    signature = inspect.signature(called)
    (signature.bind if is_all else signature.bind_partial)(*positional, **keywords)


def _value(full):
    module, _, name = full.rpartition(".")
    if module and hasattr(importlib.import_module(module), name):
        return getattr(importlib.import_module(module), name)
    return importlib.import_module(full)


@pytest.mark.skipif(KIND != "tf_keras", reason="they read figures, which are the same on any Keras")
@pytest.mark.parametrize(
    "script",
    [
        "benchmarks/recipes.py",
        "benchmarks/summary.py",
        "docs/fast/curve.py --cells=lenet-fashion_mnist",  # whose searches are all done
        "docs/phone/summary.py",
        "docs/photos/summary.py",
        "docs/scores/compare.py --nets",
        "docs/study/pilot.py",
    ],
)
def test_pages_are_what_scripts_make_of_the_committed_figures(script, tmp_path, monkeypatch):
    folder = scripts.copied(tmp_path, "README.md", "benchmarks", "docs")
    path, *flags = script.split()
    scripts.run(folder / path, monkeypatch, *flags)
    pages = [page.relative_to(folder) for page in folder.rglob("*.md")]
    assert [str(page) for page in pages if (folder / page).read_text() != (ROOT / page).read_text()] == []
