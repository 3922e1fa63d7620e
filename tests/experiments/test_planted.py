"""The study's plan on simulated studies: it seldom claims what is not so, and finds what is."""

import sys
from pathlib import Path

import numpy as np
import pytest

from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments import report

STUDY = Path(__file__).parents[2] / "docs/study"
sys.path.insert(0, str(STUDY))
import planted  # noqa: E402
import simulated  # noqa: E402
import summary as study_summary  # noqa: E402

FAMILY = report.read_family(STUDY / "plan.json")
SPREADS = simulated.assumed(FAMILY)
MARGIN = FAMILY.margin
MOST = 0.064  # of studies: 5% and two standard errors of 1,000
OWN, COMMON, OVER_BOTH = planted.ways(FAMILY).values()
MIXED = dict(zip(FAMILY.cells, [0.0, -MARGIN] * len(FAMILY.cells)))


@pytest.mark.parametrize(
    "truth, false",
    [
        (0.0, ["beats", "matches, but lower", "is worse"]),
        (-MARGIN, ["beats", "matches", "matches, but lower"]),
        (-MARGIN / 2, ["beats"]),
        (MARGIN, ["matches, but lower", "is worse"]),
        (-2 * MARGIN, ["beats", "matches", "matches, but lower"]),
    ],
)
def test_which_words_are_false(truth, false):
    words = ("beats", "matches", "matches, but lower", "is worse", "no verdict", "too few seeds")
    assert [word for word in words if planted.is_false(word, truth, MARGIN)] == false


def test_simulated_rows_are_those_of_a_report_and_have_the_planted_difference(tmp_path):
    truth = dict(zip(FAMILY.cells, (1.0, 2.0, -1.0, 0.0)))
    rows = simulated.study(np.random.default_rng(0), FAMILY, SPREADS, truth, seeds=400)
    assert report.write(rows, tmp_path, family=OWN) == len(rows)
    primary = report.tables(report.read(tmp_path / "rows.jsonl"), family=OWN)[0]
    at = primary.header.index("difference")
    assert [float(line[at].partition(" ")[0]) for line in primary.rows] == pytest.approx(
        list(truth.values()), abs=0.06
    )
    again = simulated.measured(rows, FAMILY)
    for group, spread in SPREADS.items():
        assert again[group] == pytest.approx(spread, abs=0.02)


def test_six_seeds_a_net_where_four_are_too_wide():
    rows = simulated.study(np.random.default_rng(1), FAMILY, SPREADS, dict.fromkeys(FAMILY.cells, 0.0))
    [(_, halves)] = planted.verdicts_of(rows, [OWN])
    few = [row for row in rows if row["seed"] < planted.SEEDS]
    assert max(planted.verdicts_of(few, [OWN], plan=False)[0][1]) > planted.WIDEST
    assert halves == planted.verdicts_of(rows, [OWN], plan=False)[0][1]


def test_seeds_and_images_spread_as_is_assumed():
    rng, found = np.random.default_rng(2), []
    for _ in range(5):
        rows = simulated.study_of_images(rng, FAMILY, dict.fromkeys(FAMILY.cells, 0.0), seeds=8)
        found += [np.diag(of) for of in simulated.measured(rows, FAMILY).values()]
    assert np.sqrt(np.mean(found)) == pytest.approx(simulated.SPREAD, abs=0.03)


def test_a_verdict_over_images_needs_rows_that_tell_which_were_right():
    rng, truth = np.random.default_rng(0), dict.fromkeys(FAMILY.cells, 0.0)
    with pytest.raises(LotteryError, match="needs rows that record which test images were right"):
        report.tables(simulated.study(rng, FAMILY, SPREADS, truth), family=OVER_BOTH)
    primary = report.tables(simulated.study_of_images(rng, FAMILY, truth), family=OVER_BOTH)[0]
    assert (
        "by the interval over seeds and test images" in primary.note and "seeds and images" in primary.header
    )


def test_readme_shows_the_primary_comparisons(tmp_path):
    rows = simulated.study_of_images(np.random.default_rng(0), FAMILY, dict.fromkeys(FAMILY.cells, 5.0))
    report.write(rows, tmp_path, family=FAMILY)
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- study -->\nno figures yet\n<!-- /study -->\nafter\n")
    study_summary.main(tmp_path / "rows.jsonl", readme)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "no figures" not in text
    assert text.count("| beats |") == len(FAMILY.cells)


@pytest.mark.parametrize("truth", [0.0, -MARGIN])
def test_a_sample_of_simulated_studies_seldom_holds_a_false_claim(truth):
    for told in planted.simulate([OWN, COMMON], truth, SPREADS, studies=100):
        assert told["false"] <= 0.05 + 2 * (0.05 * 0.95 / 100) ** 0.5


def test_a_sample_whose_truth_is_about_all_images_seldom_holds_a_false_claim():
    [told] = planted.simulate([OVER_BOTH], 0.0, studies=50)
    assert told["false"] <= 0.05 + 2 * (0.05 * 0.95 / 50) ** 0.5


@pytest.mark.stress
@pytest.mark.parametrize("family, spreads", [(OWN, SPREADS), (COMMON, SPREADS), (OVER_BOTH, None)])
@pytest.mark.parametrize("truth", [0.0, -MARGIN, MARGIN])
def test_at_most_64_of_1000_simulated_studies_hold_a_false_claim(truth, family, spreads):
    assert planted.simulate([family], truth, spreads)[0]["false"] <= MOST


@pytest.mark.stress
def test_three_claims_can_be_false_at_once_where_truths_are_mixed():
    for told in planted.simulate([OWN, COMMON], MIXED, SPREADS):
        assert told["false"] <= 0.075 + 2 * (0.075 * 0.925 / 1000) ** 0.5


@pytest.mark.stress
def test_the_plan_finds_what_is_there():
    for told in planted.simulate([OWN, COMMON], 0.0, SPREADS, studies=300):
        assert told["matches"] > 0.8
    for told in planted.simulate([OWN, COMMON], MARGIN, SPREADS, studies=300):
        assert told["beats"] > 0.8
