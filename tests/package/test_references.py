"""What docstrings, comments and pages refer to is there: `module.name` is a name of a module of that name, a
link leads to a file."""

import ast
import re
from pathlib import Path

import keras_lottery as lottery

ROOT = Path(__file__).resolve().parents[2] / "keras_lottery"
REFERENCE = re.compile(r"`(?:keras_lottery\.)?(?:\w+\.)*?(\w+)\.(\w+)`")
OURS = {path.stem if path.stem != "__init__" else path.parent.name for path in ROOT.rglob("*.py")}
OTHERS = {
    "model",
    "keras",
    "scipy",
    "tf",
    "schema",
    "optimizer",
    "ticket",
    "layer",
    "round",
}  # of Keras, SciPy, LiteRT; a value


def names():
    """{module or package: the names in it, its modules among them}."""
    found = {"lottery": set(lottery.__all__)}
    for path in ROOT.rglob("*.py"):
        own = found.setdefault(path.parent.name if path.stem == "__init__" else path.stem, set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                own.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
            elif isinstance(node, ast.ImportFrom):
                own.update(alias.asname or alias.name for alias in node.names)
        found.setdefault(path.parent.name, set()).add(path.stem)
        found.setdefault(path.parent.parent.name, set()).add(path.parent.name)
    return found


def test_references_lead_to_what_is_there():
    found = names()
    known = OTHERS | {name for of in found.values() for name in of if name[:1].isupper()}  # classes
    lost = {
        f"{path.relative_to(ROOT)}: {reference.group()}"
        for path in ROOT.rglob("*.py")
        for reference in REFERENCE.finditer(path.read_text())
        if reference.group(1) not in known and reference.group(2) not in found.get(reference.group(1), ())
    }
    assert lost == set()


def test_links_of_pages_lead_to_files():
    pages = [*ROOT.parent.glob("*.md"), *ROOT.parent.glob("docs/**/*.md"), *ROOT.parent.glob("*/README.md")]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if "://" not in link
    ]
    assert links and [f"{page}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_files_of_the_repository_that_pages_and_scripts_name_are_there():
    """Those below docs and saved_models, but for what a command is yet to write."""
    later = re.compile(r"docs/(study/(rows.jsonl|tables.md)|photos/files.jsonl)")
    found = [
        (path, name)
        for pattern in ("*.md", "docs/**/*", "apps/*.py", "keras_lottery/**/*.py", "saved_models/*/README.md")
        for path in ROOT.parent.glob(pattern)
        if path.suffix in (".md", ".py", ".sh", ".flags")
        for name in re.findall(r"(?<![\w/])docs/[\w./-]*\w", path.read_text())
    ]
    lost = {
        f"{path.relative_to(ROOT.parent)}: {name}"
        for path, name in found
        if not (ROOT.parent / name).exists() and not later.fullmatch(name)
    }
    assert found and lost == set()
