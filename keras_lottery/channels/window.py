"""Which inputs of a convolution or pool meet which outputs, for bool arrays.

Links are bool arrays of shape (positions in the kernel, groups, inputs of a group, outputs of a group). Dense
is a kernel with one position, depthwise a group for each channel, a pool a depthwise kernel without zeros.
"""

import itertools

import numpy as np


class Window:
    """Where a kernel lies on its input: the slice of the padded input that each position in it meets."""

    def __init__(self, shape, kernel, config):
        self.shape, self.pads, self.outs, along = shape, [], [], []
        strides, dilations = (
            np.broadcast_to(np.ravel(config.get(name) or 1), len(shape)).tolist()
            for name in ("strides", "dilation_rate")
        )
        for size, taps, stride, dilation in zip(shape, kernel, strides, dilations):
            reach = (taps - 1) * dilation + 1
            before = after = 0
            if config["padding"] == "same":
                total = max((-(-size // stride) - 1) * stride + reach - size, 0)
                before, after = total // 2, total - total // 2
            elif config["padding"] == "causal":
                before = reach - 1
            out = (before + size + after - reach) // stride + 1
            self.pads.append((before, after))
            self.outs.append(out)
            ends = (out - 1) * stride + 1
            along.append([slice(tap * dilation, tap * dilation + ends, stride) for tap in range(taps)])
        self.slices = list(itertools.product(*along))

    def gather(self, x, links):
        """Which outputs are linked to something in x, a bool array (*shape, channels)."""
        padded, out = self._padded(x), np.zeros((*self.outs, links.shape[1] * links.shape[3]), bool)
        for where, link in zip(self.slices, links):
            out |= _joined(_any(_split(padded[where], len(link)), link)).reshape(out.shape)
        return out

    def scatter(self, y, links):
        """Which inputs are linked to something in y, a bool array (*outs, channels)."""
        padded = self._padded(np.zeros((*self.shape, links.shape[1] * links.shape[2]), bool))
        y = _split(y, links.shape[1])
        for where, link in zip(self.slices, links):
            padded[where] |= _joined(_any(y, link.swapaxes(1, 2))).reshape(padded[where].shape)
        return padded[tuple(slice(before, before + size) for (before, _), size in zip(self.pads, self.shape))]

    def met(self, x, y, links):
        """The links from something in x to something in y."""
        padded, y = self._padded(x), _split(y, links.shape[1])
        inputs = (_split(padded[where], links.shape[1]).swapaxes(1, 2) for where in self.slices)
        return np.stack([link & _any(x, y) for x, link in zip(inputs, links)])

    def _padded(self, x):
        return np.pad(x, [*self.pads, (0, 0)])


def links_of(kernel, groups):
    """The links of a kernel (..., inputs of a group, outputs), and a function from links to its shape."""
    apart = (kernel != 0).reshape(-1, kernel.shape[-2], groups, kernel.shape[-1] // groups).swapaxes(1, 2)
    return apart, lambda links: links.swapaxes(1, 2).reshape(kernel.shape)


def _split(x, groups):
    """(..., channels) as (groups, positions, channels of a group)."""
    return x.reshape(-1, groups, x.shape[-1] // groups).swapaxes(0, 1)


def _joined(x):
    """(groups, positions, channels of a group) as (positions, channels)."""
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)


def _any(x, y):
    """The product of two stacks of bool matrices. A sum of ones is never rounded to 0, nor overflows."""
    return x.astype("float32") @ y.astype("float32") > 0
