"""The one error a user can cause, and the one a training can."""


class LotteryError(ValueError):
    """Bad input: the message names the value, what was expected and what to do."""


class Diverged(LotteryError):
    """Weights became NaN."""
