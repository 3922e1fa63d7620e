"""How many weights a builder's net would have, counted without making it: stand-ins for Keras' layers that
only count."""

import math
from typing import NamedTuple


class Tensor(NamedTuple):
    """A tensor's shape, the batch first."""

    shape: tuple


class Layers:
    """What a builder of `models` takes as Keras' layers; `weights` counts all that were asked for."""

    def __init__(self):
        self.weights = 0

    def Dense(self, units, *_, use_bias=True, **__):
        def call(x):
            self.weights += (x.shape[-1] + use_bias) * units
            return Tensor((*x.shape[:-1], units))

        return call

    def Conv2D(self, filters, size, strides=1, padding="valid", use_bias=True, **_):
        def call(x):
            self.weights += (size * size * x.shape[-1] + use_bias) * filters
            return Tensor((None, *_sides(x, size, strides, padding), filters))

        return call

    def DepthwiseConv2D(self, size, strides=1, padding="valid", use_bias=True, **_):
        def call(x):
            self.weights += (size * size + use_bias) * x.shape[-1]
            return Tensor((None, *_sides(x, size, strides, padding), x.shape[-1]))

        return call

    def BatchNormalization(self, **_):
        def call(x):
            self.weights += 4 * x.shape[-1]
            return x

        return call

    def MaxPooling2D(self, padding="valid", **_):
        return lambda x: Tensor((None, *_sides(x, 2, 2, padding), x.shape[-1]))

    def ZeroPadding2D(self, padding, **_):
        return lambda x: Tensor((None, *(side + 2 * padding for side in x.shape[1:3]), x.shape[-1]))

    def GlobalAveragePooling2D(self, **_):
        return lambda x: Tensor((None, x.shape[-1]))

    def Flatten(self, **_):
        return lambda x: Tensor((None, math.prod(x.shape[1:])))

    def ReLU(self, *_, **__):
        return lambda x: x

    def Add(self, **_):
        return lambda given: given[0]


def _sides(x, size, strides, padding):
    """Height and width after a window has passed."""
    return [-(-(side if padding == "same" else side - size + 1) // strides) for side in x.shape[1:3]]
