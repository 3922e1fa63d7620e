"""From scores to masks: which weights a round keeps.

Pure NumPy. A mask is a bool array of its weight's shape, True = kept. Scores are any
real numbers, larger = more worth keeping (magnitudes by default). How many weights stay is `counts`'s.
"""

import numpy as np

from .counts import competing, erdos_renyi_counts
from .errors import Diverged
from .finite import CURE

SAMPLE, SLACK = 2**16, 2**10  # of scores, and how far in it to either side: eight standard deviations
BLOCKS = (1, 4, 16)  # what sparse kernels of TFLite multiply by: float32 in blocks of 4, int8 of 16


def prune(scores, masks, sparsity, scope="global", blocks=None, own=None):
    """Tighten `masks` to `sparsity`, dropping the lowest scores among the kept weights.

    Args:
      scores: {path: real array}, one score a weight; a Mapping may make each when it is asked for.
      masks: {the same paths: bool array of the same shape}, True = kept so far.
      sparsity: share of zeros wanted, 0 <= sparsity < 1.
      scope, own: which weights compete, and what share of each tensor is kept; see `counts.competing`.
      blocks: {path: weights that stay or go together, as many along the first dimension,
        which is a multiple of it}. Such a tensor keeps as many weights as it would without
        blocks, those of the blocks with the highest mean score; one block may be cut.

    Returns:
      {path: bool array}: subsets of `masks`. The number of zeros is exactly
      `pruned_count`; among equal scores the one with the lower index is kept
      (index in the order of the paths, then row-major).

    Raises:
      LotteryError: a score that is not a number, or what `counts.competing` refuses.

    Source: magnitude pruning, Frankle & Carbin 2019 (arXiv 1803.03635), section 2.

    >>> prune({"w": np.array([3., 1., 2., 4.])}, {"w": np.ones(4, bool)}, 0.5)
    {'w': array([ True, False, False,  True])}
    """
    for path, score in scores.items():
        if np.isnan(score).any():
            raise Diverged(f"the weights of {path!r} hold NaN: training diverged. {CURE}")
    tightened = {}
    for paths, keep in competing(masks, sparsity, scope, own):
        tightened |= _keep_highest(scores, paths, masks, keep)
    tightened = {path: tightened[path] for path in scores}
    for path, block in (blocks or {}).items():
        score, mask = _in_blocks(scores[path], block), _in_blocks(masks[path], block)
        means = np.broadcast_to(score.mean(1, keepdims=True), mask.shape)
        kept = _keep_highest({path: means}, [path], {path: mask}, np.count_nonzero(tightened[path]))
        tightened[path] = _from_blocks(kept[path], masks[path].shape)
    return tightened


def random(masks, seed, blocks=None):
    """Masks with the same number of kept weights in each tensor, at random places; blocks as in `prune` move
    whole.

    >>> int(random({"w": np.array([True, False, False])}, seed=1)["w"].sum())
    1
    """
    rng = np.random.default_rng(seed)
    return {path: shuffled(mask, rng, (blocks or {}).get(path, 1)) for path, mask in masks.items()}


def erdos_renyi(masks, seed, blocks=None):
    """Random masks that keep as many weights in all as `masks`, in Erdos-Renyi-kernel ratios.

    Of each tensor a share is kept in proportion to the sum of its dimensions over their product, at most the
    whole tensor and at least one weight; blocks as in `prune` move whole.

    Args:
      masks: {path: bool array}, True = kept. What is kept in all is at least one weight a tensor.
      seed: int.
      blocks: as for `prune`.

    Source: Evci et al. 2020 (arXiv 1911.11134), section 3, "sparsity distribution".

    >>> wide, small = np.arange(400).reshape(20, 20) < 80, np.zeros((2, 2), bool)
    >>> masks = erdos_renyi({"wide": wide, "small": small}, seed=0)
    >>> {path: int(mask.sum()) for path, mask in masks.items()}
    {'wide': 76, 'small': 4}
    """
    counts = erdos_renyi_counts(
        [mask.shape for mask in masks.values()], sum(map(np.count_nonzero, masks.values()))
    )
    first = {}
    for (path, mask), kept in zip(masks.items(), counts):
        block, kept = (blocks or {}).get(path, 1), np.arange(mask.size) < kept
        first[path] = (
            kept.reshape(mask.shape) if block == 1 else _from_blocks(kept.reshape(-1, block), mask.shape)
        )
    return random(first, seed, blocks)


def shuffled(array, rng, block=1):
    """An array with its elements, or its blocks as in `prune`, moved to random places."""
    if block == 1:
        return rng.permutation(array.ravel()).reshape(array.shape)
    return _from_blocks(rng.permutation(_in_blocks(array, block)), array.shape)


def changed(before, after, masks):
    """Share of the weights that `after` drops from `masks` which `before` keeps, 0..1.

    >>> before, after = np.array([False, True, True]), np.array([True, False, True])
    >>> changed({"w": before}, {"w": after}, {"w": np.ones(3, bool)})
    1.0
    """
    dropped = sum(int((mask & ~after[path]).sum()) for path, mask in masks.items())
    others = sum(int((mask & ~after[path] & before[path]).sum()) for path, mask in masks.items())
    return others / dropped if dropped else 0.0


def sparsity(masks):
    """Share of zeros over all masks together, 0..1."""
    total = sum(mask.size for mask in masks.values())
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / total if total else 0.0


def _in_blocks(array, block):
    """A matrix with one row for each block of `array`, which is 2-D."""
    return array.reshape(-1, block, array.shape[1]).swapaxes(1, 2).reshape(-1, block)


def _from_blocks(rows, shape):
    """What `_in_blocks` was made of."""
    return rows.reshape(-1, shape[1], rows.shape[1]).swapaxes(1, 2).reshape(shape)


def _keep_highest(scores, paths, masks, keep):
    """Masks of `paths` with `keep` of the weights that `masks` keeps, those with the highest scores."""
    if not keep:
        return {path: np.zeros(masks[path].shape, bool) for path in paths}
    threshold, ties = _threshold(scores, paths, masks, keep)
    kept = {}
    for path in paths:
        score = scores[path]
        kept[path] = np.asarray(masks[path] & (score > threshold))
        tied = np.flatnonzero(masks[path] & (score == threshold))[:ties]
        kept[path].flat[tied] = True
        ties -= tied.size
    return kept


def _threshold(scores, paths, masks, keep):
    """(the `keep`-th highest score, how many weights with just this score are among the highest).

    A sample tells between which two scores it lies. Only the scores between these are brought together and
    ordered, so that a few percent of all are in memory.

    Source: Floyd and Rivest 1975, Algorithm 489: SELECT (Communications of the ACM 18, 3).
    """
    total = sum(np.count_nonzero(masks[path]) for path in paths)

    def together(choose):
        parts = [choose(scores[path][masks[path]]) for path in paths]
        kinds = {part.dtype for part in parts}
        wide = [kind for kind in kinds if kind.itemsize > 2]
        kind = kinds.pop() if len(kinds) == 1 else np.result_type("float32", *wide)
        return np.concatenate([part.astype(kind, copy=False) for part in parts])

    sample = np.sort(together(lambda score: score[:: 1 + total // SAMPLE]))
    at = (total - keep) * sample.size // total
    low = sample[at - SLACK] if at >= SLACK else -np.inf
    high = sample[at + SLACK] if at + SLACK < sample.size else np.inf
    above = 0

    def between(score):
        nonlocal above
        above += np.count_nonzero(score > high)
        return score[(score >= low) & (score <= high)]

    near = together(between)
    if not above < keep <= above + near.size:  # the sample was unlike the rest
        above, near = 0, together(lambda score: score)
    place = near.size - (keep - above)
    near.partition(place)  # linear in time, and in place
    return near[place], keep - above - np.count_nonzero(near > near[place])
