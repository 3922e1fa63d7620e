"""Verdicts are the rule on the interval, corrected by Holm, and seldom see what is not there."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments.stats import estimate, pooled
from keras_lottery.experiments.verdicts import LOWER, holm, relative_margin, verdicts

points = st.floats(-5, 5).map(lambda x: round(x, 3))
studies = st.lists(st.lists(points, min_size=1, max_size=6), max_size=8)


def judge(cells, margin=0.5):
    """Verdicts of a list of cells, each a list of differences."""
    return list(verdicts(dict(enumerate(map(estimate, cells))), margin).values())


def words(cells, margin=0.5):
    return [(verdict.plain, verdict.corrected) for verdict in judge(cells, margin)]


def same(values):
    return max(values) - min(values) < 1e-9


def test_holm_worked_by_hand():
    # sorted: 0.005 * 4 = 0.02; 0.01 * 3 = 0.03; 0.03 * 2 = 0.06; 0.04 * 1 = 0.04, but no less than the one
    # before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert (
        holm([0.02]) == pytest.approx([0.02])
        and holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
        and holm([]).size == 0
    )
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.randoms())
def test_holm_lies_between_no_correction_and_bonferroni_and_knows_no_order(p_values, random):
    adjusted = holm(p_values)
    assert (adjusted >= p_values).all() and (
        adjusted <= np.minimum(1, len(p_values) * np.array(p_values))
    ).all()
    order = random.sample(range(len(p_values)), len(p_values))
    assert np.array_equal(holm([p_values[n] for n in order]), adjusted[order])


@pytest.mark.parametrize(
    "values, word",
    [
        ([1.0, 1.1, 1.2], "beats"),
        ([0.1, -0.1, 0.05], "matches"),
        ([-0.3, -0.31, -0.29], LOWER),  # below 0 for sure, and by less than the margin
        ([-0.6, -0.61, -0.59], "is worse"),
        ([-0.5, -0.52, -0.48], "is worse"),
        ([3.0, -2.0, 0.5], "no verdict"),
        ([9.0, 9.1], "too few seeds"),
        ([9.0], "too few seeds"),
    ],
)
def test_words_of_one_cell(values, word):
    assert words([values]) == [(word, word)]


def test_p_values_are_scipys_one_sided_paired_tests():
    ours, others = np.array([91.2, 90.8, 92.0, 91.1]), np.array([90.1, 90.3, 90.9, 91.4])
    [found] = judge([ours - others])
    assert found.p == pytest.approx(
        {
            "beats": stats.ttest_rel(ours, others, alternative="greater").pvalue,
            "matches": stats.ttest_rel(ours + 0.5, others, alternative="greater").pvalue,
            "is worse": stats.ttest_rel(ours, others, alternative="less").pvalue,
        }
    )
    assert found.adjusted == found.p


@settings(deadline=None)
@given(studies)
def test_plain_words_are_the_rule_on_the_interval(cells):
    for values, found in zip(cells, judge(cells)):
        low, high = found.estimate.low, found.estimate.high
        if len(values) < 3:
            assert found.plain == found.corrected == "too few seeds" and found.p == found.adjusted == {}
            continue
        assume(not same(values) and min(abs(low), abs(low + 0.5), abs(high)) > 1e-9)
        matching = LOWER if high < 0 else "matches"
        rule = "beats" if low > 0 else matching if low > -0.5 else "is worse" if high < 0 else "no verdict"
        assert found.plain == rule


@settings(deadline=None)
@given(studies)
def test_corrected_words_are_the_rule_on_wider_intervals(cells):
    cells = [values for values in cells if len(values) > 2]
    assume(not any(map(same, cells)))
    claimed = {}
    for claim, sign, beyond in (("beats", 1, 0), ("matches", 1, -0.5), ("is worse", -1, 0)):
        # The cell that is furthest beyond, in its own standard errors, comes first; the first that fails is
        # the last.
        waiting = list(range(len(cells)))
        claimed[claim] = set()
        while waiting:
            ends, p = {}, {}
            for cell in waiting:
                values = sign * np.array(cells[cell])
                level = 1 - 2 * 0.025 / len(waiting)
                ends[cell] = stats.ttest_1samp(values, 0).confidence_interval(level).low
                p[cell] = stats.ttest_1samp(values, beyond, alternative="greater").pvalue
            cell = min(waiting, key=p.get)
            assume(abs(ends[cell] - beyond) > 1e-9)
            if ends[cell] < beyond:
                break
            claimed[claim].add(cell)
            waiting.remove(cell)
    for cell, found in enumerate(judge(cells)):
        held = [claim for claim in claimed if cell in claimed[claim]]
        assert found.corrected == (
            LOWER if held == ["matches", "is worse"] else held[0] if held else "no verdict"
        )


@settings(deadline=None)
@given(studies)
def test_corrected_words_are_the_rule_on_the_corrected_interval(cells):
    for values, found in zip(cells, judge(cells)):
        low, high = found.interval
        if len(values) < 3 or same(values):
            assert np.isnan([low, high]).all()
            continue
        matching = LOWER if high < 0 else "matches"
        rule = "beats" if low > 0 else matching if low > -0.5 else "is worse" if high < 0 else "no verdict"
        assert found.corrected == rule
        assert low <= found.estimate.low + 1e-9 and high >= found.estimate.high - 1e-9


def test_ends_of_the_corrected_interval_are_at_the_level_of_their_claim():
    cells = [[-0.2, -0.3, -0.5, -0.1], [-1.2, -1.0, -1.1, -1.3], [0.3, 0.5, 0.4, 0.6]]
    found = judge(cells)
    assert [one.corrected for one in found] == ["no verdict", "is worse", "beats"]

    def end(cell, side, left):
        ends = stats.ttest_1samp(cells[cell], 0).confidence_interval(1 - 2 * 0.025 / left)
        return getattr(ends, side)

    # "matches": the third cell of 3, then the first of 2 fails, at which level the second is tested too;
    # "is worse": the second cell of 3, then the first of 2 fails; "beats": the third cell of 3.
    assert [one.interval for one in found] == [
        pytest.approx((end(0, "low", 2), end(0, "high", 2))),
        pytest.approx((end(1, "low", 2), end(1, "high", 3))),
        pytest.approx((end(2, "low", 3), end(2, "high", 2))),
    ]


@settings(deadline=None)
@given(studies, st.randoms())
def test_order_of_cells_and_seeds_does_not_matter(cells, random):
    order = random.sample(range(len(cells)), len(cells))
    moved = [random.sample(cells[n], len(cells[n])) for n in order]
    for n, found in zip(order, judge(moved)):
        was = judge(cells)[n]
        assert found.p == pytest.approx(was.p, abs=1e-9) and found.adjusted == pytest.approx(
            was.adjusted, abs=1e-9
        )


@settings(deadline=None)
@given(studies, st.integers(-3, 3))
def test_scale_of_the_figures_does_not_matter(cells, power):
    scaled = [[x * 2.0**power for x in values] for values in cells]
    assert words(scaled, 0.5 * 2.0**power) == words(cells, 0.5)


@settings(deadline=None)
@given(studies, st.floats(0, 3))
def test_higher_differences_never_make_a_cell_worse(cells, shift):
    higher = judge([[x + shift for x in values] for values in cells])
    for was, now in zip(judge(cells), higher):
        if was.p:
            assert now.p["beats"] <= was.p["beats"] + 1e-9 and now.p["is worse"] >= was.p["is worse"] - 1e-9
            assert now.p["matches"] <= was.p["matches"] + 1e-9


@settings(deadline=None)
@given(studies, st.floats(0.1, 2), st.floats(0, 2))
def test_a_wider_margin_only_adds_matches(cells, margin, more):
    for narrow, wide in zip(words(cells, margin), words(cells, margin + more)):
        more_said = {"no verdict": "matches", "is worse": LOWER}
        assert all(now in (was, more_said.get(was)) for was, now in zip(narrow, wide))


@settings(deadline=None)
@given(studies)
def test_correction_takes_claims_and_never_adds_one(cells):
    for found in judge(cells):
        for claim, p in found.p.items():
            assert found.adjusted[claim] >= p
        if found.p:
            assert found.adjusted["matches"] <= found.adjusted["beats"]


def test_a_cell_of_too_few_seeds_does_not_cost_the_others():
    cell = [1.0, 1.4, 1.9]
    assert words([cell] + [[0.0, 3.0]] * 20)[0] == words([cell])[0] == ("beats", "beats")
    assert words([cell] + [[0.0, 3.0, -2.0]] * 20)[0] == ("beats", "no verdict")


def test_equal_differences_are_judged_by_their_signs():
    assert words([[0.3] * 3, [0.0] * 4, [-2.0] * 5]) == [("no verdict", "no verdict")] * 3
    assert words([[0.3] * 6]) == [("beats", "beats")]
    assert words([[0.3 + n * 1e-16 for n in range(6)]]) == [("beats", "beats")]
    assert words([[0.0] * 6]) == [("matches", "matches")] and words([[-0.5] * 6]) == [
        ("is worse", "is worse")
    ]
    assert judge([[0.3] * 3])[0].p == {"beats": 0.125, "matches": 0.125, "is worse": 1.0}


def test_no_cells_no_verdicts():
    assert verdicts({}) == {}


@pytest.mark.parametrize("margin", [0, -1, float("nan"), float("inf")])
def test_margin_must_be_above_zero(margin):
    with pytest.raises(LotteryError, match="margin=.* is impossible"):
        verdicts({}, margin)


def test_a_diverged_run_is_an_error():
    with pytest.raises(LotteryError, match="'mnist' hold nan"):
        verdicts({"mnist": estimate([1.0, 2.0, float("nan")])})


def null_studies(seeds, spread, step, studies=1000, cells=12):
    """Differences of a net from itself, (studies, cells, seeds), accuracies in whole steps (0: not
    rounded)."""
    nets = np.random.default_rng(seeds).normal(90, spread, (2, studies, cells, seeds))
    return np.subtract(*(np.round(nets / step) * step if step else nets))


@pytest.mark.quick("0.1-0.1-3")
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("spread, step", [(0.3, 0), (0.1, 0.1), (0.2, 0.1)])
def test_a_net_seldom_beats_itself(seeds, spread, step):
    said = [words(cells) for cells in null_studies(seeds, spread, step)]
    assert np.mean([any(corrected == "beats" for _, corrected in study) for study in said]) <= 0.05
    assert np.mean([plain == "beats" for study in said for plain, _ in study]) <= 0.05
    assert np.mean([any(corrected == "is worse" for _, corrected in study) for study in said]) <= 0.05


@pytest.mark.matrix
def test_a_net_half_a_point_below_seldom_matches():
    said = [words(cells - 0.5) for cells in null_studies(3, 0.3, 0)]
    assert np.mean([any(corrected == "matches" for _, corrected in study) for study in said]) <= 0.05


def test_many_cells_without_correction_would_beat_themselves():
    said = [words(cells) for cells in null_studies(3, 0.3, 0, studies=300)]
    assert np.mean([any(plain == "beats" for plain, _ in study) for study in said]) > 0.15


@pytest.mark.matrix
@pytest.mark.parametrize("seeds, effect", [(3, 3.0), (5, 1.0)])
def test_a_planted_effect_is_found(seeds, effect):
    nulls = null_studies(seeds, 0.1, 0, studies=200)
    nulls[:, 4] += effect
    said = [words(cells) for cells in nulls]
    assert np.mean([study[4] == ("beats", "beats") for study in said]) > 0.9
    nulls[:, 4] -= 2 * effect
    assert np.mean([words(cells)[4] == ("is worse", "is worse") for cells in nulls]) > 0.9


def test_a_cell_below_the_margin_is_worse_and_one_above_it_matches_but_is_lower():
    found = judge([[-0.2, -0.22, -0.18, -0.21], [-0.7, -0.72, -0.68, -0.71]])
    assert [(one.plain, one.corrected) for one in found] == [(LOWER, LOWER), ("is worse", "is worse")]
    assert max(found[0].p["matches"], found[0].p["is worse"]) < 0.025 < found[0].p["beats"]
    assert found[1].p["matches"] > 0.975


def test_a_margin_for_each_cell():
    cells = {"easy": estimate([-0.2, -0.21, -0.19]), "hard": estimate([-0.2, -0.21, -0.19])}
    told = verdicts(cells, {"easy": 0.05, "hard": 0.5})
    assert (told["easy"].plain, told["hard"].plain) == ("is worse", LOWER)


def test_a_relative_margin_is_a_share_of_the_dense_error_and_never_more_than_half_a_point():
    assert [relative_margin(error, 0.1) for error in (0.4, 4.9, 5.1, 30.0)] == pytest.approx(
        [0.04, 0.49, 0.5, 0.5]
    )
    assert relative_margin(0.0, 0.1) == 0.01, "a dense net without an error leaves one image of 10,000"
    for part in (0, 1, 2, float("nan"), "much"):
        with pytest.raises(LotteryError, match="part=.* is impossible: give a share"):
            relative_margin(1.0, part)


def test_cells_that_a_plan_names_count_in_the_correction_before_they_are_run():
    one = {"mnist": estimate([1.0, 1.6, 1.9])}
    assert [verdicts(one, comparisons=n)["mnist"].corrected for n in (1, 10)] == ["beats", "no verdict"]
    assert holm([0.01, 0.02], comparisons=4) == pytest.approx(holm([0.01, 0.02, 1, 1])[:2])
    with pytest.raises(LotteryError, match="comparisons=1 is impossible"):
        verdicts({"a": one["mnist"], "b": one["mnist"]}, comparisons=1)


def test_words_of_pooled_nets():
    cells = [
        ([[1.0, 1.1, 1.2], [0.8, 1.0, 0.9]], "beats"),
        ([[1.0, 1.1, 1.2], [-1.2, -0.9, -1.1]], "matches"),  # one net gains what the other loses
        ([[5.0, 5.1, 5.2], [5.0]], "too few seeds"),
        ([[5.0, 5.1], [5.0, 5.2]], "beats"),
        ([[0.3] * 5, [0.2] * 5], "no verdict"),  # no spread: the sign test of five pairs
        ([[0.3] * 6, [0.2] * 6], "beats"),
    ]
    told = verdicts({n: pooled(strata) for n, (strata, _) in enumerate(cells)})
    assert [found.plain for found in told.values()] == [word for _, word in cells]


@pytest.mark.quick("True-0.2-0.1-2", "False-0.1-0.1-4")
@pytest.mark.parametrize("seeds", [2, 4])
@pytest.mark.parametrize("spread, step", [(0.3, 0), (0.1, 0.1), (0.2, 0.1)])
@pytest.mark.parametrize("common", [False, True])
def test_pooled_nets_seldom_beat_themselves(seeds, spread, step, common):
    drawn = null_studies(seeds, spread, step, studies=600, cells=8).reshape(600, 4, 2, seeds)
    said = [verdicts({n: pooled(cell, common) for n, cell in enumerate(study)}) for study in drawn]
    for word in ("beats", "is worse"):
        assert np.mean([any(found.corrected == word for found in study.values()) for study in said]) <= 0.04
