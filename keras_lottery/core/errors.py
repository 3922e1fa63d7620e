"""The one error a user can cause, and those a training can."""


class LotteryError(ValueError):
    """Bad input: the message names the value, what was expected and what to do."""


class Failed(LotteryError):
    """A training came to nothing; `outcome` says in a word what a table calls that."""


class Diverged(Failed):
    """Weights became NaN or infinite."""

    outcome = "diverged"


class Dead(Failed):
    """Pruning left a net whose answers do not depend on its input."""

    outcome = "dead"
