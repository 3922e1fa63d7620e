"""Intervals over seeds agree with SciPy's own, and differences pair by seed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keras_lottery.errors import LotteryError
from keras_lottery.stats import estimate, paired

figures = st.floats(-100, 100).map(lambda x: round(x, 3))


@given(st.lists(figures, min_size=2, max_size=8))
def test_interval_is_scipys_t_interval(values):
    got = estimate(values)
    if len(set(values)) == 1:
        assert got.half == pytest.approx(0, abs=1e-9)
        return
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-6)


def test_one_seed_has_no_interval():
    assert math.isnan(estimate([3.0]).half) and estimate([3.0]).mean == 3.0


def test_no_seed_is_an_error():
    with pytest.raises(LotteryError, match="no values"):
        estimate([])


@given(st.dictionaries(st.integers(0, 9), st.tuples(figures, figures), min_size=2))
def test_difference_pairs_by_seed_whatever_the_order(values):
    ours = {seed: pair[0] for seed, pair in values.items()}
    others = {seed: values[seed][1] for seed in reversed(list(values))}
    assert paired(ours, others).mean == pytest.approx(sum(a - b for a, b in values.values()) / len(values), abs=1e-6)


def test_seeds_of_one_side_only_do_not_count():
    assert paired({0: 1.0, 1: 5.0, 2: 9.0}, {1: 2.0, 2: 6.0}).n == 2
