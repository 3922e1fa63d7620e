"""What the paired differences of a study show, in words, by a rule that is fixed before they are seen."""

import dataclasses
from collections.abc import Hashable, Iterable, Mapping

import numpy as np
from scipy import special

from ..core.checks import above_zero, share, whole
from ..core.errors import LotteryError
from .stats import Estimate

CLAIMS = ("beats", "matches", "is worse")  # each is a one-sided test
LOWER = "matches, but lower"  # "matches" and "is worse" both hold
NO_VERDICT = "no verdict"
TOO_FEW = "too few seeds"
MARGIN = 0.5  # points
LEVEL = 0.025  # of each claim, so that a claim is one end of the 95% interval
SEEDS = 3  # fewer never get a verdict
_ROUNDING = 1e-9  # points; below it two differences are the same
_NONE = float("nan"), float("nan")
_LEAST_MARGIN = 0.01  # points: one of 10,000 test images


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What one cell of a study shows: `plain` of this cell alone, `corrected` for all cells.

    `plain` and `corrected` are words: one of `CLAIMS`, `LOWER`, `NO_VERDICT` or `TOO_FEW`. `p` and `adjusted`
    hold the one-sided p-value of each claim, alone and corrected (empty for too few seeds). `interval` is
    the corrected interval, (low, high) in points: `corrected` is what the rule of `verdicts` says of it. It
    is (nan, nan) where no t-test was made: of too few seeds, and of differences that are all the same.
    """

    plain: str
    corrected: str
    estimate: Estimate
    p: dict
    adjusted: dict
    interval: tuple[float, float]


def verdicts(
    estimates: Mapping[Hashable, Estimate],
    margin: float | Mapping[Hashable, float] = MARGIN,
    comparisons: int | None = None,
) -> dict[Hashable, Verdict]:
    """A verdict for each cell of a study, by a rule that is fixed before the figures are seen.

    Three claims are tested by the 95% t-interval of the difference, ours less theirs:
      "beats": its lower end is above 0;
      "matches": its lower end is above -margin;
      "is worse": its upper end is below 0.
    A cell that beats also matches, and is said to beat. Where "matches" and "is worse" both hold, the
    interval lies wholly between -margin and 0, and the words are "matches, but lower". Where none holds the
    word is "no verdict": not shown either way, which is not the same as "matches". Fewer than three seeds in
    total, or fewer than two in one of the nets that are pooled, are "too few seeds".

    Each end of the interval is a one-sided t-test at 2.5%. The corrected verdict tests each claim by Holm's
    step-down over all cells: whatever the truth, at most 2.5% of studies hold even one false "beats", and
    likewise for each other claim; a false claim of any kind in at most 5% of studies whose true differences
    are all the same, and in at most 7.5% of all others. That is the same rule on wider intervals: at the k-th
    smallest p-value of m, each end at 2.5% / (m - k + 1), stopping at the first that fails. Those ends are
    the corrected interval. Its lower end is that of "beats" where this holds; where it does not, it is that
    of "matches", and at most 0.

    Differences that are all the same (few test images: a coarse accuracy) say that their spread is unknown,
    not that it is 0. The sign test, p = 2**-n, then stands in for the t-test: no verdict from fewer than six
    seeds (n is the number of seeds of the smallest net where nets are pooled: so many pooled pairs are
    independent). Without this rule, 13 to 5% of studies (12 cells, 3 seeds of the same net twice) would hold
    a false "beats" in spite of the correction, if accuracies come in steps of 0.1 and spread by 0.1 to 0.2
    points.

    Args:
      estimates: {cell: Estimate of the paired differences, in points}, as `stats.paired` and `stats.pooled`
        give them. All the comparisons that are made, not only those that look well.
      margin: points that do not matter; or {cell: points}.
      comparisons: how many cells to correct for, where a plan names more than there are yet. As it is, those
        of too few seeds do not count.

    Returns:
      {cell: Verdict}, in the order given.

    Raises:
      LotteryError: a margin that is not above 0, or an estimate that is not a number.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".

    >>> from keras_lottery.experiments.stats import estimate
    >>> cells = {"mnist": [2.1, 2.0, 1.8], "bangla": [0.9, 0.2, 0.6]}
    >>> cells |= {"emnist": [-0.2, -0.3, -0.2], "svhn": [9.0, 8.0]}
    >>> told = verdicts({cell: estimate(values) for cell, values in cells.items()})
    >>> [told[cell].plain for cell in cells]
    ['beats', 'matches', 'matches, but lower', 'too few seeds']
    >>> [round(end, 2) for end in told["emnist"].interval], told["emnist"].corrected  # alone -0.38 to -0.09
    ([-0.44, 0.02], 'matches')
    """
    if not isinstance(margin, Mapping):
        margin = dict.fromkeys(estimates, above_zero("margin", margin))
    tested = {cell: found for cell, found in estimates.items() if found.n >= SEEDS and found.fewest > 1}
    for cell, found in tested.items():
        if not np.isfinite([found.mean, found.half]).all():
            raise LotteryError(
                f"the differences of {cell!r} hold {found.mean}: leave out runs that diverged, and say so."
            )
    alone = _p_values(tested.values(), np.array([above_zero("margin", margin[cell]) for cell in tested]))
    corrected = np.array([holm(of_claim, comparisons) for of_claim in alone])
    levels = np.array([_levels(of_claim, comparisons) for of_claim in alone])
    told = {cell: Verdict(TOO_FEW, TOO_FEW, found, {}, {}, _NONE) for cell, found in estimates.items()}
    columns = (of.T.tolist() for of in (alone, corrected, levels))
    for (cell, found), *of_cell in zip(tested.items(), *columns):
        p, adjusted, level = (dict(zip(CLAIMS, of)) for of in of_cell)
        interval = _interval(found, level, adjusted["beats"] < LEVEL)
        told[cell] = Verdict(_words(p), _words(adjusted), found, p, adjusted, interval)
    return told


def relative_margin(dense_error: float, part: float, most: float = MARGIN) -> float:
    """The margin in points for a data set on which the dense net errs by `dense_error` points on average.

    Half a point is little where a dense net errs by 8%, and more than its whole error where it errs by 0.4%.
    The margin is min(most, part x dense_error), and at least 0.01 points, one of 10,000 test images. A study
    fixes `part` and `most` before its runs; its dense nets then give the margin.

    Args:
      dense_error: 100 less the dense net's mean test accuracy in %.
      part: the share of that error that does not matter, above 0 and below 1.
      most: points.

    Raises:
      LotteryError: a part that is no share, or a `most` that is not above 0.

    >>> relative_margin(8.0, 0.1), relative_margin(0.5, 0.1)
    (0.5, 0.05)
    """
    above_zero("most", most)
    return min(most, max(_LEAST_MARGIN, share("part", part) * dense_error))


def holm(p_values: Iterable[float], comparisons: int | None = None) -> np.ndarray:
    """Holm's adjusted p-values, in the order given: at most `a` is a rejection at a family's error of `a`.

    Args:
      p_values: of the tests that were made.
      comparisons: the tests that the family has, where not all have been made yet; the others count as p = 1.

    Source: Holm 1979. Sorted, the k-th of m is the largest of (m - j + 1) p_j over j <= k, at most 1.

    >>> holm([0.01, 0.04, 0.03, 0.005]).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    p_values = np.asarray(p_values, float)
    m = p_values.size if comparisons is None else whole("comparisons", comparisons, least=p_values.size)
    order = np.argsort(p_values)
    adjusted = np.empty_like(p_values)
    factors = m - np.arange(p_values.size)
    adjusted[order] = np.maximum.accumulate(p_values[order] * factors).clip(max=1)
    return adjusted


def _p_values(estimates, margin):
    """One-sided p-values, an array of (claims, cells)."""
    mean, half, _, df, fewest = (
        np.array([dataclasses.astuple(found) for found in estimates], float).reshape(-1, 5).T
    )
    ahead = np.stack([mean, mean + margin, -mean])
    same = half < _ROUNDING
    error = np.where(same, 1, half) / special.stdtrit(df, 1 - LEVEL)
    return np.where(same, np.where(ahead > _ROUNDING, 0.5**fewest, 1), special.stdtr(df, -ahead / error))


def _levels(p_values, comparisons):
    """The level at which Holm's step-down tests each: that of the first that fails for all from there on."""
    m, order = p_values.size if comparisons is None else comparisons, np.argsort(p_values)
    held = np.count_nonzero(holm(p_values, comparisons) < LEVEL)
    levels = np.empty_like(p_values)
    levels[order] = LEVEL / (m - np.arange(p_values.size)).clip(min=m - held)
    return levels


def _interval(found, level, beats):
    """The corrected interval of an estimate, by {claim: the level at which it is tested}."""
    if found.half < _ROUNDING:
        return _NONE
    error = found.half / special.stdtrit(found.df, 1 - LEVEL)
    wide = {claim: float(error * special.stdtrit(found.df, 1 - at)) for claim, at in level.items()}
    low = found.mean - wide["beats"] if beats else min(0.0, found.mean - wide["matches"])
    return low, found.mean + wide["is worse"]


def _words(p_values):
    held = [claim for claim, p in p_values.items() if p < LEVEL]
    if held == ["matches", "is worse"]:
        return LOWER
    return held[0] if held else NO_VERDICT
