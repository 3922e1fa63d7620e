"""How many weights a round keeps, and which of them compete for it."""

import fnmatch
import numbers

import numpy as np

from .checks import known, shown
from .errors import LotteryError

SCOPES = ("global", "layer", "erk")


def pruned_count(total, sparsity):
    """How many of `total` weights are zero at `sparsity` (0..1), to one weight."""
    return int(np.floor(total * sparsity + 0.5))


def check_sparsity(sparsity):
    """Raises LotteryError unless 0 <= sparsity < 1."""
    if not isinstance(sparsity, (numbers.Real, np.generic)) or not 0 <= sparsity < 1:
        raise LotteryError(
            f"sparsity={shown(sparsity)} is impossible: give a share of zeros from 0 up to, not including, 1."
        )


def competing(masks, sparsity, scope="global", own=None):
    """Which weights compete with each other, and how many of them stay.

    Args:
      masks: {path: bool array}, True = kept so far.
      sparsity: share of zeros wanted, 0 <= sparsity < 1.
      scope: "global": all weights compete. "layer": those of one tensor compete, and each tensor has the same
        share of zeros. "erk": those of one tensor compete, and of what is kept in total each tensor gets its
        Erdos-Renyi-kernel share, in proportion to the sum of its dimensions, at most all that it has left.
      own: {path: share of zeros of this tensor alone}. Its weights compete with each other; the other tensors
        make up for it, so that the share of zeros in total is `sparsity` all the same.

    Returns:
      [(paths, how many of their weights stay)], each path once. The numbers add up to the total number of
      weights less `pruned_count`, with "layer" to one weight per tensor.

    Raises:
      LotteryError: unknown scope, sparsity outside 0..1, more weights to keep than are left, or `own` shares
        that leave the other tensors nothing that fits.

    Source: per-layer rates, Frankle & Carbin 2019 (arXiv 1803.03635), figure 2; Erdos-Renyi-kernel shares,
      Evci et al. 2020 (arXiv 1911.11134), section 3, "sparsity distribution".

    >>> masks = {"wide": np.ones((20, 20), bool), "small": np.ones((2, 2), bool)}
    >>> competing(masks, 0.8, "erk")
    [(['wide'], 77), (['small'], 4)]
    >>> competing(masks, 0.8, own={"small": 0.25})
    [(['small'], 3), (['wide'], 78)]
    """
    known("scope", scope, SCOPES)
    check_sparsity(sparsity)
    own = own or {}
    alone = [
        ([path], mask.size - pruned_count(mask.size, own[path]))
        for path, mask in masks.items()
        if path in own
    ]
    others = {path: mask for path, mask in masks.items() if path not in own}
    room, total = (sum(mask.size for mask in of.values()) for of in (others, masks))
    keep = total - pruned_count(total, sparsity) - sum(kept for _, kept in alone)
    if alone and not 0 <= keep <= room:
        raise LotteryError(
            f"the layer_rates do not fit {sparsity:.2%} zeros, at which "
            f"{total - pruned_count(total, sparsity):,} weights stay in total: the layers with a rate of "
            f"their own keep {sum(kept for _, kept in alone):,}, and the others have {room:,}, which cannot "
            "make up for that. Give rates nearer to the rate of all, or to fewer layers."
        )
    if scope == "global":
        groups = [(list(others), keep)]
    elif scope == "layer":
        share = 1 - keep / room if alone and room else sparsity
        groups = [([path], mask.size - pruned_count(mask.size, share)) for path, mask in others.items()]
    else:
        left = [int(np.count_nonzero(mask)) for mask in others.values()]
        _check_left(keep, sum(left), sparsity)
        counts = erdos_renyi_counts([mask.shape for mask in others.values()], keep, left)
        groups = [([path], int(count)) for path, count in zip(others, counts)]
    for paths, kept in (*alone, *groups):
        _check_left(kept, sum(int(np.count_nonzero(masks[path])) for path in paths), sparsity)
    return [(paths, kept) for paths, kept in (*alone, *groups) if paths]


def _check_left(keep, left, sparsity):
    if keep > left:
        raise LotteryError(
            f"sparsity={sparsity:.4f} would keep {keep} weights, but only {left} are left: a round can only "
            "prune more, never less."
        )


def erdos_renyi_counts(shapes, kept, most=None):
    """How many of `kept` weights each tensor gets, in Erdos-Renyi-kernel shares: whole numbers that add up.

    Args:
      shapes: of the tensors.
      kept: how many weights stay in total, at most the sum of `most`.
      most: the most that each tensor can keep; its size by default. Each keeps one weight at least, where
        there are as many.
    """
    sizes = np.array([np.prod(shape, dtype=int) for shape in shapes], int)
    sums = np.array([sum(shape) for shape in shapes], int)
    most = sizes if most is None else np.array(most, int)
    whole = np.zeros(len(sizes), bool)  # tensors whose share would be more than they have
    while True:
        rest = np.where(whole, 0, sums)
        wanted = np.where(whole, most, rest * (kept - most[whole].sum()) / max(1, rest.sum()))
        if not (wanted > most).any():
            break
        whole |= wanted >= most
    counts = np.clip(np.floor(wanted).astype(int), np.minimum(1, most), most)
    in_turn = [place for place in np.argsort(counts - wanted, kind="stable") if counts[place] < most[place]]
    for place in in_turn[: max(0, kept - counts.sum())]:
        counts[place] += 1
    while counts.sum() > kept:  # what the tensors took that would have got none
        counts[np.argmax(counts)] -= 1
    return counts


def of_paths(rates, paths):
    """{path: rate} of the weights that `rates` names, by the first entry that does.

    Args:
      rates: {name: rate}; a name is a weight's path, the path or the name of a layer above it, or a pattern
        of these with * and ?.
      paths: of the weights that are pruned.

    Raises:
      LotteryError: a name that none of them answers to.

    >>> of_paths({"conv1": 0.1, "conv*": 0.2}, ["conv1/kernel", "conv2/kernel", "fc/kernel"])
    {'conv1/kernel': 0.1, 'conv2/kernel': 0.2}
    """
    found = {}
    for name, rate in rates.items():
        named = [path for path in paths if any(fnmatch.fnmatchcase(of, name) for of in _above(path))]
        if not named:
            raise LotteryError(
                f"layer_rates: {name!r} names no weight that is pruned: give layers, or patterns such as "
                f"'conv*', of {', '.join(list(paths)[:5])}{', ...' if len(paths) > 5 else ''}."
            )
        found |= {path: rate for path in named if path not in found}
    return found


def _above(path):
    """A weight's path, and the paths and names of the layers above it."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(len(parts), 0, -1)] + parts[:-1]


def own_sparsities(rates, number):
    """{path: share of zeros} after round `number` of the tensors with rates {path: rate} of their own."""
    return {path: 1 - (1 - rate) ** number for path, rate in rates.items()}


def check_leaves_some(masks, sparsity, scope, own=None):
    """Raises LotteryError if a group of `competing` weights, pruned to `sparsity`, would keep none."""
    for paths, keep in competing(masks, sparsity, scope, own):
        size = sum(masks[path].size for path in paths)
        if size and not keep:
            of_one = len(paths) == 1 and (scope != "global" or own)
            whose = repr(paths[0]) if of_one else "the other layers" if own else "the model"
            raise LotteryError(
                f"{sparsity:.4%} sparse leaves none of the {size:,} prunable weights of {whose}: prune less "
                "(by fewer rounds, or a smaller rate or final_sparsity)."
            )


def check_rounds(masks, sparsities, scope, rates):
    """Raises LotteryError unless rounds to these `sparsities` can be pruned one after the other.

    masks: all True.
    rates: {path: rate} of the tensors with rates of their own.
    """
    if rates and rates.keys() == masks.keys():
        raise LotteryError(
            f"layer_rates: all {len(masks)} layers that are pruned have a rate of their own, so no layer is "
            "left that could bring each round to its sparsity: leave out the layer with the most weights."
        )
    before = sum(mask.size for path, mask in masks.items() if path not in rates)
    for number, sparsity in enumerate(sparsities, 1):
        check_leaves_some(masks, sparsity, scope, own_sparsities(rates, number))
        if rates:
            keep = sum(
                kept
                for paths, kept in competing(masks, sparsity, scope, own_sparsities(rates, number))
                if not rates.keys() & set(paths)
            )
            if keep > before:
                raise LotteryError(
                    f"round {number}, at {sparsity:.1%} zeros, would have to give weights back to the layers "
                    f"without a rate of their own, {before:,} to {keep:,}: give lower rates to single "
                    "layers, or to fewer of them."
                )
            before = keep
