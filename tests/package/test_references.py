"""What docstrings and comments refer to is there: `module.name` is a name of a module of that name."""

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
