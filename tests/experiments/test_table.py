"""Figures in tables keep their sign and their side of what they are judged by when they are rounded."""

import pytest

from keras_lottery.experiments.report.table import figure, interval
from keras_lottery.experiments.stats import estimate


@pytest.mark.parametrize(
    "values, text",
    [
        ([-0.004], "0.00"),
        ([0.004], "0.00"),
        ([0.0, 0.0], "0.00 ± 0.00"),
        ([-0.006], "-0.01"),
        ([1.0, 3.0], "+2.00 ± 12.71"),
    ],
)
def test_what_rounds_to_0_has_no_sign(values, text):
    assert figure(estimate(values), "+") == text


def test_no_interval_is_no_text():
    assert interval((float("nan"), float("nan"))) == ""


@pytest.mark.parametrize(
    "ends, text",
    [
        ((-0.121, 0.336), "-0.12 to +0.34"),
        ((-0.4996, -0.0004), "-0.4996 to -0.0004"),
        ((-0.504, 0.004), "-0.504 to +0.004"),
        ((-0.5, 0.0), "-0.50 to 0.00"),
    ],
)
def test_an_end_shows_on_which_side_of_a_bound_it_lies(ends, text):
    assert interval(ends, (0.0, -0.5)) == text
