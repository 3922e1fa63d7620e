"""Means over seeds and over nets, their intervals, and paired differences."""

import dataclasses
from collections.abc import Hashable, Iterable, Mapping

import numpy as np
from scipy import special, stats

from ..core.checks import shown
from ..core.errors import LotteryError


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean and the half width of its 95% t-interval.

    Attributes:
      mean: of the values; of several strata, the mean of their means.
      half: half the width of the interval; nan where a stratum has a single value.
      n: values in total (seeds).
      df: degrees of freedom of the interval.
      fewest: values in the smallest stratum; n where there is one stratum.
    """

    mean: float
    half: float
    n: int
    df: float
    fewest: int

    @property
    def low(self) -> float:
        return self.mean - self.half

    @property
    def high(self) -> float:
        return self.mean + self.half


def estimate(values: Iterable[float]) -> Estimate:
    """Mean and 95% t-interval of independent values, one for each seed.

    Raises:
      LotteryError: no values.

    >>> estimate([1.0, 2.0, 3.0]).mean
    2.0
    """
    return pooled([values])


def pooled(strata: Iterable[Iterable[float]], common_variance: bool = False) -> Estimate:
    """Mean over strata and its 95% t-interval: nets are strata, their paired differences the values.

    Every stratum has the same weight, however many values it has: the mean is the mean of the strata's means.
    The strata are fixed, not sampled, so only the spread within them makes the interval: it is about the mean
    of these nets, and says nothing of other nets.

    With s^2 a stratum's variance, n its number of values and K strata, the squared standard error is
    sum(s^2 / n) / K^2 and the degrees of freedom are Welch and Satterthwaite's,
    sum(s^2 / n)^2 / sum((s^2 / n)^2 / (n - 1)). With `common_variance` each s^2 is the variance pooled over
    the strata, sum((n - 1) s^2) / sum(n - 1), with sum(n - 1) degrees of freedom. That takes the spread to be
    the same in all strata, and the interval is too narrow where it is not: decide for it before the values
    are seen.

    Of normal values with the same spread the interval holds the mean at least 19 times in 20. Welch's degrees
    of freedom are themselves estimated: with three seeds in the net that spreads most it holds it 93 times in
    100, so give each net as many seeds.

    Raises:
      LotteryError: no strata, or a stratum without values.

    Source: Welch 1947, "The generalization of 'Student's' problem when several different population variances
    are involved"; Satterthwaite 1946, "An approximate distribution of estimates of variance components".

    >>> both = pooled([[1.0, 2.0, 3.0], [6.0, 7.0, 8.0, 9.0]])
    >>> both.mean, both.n, round(both.df, 2), round(both.half, 2)
    (4.75, 7, 4.96, 1.12)
    """
    strata = [_numbers(values) for values in strata]
    if not strata:
        raise LotteryError("no strata: give a list of values for each net.")
    counts = np.array([values.size for values in strata])
    mean, fewest, free = float(np.mean([values.mean() for values in strata])), int(counts.min()), counts - 1
    if fewest == 1:
        return Estimate(mean, float("nan"), int(counts.sum()), 0.0, 1)
    variances = np.array([values.var(ddof=1) for values in strata])
    if common_variance:
        variances = np.full(len(strata), (free * variances).sum() / free.sum())
    parts = variances / counts
    if common_variance or not parts.any():
        df = float(free.sum())
    else:
        df = float(1 / ((parts / parts.sum()) ** 2 / free).sum())
    half = special.stdtrit(df, 0.975) * np.sqrt(parts.sum()) / len(strata)
    return Estimate(mean, float(half), int(counts.sum()), df, fewest)


def _numbers(values):
    try:
        values = np.asarray(list(values), float)
    except (TypeError, ValueError):
        raise LotteryError(f"values is {shown(values)}: give a list of numbers, one for each seed.") from None
    if not values.size:
        raise LotteryError("no values: give one figure for each seed.")
    return values


def differences(values: Mapping[Hashable, float], others: Mapping[Hashable, float]) -> list[float]:
    """values - others, paired by key (the seed), in the order of the seeds.

    Args:
      values, others: {seed: figure}; only seeds in both count.

    >>> differences({1: 5.0, 0: 3.0}, {0: 1.0, 1: 4.0, 2: 9.0})
    [2.0, 1.0]
    """
    return [values[seed] - others[seed] for seed in sorted(values.keys() & others.keys())]


def paired(values: Mapping[Hashable, float], others: Mapping[Hashable, float]) -> Estimate:
    """Estimate of the difference values - others, paired by key (the seed).

    Args:
      values, others: {seed: figure}; only seeds in both count.

    >>> found = paired({0: 3.0, 1: 5.0}, {0: 1.0, 1: 3.0})
    >>> found.mean, found.half, found.n
    (2.0, 0.0, 2)
    """
    return estimate(differences(values, others))


def bootstrap(values: Iterable[float]) -> tuple[float, float]:
    """(low, high) of the 95% percentile bootstrap interval of a mean; nan for one value.

    It takes no shape of the spread for granted, and pays for that when values are few: of three values it is
    their range (all three draws hit the lowest in 1 of 27 resamples, more than 2.5%), which holds the mean of
    a symmetric spread 3 times in 4, not 19 times in 20; of five normal values, about 5 times in 6. Read it
    beside the t-interval, as a look at the raw values; verdicts do not use it. The same values give the same
    interval, in any order.

    Raises:
      LotteryError: no values.

    Source: Efron 1979, by `scipy.stats.bootstrap`.

    >>> bootstrap([1.0, 4.0, 2.0])
    (1.0, 4.0)
    """
    values = np.sort(_numbers(values))
    if values.size == 1:
        return float("nan"), float("nan")
    interval = stats.bootstrap((values,), np.mean, method="percentile", random_state=0).confidence_interval
    return float(interval.low), float(interval.high)
