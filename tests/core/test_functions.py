"""A function that no file can hold is told from others by what it computes."""

import functools
import math

import numpy as np
import pytest

from keras_lottery.core.errors import LotteryError
from keras_lottery.core.functions import check_described, described

FACTOR, SHIFT = 2.0, 1.0


def scaled(path, weight, state):
    return FACTOR * weight


def helped(path, weight, state):
    return _helper(weight) + 1


def _helper(weight):
    return SHIFT * weight


def powered(power, offset=0):
    def to_a_power(path, weight, state):
        return weight**power + offset

    return to_a_power


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, path, weight, state):
        return self.factor * weight


def test_the_name_stands_before_the_hash():
    assert described(powered(2)).startswith("to_a_power ") and len(described(powered(2)).split()[1]) == 12


@pytest.mark.parametrize(
    "make",
    [
        powered,
        lambda value: functools.partial(math.pow, value),
        Scaled,
        lambda value: lambda path, weight, state: weight * value,
        lambda value: powered(np.arange(3.0) + value),
        lambda value: powered({"of": [value, None, {1, 2}]}),
        lambda value: lambda path, weight, state, value=value: weight * value,
        lambda value: Scaled(value).__call__,
    ],
)
def test_functions_of_equal_code_and_other_values_are_two(make):
    assert described(make(2)) == described(make(2)) != described(make(3))


def test_functions_of_one_line_are_two():
    one, other = (lambda x: x + 1), (lambda x: x - 1)
    assert described(one) != described(other)


def test_values_and_functions_of_its_module_count(monkeypatch):
    before = described(scaled), described(helped)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert described(scaled) != before[0] and described(helped) == before[1]
    monkeypatch.setitem(globals(), "SHIFT", 3.0)
    assert described(helped) != before[1]


def test_what_cannot_be_told_is_named():
    check_described("score", powered(2))
    check_described("score", "magnitude")
    with pytest.raises(LotteryError, match=r"score looks at 'power', a object, .* or leave run_dir out"):
        check_described("score", powered(object()))


def test_a_function_that_calls_itself_has_an_end():
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    assert described(factorial) == described(factorial)
