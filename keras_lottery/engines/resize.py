"""An architecture, of either Keras, with another number of classes or another input."""

import copy

from ..core.errors import LotteryError

_CONVS = (
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "SeparableConv1D",
    "SeparableConv2D",
)
_UNITS = {"Dense": "units", **dict.fromkeys(_CONVS, "filters")}
# Settings of a layer that fix the channels of its output, and those after which its size is not the input's.
_FIX_CHANNELS = ("units", "filters", "output_dim", "output_shape", "target_shape")
_FIX_SIZE = ("height", "keepdims")  # Resizing and cropping, global pooling


def resize(architecture, heads, num_classes, input_shape=None):
    """A copy of `architecture` whose head has `num_classes` outputs, computed in float32.

    Args:
      architecture: what the engine's `architecture` gave.
      heads: paths of its output layers; there must be one.
      num_classes: int >= 1.
      input_shape: (height, width, channels) or any shape without the batch; None keeps it.

    Raises:
      LotteryError: no single Dense or convolution head that the model lists, several inputs, an impossible
        shape.
    """
    changed = copy.deepcopy(architecture)
    if "layers" not in changed["config"]:
        raise LotteryError(
            f"the ticket's model is a {changed['class_name']}, whose class says what its layers are: "
            "transfer replaces the head of functional and Sequential models. Build it as one, and find the "
            "ticket again."
        )
    if len(heads) != 1:
        raise LotteryError(
            f"the ticket's model has {len(heads)} output layers {heads}: transfer needs exactly one."
        )
    names = heads[0].split("/")
    head = _find(changed, names)
    if head is None:
        where = next((n for n in range(len(names) - 1, 0, -1) if _find(changed, names[:n])), len(names))
        raise LotteryError(
            f"the output layer {heads[0]!r} lies inside {'/'.join(names[:where])!r}, whose class makes it: "
            "transfer can replace a Dense or convolution layer that the model itself lists."
        )
    if head["class_name"] not in _UNITS:
        raise LotteryError(
            f"the output layer {heads[0]!r} is a {head['class_name']}: transfer can replace a Dense or "
            "convolution layer with units or filters."
        )
    head["config"][_UNITS[head["class_name"]]] = int(num_classes)
    head["config"]["dtype"] = "float32"
    other_size = input_shape is not None and _set_input(changed, [None, *map(int, input_shape)])
    _forget_shapes(changed, other_size)
    activation = _built_for(head["config"].get("activation"))
    if activation:
        activation[-1] = int(num_classes)
    return changed


def _find(architecture, names):
    """The config of the layer at a path; a name may itself hold slashes."""
    for layer in architecture["config"].get("layers", []):
        name = _name(layer)
        depth = name.count("/") + 1
        if "/".join(names[:depth]) == name:
            return layer if len(names) == depth else _find(layer, names[depth:])
    return None


def _set_input(architecture, shape):
    """Give the model another input, and the models in it what that makes theirs; whether the size is
    another."""
    inputs = _inputs(architecture)
    if len(inputs) != 1:
        raise LotteryError(
            f"the ticket's model has {len(inputs)} inputs: input_shape can be changed where there is one."
        )
    old = inputs[0]["config"][_shape_name(inputs[0])]
    if len(old) != len(shape):
        raise LotteryError(
            f"input_shape={tuple(shape[1:])} has {len(shape) - 1} axes, the ticket's model has "
            f"{tuple(old[1:])}."
        )
    _pass_on(architecture, old, shape, (True, True))
    return shape[1:-1] != old[1:-1]


def _pass_on(model, old, shape, given):
    """Change the inputs of a model and of those in it from what `old` gave them to what `shape` does.

    given: whether its input has the channels of the outermost, and a size that follows from that one's.

    Returns:
      The same of its output.
    """
    for entry in _inputs(model):
        name = _shape_name(entry)
        entry["config"][name] = _changed(entry["config"][name], old, shape, *given)
    known, last = {}, given
    for layer in model["config"]["layers"]:
        calls = layer.get(
            "inbound_nodes"
        )  # a Sequential's layers have none: each takes what the one before it gives
        taken = [known.get(source, (False, True)) for source in _sources(calls[0])] if calls else [last]
        # What merges with a constant number of channels has it too; what merges with a changed size changes.
        last = all(channels for channels, _ in taken), any(size for _, size in taken)
        if layer["class_name"] == "InputLayer":
            last = given
        elif "layers" in layer["config"]:
            last = _pass_on(layer, old, shape, last)
        else:
            last = (
                last[0] and not _sets(layer["config"], _FIX_CHANNELS),
                last[1] and not _sets(layer["config"], _FIX_SIZE),
            )
        known[_name(layer)] = last
    outputs = [known[source] for source in _sources(model["config"].get("output_layers"))] or [last]
    return all(channels for channels, _ in outputs), any(size for _, size in outputs)


def _changed(mine, old, shape, channels, size):
    """The shape of a model's input, as `_pass_on` says; None for a size that follows from the input's in ways
    unknown."""
    if channels and mine[1:] == old[1:] and size:
        return list(shape)
    between = [None] * len(mine[1:-1]) if size and shape[1:-1] != old[1:-1] else mine[1:-1]
    return [None, *between, shape[-1] if channels and mine[-1] == old[-1] else mine[-1]]


def _sources(call):
    """Names of the layers whose outputs a call takes: of each ["name", node, tensor, ...] in what either
    Keras writes."""
    if isinstance(call, list) and len(call) > 2 and isinstance(call[0], str) and isinstance(call[1], int):
        return [call[0], *_sources(call[3:])]
    below = call.values() if isinstance(call, dict) else call if isinstance(call, list) else ()
    return [name for item in below for name in _sources(item)]


def _sets(config, names):
    """Whether a layer, or one that it holds, has one of these settings."""
    if isinstance(config, dict):
        return any(
            (name in names and value is not None) or _sets(value, names) for name, value in config.items()
        )
    return isinstance(config, list) and any(_sets(item, names) for item in config)


def _inputs(model):
    return [layer for layer in model["config"]["layers"] if layer["class_name"] == "InputLayer"]


def _name(entry):
    return entry.get("name") or entry["config"]["name"]  # not every config holds it


def _shape_name(entry):
    return "batch_shape" if "batch_shape" in entry["config"] else "batch_input_shape"  # Keras 3's, tf_keras's


def _forget_shapes(config, other_size):
    """Drop the shapes that layers were built with; they are built anew from the input.

    A layer that is another's activation keeps its own, without the size if that is another: Keras 3 builds it
    by nothing else.
    """
    if isinstance(config, dict):
        for name in ("build_config", "build_input_shape"):
            config.pop(name, None)
        for name, value in config.items():
            shape = _built_for(value) if name.endswith("activation") else None
            if shape is None:
                _forget_shapes(value, other_size)
            elif other_size:
                shape[1:-1] = [None] * len(shape[1:-1])
    elif isinstance(config, list):
        for value in config:
            _forget_shapes(value, other_size)


def _built_for(setting):
    """The input shape that a layer held as a setting was built with; None where there is none."""
    return (setting.get("build_config") or {}).get("input_shape") if isinstance(setting, dict) else None
