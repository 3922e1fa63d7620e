"""What a ticket is made of: the counts of each tensor, its dead channels, and what two tickets share.

A mask is a bool array of its weight's shape, True = kept.
"""

import dataclasses
import math

from ..core.errors import LotteryError
from ..core.types import Masks


@dataclasses.dataclass(frozen=True)
class Layer:
    """One weight tensor of a ticket; `dead_outputs` and `dead_inputs` are None below rank 2."""

    path: str
    shape: tuple
    kept: int
    total: int
    sparsity: float
    dead_outputs: int | None
    dead_inputs: int | None


@dataclasses.dataclass(frozen=True)
class Overlap:
    """Weights that two tickets both keep, and what chance would give.

    `both` weights are kept by both, of `kept` in the smaller ticket: `share` = both / kept, nan where nothing
    is kept. `chance` is the share expected of random masks with the same counts in each tensor and
    `deviation` its standard deviation; `z` = (share - chance) / deviation, nan where chance leaves no choice
    (a tensor kept or pruned whole).
    """

    both: int
    kept: int
    share: float
    chance: float
    deviation: float
    z: float


def layers(masks: Masks) -> list[Layer]:
    """One `Layer` a weight tensor, in the order of the masks.

    An output (a unit, a filter) is an index of the last axis, an input one of the axis before it, as in the
    kernels of Dense and Conv layers; ConvTranspose kernels have the two the other way round. A dead output
    has no weight left that leads to it, a dead input none in this tensor that leads on from it: either could
    be cut out, dense, at no loss but that of the biases. A vector joins no inputs to outputs, so nothing in
    it can be dead in this sense.

    Args:
      masks: {path: bool array}.

    >>> import numpy as np
    >>> [layer] = layers({"w": np.array([[True, False, True], [False, False, False]])})
    >>> layer.kept, layer.total, layer.dead_outputs, layer.dead_inputs
    (2, 6, 1, 1)
    """
    return [_layer(path, mask) for path, mask in masks.items()]


def overlap(masks_a: Masks, masks_b: Masks) -> tuple[Overlap, dict[str, Overlap]]:
    """How much two tickets of one net agree, overall and by tensor.

    Of the weights that the ticket with fewer keeps (each tensor: the mask with fewer), the share that the
    other keeps too: 1 where one is a subset of the other. Which of the two comes first does not matter.

    Random masks that keep a and b of n weights share a * b / n of them on average, hypergeometrically; over
    tensors, whose masks are drawn apart, means and variances add up. Tickets that keep the same layers dense
    therefore do not pass for alike.

    Args:
      masks_a, masks_b: {path: bool array}, the same paths and shapes.

    Returns:
      (Overlap of all tensors together, {path: Overlap}).

    Raises:
      LotteryError: paths or shapes differ.

    >>> import numpy as np
    >>> together, tensors = overlap({"w": np.arange(6) < 3}, {"w": np.arange(6) % 2 == 0})
    >>> together.both, together.kept, round(together.share, 3), together.chance
    (2, 3, 0.667, 0.5)
    """
    _check_alike(masks_a, masks_b)
    counts = {path: _counts(masks_a[path], masks_b[path]) for path in masks_a}
    together = [sum(count[n] for count in counts.values()) for n in range(5)]
    return _overlap(*together), {path: _overlap(*count) for path, count in counts.items()}


def _layer(path, mask):
    kept = int(mask.sum())
    dead_outputs, dead_inputs = (_dead(mask, axis) if mask.ndim >= 2 else None for axis in (-1, -2))
    return Layer(
        path,
        mask.shape,
        kept,
        mask.size,
        1 - kept / mask.size if mask.size else 0.0,
        dead_outputs,
        dead_inputs,
    )


def _dead(mask, axis):
    others = tuple(n for n in range(mask.ndim) if n != mask.ndim + axis)
    return int((~mask.any(axis=others)).sum())


def _counts(a, b):
    """Kept by a, by b, by both; mean and variance of the last by chance."""
    kept_a, kept_b, both, n = int(a.sum()), int(b.sum()), int((a & b).sum()), a.size
    mean = kept_a * kept_b / n if n else 0.0
    variance = mean * (n - kept_a) * (n - kept_b) / (n * (n - 1)) if n > 1 else 0.0
    return kept_a, kept_b, both, mean, variance


def _overlap(kept_a, kept_b, both, mean, variance):
    kept, deviation = min(kept_a, kept_b), math.sqrt(variance)
    z = (both - mean) / deviation if deviation else math.nan
    share, chance, spread = (value / kept if kept else math.nan for value in (both, mean, deviation))
    return Overlap(both, kept, share, chance, spread, z)


def _check_alike(masks_a, masks_b):
    for path in {**masks_a, **masks_b}:
        if path not in masks_a or path not in masks_b:
            which = "second" if path in masks_a else "first"
            raise LotteryError(
                f"weight {path!r} is missing from the {which} ticket: compare two tickets of one "
                "architecture."
            )
        a, b = masks_a[path].shape, masks_b[path].shape
        if a != b:
            raise LotteryError(
                f"weight {path!r} has shape {a} in the first ticket and {b} in the second: "
                "compare two tickets of one architecture."
            )
