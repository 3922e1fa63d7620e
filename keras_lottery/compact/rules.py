"""What each kind of layer does to channels: what it joins, what of its weights is cut, where constants go on.

A rule takes the `Channels` and a `Call` and gives the `Lane` of its output, or None where it does not know this call.
All of it is about inference. `constants` are float64 arrays with nan where a channel follows the input.
"""

import numpy as np

from .channels import Lane, Mix, OpenAxis
from .graph import array

# Functions of each number by itself.
ELEMENTWISE = set(
    """celu elu exponential gelu hard_sigmoid hard_silu hard_swish leaky_relu linear log_sigmoid mish relu relu6 selu
    sigmoid silu softplus softsign swish tanh""".split()
)


def follow(channels, call, masked):
    """Give each output of a call its lane; a call without a rule needs all that comes in and changes all that goes out."""
    rule = None if call.fixed or masked and call.kind == "GlobalAveragePooling1D" else RULES.get(call.kind)
    try:
        lane = rule and rule(channels, call)
    except OpenAxis:
        lane = None
    if lane is None:
        for value in call.inputs:
            channels.pin_lane(channels.lane(value))
        channels.barred_layer(call.layer)
        channels.lanes.update((value, Lane()) for value in call.outputs)
        return
    if lane.constants is not None:
        lane.constants = np.where(np.isfinite(lane.constants), lane.constants, np.nan)
    channels.lanes[call.outputs[0]] = lane


# Layers with a kernel from channels to channels.
def _dense(channels, call):
    return _mixing(channels, call, len(call.inputs[0].shape) - 1, "kernel", "units", "bias")


def _conv(channels, call):
    if call.config.get("groups", 1) > 1:
        return _grouped(channels, call)
    return _mixing(channels, call, _axis(call), "kernel", "filters", "bias" if _is_unpadded(call) else "carrier")


def _transposed(channels, call):
    """The kernel is (..., out, in); the output's borders see fewer inputs, so constants do not stay so."""
    if call.config.get("groups", 1) > 1:
        return None
    return _mixing(channels, call, _axis(call), "kernel", "filters", "carrier", -1, -2)


def _mixing(channels, call, axis, name, size, fold, inward=-2, outward=-1):
    if not _has_only(call, name, "bias"):
        return None
    layer, kernel = call.layer, call.weights[name]
    lane = channels.lane(call.inputs[0], axis)
    matrices = np.moveaxis(kernel, (inward, outward), (-2, -1)).reshape(-1, kernel.shape[inward], kernel.shape[outward])
    links, sums = (matrices != 0).any(axis=0), matrices.sum(axis=0)
    ins = channels.bind(layer, "in", lane.ids)
    channels.cut(layer, name, inward, ins)
    return _mixed(channels, call, Mix(ins, None, lane.constants, links, sums, fold, inward), (name, outward), size, axis)


def _separable(channels, call):
    """Depthwise, then pointwise. What padding leaves of a constant differs by channel, so there it is not folded."""
    if not _has_only(call, "depthwise_kernel", "pointwise_kernel", "bias"):
        return None
    layer, depth, point = call.layer, call.weights["depthwise_kernel"], call.weights["pointwise_kernel"]
    lane = channels.lane(call.inputs[0], _axis(call))
    depth = depth.reshape(-1, *depth.shape[-2:])
    point = point.reshape(*depth.shape[1:], point.shape[-1])
    links = np.einsum("im,imo->io", (depth != 0).any(axis=0), point != 0)
    sums = np.einsum("im,imo->io", depth.sum(axis=0), point)
    ins = channels.bind(layer, "in", lane.ids)
    channels.cut(layer, "depthwise_kernel", -2, ins)
    channels.cut(layer, "pointwise_kernel", -2, np.repeat(ins, depth.shape[-1]))
    mix = Mix(ins, None, lane.constants, links, sums, "bias" if _is_unpadded(call) else "keep")
    return _mixed(channels, call, mix, ("pointwise_kernel", -1), "filters", _axis(call))


def _mixed(channels, call, mix, outward, size, axis):
    mix.outputs = channels.bind(call.layer, "out", channels.new(mix.links.shape[1]))
    channels.cut(call.layer, *outward, mix.outputs)
    channels.size(call.layer, size, lambda kept: int(kept(mix.outputs).sum()))
    channels.mix(call.layer, mix)
    return _activated(channels, call, mix, axis)


def _activated(channels, call, mix, axis):
    """The lane that comes out of a Mix, bias and activation included."""
    live, constants = np.isnan(mix.constants), np.nan_to_num(mix.constants)
    moves = live if mix.fold == "bias" else live | (constants != 0)
    out = np.where(mix.links[moves].any(axis=0), np.nan, constants @ mix.sums)
    if "bias" in call.weights:
        out = out + call.weights["bias"]
        channels.cut(call.layer, "bias", 0, mix.outputs)
    if not _is_elementwise(call):
        channels.pin(mix.outputs)
        return Lane(axis, mix.outputs, np.full(len(out), np.nan))
    return Lane(axis, mix.outputs, _apply(getattr(call.layer, "activation", None), out))


def _grouped(channels, call):
    """All of a group, its inputs and its outputs, stays or goes."""
    if not _has_only(call, "kernel", "bias"):
        return None
    layer, kernel, groups = call.layer, call.weights["kernel"], call.config["groups"]
    lane = channels.lane(call.inputs[0], _axis(call))
    ins, outs = channels.bind(layer, "in", lane.ids), channels.bind(layer, "out", channels.new(kernel.shape[-1]))
    each = len(outs) // groups
    channels.join(np.repeat(outs[::each], len(ins) // groups), ins)
    channels.join(np.repeat(outs[::each], each), outs)
    channels.cut(layer, "kernel", -1, outs)
    channels.size(layer, "filters", lambda kept: int(kept(outs).sum()))
    channels.size(layer, "groups", lambda kept: int(kept(outs).sum()) // each)
    matrices = kernel.reshape(-1, kernel.shape[-2], groups, each)
    blocks = np.zeros((len(matrices), groups, kernel.shape[-2], groups, each))
    for group in range(groups):
        blocks[:, group, :, group] = matrices[:, :, group]
    blocks = blocks.reshape(len(matrices), len(ins), len(outs))
    fold = "bias" if _is_unpadded(call) else "keep"
    mix = Mix(ins, outs, lane.constants, (blocks != 0).any(axis=0), blocks.sum(axis=0), fold)
    return _activated(channels, call, mix, _axis(call))


def _depthwise(channels, call):
    """Each input channel makes outputs of its own, which stay or go with it."""
    if not _has_only(call, "depthwise_kernel", "bias"):
        return None
    layer, kernel, axis = call.layer, call.weights["depthwise_kernel"], _axis(call)
    lane = channels.lane(call.inputs[0], axis)
    ins = channels.bind(layer, "in", lane.ids)
    outs, constants = np.repeat(ins, kernel.shape[-1]), np.repeat(lane.constants, kernel.shape[-1])
    channels.cut(layer, "depthwise_kernel", -2, ins)
    kernel = kernel.reshape(-1, len(outs))
    if not _is_unpadded(call):
        constants = np.where(constants == 0, 0, np.nan)
    out = np.where((kernel == 0).all(axis=0), 0, constants * kernel.sum(axis=0))
    if "bias" in call.weights:
        channels.cut(layer, "bias", 0, outs)
        out = out + call.weights["bias"]
    if not _is_elementwise(call):
        channels.pin(outs)
        return Lane(axis, outs, np.full(len(outs), np.nan))
    return Lane(axis, outs, _apply(getattr(layer, "activation", None), out))


# Layers that take each channel by itself.
def _same(channels, call):
    return channels.lane(call.inputs[0])


def _elementwise(channels, call):
    lane = channels.lane(call.inputs[0])
    if call.kind == "Activation" and not _is_elementwise(call):
        return None
    if call.kind == "Rescaling" and not all(np.ndim(call.config[name]) == 0 for name in ("scale", "offset")):
        return None
    return lane if lane.axis is None else Lane(lane.axis, lane.ids, _apply(call.layer, lane.constants))


def _batch_normalization(channels, call):
    axis, config = call.config["axis"], call.config
    axis = axis if isinstance(axis, int) else axis[0] if len(axis) == 1 else None
    own = ("gamma", "beta", "moving_mean", "moving_variance")
    if axis is None or config.get("renorm") or config.get("virtual_batch_size") or not _has_only(call, *own):
        return None
    axis %= len(call.inputs[0].shape)
    lane = channels.lane(call.inputs[0], axis)
    ids = channels.bind(call.layer, "in", lane.ids)
    for name in call.weights:
        channels.cut(call.layer, name, 0, ids)
    gamma, beta, mean, variance = (call.weights.get(name, default) for name, default in zip(own, (1.0, 0.0, 0.0, 1.0)))
    factor = gamma / np.sqrt(variance + config["epsilon"]) + np.zeros(len(ids))
    return Lane(axis, ids, np.where(factor == 0, beta, (lane.constants - mean) * factor + beta))


def _prelu(channels, call):
    lane = channels.lane(call.inputs[0])
    if lane.axis is None or not _has_only(call, "alpha"):
        return None
    alpha = np.moveaxis(call.weights["alpha"], lane.axis - 1, -1)
    if alpha.shape[-1] == len(lane.ids) > 1:
        channels.cut(call.layer, "alpha", lane.axis - 1, channels.bind(call.layer, "in", lane.ids))
    slopes = alpha.reshape(-1, alpha.shape[-1])
    slope = np.where((slopes == slopes[0]).all(axis=0), slopes[0], np.nan)
    return Lane(lane.axis, lane.ids, np.where(lane.constants < 0, lane.constants * slope, lane.constants))


def _spatial(channels, call):
    """Pools, croppings and enlargements move nothing from channel to channel, and a constant stays one."""
    if call.config.get("interpolation", "nearest") not in ("nearest", "bilinear"):
        return None
    return channels.lane(call.inputs[0], _axis(call))


def _zero_padding(channels, call):
    lane = channels.lane(call.inputs[0], _axis(call))
    return Lane(lane.axis, lane.ids, np.where(lane.constants == 0, 0, np.nan))


def _global_pooling(channels, call):
    lane = channels.lane(call.inputs[0], _axis(call))
    return Lane(lane.axis if call.config.get("keepdims") else 1, lane.ids, lane.constants)


# Layers of several inputs.
def _merge(channels, call):
    ranks = {len(value.shape) for value in call.inputs}
    axis = next((lane.axis for lane in map(channels.lane, call.inputs) if lane.axis is not None), None)
    if len(ranks) > 1 or axis is None:
        return None
    lanes = [channels.lane(value, axis) for value in call.inputs]
    widest = max(lanes, key=lambda lane: len(lane.ids))
    for lane in lanes:
        if len(lane.ids) == len(widest.ids):
            channels.join(widest.ids, lane.ids)
        else:  # one channel for all of them
            channels.pin(lane.ids)
    constants = np.stack([np.broadcast_to(lane.constants, len(widest.ids)) for lane in lanes])
    return Lane(axis, widest.ids, _MERGES[call.kind.removeprefix("operation ")](constants))


def _product(constants):
    return np.where((constants == 0).any(axis=0), 0, constants.prod(axis=0))


_MERGES = {
    "Add": lambda constants: constants.sum(axis=0),
    "Average": lambda constants: constants.mean(axis=0),
    "Subtract": lambda constants: constants[0] - constants[-1],
    "Multiply": _product,
    "Maximum": lambda constants: constants.max(axis=0),
    "Minimum": lambda constants: constants.min(axis=0),
}


def _concatenate(channels, call):
    axis = call.config["axis"] % len(call.outputs[0].shape)
    axes = {lane.axis for lane in map(channels.lane, call.inputs)}
    if axes in ({None}, {0}) or axis == 0:
        return None
    if len(axes) == 1 and axes != {axis}:  # one beside the other, with the same channels
        lanes = [channels.lane(value) for value in call.inputs]
        channels.join(*(lane.ids for lane in lanes))
        first = lanes[0]
        alike = (np.stack([lane.constants for lane in lanes]) == first.constants).all(axis=0)
        return Lane(first.axis, first.ids, np.where(alike, first.constants, np.nan))
    lanes = [channels.lane(value, axis) for value in call.inputs]
    return Lane(axis, *(np.concatenate(parts) for parts in zip(*((lane.ids, lane.constants) for lane in lanes))))


# Layers that lay the same numbers out otherwise.
def _flatten(channels, call):
    lane, shape = channels.lane(call.inputs[0]), call.inputs[0].shape[1:]
    if lane.axis is None or None in shape:
        return None
    order = np.moveaxis(_positions(lane, shape), 0, -1) if _is_channels_first(call) and len(shape) > 1 else _positions(lane, shape)
    order = order.reshape(-1)
    return Lane(1, lane.ids[order], lane.constants[order])


def _reshape(channels, call):
    (value,), (result,) = call.inputs, call.outputs
    lane = channels.lane(value)
    if lane.axis is None:
        return None
    if lane.axis == len(value.shape) - 1 and value.shape[-1] == result.shape[-1]:
        axis, order = len(result.shape) - 1, np.arange(len(lane.ids))
    elif None in value.shape[1:] + result.shape[1:]:
        return None
    else:
        positions = _positions(lane, value.shape[1:]).reshape(result.shape[1:])
        found = [(axis, line) for axis, line in enumerate(map(_line, [positions] * positions.ndim, range(positions.ndim)), 1)
                 if line is not None]
        if not found:
            return None  # channels of the input are on several axes of the output
        axis, order = found[-1]
    if channels.axes.setdefault(id(call.layer), axis) != axis:
        return None
    ids = channels.bind(call.layer, "out", lane.ids[order])
    target = [side or given for side, given in zip(result.shape[1:], call.config["target_shape"])]
    channels.size(call.layer, "target_shape", lambda kept: target[: axis - 1] + [int(kept(ids).sum())] + target[axis:])
    return Lane(axis, ids, lane.constants[order])


def _positions(lane, shape):
    """An array of a tensor's shape, without the batch, of the channel that each number is in."""
    sides = [1] * len(shape)
    sides[lane.axis - 1] = -1
    return np.broadcast_to(np.arange(len(lane.ids)).reshape(sides), shape)


def _line(positions, axis):
    """What lies along an axis if it is the same everywhere, else None."""
    lines = np.moveaxis(positions, axis, -1).reshape(-1, positions.shape[axis])
    return lines[0] if (lines == lines[0]).all() else None


def _permute(channels, call):
    lane = channels.lane(call.inputs[0])
    if lane.axis is None:
        return None
    return Lane(list(call.config["dims"]).index(lane.axis) + 1, lane.ids, lane.constants)


def _repeat(channels, call):
    lane = channels.lane(call.inputs[0])
    return None if lane.axis is None else Lane(2, lane.ids, lane.constants)


def _input(channels, call):
    """A model in the model has inputs of one width, whatever calls it."""
    lane = channels.lane(call.inputs[0])
    axis = channels.axes.setdefault(id(call.layer), lane.axis)
    if axis is None or axis != lane.axis:
        return None
    ids = channels.bind(call.layer, "in", lane.ids)
    channels.size(call.layer, "shape", lambda kept: (axis, int(kept(ids).sum())))
    return Lane(axis, ids, lane.constants)


# What rules ask of a call.
def _axis(call):
    return 1 if _is_channels_first(call) else len(call.inputs[0].shape) - 1


def _is_channels_first(call):
    return call.config.get("data_format") == "channels_first"


def _is_unpadded(call):
    """Whether every output position of a convolution sees as many inputs."""
    return call.config["padding"] == "valid" or set(call.config["kernel_size"]) == {1}


def _has_only(call, *names):
    """Whether a layer's weights are these: one that is quantized or has adapters has others."""
    return set(call.weights) <= set(names) and all(value.dtype.kind == "f" for value in call.weights.values())


def _is_elementwise(call):
    function = getattr(call.layer, "activation", None)
    if function is None:
        return True
    module, name = (str(getattr(function, key, "")) for key in ("__module__", "__name__"))
    return module.split(".")[0] in ("keras", "tf_keras", "tensorflow") and name in ELEMENTWISE


def _apply(function, constants):
    """A function of each number by itself, as the model would compute it."""
    known = ~np.isnan(constants)
    if function is None or not known.any():
        return constants
    made = np.full(len(constants), np.nan)
    made[known] = array(function(constants[None, known].astype("float32")))[0]
    return made


def _names(names, rule, dims=("",)):
    return {name.replace("*", dim): rule for name in names.split() for dim in dims}


_DIMS = ("1D", "2D", "3D")
RULES = {
    "Dense": _dense,
    **_names("Conv*", _conv, _DIMS),
    **_names("Conv*Transpose", _transposed, _DIMS),
    **_names("SeparableConv*", _separable, _DIMS),
    **_names("DepthwiseConv*", _depthwise, _DIMS),
    **_names("Activation ReLU LeakyReLU ELU ThresholdedReLU Rescaling", _elementwise),
    "BatchNormalization": _batch_normalization,
    "PReLU": _prelu,
    **_names("Dropout AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Identity", _same),
    **_names("SpatialDropout*", _same, _DIMS),
    **_names("MaxPooling* AveragePooling* Cropping* UpSampling*", _spatial, _DIMS),
    **_names("ZeroPadding*", _zero_padding, _DIMS),
    **_names("GlobalAveragePooling* GlobalMaxPooling*", _global_pooling, _DIMS),
    **dict.fromkeys(_MERGES, _merge),
    **_names("operation*", _merge, [f" {name}" for name in _MERGES if name != "Average"]),
    **_names("operation*", _elementwise, (" Relu", " Relu6", " Sigmoid", " Tanh", " Silu")),
    "Concatenate": _concatenate,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeat,
    "InputLayer": _input,
}
