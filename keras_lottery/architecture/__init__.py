"""One net, two notations: the JSON of a tf_keras model as that of a Keras 3 model, and back.

Pure JSON to JSON, without any Keras. What is not known to compute the same in both is an error.
"""

import copy

from ..core.errors import LotteryError
from . import tables
from .entries import KINDS, below, is_layer, is_operation, refuse
from .form import form  # noqa: F401  part of this package
from .layers import translated
from .trust import line


def kind(architecture):
    """Which Keras an architecture is of: "tf_keras" or "keras" (Keras 3).

    Args:
      architecture: what json.loads(model.to_json()) gives.

    Raises:
      LotteryError: it is neither's.
    """
    if isinstance(architecture, dict) and isinstance(architecture.get("config"), dict):
        if "backend" in architecture or "module" in architecture:
            return "tf_keras" if "backend" in architecture else "keras"
    raise LotteryError(
        f"{str(architecture)[:60]!r} is no architecture: give the JSON of a tf_keras or Keras 3 model."
    )


def translate(architecture, to):
    """The same net as JSON of the other Keras; a copy where it already is of that kind.

    Layers keep their names, weights of the same layer their shapes and meaning (Keras 3 calls a depthwise
    layer's depthwise_kernel `kernel`). Seeds and the shapes that layers were built with are left out.

    Args:
      architecture: functional or Sequential model as JSON-able dict, of either kind.
      to: "tf_keras" or "keras".

    Raises:
      LotteryError: a layer, a setting or a call of a layer has no exact counterpart.

    Example:
      >>> import json, keras, keras_lottery as lottery
      >>> net = lottery.load_ticket("lenet-fashion_mnist-90").architecture
      >>> model = keras.models.model_from_json(json.dumps(translate(net, "keras")))
    """
    if to not in KINDS:
        raise LotteryError(f"to={to!r}: expected one of {', '.join(KINDS)}.")
    if kind(architecture) == to:
        return copy.deepcopy(architecture)
    try:
        _check(list(below(architecture)), to)
        model = translated(copy.deepcopy(architecture), to)
    except LotteryError:
        raise
    except Exception as error:  # JSON of no model, from a file
        raise LotteryError(
            f"the architecture is no model's of {kind(architecture)}: {type(error).__name__} "
            f"{line(str(error))}."
        ) from error
    return {**model, "backend": "tensorflow"} if to == "tf_keras" else model


def _check(entries, to):
    """Raises LotteryError for what no layer shows alone: masks, layers shared between models in the model."""
    masked = [
        entry for entry in entries if entry["class_name"] == "Masking" or entry["config"].get("mask_zero")
    ]
    shared = set()
    for entry in entries:
        if (
            masked
            and entry["class_name"] in tables.MASK_DIFFERS
            and is_layer(entry)
            and not is_operation(entry)
        ):
            refuse(
                entry,
                to,
                f"it treats the mask that {masked[0]['config'].get('name')!r} makes otherwise there",
            )
        if masked and entry["class_name"] == "NotEqual" and is_operation(entry):
            refuse(
                masked[0], to, "Keras 3 writes its mask into the graph as operations, which are not carried"
            )
        if entry.get("shared_object_id") in shared and is_layer(entry):
            refuse(
                entry, to, "models in the model share it, which is not carried; share one model that holds it"
            )
        shared |= {entry.get("shared_object_id")} - {None}
