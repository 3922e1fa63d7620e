"""Rules of the layers that lay the same numbers out otherwise. See `rules`."""

import numpy as np

from .calls import is_channels_first
from .channels import Lane


def flatten(channels, call):
    lane, shape = channels.lane(call.inputs[0]), call.inputs[0].shape[1:]
    if lane.axis is None or None in shape:
        return None
    order = (
        np.moveaxis(_positions(lane, shape), 0, -1)
        if is_channels_first(call) and len(shape) > 1
        else _positions(lane, shape)
    )
    order = order.reshape(-1)
    return Lane(1, lane.ids[order], lane.constants[order])


def reshape(channels, call):
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
        found = [
            (axis, line)
            for axis, line in enumerate(map(_line, [positions] * positions.ndim, range(positions.ndim)), 1)
            if line is not None
        ]
        if not found:
            return None  # channels of the input are on several axes of the output
        axis, order = found[-1]
    if channels.axes.setdefault(id(call.layer), (axis, len(order))) != (axis, len(order)):
        return None
    ids = channels.bind(call.layer, "out", lane.ids[order])
    target = list(call.config["target_shape"])  # in which -1 stays
    if target[axis - 1] != -1:
        channels.size(
            call.layer,
            "target_shape",
            lambda kept: target[: axis - 1] + [int(kept(ids).sum())] + target[axis:],
        )
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


def permute(channels, call):
    lane = channels.lane(call.inputs[0])
    if lane.axis is None:
        return None
    return Lane(list(call.config["dims"]).index(lane.axis) + 1, lane.ids, lane.constants)


def repeat(channels, call):
    lane = channels.lane(call.inputs[0])
    return None if lane.axis is None else Lane(2, lane.ids, lane.constants)


def model_input(channels, call):
    """A model in the model has inputs of one width, whatever calls it."""
    lane = channels.lane(call.inputs[0])
    axis = channels.axes.setdefault(id(call.layer), lane.axis)
    if axis is None or axis != lane.axis:
        return None
    ids = channels.bind(call.layer, "in", lane.ids)
    channels.size(call.layer, "shape", lambda kept: (axis, int(kept(ids).sum())))
    return Lane(axis, ids, lane.constants)
