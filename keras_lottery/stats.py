"""Means over seeds, their intervals, and paired differences."""

import dataclasses

import numpy as np
from scipy import stats

from .errors import LotteryError


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


def estimate(values):
    """Mean and 95% t-interval of independent values, one a seed.

    Raises:
      LotteryError: no values.

    >>> estimate([1.0, 2.0, 3.0]).mean
    2.0
    """
    values = np.asarray(list(values), float)
    if not values.size:
        raise LotteryError("no values: give one figure a seed.")
    if values.size == 1:
        return Estimate(float(values[0]), float("nan"), 1)
    half = stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return Estimate(float(values.mean()), float(half), values.size)


def paired(values, others):
    """Estimate of the difference values - others, paired by key (the seed).

    Args:
      values, others: {seed: figure}; only seeds in both count.

    >>> paired({0: 3.0, 1: 5.0}, {0: 1.0, 1: 3.0})
    Estimate(mean=2.0, half=0.0, n=2)
    """
    return estimate(values[seed] - others[seed] for seed in values if seed in others)
