"""Rules of the layers with a kernel: convolutions of all kinds and Dense. See `rules`."""

import numpy as np

from .calls import apply, channel_axis, has_only, is_elementwise, is_unpadded
from .channels import Lane, Mix


def dense(channels, call):
    return _mixing(channels, call, len(call.inputs[0].shape) - 1, "kernel", "units", "bias")


def conv(channels, call):
    if call.config.get("groups", 1) > 1:
        return _grouped(channels, call)
    return _mixing(
        channels, call, channel_axis(call), "kernel", "filters", "bias" if is_unpadded(call) else "carrier"
    )


def transposed(channels, call):
    """The kernel is (..., out, in); the output's borders see fewer inputs, so constants do not stay so."""
    if call.config.get("groups", 1) > 1:
        return None
    return _mixing(channels, call, channel_axis(call), "kernel", "filters", "carrier", -1, -2)


def _mixing(channels, call, axis, name, size, fold, inward=-2, outward=-1):
    if not has_only(call, name, "bias"):
        return None
    layer, kernel = call.layer, call.weights[name]
    lane = channels.lane(call.inputs[0], axis)
    matrices = np.moveaxis(kernel, (inward, outward), (-2, -1)).reshape(
        -1, kernel.shape[inward], kernel.shape[outward]
    )
    links, sums = (matrices != 0).any(axis=0), matrices.sum(axis=0)
    ins = channels.bind(layer, "in", lane.ids)
    channels.cut(layer, name, inward, ins)
    return _mixed(
        channels, call, Mix(ins, None, lane.constants, links, sums, fold, inward), (name, outward), size, axis
    )


def separable(channels, call):
    """Depthwise, then pointwise. What padding leaves of a constant differs by channel, so there it is not
    folded."""
    if not has_only(call, "depthwise_kernel", "pointwise_kernel", "bias"):
        return None
    layer, depth, point = call.layer, call.weights["depthwise_kernel"], call.weights["pointwise_kernel"]
    lane = channels.lane(call.inputs[0], channel_axis(call))
    depth = depth.reshape(-1, *depth.shape[-2:])
    point = point.reshape(*depth.shape[1:], point.shape[-1])
    links = np.einsum("im,imo->io", (depth != 0).any(axis=0), point != 0)
    sums = np.einsum("im,imo->io", depth.sum(axis=0), point)
    ins = channels.bind(layer, "in", lane.ids)
    channels.cut(layer, "depthwise_kernel", -2, ins)
    channels.cut(layer, "pointwise_kernel", -2, np.repeat(ins, depth.shape[-1]))
    mix = Mix(ins, None, lane.constants, links, sums, "bias" if is_unpadded(call) else "keep")
    return _mixed(channels, call, mix, ("pointwise_kernel", -1), "filters", channel_axis(call))


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
    if not is_elementwise(call):
        channels.pin(mix.outputs)
        return Lane(axis, mix.outputs, np.full(len(out), np.nan))
    return Lane(axis, mix.outputs, apply(getattr(call.layer, "activation", None), out))


def _grouped(channels, call):
    """All of a group, its inputs and its outputs, stays or goes."""
    if not has_only(call, "kernel", "bias"):
        return None
    layer, kernel, groups = call.layer, call.weights["kernel"], call.config["groups"]
    lane = channels.lane(call.inputs[0], channel_axis(call))
    ins, outs = (
        channels.bind(layer, "in", lane.ids),
        channels.bind(layer, "out", channels.new(kernel.shape[-1])),
    )
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
    fold = "bias" if is_unpadded(call) else "keep"
    mix = Mix(ins, outs, lane.constants, (blocks != 0).any(axis=0), blocks.sum(axis=0), fold)
    return _activated(channels, call, mix, channel_axis(call))


def depthwise(channels, call):
    """Each input channel makes outputs of its own, which stay or go with it."""
    if not has_only(call, "depthwise_kernel", "bias"):
        return None
    layer, kernel, axis = call.layer, call.weights["depthwise_kernel"], channel_axis(call)
    lane = channels.lane(call.inputs[0], axis)
    ins = channels.bind(layer, "in", lane.ids)
    outs, constants = np.repeat(ins, kernel.shape[-1]), np.repeat(lane.constants, kernel.shape[-1])
    channels.cut(layer, "depthwise_kernel", -2, ins)
    kernel = kernel.reshape(-1, len(outs))
    if not is_unpadded(call):
        constants = np.where(constants == 0, 0, np.nan)
    out = np.where((kernel == 0).all(axis=0), 0, constants * kernel.sum(axis=0))
    if "bias" in call.weights:
        channels.cut(layer, "bias", 0, outs)
        out = out + call.weights["bias"]
    if not is_elementwise(call):
        channels.pin(outs)
        return Lane(axis, outs, np.full(len(outs), np.nan))
    return Lane(axis, outs, apply(getattr(layer, "activation", None), out))
