"""An architecture, of either Keras, with another number of classes or another input."""

import copy

from ..errors import LotteryError

_UNITS = {"Dense": "units", "Conv1D": "filters", "Conv2D": "filters", "Conv3D": "filters"}


def resize(architecture, heads, num_classes, input_shape=None):
    """A copy of `architecture` whose head has `num_classes` outputs, computed in float32.

    Args:
      architecture: what the engine's `architecture` gave.
      heads: paths of its output layers; there must be one.
      num_classes: int >= 2.
      input_shape: (height, width, channels) or any shape without the batch; None keeps it.

    Raises:
      LotteryError: no single Dense or convolution head, several inputs, an impossible shape.
    """
    changed = copy.deepcopy(architecture)
    if "layers" not in changed["config"]:
        raise LotteryError(
            f"the ticket's model is a {changed['class_name']}, whose class says what its layers are: transfer replaces the "
            "head of functional and Sequential models. Build it as one, and find the ticket again."
        )
    if len(heads) != 1:
        raise LotteryError(f"the ticket's model has {len(heads)} output layers {heads}: transfer needs exactly one.")
    head = _find(changed, heads[0].split("/"))
    if head is None or head["class_name"] not in _UNITS:
        kind = head and head["class_name"]
        raise LotteryError(f"the output layer {heads[0]!r} is a {kind}: transfer can replace a Dense or convolution layer.")
    head["config"][_UNITS[head["class_name"]]] = int(num_classes)
    head["config"]["dtype"] = "float32"
    if input_shape is not None:
        _set_input(changed, [None, *map(int, input_shape)])
    _forget_shapes(changed)
    return changed


def _find(architecture, names):
    """The config of the layer at a path; a name may itself hold slashes."""
    for layer in architecture["config"].get("layers", []):
        name = layer.get("name") or layer["config"]["name"]  # not every config holds it
        depth = name.count("/") + 1
        if "/".join(names[:depth]) == name:
            return layer if len(names) == depth else _find(layer, names[depth:])
    return None


def _set_input(architecture, shape):
    inputs = [layer for layer in architecture["config"]["layers"] if layer["class_name"] == "InputLayer"]
    if len(inputs) != 1:
        raise LotteryError(f"the ticket's model has {len(inputs)} inputs: input_shape can be changed where there is one.")
    old = inputs[0]["config"][_shape_name(inputs[0])]
    if len(old) != len(shape):
        raise LotteryError(f"input_shape={tuple(shape[1:])} has {len(shape) - 1} axes, the ticket's model has {tuple(old[1:])}.")
    for entry in _inputs(architecture):  # of models in the model as well, where they take what the model takes
        if entry["config"][_shape_name(entry)][1:] == old[1:]:
            entry["config"][_shape_name(entry)] = shape


def _inputs(architecture):
    for layer in architecture["config"].get("layers", []):
        if layer["class_name"] == "InputLayer":
            yield layer
        yield from _inputs(layer)


def _shape_name(entry):
    return "batch_shape" if "batch_shape" in entry["config"] else "batch_input_shape"  # Keras 3's, tf_keras's


def _forget_shapes(config):
    """Drop the shapes that layers were built with; they are built anew from the input."""
    if isinstance(config, dict):
        for name in ("build_config", "build_input_shape"):
            config.pop(name, None)
        for value in config.values():
            _forget_shapes(value)
    elif isinstance(config, list):
        for value in config:
            _forget_shapes(value)
