"""Means over seeds, their intervals, paired differences, and the verdicts that they allow."""

import dataclasses

import numpy as np
from scipy import stats

from .checks import above_zero, shown
from .errors import LotteryError

CLAIMS = ("beats", "matches", "is worse")  # of two that hold, the first is said
NO_VERDICT = "no verdict"
TOO_FEW = "too few seeds"
MARGIN = 0.5  # points
LEVEL = 0.025  # of each claim, so that a claim is one end of the 95% interval
SEEDS = 3  # fewer never get a verdict
_ROUNDING = 1e-9  # points; below it two differences are the same


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds and the half width of its 95% interval (nan for one seed)."""

    mean: float
    half: float
    n: int

    @property
    def low(self):
        return self.mean - self.half

    @property
    def high(self):
        return self.mean + self.half


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the difference of one cell of a study shows: `plain` of this cell alone, `corrected` for all cells.

    `plain` and `corrected` are words: one of `CLAIMS`, `NO_VERDICT` or `TOO_FEW`. `p` and `adjusted` hold the
    one-sided p-value of each claim, alone and corrected (empty for too few seeds).
    """

    plain: str
    corrected: str
    estimate: Estimate
    p: dict
    adjusted: dict


def estimate(values):
    """Mean and 95% t-interval of independent values, one a seed.

    Raises:
      LotteryError: no values.

    >>> estimate([1.0, 2.0, 3.0]).mean
    2.0
    """
    try:
        values = np.asarray(list(values), float)
    except (TypeError, ValueError):
        raise LotteryError(f"values is {shown(values)}: give a list of numbers, one a seed.") from None
    if not values.size:
        raise LotteryError("no values: give one figure a seed.")
    if values.size == 1:
        return Estimate(float(values[0]), float("nan"), 1)
    half = stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return Estimate(float(values.mean()), float(half), values.size)


def differences(values, others):
    """values - others, paired by key (the seed), in the order of the seeds.

    Args:
      values, others: {seed: figure}; only seeds in both count.

    >>> differences({1: 5.0, 0: 3.0}, {0: 1.0, 1: 4.0, 2: 9.0})
    [2.0, 1.0]
    """
    return [values[seed] - others[seed] for seed in sorted(values.keys() & others.keys())]


def paired(values, others):
    """Estimate of the difference values - others, paired by key (the seed).

    Args:
      values, others: {seed: figure}; only seeds in both count.

    >>> paired({0: 3.0, 1: 5.0}, {0: 1.0, 1: 3.0})
    Estimate(mean=2.0, half=0.0, n=2)
    """
    return estimate(differences(values, others))


def bootstrap(values):
    """(low, high) of the 95% percentile bootstrap interval of a mean; nan for one value.

    It takes no shape of the spread for granted, and pays for that when values are few: of three values it is their
    range (all three draws hit the lowest in 1 of 27 resamples, more than 2.5%), which holds the mean of a symmetric
    spread 3 times in 4, not 19 times in 20; of five normal values, about 5 times in 6. Read it beside the t-interval,
    as a look at the raw values; verdicts do not use it. The same values give the same interval, in any order.

    Raises:
      LotteryError: no values.

    Source: Efron 1979, by `scipy.stats.bootstrap`.

    >>> bootstrap([1.0, 4.0, 2.0])
    (1.0, 4.0)
    """
    values = np.sort(np.asarray(list(values), float))
    if not values.size:
        raise LotteryError("no values: give one figure a seed.")
    if values.size == 1:
        return float("nan"), float("nan")
    interval = stats.bootstrap((values,), np.mean, method="percentile", random_state=0).confidence_interval
    return float(interval.low), float(interval.high)


def verdicts(estimates, margin=MARGIN):
    """A verdict for each cell of a study, by a rule that is fixed before the figures are seen.

    By the 95% t-interval of the difference, ours less theirs, the first of these that holds:
      "beats": its lower end is above 0;
      "matches": its lower end is above -margin;
      "is worse": its upper end is below 0;
      "no verdict": not shown either way, which is not the same as "matches".
    So an interval wholly between -margin and 0 "matches": worse, by less than what was taken to matter. A table
    should show the interval beside the word; `p["is worse"]` tells the two apart. Fewer than three seeds are
    "too few seeds", and such a cell does not count towards the correction.

    Each end of the interval is a one-sided t-test at 2.5%. The corrected verdict tests each claim by Holm's
    step-down over all cells: whatever the truth, at most 2.5% of studies hold even one false "beats", and likewise for
    each other claim. That is the same rule on wider intervals: at the k-th smallest p-value of m, each end at
    2.5% / (m - k + 1), stopping at the first that fails.

    Differences that are all the same (few test images: a coarse accuracy) say that their spread is unknown, not that
    it is 0. The sign test, p = 2**-n, then stands in for the t-test: no verdict from fewer than six seeds. Without
    this, accuracies in steps of 0.1 that spread by 0.1 to 0.2 points give 13 to 5% of studies (12 cells, 3 seeds of
    the same arm twice) a false "beats" in spite of the correction.

    Args:
      estimates: {cell: Estimate of the paired differences, in points}, as `paired` gives them. All the
        comparisons that are made, not only those that look well.
      margin: points that do not matter.

    Returns:
      {cell: Verdict}, in the order given.

    Raises:
      LotteryError: a margin that is not above 0, or an estimate that is not a number.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".

    >>> cells = {"mnist": estimate([2.1, 2.0, 1.8]), "bangla": estimate([0.9, 0.2, 0.6]), "svhn": estimate([9.0, 8.0])}
    >>> {cell: (verdict.plain, verdict.corrected) for cell, verdict in verdicts(cells).items()}
    {'mnist': ('beats', 'beats'), 'bangla': ('matches', 'matches'), 'svhn': ('too few seeds', 'too few seeds')}
    """
    above_zero("margin", margin)
    tested = {cell: found for cell, found in estimates.items() if found.n >= SEEDS}
    for cell, found in tested.items():
        if not np.isfinite([found.mean, found.half]).all():
            raise LotteryError(f"the differences of {cell!r} hold {found.mean}: leave out runs that diverged, and say so.")
    alone = _p_values(tested.values(), margin)
    corrected = np.array([holm(of_claim) for of_claim in alone])
    told = {cell: Verdict(TOO_FEW, TOO_FEW, found, {}, {}) for cell, found in estimates.items()}
    for (cell, found), p, adjusted in zip(tested.items(), alone.T.tolist(), corrected.T.tolist()):
        told[cell] = Verdict(_words(p), _words(adjusted), found, dict(zip(CLAIMS, p)), dict(zip(CLAIMS, adjusted)))
    return told


def holm(p_values):
    """Holm's adjusted p-values, in the order given: one at most `a` is a rejection when the family's error is `a`.

    Source: Holm 1979. Sorted, the k-th of m is the largest of (m - j + 1) p_j over j <= k, at most 1.

    >>> holm([0.01, 0.04, 0.03, 0.005]).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.maximum.accumulate(p_values[order] * np.arange(p_values.size, 0, -1)).clip(max=1)
    return adjusted


def _p_values(estimates, margin):
    """One-sided p-values, an array of (claims, cells)."""
    mean, half, n = np.array([dataclasses.astuple(found) for found in estimates], float).reshape(-1, 3).T
    ahead = np.stack([mean, mean + margin, -mean])
    same = half < _ROUNDING
    error = np.where(same, 1, half) / stats.t.ppf(1 - LEVEL, n - 1)
    return np.where(same, np.where(ahead > _ROUNDING, 0.5**n, 1), stats.t.sf(ahead / error, n - 1))


def _words(p_values):
    return next((claim for claim, p in zip(CLAIMS, p_values) if p < LEVEL), NO_VERDICT)
