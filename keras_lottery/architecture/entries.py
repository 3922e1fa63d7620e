"""What an architecture's JSON holds: entries of a class and its settings, each of a layer, a model, an
operation or less."""

from ..core.errors import LotteryError
from . import tables

KINDS = ("tf_keras", "keras")
MODULES = {  # where each keeps its models, applications and operations
    "tf_keras": (
        "tf_keras.src.engine.functional",
        "tf_keras.src.applications.",
        "tf_keras.src.layers.core.tf_op_layer",
    ),
    "keras": ("keras.src.models.functional", "keras.src.applications.", "keras.src.ops."),
}


def other(to):
    return next(kind for kind in KINDS if kind != to)


def refuse(entry, to, why):
    """Raises LotteryError: `why` says what a layer has that cannot be carried."""
    raise LotteryError(
        f"layer {entry['config'].get('name')!r} ({entry['class_name']}) cannot go from {other(to)} to "
        f"{to}: {why}. The ticket can be used with {other(to)}, which it was found with."
    )


def below(value):
    """Every {"class_name", "config"} at or below a JSON value, outer ones first."""
    if isinstance(value, dict):
        if "class_name" in value and isinstance(value.get("config"), dict):
            yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from below(item)


def is_operation(entry):
    return str(entry.get("module")).startswith(tuple(modules[2] for modules in MODULES.values()))


def is_model(entry):
    return "layers" in entry["config"]


def is_own(entry):
    """Whether the user registered the class or function."""
    name = entry["config"] if entry["class_name"] == "function" else entry.get("registered_name")
    return ">" in str(name) and entry["class_name"] not in tables.APPLICATIONS


def is_layer(entry):
    return (
        entry["class_name"] in tables.LAYERS or entry["class_name"] in tables.APPLICATIONS or is_model(entry)
    )
