"""Which channels of a graph must be kept: ids for channels, what joins them, what is constant, what is
needed.

Every axis of a tensor or weight along which channels lie has an array of ids. What must be cut together is
joined: the inputs of an Add, a BatchNorm's statistics and what it normalises. A joined set is kept if any
  consumer needs
one of its ids.
"""

import dataclasses

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


@dataclasses.dataclass(eq=False)
class Lane:
    """How the channels of a tensor lie: on which axis, their ids, and their values where they are constant,
    else nan.

    `axis` None: nothing is known of the tensor, and all of it is kept.
    """

    axis: int | None = None
    ids: np.ndarray | None = None
    constants: np.ndarray | None = None


@dataclasses.dataclass(eq=False)
class Mix:
    """A layer whose kernel take every input channel to every output channel.

    A constant input that is cut goes where `fold` says: "bias" (it adds the same to every position),
      "carrier" (its
    share, the same for every constant but for a factor, goes to the weights of one constant that is kept), or
    "keep" (it is not cut).
    """

    inputs: np.ndarray  # ids
    outputs: np.ndarray  # ids
    constants: np.ndarray  # of the inputs; nan where they are not, or not the same in every call
    links: np.ndarray  # bool (inputs, outputs): a weight is not 0
    sums: np.ndarray  # (inputs, outputs): of the weights over all positions
    fold: str
    inward: int = -2  # the axis of the inputs in the kernel

    def carrier(self):
        """The constant input that the others can be added to: the largest, which rounds least."""
        return int(np.argmax(np.abs(np.nan_to_num(self.constants))))

    def needed(self, kept):
        """bool (inputs): what must be kept if the outputs `kept` are."""
        used = (self.links & kept).any(axis=1)
        live = np.isnan(self.constants)
        folded = used & ~live & (self.constants != 0)
        needed = used & live
        if self.fold == "keep":
            needed |= folded
        elif self.fold == "carrier" and folded.any():
            needed[self.carrier()] = True
        return needed


class OpenAxis(Exception):
    """A tensor does not say how long the axis is that channels are asked for along."""


class Channels:
    """The ids of a graph, filled in by the rules of its layers, then asked what is `kept`."""

    def __init__(self):
        self.count, self.joins, self.pins, self.lanes, self.mixes = 0, [], [], {}, {}
        self.bound, self.axes, self.cuts, self.sizes, self.barred = {}, {}, {}, {}, set()

    def new(self, count):
        """`count` new ids."""
        self.count += count
        return np.arange(self.count - count, self.count)

    def join(self, first, *others):
        """What these arrays of ids, of one length, name is cut together, position by position."""
        self.joins += [np.stack([first, other]) for other in others]

    def pin(self, ids):
        """These are kept."""
        self.pins.append(ids)

    def lane(self, value, axis=None):
        """The lane of a tensor; if an axis is named, the one along it."""
        lane = self.lanes[value]
        if axis is None or lane.axis == axis:
            return lane
        if value.shape[axis] is None:
            raise OpenAxis
        self.pin_lane(lane)
        ids = self.new(value.shape[axis])
        self.pin(ids)
        return Lane(axis, ids, np.full(len(ids), np.nan))

    def pin_lane(self, lane):
        if lane.axis is not None:
            self.pin(lane.ids)

    def bind(self, layer, name, ids):
        """The ids of an axis of a layer's own, joined with those that it had in earlier calls."""
        first = self.bound.setdefault((id(layer), name), ids)
        if len(first) != len(ids):
            self.pin(first)
            self.pin(ids)
        elif first is not ids:
            self.join(first, ids)
        return first

    def cut(self, layer, weight, axis, ids):
        """An axis of a weight has these ids."""
        self.cuts.setdefault(id(layer), {}).setdefault(weight, {})[axis] = ids

    def size(self, layer, setting, count):
        """A setting of a layer follows what is kept: count(function from ids to bool array) gives it."""
        self.sizes.setdefault(id(layer), {})[setting] = count

    def mix(self, layer, mix):
        """The layer's inputs are needed as its outputs are; called once a call of the layer."""
        first = self.mixes.setdefault(id(layer), mix)
        if first is not mix:
            first.constants = np.where(first.constants == mix.constants, first.constants, np.nan)

    def barred_layer(self, layer):
        """Nothing of the layer is cut, whatever is known of its other calls."""
        self.barred.add(id(layer))

    def keeper(self):
        """A function from an array of ids to the bool array of those that are kept, at least one on each
        axis."""
        group = self.groups()
        kept = self.pinned(group)
        axes = [lane.ids for lane in self.lanes.values() if lane.axis is not None and len(lane.ids)]
        axes += [ids for ids in self.bound.values() if len(ids)]
        while True:
            before = kept.sum()
            for mix in reversed(self.mixes.values()):
                kept[group[mix.inputs[mix.needed(kept[group[mix.outputs]])]]] = True
            if kept.sum() == before:
                empty = next((ids for ids in axes if not kept[group[ids]].any()), None)
                if empty is None:
                    return lambda ids: kept[group[ids]]
                kept[group[empty[0]]] = True

    def pinned(self, group):
        """bool by group: what is kept whatever the weights are."""
        kept = np.zeros(self.count, bool)
        for ids in (*self.pins, *(ids for (layer, _), ids in self.bound.items() if layer in self.barred)):
            kept[group[ids]] = True
        return kept

    def groups(self):
        """The joined set that each id is in."""
        first, second = np.concatenate([*self.joins, np.zeros((2, 0), int)], axis=1).astype(int)
        links = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(self.count, self.count))
        return connected_components(links, directed=False)[1] if self.count else np.zeros(0, int)
