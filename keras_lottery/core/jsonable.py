"""Values as JSON holds them: made plain, told apart, written to be read."""

import hashlib
import json
import math
import os

from .errors import LotteryError

MISSING = object()  # an entry that is not there, which None is not


def plain(value):
    """`value` as JSON knows it: lists for tuples and arrays, Python's numbers for NumPy's, None for NaN and
    infinity.

    >>> import numpy as np
    >>> plain({"loss": float("nan"), "shape": (2, np.int64(3))})
    {'loss': None, 'shape': [2, 3]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # of PyTorch's tensors, on any device
        return plain(value.tolist())
    if hasattr(value, "numpy"):
        return plain(value.numpy())
    raise LotteryError(
        f"{value!r} is a {type(value).__name__}, which JSON cannot hold: give numbers, text, lists and dicts."
    )


def text(value, depth=0):
    """JSON with a line for each entry of the outer three levels: to be read, and not much larger than need
    be."""
    if depth == 3 or not value or not isinstance(value, (dict, list)):
        return json.dumps(value)
    begin, end = "{}" if isinstance(value, dict) else "[]"
    items = (
        [f"{json.dumps(k)}: {text(v, depth + 1)}" for k, v in value.items()]
        if begin == "{"
        else ([text(item, depth + 1) for item in value])
    )
    indent = "\n" + " " * (depth + 1)
    return f"{begin}{indent}{(',' + indent).join(items)}{indent[:-1]}{end}"


def differences(old, new, name=""):
    """Lines that name the entries in which two JSON-able values differ, with both values.

    >>> differences({"seed": 0}, {"seed": 1, "budget": None})
    ['budget was missing, now null', 'seed was 0, now 1']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for key in sorted({*old, *new})
            for line in differences(
                old.get(key, MISSING), new.get(key, MISSING), f"{name}.{key}" if name else key
            )
        ]
    return [] if old == new else [f"{name} was {_short(old)}, now {_short(new)}"]


def digest(value):
    """A short hash of a JSON-able value, to tell one from another."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def _short(value):
    if value is MISSING:
        return "missing"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({digest(value)})"
