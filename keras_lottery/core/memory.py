"""Whether there is memory for something, asked before it is made."""

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
