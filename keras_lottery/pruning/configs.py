"""Optimizers and metrics of either Keras by their configs, which not all of them have."""

from ..errors import LotteryError

_NO_CONFIG = (NotImplementedError, TypeError, ValueError)


def remade(item, remake):
    """What remake() gives, a new `item` from its config.

    Raises:
      LotteryError: the config does not hold what it takes.
    """
    try:
        return remake()
    except _NO_CONFIG as error:
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise LotteryError(
            f"{type(item).__name__} cannot be made anew from its config: {first}. Wrap the model, then compile the wrapped one."
        ) from error


def told(optimizer, serialize):
    """What tells an optimizer from another: what `serialize` gives, or where it cannot, the class alone."""
    try:
        return serialize(optimizer)
    except _NO_CONFIG:
        return type(optimizer).__name__
