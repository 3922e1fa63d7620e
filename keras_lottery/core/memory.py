"""Whether there is memory for something, asked before it is made; and memory that is no longer needed."""

import contextlib
import ctypes

from .errors import LotteryError


def check(what, size, cure):
    """Raises LotteryError if the `size` bytes that `what` need are more than this machine has free; `cure`
    says what to do."""
    import psutil

    free = psutil.virtual_memory().available
    if size > free:
        raise LotteryError(
            f"{what} need {size / 1e9:,.1f} GB of memory, and {free / 1e9:.1f} GB are free: {cure}."
        )


def give_back():
    """Give the system what this process has freed. Linux's C library keeps it otherwise, in pieces between
    others that the next round's arrays do not fit into; elsewhere this does nothing."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
