"""Rounds that prune whole channels, for `lottery.compact` to take out."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Side:
    """The channels along an axis of a weight.

    axis: from the end, below 0.
    groups: int array, the group of each channel, from 1; channels of one group live and die together. 0: one
      that stays.
    writes: whether the weight writes the channels; otherwise it reads them.
    """

    axis: int
    groups: np.ndarray
    writes: bool


def by_channel(scores, masks, sides, worth):
    """Scores by which whole channels are pruned, those of least worth first.

    A weight is pruned with the channel of least worth that it reads or writes. Weights of one channel are
    pruned in the order of their own scores. After all others come those of which every channel stays, or is
    the worthiest of its layer, which nothing could pass without.

    Args:
      scores: {path: real array}, not below 0.
      masks: {the same paths: bool array of the same shape}, True = kept so far.
      sides: what `groups.sides` gives: the channels along the axes of weights.
      worth: array, of each group.

    Returns:
      {path: float64 array}: the place of the channel among all, from 0, plus a share of the score below 1.

    >>> writes, reads = Side(-1, np.array([1, 2]), True), Side(-2, np.array([1, 2]), False)
    >>> scores = {"first": np.array([[3., 3.]]), "second": np.array([[4.], [1.]])}
    >>> masks = {path: score > 0 for path, score in scores.items()}
    >>> found = by_channel(scores, masks, {"first": [writes], "second": [reads]}, np.array([0., 5., 2.]))
    >>> found["first"].tolist(), found["second"].tolist()
    ([[2.6, 0.6]], [[2.8], [0.2]])
    """
    place = np.full(len(worth), len(worth) - 1.0)  # of those that stay, after all others
    place[1 + np.argsort(worth[1:], kind="stable")] = np.arange(len(worth) - 1)
    for _, side in _scored(scores, sides):
        place[side.groups[np.argmax(np.where(side.groups > 0, worth[side.groups], -1))]] = place[0]
    most = max((_largest(scores[path][mask]) for path, mask in masks.items()), default=0)
    found = {}
    for path, score in scores.items():
        first = np.full(score.shape, place[0])
        for side in sides.get(path, ()):
            first = np.minimum(first, np.expand_dims(place[side.groups], _others(score, side)))
        found[path] = first + score / (1.25 * most or 1)
    return found


def relative_worth(scores, masks, sides):
    """The worth of each channel by scores that cannot be compared between layers, such as magnitudes.

    What a weight tensor gives to a channel is the sum of the kept scores along it over the mean of the
    tensor's living channels. A channel is worth what those that write it give, on average, times what those
    that read it give; one that nothing writes or nothing reads is worth nothing.

    Args, Returns: as in `by_channel`.
    """
    count = _count(sides)
    given, givers = np.zeros((2, count)), np.zeros((2, count))  # by those that read, by those that write
    for path, side in _scored(scores, sides):
        along = _along(side, np.where(masks[path], scores[path], 0), count)
        living = along[along > 0]
        given[int(side.writes)] += along / (living.mean() if len(living) else 1)
        givers[int(side.writes), side.groups] += 1
    return np.where(givers, given / np.maximum(givers, 1), 1).prod(axis=0)


def worth_of_work(scores, masks, sides, work):
    """The worth of each channel by scores that say what the loss changes by: their sum, divided by the
    multiply-adds that are saved without the channel.

    Args:
      scores, masks, sides: as in `by_channel`.
      work: {path: (shape, multiply-adds of a weight)} of the kernels, those without scores included.

    Returns:
      As in `by_channel`; 0 for a channel of which nothing is left.

    Source: Molchanov et al. 2017 (arXiv 1611.06440), section 2.2, "FLOPs regularized pruning".
    """
    count = _count(sides)
    held, cost, living = np.zeros(count), np.zeros(count), np.zeros(count)
    for path, side in _scored(scores, sides):
        held += _along(side, np.where(masks[path], scores[path], 0), count)
        living += _along(side, masks[path], count)
    living[0] = 1
    for path, (shape, each) in work.items():
        computed = np.ones(shape, bool)  # zeros in channels that live are computed as well
        for side in sides.get(path, ()):
            computed &= np.expand_dims(living[side.groups] > 0, _others(computed, side))
        for side in sides.get(path, ()):
            cost += each * _along(side, computed, count)
    return np.where(held > 0, held / np.where(held > 0, cost, 1), 0)


def _scored(scores, sides):
    return ((path, side) for path, of in sides.items() if path in scores for side in of)


def _count(sides):
    return 1 + max((int(side.groups.max()) for of in sides.values() for side in of), default=0)


def _along(side, array, count):
    """The sums of an array over all but the channels of a side, by group; those that stay have none."""
    found = np.bincount(side.groups, array.sum(_others(array, side), dtype="float64"), count)
    found[0] = 0
    return found


def _largest(scores):
    return float(np.max(scores, where=np.isfinite(scores), initial=0))


def _others(array, side):
    return tuple(axis for axis in range(array.ndim) if axis != array.ndim + side.axis)
