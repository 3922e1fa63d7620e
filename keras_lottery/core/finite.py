"""NaN and infinity: no state with them becomes a ticket, a student or the start of another epoch."""

import numpy as np

from .errors import Diverged

CURE = (
    "Lower the learning rate, clip gradients (clipnorm=1.0 of the optimizer), or train in float32 if it was "
    "mixed_float16."
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
        if value.dtype.kind not in "iubSUO" and not np.isfinite(value).all()
    }
