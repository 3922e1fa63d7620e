"""Scripts that no other test runs, in docs and benchmarks: each can be read, and what it takes from the
package is there."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*(ROOT / "docs").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_takes_what_the_package_has(path):
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "keras_lottery":
            module = importlib.import_module(node.module)
            for name in (alias.name for alias in node.names):
                assert hasattr(module, name) or importlib.import_module(f"{node.module}.{name}"), name
    modules = imported_modules(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr), (
                f"{node.value.id}.{node.attr}, line {node.lineno}"
            )


def imported_modules(path):
    """{name in the script: module of the package}."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            full = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
            if full.split(".")[0] == "keras_lottery" and (alias.asname or "." not in alias.name):
                value = _value(full)
                if hasattr(value, "__path__") or type(value).__name__ in ("module", "_Package"):
                    found[alias.asname or alias.name] = value
    return found


def _value(full):
    module, _, name = full.rpartition(".")
    if module and hasattr(importlib.import_module(module), name):
        return getattr(importlib.import_module(module), name)
    return importlib.import_module(full)
