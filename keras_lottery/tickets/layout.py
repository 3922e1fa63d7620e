"""A ticket's weights as NumPy arrays, in the layout of Keras or of PyTorch."""

import numpy as np

from .. import engines
from ..core.checks import known
from ..core.errors import LotteryError
from ..core.types import Arrays

LAYOUTS = ("keras", "torch")
_STARTS = ("rewind", "trained")
_DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")  # and in the first half of SeparableConv layers
_MIXING = (
    "Dense",
    *(f"Conv{n}D" for n in (1, 2, 3)),
    *(f"Conv{n}DTranspose" for n in (1, 2, 3)),
    "SeparableConv1D",
    "SeparableConv2D",
)
_SAME = ("Embedding",)


def arrays(ticket, layout: str, start: str) -> Arrays:
    """{path: array} of the whole state of a ticket; see `Ticket.numpy`."""
    known("layout", layout, LAYOUTS)
    known("start", start, _STARTS)
    values = {path: np.array(value) for path, value in ticket.start(start).items()}
    for path, mask in ticket.masks.items():
        values[path][~mask] = 0
    return values if layout == "keras" else _of_torch(values, engines.of(ticket.model(start)))


def _of_torch(values, handle):
    places = {path: (name, layers[-1]) for path, _, name, layers in handle.owned_variables()}
    return {
        path: value if value.ndim < 2 else _turned(path, value, *places[path], handle.keras.layers)
        for path, value in values.items()
    }


def _turned(path, value, name, layer, keras_layers):
    """An array of a layer, whose name there is `name`, with its axes as PyTorch has them."""

    def is_one_of(names):
        kinds = [getattr(keras_layers, kind) for kind in names if hasattr(keras_layers, kind)]
        return isinstance(layer, tuple(kinds))

    if is_one_of(_SAME):
        return value
    if name == "depthwise_kernel" or name == "kernel" and is_one_of(_DEPTHWISE):
        return _depthwise(value)
    if name in ("kernel", "pointwise_kernel") and is_one_of(_MIXING):
        return np.ascontiguousarray(np.moveaxis(value, (-1, -2), (0, 1)))
    raise LotteryError(
        f"layout='torch': PyTorch has no such layout for {path!r}, of a {type(layer).__name__}; it has for "
        f"{', '.join((*_MIXING, *_DEPTHWISE, *_SAME))} and for vectors. Take layout='keras'."
    )


def _depthwise(kernel):
    """(sides, channels, times) as the (channels * times, 1, sides) of a convolution of as many groups."""
    *sides, channels, times = kernel.shape
    turned = np.moveaxis(kernel, (-2, -1), (0, 1)).reshape(channels * times, 1, *sides)
    return np.ascontiguousarray(turned)
