"""Values that a user gives, checked where they come in."""

import difflib
import inspect
import math
import os
import reprlib
from pathlib import Path

import numpy as np

from .errors import LotteryError

MOST = 2**31 - 1  # of whole numbers: what TensorFlow and its file formats count by
SEED = {"least": 0, "most": 2**32 - 1}  # what NumPy takes
_SMALLEST, _LARGEST = float(np.finfo("float32").smallest_subnormal), float(np.finfo("float32").max)


def shown(value):
    """`value` as a message quotes it: its repr, shortened if it is long.

    >>> shown("b" * 200)
    "'bbbbbbbbbbbbbbbbbbbbbbbbbbbb...bbbbbbbbbbbbbbbbbbbbbbbbbbbbb'"
    """
    how = reprlib.Repr()
    how.maxstring = how.maxother = how.maxlong = 62
    try:
        return " ".join(how.repr(value).split())
    except Exception:  # of a class of the user's, or a whole number of more digits than Python writes
        return f"a value of type {type(value).__name__}"


def whole(name, value, least=1, most=MOST):
    """`value` as an int; raises LotteryError unless it is a whole number from `least` to `most`.

    >>> whole("epochs", 3.0)
    3
    """
    try:
        number = int(value)
        fits = bool(number == value) and not isinstance(value, (bool, np.bool_))
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits or not least <= number <= most:
        upto = "up" if most == MOST and not (fits and number > most) else f"to {most}"
        raise LotteryError(f"{name}={shown(value)} is impossible: give a whole number from {least} {upto}.")
    return number


def true_or_false(**values):
    """Raises LotteryError unless each value is True or False; text, for one, would count as True whatever it
    says."""
    for name, value in values.items():
        if not isinstance(value, (bool, np.bool_)):
            raise LotteryError(f"{name}={value!r} is impossible: give True or False.")


def whole_or_text(value):
    """`value`, as an int if it is text of a whole number, as flags give it.

    >>> whole_or_text("200"), whole_or_text("init")
    (200, 'init')
    """
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else value


def of_kind(name, value, kind, wanted):
    """Raises LotteryError unless `value` is an instance of `kind`; `wanted` says what to give."""
    if not isinstance(value, kind):
        raise LotteryError(f"{name} is a {type(value).__name__}: give {wanted}.")


def takes(name, function, parameters, gives):
    """Raises LotteryError unless a function of the user's can be called with `parameters`, which are names.

    >>> def mine(weight): ...
    >>> takes("score", mine, ("path", "weight", "state"), "a number for each weight")
    Traceback (most recent call last):
    keras_lottery.core.errors.LotteryError: score is mine(weight): give a function of (path, weight, ...
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions do not tell it
        return
    try:
        signature.bind(*parameters)
    except TypeError:
        called = getattr(function, "__name__", type(function).__name__)
        raise LotteryError(
            f"{name} is {called}({', '.join(signature.parameters)}): give a function of "
            f"({', '.join(parameters)}) that gives {gives}."
        ) from None


def path(value, wanted="a file's or folder's name"):
    """`value` as a Path; raises LotteryError for what no file can be called."""
    if not isinstance(value, (str, os.PathLike)):
        raise LotteryError(f"{shown(value)} is no path: give {wanted} as text.")
    name = os.fsdecode(value)
    too_long = any(len(os.fsencode(part)) > 255 for part in Path(name).parts) or len(os.fsencode(name)) > 4000
    if too_long or "\0" in name:
        why = "File name too long" if too_long else "a NUL is in it"
        raise LotteryError(f"{shown(name)} is no path that a file can have ({why}): give {wanted}.")
    return Path(name)


def share(name, value):
    """`value` as a float; raises LotteryError unless 0 < value < 1. Takes text, as flags give it.

    >>> share("compare_at", "0.9")
    0.9
    """
    number = _float(value)
    if not 0 < number < 1:
        raise LotteryError(
            f"{name}={shown(value)} is impossible: give a share between 0 and 1, for example 0.9."
        )
    return number


def known(name, value, choices):
    """Raises LotteryError, with the nearest choice, unless `value` is one of `choices`."""
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        near = difflib.get_close_matches(
            str(value).lower(), [choice for choice in choices if isinstance(choice, str)], 1
        )
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise LotteryError(f"{name}={shown(value)} is unknown: choose {', '.join(map(repr, choices))}.{hint}")


def above_zero(name, value):
    """`value` as a float; raises LotteryError unless it is above 0 and float32 can hold it."""
    number = _float(value)
    if not _SMALLEST <= number <= _LARGEST:
        raise LotteryError(
            f"{name}={shown(value)} is impossible: give a number above 0{_in_range(number)}, for example 0.1."
        )
    return number


def zero_or_more(name, value):
    """`value` as a float; raises LotteryError unless it is 0 or more and float32 can hold it."""
    number = _float(value)
    if not 0 <= number <= _LARGEST:
        raise LotteryError(
            f"{name}={shown(value)} is impossible: give 0 or more{_in_range(number)}, for example 1e-4."
        )
    return number


def _float(value):
    """`value` as a float, NaN if it is no number."""
    try:
        return math.nan if isinstance(value, (bool, np.bool_)) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _in_range(number):
    return " that float32 can hold, 1.4e-45 to 3.4e38" if 0 < number < math.inf else ""
