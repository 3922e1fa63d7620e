"""Numbers that a user gives, checked where they come in."""

import difflib

from .errors import LotteryError


def whole(name, value, least=1, most=None):
    """`value` as an int; raises LotteryError unless it is a whole number from `least` (to `most`).

    >>> whole("epochs", 3.0)
    3
    """
    try:
        number = int(value)
        fits = number == value and number >= least and (most is None or number <= most)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits or isinstance(value, bool):
        upto = f"to {most}" if most is not None else "up"
        raise LotteryError(f"{name}={value!r} is impossible: give a whole number from {least} {upto}.")
    return number


def share(name, value):
    """`value` as a float; raises LotteryError unless 0 < value < 1. Takes text, as flags give it.

    >>> share("compare_at", "0.9")
    0.9
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = None
    if number is None or not 0 < number < 1:
        raise LotteryError(f"{name}={value!r} is impossible: give a share between 0 and 1, for example 0.9.")
    return number


def known(name, value, choices):
    """Raises LotteryError, with the nearest choice, unless `value` is one of `choices`."""
    if value not in choices:
        near = difflib.get_close_matches(str(value).lower(), [choice for choice in choices if isinstance(choice, str)], 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise LotteryError(f"{name}={value!r} is unknown: choose {', '.join(map(repr, choices))}.{hint}")


def above_zero(name, value):
    """Raises LotteryError unless 0 < value < infinity."""
    if not 0 < value < float("inf"):
        raise LotteryError(f"{name}={value!r} is impossible: give a number above 0, for example 0.1.")


SEED = {"least": 0, "most": 2**32 - 1}  # what NumPy takes
