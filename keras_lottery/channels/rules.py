"""What each kind of layer does to channels: what it joins, what of its weights is cut, where constants go on.

A rule takes the `Channels` and a `Call` and gives the `Lane` of its output, or None where it does not know
this call. All of it is about inference. `constants` are float64 arrays with nan where a channel follows the
input.
"""

import numpy as np

from . import kernels, layouts
from .calls import apply, channel_axis, has_only, is_elementwise
from .channels import Channels, Lane, OpenAxis


def channels_of(graph):
    """The `Channels` of a `graph.Graph`, whose outputs keep theirs."""
    channels = Channels()
    for call in graph.calls:
        _follow(channels, call, graph.masked)
    for value in graph.outputs:
        channels.pin_lane(channels.lane(value))
    return channels


def _follow(channels, call, masked):
    """Give each output of a call its lane; a call without a rule needs all that comes in and changes all that
    goes out."""
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


# Layers that take each channel by itself.
def _same(channels, call):
    return channels.lane(call.inputs[0])


def _elementwise(channels, call):
    lane = channels.lane(call.inputs[0])
    if call.kind == "Activation" and not is_elementwise(call):
        return None
    if call.kind == "Rescaling" and not all(np.ndim(call.config[name]) == 0 for name in ("scale", "offset")):
        return None
    return lane if lane.axis is None else Lane(lane.axis, lane.ids, apply(call.layer, lane.constants))


def _batch_normalization(channels, call):
    axis, config = call.config["axis"], call.config
    axis = axis if isinstance(axis, int) else axis[0] if len(axis) == 1 else None
    own = ("gamma", "beta", "moving_mean", "moving_variance")
    if axis is None or config.get("renorm") or config.get("virtual_batch_size") or not has_only(call, *own):
        return None
    axis %= len(call.inputs[0].shape)
    lane = channels.lane(call.inputs[0], axis)
    ids = channels.bind(call.layer, "in", lane.ids)
    for name in call.weights:
        channels.cut(call.layer, name, 0, ids)
    gamma, beta, mean, variance = (
        call.weights.get(name, default) for name, default in zip(own, (1.0, 0.0, 0.0, 1.0))
    )
    factor = gamma / np.sqrt(variance + config["epsilon"]) + np.zeros(len(ids))
    return Lane(axis, ids, np.where(factor == 0, beta, (lane.constants - mean) * factor + beta))


def _prelu(channels, call):
    lane = channels.lane(call.inputs[0])
    if (
        lane.axis is None
        or not has_only(call, "alpha")
        or channels.axes.setdefault(id(call.layer), lane.axis) != lane.axis
    ):
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
    return channels.lane(call.inputs[0], channel_axis(call))


def _zero_padding(channels, call):
    lane = channels.lane(call.inputs[0], channel_axis(call))
    return Lane(lane.axis, lane.ids, np.where(lane.constants == 0, 0, np.nan))


def _global_pooling(channels, call):
    lane = channels.lane(call.inputs[0], channel_axis(call))
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
    return Lane(
        axis, *(np.concatenate(parts) for parts in zip(*((lane.ids, lane.constants) for lane in lanes)))
    )


def _names(names, rule, dims=("",)):
    return {name.replace("*", dim): rule for name in names.split() for dim in dims}


_DIMS = ("1D", "2D", "3D")
RULES = {
    "Dense": kernels.dense,
    **_names("Conv*", kernels.conv, _DIMS),
    **_names("Conv*Transpose", kernels.transposed, _DIMS),
    **_names("SeparableConv*", kernels.separable, _DIMS),
    **_names("DepthwiseConv*", kernels.depthwise, _DIMS),
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
    "Flatten": layouts.flatten,
    "Reshape": layouts.reshape,
    "Permute": layouts.permute,
    "RepeatVector": layouts.repeat,
    "InputLayer": layouts.model_input,
}
