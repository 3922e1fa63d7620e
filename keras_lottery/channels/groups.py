"""Which channels the weights of a model read and write, for structured rounds."""

import numpy as np

from .. import engines
from ..core.errors import LotteryError
from . import graph
from .rules import channels_of
from .whole import Side


def sides(model):
    """{weight path: its `Side`s} for the kernels with channels that `compact` can take out.

    Raises:
      LotteryError: not a built Keras model, or one whose layers' calls cannot be read.
    """
    handle = engines.of(model)
    try:
        graph.check_readable(handle)
    except LotteryError as error:
        raise LotteryError(f"structured=True follows channels from layer to layer, and {error}") from error
    plain = handle.on(handle.strip())
    channels = channels_of(graph.read(plain))
    group = channels.groups()
    number = np.where(channels.pinned(group), 0, 1 + np.arange(channels.count))[group]  # by id
    found = {}
    for path, layer in plain.layers().items():
        mix = channels.mixes.get(id(layer))
        for name, axes in channels.cuts.get(id(layer), {}).items():
            found[f"{path}/{name}"] = [
                Side(axis, number[ids], mix is not None and ids is mix.outputs)
                for axis, ids in axes.items()
                if axis < 0 and number[ids].any()
            ]
    return {path: of for path, of in found.items() if of}
