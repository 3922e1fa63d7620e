"""From scores to masks: which weights a round keeps.

Pure NumPy. A mask is a bool array of its weight's shape, True = kept. Scores are any
real numbers, larger = more worth keeping (magnitudes, for lottery tickets).
"""

import numpy as np

from .errors import LotteryError

SCOPES = ("global", "layer")


def pruned_count(total, sparsity):
    """How many of `total` weights are zero at `sparsity` (0..1), to one weight."""
    return int(np.floor(total * sparsity + 0.5))


def prune(scores, masks, sparsity, scope="global"):
    """Tighten `masks` to `sparsity`, dropping the lowest scores among the kept weights.

    Args:
      scores: {path: real array}, one score a weight.
      masks: {the same paths: bool array of the same shape}, True = kept so far.
      sparsity: share of zeros wanted, 0 <= sparsity < 1. Over all weights together
        with scope "global", over each weight tensor with scope "layer".
      scope: "global" or "layer".

    Returns:
      {path: bool array}: subsets of `masks`. The number of zeros is exactly
      `pruned_count`; among equal scores the one with the lower index is kept
      (index in the order of the paths, then row-major).

    Raises:
      LotteryError: unknown scope, sparsity outside 0..1 or below what is pruned
        already, a score that is not a number.

    Source: magnitude pruning, Frankle & Carbin 2019 (arXiv 1803.03635), section 2.

    >>> prune({"w": np.array([3., 1., 2., 4.])}, {"w": np.ones(4, bool)}, 0.5)
    {'w': array([ True, False, False,  True])}
    """
    if scope not in SCOPES:
        raise LotteryError(f"scope={scope!r} is unknown: choose 'global' or 'layer'.")
    if not 0 <= sparsity < 1:
        raise LotteryError(f"sparsity={sparsity!r} is impossible: give a share of zeros from 0 up to, not including, 1.")
    for path, score in scores.items():
        if np.isnan(score).any():
            raise LotteryError(
                f"the weights of {path!r} hold NaN: training diverged. Lower the learning rate or clip gradients."
            )
    groups = [list(scores)] if scope == "global" else [[path] for path in scores]
    tightened = {}
    for group in filter(None, groups):
        kept = _keep_highest(
            np.concatenate([np.ravel(scores[path]) for path in group]),
            np.concatenate([np.ravel(masks[path]) for path in group]),
            sparsity,
        )
        ends = np.cumsum([masks[path].size for path in group])[:-1]
        for path, part in zip(group, np.split(kept, ends)):
            tightened[path] = part.reshape(masks[path].shape)
    return tightened


def random(masks, seed):
    """Masks with the same number of kept weights in each tensor, at random places.

    >>> int(random({"w": np.array([True, False, False])}, seed=1)["w"].sum())
    1
    """
    rng = np.random.default_rng(seed)
    return {path: rng.permutation(mask.ravel()).reshape(mask.shape) for path, mask in masks.items()}


def sparsity(masks):
    """Share of zeros over all masks together, 0..1."""
    total = sum(mask.size for mask in masks.values())
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / total if total else 0.0


def _keep_highest(scores, mask, sparsity):
    keep = mask.size - pruned_count(mask.size, sparsity)
    candidates = np.flatnonzero(mask)
    if keep > candidates.size:
        raise LotteryError(
            f"sparsity={sparsity:.4f} would keep {keep} weights, but only {candidates.size} are left: "
            "a round can only prune more, never less."
        )
    kept = np.zeros(mask.size, bool)
    if keep:
        values = scores[candidates]
        threshold = np.partition(values, values.size - keep)[values.size - keep]
        above = values > threshold
        ties = np.flatnonzero(values == threshold)[: keep - int(above.sum())]
        kept[candidates[above]] = True
        kept[candidates[ties]] = True
    return kept
