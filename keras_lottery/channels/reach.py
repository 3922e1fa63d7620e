"""What each kind of layer passes on from its inputs to its output, and over which weights.

A rule takes a `Call` and a bool array for each of its inputs, without the batch axis, True where a number
depends on the model's input. It returns the same array for its output, and a function that goes back: from a
bool array, True where an output of the model needs this output, to ([the same for each input], {name of a
weight: bool array, True where it passes something on that is needed}). Biases, BatchNorm and activations pass
everything on: only zeros among the kernels stop anything.
"""

import numpy as np

from ..core.errors import LotteryError
from .calls import is_channels_first, is_elementwise
from .window import Window, links_of

_MERGES = ("Add", "Average", "Subtract", "Multiply", "Maximum", "Minimum")


def follow(call, inputs):
    """The rule of a call, applied.

    Raises:
      LotteryError: a call that no rule is known for.
    """
    shapes = [value.shape[1:] for value in (*call.inputs, *call.outputs)]
    rule = None if call.fixed or any(None in shape for shape in shapes) else RULES.get(call.kind)
    made = rule and rule(call, *inputs)
    if not made or made[0].shape != shapes[-1]:
        name, kind = call.layer.name, type(call.layer).__name__
        raise LotteryError(f"what the layer {name!r}, a {kind}, passes on is not known.")
    return made


# Layers with a kernel, and pools.
def _dense(call, x):
    links, shaped = links_of(call.weights["kernel"], 1)
    window = Window(x.shape[:-1], [1] * (x.ndim - 1), {"padding": "valid"})

    def pull(need):
        return [window.scatter(need, links)], {"kernel": shaped(window.met(x, need, links))}

    return _activated(call, window.gather(x, links), pull)


def _conv(call, x):
    kernel, x = call.weights["kernel"], _last(call, x)
    links, shaped = links_of(kernel, call.config.get("groups", 1))
    window = Window(x.shape[:-1], kernel.shape[:-2], call.config)

    def pull(need):
        return [window.scatter(need, links)], {"kernel": shaped(window.met(x, need, links))}

    return _back(call, *_activated(call, window.gather(x, links), pull))


def _transposed(call, x):
    """A convolution the other way round, with the kernel (..., out, in)."""
    kernel, x = call.weights["kernel"], _last(call, x)
    if call.config.get("groups", 1) > 1 or call.config.get("output_padding") is not None:
        return None
    links, shaped = links_of(kernel, 1)
    made = _last(call, np.empty(call.outputs[0].shape[1:], bool)).shape
    window = Window(made[:-1], kernel.shape[:-2], call.config)

    def pull(need):
        return [window.gather(need, links)], {"kernel": shaped(window.met(need, x, links))}

    return _back(call, *_activated(call, window.scatter(x, links), pull))


def _depthwise(call, x):
    kernel, x = call.weights["depthwise_kernel"], _last(call, x)
    window = Window(x.shape[:-1], kernel.shape[:-2], call.config)
    links = (kernel != 0).reshape(-1, kernel.shape[-2], 1, kernel.shape[-1])

    def pull(need):
        used = window.met(x, need, links).reshape(kernel.shape)
        return [window.scatter(need, links)], {"depthwise_kernel": used}

    return _back(call, *_activated(call, window.gather(x, links), pull))


def _separable(call, x):
    depth, point = call.weights["depthwise_kernel"], call.weights["pointwise_kernel"]
    x = _last(call, x)
    window = Window(x.shape[:-1], depth.shape[:-2], call.config)
    first = (depth != 0).reshape(-1, depth.shape[-2], 1, depth.shape[-1])
    second, shaped = links_of(point, 1)
    between = window.gather(x, first)
    after = Window(between.shape[:-1], [1] * (x.ndim - 1), {"padding": "valid"})

    def pull(need):
        inner = after.scatter(need, second)
        used = {
            "depthwise_kernel": window.met(x, inner, first).reshape(depth.shape),
            "pointwise_kernel": shaped(after.met(between, need, second)),
        }
        return [window.scatter(inner, first)], used

    return _back(call, *_activated(call, after.gather(between, second), pull))


def _pool(call, x):
    x, size = _last(call, x), np.ravel(call.config["pool_size"]).tolist()
    window, links = Window(x.shape[:-1], size, call.config), np.ones((np.prod(size), x.shape[-1], 1, 1), bool)
    return _back(call, window.gather(x, links), lambda need: ([window.scatter(need, links)], {}))


def _activated(call, y, pull):
    """A layer's output after its activation; softmax mixes the channels."""
    if is_elementwise(call):
        return y, pull
    if getattr(call.layer.activation, "__name__", "") != "softmax":
        return None, pull
    return _spread(y, -1), lambda need: pull(_spread(need, -1))


def _last(call, x):
    """With the channels last."""
    return np.moveaxis(x, 0, -1) if is_channels_first(call) else x


def _back(call, y, pull):
    """A rule's answer for channels that are last, for channels as they are."""
    if y is None or not is_channels_first(call):
        return None if y is None else (y, pull)

    def moved(need):
        needs, used = pull(np.moveaxis(need, 0, -1))
        return [np.moveaxis(of, -1, 0) for of in needs], used

    return np.moveaxis(y, -1, 0), moved


# Layers without a kernel.
def _same(call, x):
    return x, lambda need: ([need], {})


def _activation(call, x):
    y, pull = _activated(call, *_same(call, x))
    return None if y is None else (y, pull)


def _spread(x, axes):
    return np.broadcast_to(x.any(axes, keepdims=True), x.shape)


def _normalised(call, x):
    """Softmax and LayerNormalization, along their axes."""
    axes = tuple(axis - (axis > 0) for axis in np.ravel(call.config["axis"]).tolist())
    return _spread(x, axes), lambda need: ([_spread(need, axes)], {})


def _global(call, x):
    axes = tuple(range(1, x.ndim)) if is_channels_first(call) else tuple(range(x.ndim - 1))
    pooled = x.any(axes, keepdims=True)

    def pull(need):
        return [np.broadcast_to(need.reshape(pooled.shape), x.shape)], {}

    return (pooled if call.config.get("keepdims") else pooled.any(axes)), pull


def _merge(call, *inputs):
    if len({x.ndim for x in inputs}) > 1:
        return None
    y = np.logical_or.reduce(np.broadcast_arrays(*inputs))

    def pull(need):
        wider = [tuple(np.flatnonzero(np.not_equal(x.shape, y.shape))) for x in inputs]
        return [need.any(axes, keepdims=True) for axes in wider], {}

    return y, pull


def _concatenate(call, *inputs):
    axis = call.config["axis"] % (inputs[0].ndim + 1) - 1
    ends = np.cumsum([x.shape[axis] for x in inputs])[:-1]
    return np.concatenate(inputs, axis), lambda need: (np.split(need, ends, axis), {})


def _layout(lay):
    """The rule of a layer that only rearranges: lay(call, places of its inputs) gives those of its outputs.

    A place is the index of a number in the flat input, -1 for an output that is none of them.
    """

    def rule(call, x):
        places = lay(call, np.arange(x.size).reshape(x.shape))
        new = places < 0

        def pull(need):
            found = np.zeros(x.size, bool)
            found[places[need & ~new]] = True
            return [found.reshape(x.shape)], {}

        return x.ravel()[places] & ~new, pull

    return rule


def _flat(call, places):
    return _last(call, places).reshape(-1)


def _around(call, places):
    sides = np.reshape(call.config["padding"], (-1, 2)).tolist()
    return _first(call, np.pad(_last(call, places), [*sides, (0, 0)], constant_values=-1))


def _cropped(call, places):
    places, sides = _last(call, places), np.reshape(call.config["cropping"], (-1, 2)).tolist()
    inside = tuple(slice(before, side - after) for (before, after), side in zip(sides, places.shape))
    return _first(call, places[inside])


def _larger(call, places):
    places = _last(call, places)
    for axis, times in enumerate(np.ravel(call.config["size"]).tolist()):
        places = places.repeat(times, axis)
    return _first(call, places)


def _first(call, places):
    """With the channels where the layer has them."""
    return np.moveaxis(places, -1, 0) if is_channels_first(call) else places


def _up(call, x):
    return _layout(_larger)(call, x) if call.config.get("interpolation", "nearest") == "nearest" else None


def _named(names, rule, dims=("",)):
    return {name.replace("*", dim): rule for name in names.split() for dim in dims}


_DIMS = ("1D", "2D", "3D")
RULES = {
    "Dense": _dense,
    **_named("Conv*", _conv, _DIMS),
    **_named("Conv*Transpose", _transposed, _DIMS),
    **_named("DepthwiseConv*", _depthwise, _DIMS),
    **_named("SeparableConv*", _separable, _DIMS),
    **_named("MaxPooling* AveragePooling*", _pool, _DIMS),
    **_named("GlobalAveragePooling* GlobalMaxPooling*", _global, _DIMS),
    **_named("BatchNormalization ReLU LeakyReLU ELU ThresholdedReLU PReLU Rescaling Normalization", _same),
    **_named("InputLayer Identity Dropout AlphaDropout GaussianDropout GaussianNoise", _same),
    "ActivityRegularization": _same,
    **_named("SpatialDropout*", _same, _DIMS),
    **_named("operation*", _same, (" Relu", " Relu6", " Sigmoid", " Tanh", " Silu")),
    "Activation": _activation,
    **_named("Softmax LayerNormalization", _normalised),
    **dict.fromkeys(_MERGES, _merge),
    **_named("operation*", _merge, [f" {name}" for name in _MERGES if name != "Average"]),
    "Concatenate": _concatenate,
    "Flatten": _layout(_flat),
    "Reshape": _layout(lambda call, places: places.reshape(call.outputs[0].shape[1:])),
    "Permute": _layout(lambda call, places: places.transpose([dim - 1 for dim in call.config["dims"]])),
    "RepeatVector": _layout(lambda call, places: np.repeat(places[None], call.config["n"], axis=0)),
    **_named("ZeroPadding*", _layout(_around), _DIMS),
    **_named("Cropping*", _layout(_cropped), _DIMS),
    **_named("UpSampling*", _up, _DIMS),
}
