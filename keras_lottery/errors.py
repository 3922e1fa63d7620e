"""The one error a user can cause, and those a training can."""


class LotteryError(ValueError):
    """Bad input: the message names the value, what was expected and what to do."""


class Diverged(LotteryError):
    """Weights became NaN."""


class Dead(LotteryError):
    """Pruning left a net whose answers do not depend on its input."""
