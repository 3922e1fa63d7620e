"""The rooms of the package and the arrows between them, as its imports draw them.

    python tests/house.py

A room is a package or a module that stands alone; `FLOORS` has them from the ground up. A room imports from
floors below it, from its own floor without a circle, and never from above.
"""

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "keras_lottery"
FLOORS = (
    ("core",),
    ("architecture", "config", "data"),
    ("engines", "engines.keras3", "engines.tf_keras"),
    ("models", "wrapping"),
    ("channels", "tickets", "training"),
    ("search", "tflite", "tflite.measure"),
    ("experiments", "experiments.report", "experiments.study"),
    ("apps",),
)
ROOMS = {room: number for number, floor in enumerate(FLOORS, 1) for room in floor}


def modules():
    """{dotted name: path} of the package's modules and the commands'."""
    found = {}
    for folder, prefix in ((ROOT / PACKAGE, ""), (ROOT / "apps", "apps")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join(filter(None, (prefix, *parts)))] = path
    return found


def room(module):
    """The room of a module: the longest name in `ROOMS` that begins its own; "" for the package itself."""
    parts = module.split(".")
    names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((name for name in names if name in ROOMS), "")


def imports(module, path, known):
    """The modules of ours that a module imports, those inside its functions too."""
    inside = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            base = [*inside[: len(inside) - node.level + 1], *filter(None, (node.module or "").split("."))]
        elif (node.module or "").split(".")[0] == PACKAGE:
            base = node.module.split(".")[1:]
        else:
            continue
        for alias in node.names:
            full = ".".join([*base, alias.name])
            yield full if full in known else ".".join(base)


def arrows():
    """{(room, room that it imports from): the imports that say so}."""
    found, known = {}, modules()
    for module, path in known.items():
        for other in imports(module, path, known):
            pair = room(module), room(other)
            if all(pair) and len(set(pair)) == 2:
                found.setdefault(pair, []).append(f"{module} -> {other}")
    return found


def upward(drawn):
    """The imports from a room into one on a floor above."""
    return [told for (one, two), of in drawn.items() if ROOMS[two] > ROOMS[one] for told in of]


def circle(drawn):
    """Packages and lone modules that import each other, as one closed path; [] if there is none."""
    needs = {}
    for one, two in drawn:
        one, two = one.split(".")[0], two.split(".")[0]
        if one != two:
            needs.setdefault(one, set()).add(two)
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def main():
    drawn = arrows()
    for number, floor in reversed(list(enumerate(FLOORS, 1))):
        print(f"{number}  {'  '.join(floor)}")
    print(
        f"{len(ROOMS)} rooms, {len(FLOORS)} floors, {len(drawn)} arrows, {len(upward(drawn))} imports from "
        f"above; {'a circle: ' + ' -> '.join(circle(drawn)) if circle(drawn) else 'no circle'}"
    )
    for told in upward(drawn):
        print(f"  {told}")


if __name__ == "__main__":
    main()
