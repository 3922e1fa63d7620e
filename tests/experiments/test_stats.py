"""Intervals over seeds and nets agree with SciPy's own and with simulations, and differences pair by seed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments.stats import bootstrap, differences, estimate, paired, pooled

figures = st.floats(-100, 100).map(lambda x: round(x, 3))
points = st.floats(-5, 5).map(lambda x: round(x, 3))


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
    assert all(map(math.isnan, bootstrap([3.0])))


@pytest.mark.parametrize("function", [estimate, bootstrap])
def test_no_seed_is_an_error(function):
    with pytest.raises(LotteryError, match="no values"):
        function([])


@given(st.dictionaries(st.integers(0, 9), st.tuples(figures, figures), min_size=2))
def test_difference_pairs_by_seed_whatever_the_order(values):
    ours = {seed: pair[0] for seed, pair in values.items()}
    others = {seed: values[seed][1] for seed in reversed(list(values))}
    assert paired(ours, others).mean == pytest.approx(
        sum(a - b for a, b in values.values()) / len(values), abs=1e-6
    )
    assert differences(ours, others) == [values[seed][0] - values[seed][1] for seed in sorted(values)]


def test_seeds_of_one_side_only_do_not_count():
    assert paired({0: 1.0, 1: 5.0, 2: 9.0}, {1: 2.0, 2: 6.0}).n == 2


def test_paired_interval_is_scipys_paired_t_interval():
    ours, others = [91.2, 90.8, 92.0, 91.1], [90.1, 90.3, 90.9, 90.7]
    low, high = stats.ttest_rel(ours, others).confidence_interval(0.95)
    got = paired(dict(enumerate(ours)), dict(enumerate(others)))
    assert (got.low, got.high) == pytest.approx((low, high))


def test_bootstrap_is_scipys():
    values = [0.3, 0.7, 1.9, 2.2, 4.0]
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=200_000, random_state=1)
    assert bootstrap(values) == pytest.approx(tuple(theirs.confidence_interval), abs=0.06)


@settings(max_examples=30, deadline=None)
@given(st.lists(points, min_size=2, max_size=6), st.randoms())
def test_bootstrap_is_the_same_again_in_any_order(values, random):
    assert bootstrap(random.sample(values, len(values))) == bootstrap(values)


@settings(max_examples=30, deadline=None)
@given(st.lists(points, min_size=3, max_size=3))
def test_bootstrap_of_three_values_is_their_range(values):
    assert bootstrap(values) == pytest.approx((min(values), max(values)))


def strata(counts, spreads, means=(0.0, 0.0), studies=3000, seed=0):
    """Simulated values of two nets: a list for each study of one array for each net."""
    drawn = np.random.default_rng(seed)
    each = [drawn.normal(mean, spread, (studies, n)) for n, spread, mean in zip(counts, spreads, means)]
    return list(zip(*each))


def share_that_holds(truth, found):
    return np.mean([one.low < truth < one.high for one in found])


def test_one_net_pooled_is_its_own_estimate():
    values = [0.3, 0.9, -0.2, 0.4]
    assert pooled([values]) == estimate(values) == pooled([values], common_variance=True)
    assert (pooled([values]).df, pooled([values]).fewest) == (3, 4)


def test_pooled_mean_gives_each_net_the_same_weight():
    assert pooled([[1.0, 1.2], [3.0, 3.1, 3.2, 2.9, 2.8]]).mean == pytest.approx((1.1 + 3.0) / 2)


def test_pooled_interval_of_two_nets_is_welchs_of_their_difference_with_one_negated():
    one, other = [0.2, 0.5, 0.1, 0.9], [1.2, 0.4, 2.2, 1.9, 0.6]
    got = pooled([one, other])
    for equal_var, found in ((False, got), (True, pooled([one, other], common_variance=True))):
        theirs = stats.ttest_ind(one, np.negative(other), equal_var=equal_var)
        low, high = theirs.confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((low / 2, high / 2))  # the mean is half the sum
        assert found.df == pytest.approx(theirs.df) and (found.n, found.fewest) == (9, 4)


def test_nets_that_differ_do_not_widen_the_pooled_interval():
    one, other = np.array([0.2, 0.5, 0.1, 0.9]), np.array([1.2, 0.4, 2.2, 1.9])
    assert pooled([one, other + 50]).half == pytest.approx(pooled([one, other]).half)


def test_a_net_of_one_seed_has_no_pooled_interval():
    assert math.isnan(pooled([[1.0, 2.0, 3.0], [4.0]]).half) and math.isnan(pooled([[1.0], [4.0]], True).half)
    assert pooled([[1.0, 2.0, 3.0], [4.0]]).fewest == 1


def test_equal_values_in_each_net_have_no_spread():
    found = pooled([[1.0, 1.0], [4.0, 4.0, 4.0]])
    assert (found.mean, found.half, found.n, found.fewest) == (2.5, 0.0, 5, 2)


@pytest.mark.parametrize(
    "counts, spreads, least",
    [((4, 4), (0.4, 0.4), 0.945), ((4, 4), (0.4, 0.1), 0.935), ((6, 3), (0.2, 0.6), 0.92)],
)
def test_pooled_interval_holds_the_mean_of_the_nets_about_19_times_in_20(counts, spreads, least):
    found = [pooled(study) for study in strata(counts, spreads, means=(1.0, -0.4))]
    assert least < share_that_holds(0.3, found) < 0.97


def test_common_variance_is_exact_where_it_is_common_and_narrower_on_average():
    drawn = strata((4, 4), (0.4, 0.4))
    common, own = [pooled(study, True) for study in drawn], [pooled(study) for study in drawn]
    assert 0.94 < share_that_holds(0, common) < 0.96
    assert np.mean([one.half for one in common]) < np.mean([one.half for one in own])


def test_no_nets_is_an_error():
    with pytest.raises(LotteryError, match="no strata"):
        pooled([])
    with pytest.raises(LotteryError, match="no values"):
        pooled([[1.0], []])
