"""Which channels the weights of a model read and write."""

from ..pruning import engine, strip
from ..structured import Side
from . import graph
from .channels import Channels
from .rules import follow


def sides(model):
    """{weight path: its `Side`s} for the kernels whose channels `compact` can take out.

    Raises:
      LotteryError: not a built Keras model, or one whose layers' calls cannot be read.
    """
    kind = engine(model)
    graph.check_readable(kind, kind.walk.unwrap(model))
    plain = strip(model)
    read = graph.read(kind, plain)
    channels = Channels()
    for call in read.calls:
        follow(channels, call, read.masked)
    group = channels.groups()
    found = {}
    for path, layer in kind.walk.layers(plain).items():
        mix = channels.mixes.get(id(layer))
        for name, axes in channels.cuts.get(id(layer), {}).items():
            found[f"{path}/{name}"] = [Side(axis, group[ids], mix is not None and ids is mix.outputs) for axis, ids in axes.items() if axis < 0]
    return {path: of for path, of in found.items() if of}
