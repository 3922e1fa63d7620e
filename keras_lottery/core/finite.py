"""NaN and infinity: nothing is trained on examples with them, and no state with them becomes a ticket, a
student or the start of another epoch."""

import numpy as np

from .errors import Diverged, LotteryError

CURE = (
    "Lower the learning_rate, or train in float32 if it was mixed_float16 (or clip gradients, by the "
    "optimizer's clipnorm=1.0)."
)


EXACT = "iubSUOmM"  # kinds of dtypes that hold neither NaN nor infinity
_AT_ONCE = 4096  # examples


def check_examples(arrays, name, of=""):
    """Raises LotteryError if examples hold NaN or infinity.

    Args:
      arrays: an array with the examples along its first axis, or lists, tuples and dicts of such.
      name: what the arrays are called.
      of: which data they belong to, if there are several: " of train".

    >>> check_examples({"a": np.zeros(2), "b": np.array([0, np.nan])}, "x", " of train")
    Traceback (most recent call last):
    keras_lottery.core.errors.LotteryError: x['b'] of train holds 1 NaN or infinite number, in 1 of 2 ...
    """
    if isinstance(arrays, (dict, list, tuple)):
        for key, part in arrays.items() if isinstance(arrays, dict) else enumerate(arrays):
            check_examples(part, f"{name}[{key!r}]", of)
    elif isinstance(arrays, np.ndarray) and arrays.ndim and arrays.dtype.kind not in EXACT:
        parts = (arrays[first : first + _AT_ONCE] for first in range(0, len(arrays), _AT_ONCE))
        counts = [np.count_nonzero(~np.isfinite(part).reshape(len(part), -1), axis=1) for part in parts]
        counts = np.concatenate([*counts, np.zeros(0, int)])
        if counts.any():
            total, examples = int(counts.sum()), np.flatnonzero(counts)
            raise LotteryError(
                f"{name}{of} holds {total:,} NaN or infinite number{'s' * (total > 1)}, in {len(examples):,} "
                f"of {len(arrays):,} examples, the first of them number {examples[0]}: leave these examples "
                "out, or fill in what is missing."
            )


def check_finite(values, constants, what):
    """Raises Diverged if a state holds NaN or infinity.

    Args:
      values: {path: array} of a model.
      constants: {path: array} of the same model before it trained: infinities that are there as well, such
        as those of an attention mask, are no harm.
      what: went wrong, and since when: "round 2 diverged in epoch 3".
    """
    for path, value in not_finite(values).items():
        if np.isnan(value).any() or path not in constants or not np.array_equal(value, constants[path]):
            count = np.count_nonzero(~np.isfinite(value))
            raise Diverged(
                f"{what}: {count:,} of the {value.size:,} weights of {path!r} are NaN or infinite. {CURE}"
            )


def check_loss(history, what):
    """Raises Diverged if the loss of the last epoch is no number; `history` is a list of the logs of each,
    NaN as None."""
    since = len(history)
    while since and "loss" in history[since - 1] and history[since - 1]["loss"] is None:
        since -= 1
    if since < len(history):
        raise Diverged(
            f"{what} diverged: from epoch {since + 1} of {len(history)} on the loss is NaN or infinite. "
            f"{CURE}"
        )


def not_finite(values):
    """Those of {path: array} that hold NaN or infinity."""
    return {
        path: value
        for path, value in values.items()
        if value.dtype.kind not in EXACT and not np.isfinite(value).all()
    }
