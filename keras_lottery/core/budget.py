"""The budget of a search: optimizer steps, dense trainings or minutes."""

import contextlib
import math

from . import team
from .checks import shown
from .errors import LotteryError


def check_budget(budget):
    """A budget as (amount, unit), the unit "steps", "x" or "m"; None for none.

    Raises:
      LotteryError: it is nothing of the kind.

    >>> check_budget("3x"), check_budget(20000)
    ((3.0, 'x'), (20000, 'steps'))
    """
    if budget is None:
        return None
    text = budget.strip() if isinstance(budget, str) else shown(budget)
    if text.isdecimal() and len(text) < 20 and int(text) > 0:
        return int(text), "steps"
    amount = math.inf
    with contextlib.suppress(ValueError):
        amount = float(text[:-1])
    if text[-1:] in ("x", "m") and 0 < amount < math.inf:
        if text[-1] == "m" and team.is_joined():
            raise LotteryError(
                f"budget={budget!r}: the clocks of several machines differ: give steps, or trainings, such "
                "as 3x."
            )
        return amount, text[-1]
    raise LotteryError(
        f"budget={shown(budget)} is impossible: give steps, such as 20000, dense trainings, such as 3x, or "
        "minutes, such as 90m."
    )
