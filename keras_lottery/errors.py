"""The one error a user can cause."""


class LotteryError(ValueError):
    """Bad input: the message names the value, what was expected and what to do."""
