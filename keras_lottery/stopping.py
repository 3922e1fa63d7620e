"""Rounds that end before their last epoch: a budget that they share, and masks that have settled."""

import contextlib
import math
import time

from . import pruning, team
from .callback import Callback
from .checks import share, shown
from .errors import LotteryError
from .masks import changed
from .schedule import KEPT, round_sparsities

FAST = {"rate": 0.32, "budget": "3x", "rewind_once": True}  # docs/fast/curve.py measures it
STEEPER = (0.44, 0.6, 0.8)


def fast(given):
    """What makes a search take three dense trainings: the entries to add to those of its arguments that are not None.

    The rate is the lowest that leaves each round an epoch.

    >>> given = dict.fromkeys(("rounds", "rate", "budget", "rewind_once"))
    >>> fast({**given, "final_sparsity": 0.95, "rewind": "init", "epochs": 6})
    {'rate': 0.32, 'budget': '3x', 'rewind_once': True}
    """
    chosen = {name: value for name, value in FAST.items() if given[name] is None}
    if given["rewind"] in KEPT:
        chosen.pop("rewind_once", None)
    if given["rounds"] is not None and given["final_sparsity"] is not None:
        chosen.pop("rate", None)
    elif given["rounds"] is None and given["final_sparsity"] is None:
        chosen["final_sparsity"] = 0.9
    if "rate" in chosen and given["rounds"] is None:
        most = given["epochs"] + 1 if given["rewind"] == "trained" else 2 * given["epochs"]
        final = chosen.get("final_sparsity", given["final_sparsity"])
        chosen["rate"] = next((rate for rate in (FAST["rate"], *STEEPER) if len(round_sparsities(rate=rate, final_sparsity=final)) <= most), FAST["rate"])
    return chosen


def was_cut(ticket):
    """Whether the last round of a Ticket ended early, by a budget or since its mask had settled."""
    told = ticket.settings
    return bool(told.get("budget") or told.get("early_bird")) and len(ticket.rounds[-1]["history"]) < told["epochs"]


class Stopping(Callback):
    """Ends the rounds of a search early, but never the last, whose training makes the ticket.

    With a budget each round may take an equal part of what is left of it once the last
    round is paid for; what a round leaves, those after it get. With `early_bird` a round
    also ends as soon as its mask has settled. No round ends before the rewind point has
    come, and with rewind="trained" the first is trained in full.

    Args:
      rewind: as for `find_ticket`.
      sparsities: of each round, the dense one included.
      epochs: of a round that does not end early.
      steps: of an epoch, None if unknown.
      budget: of the whole search: optimizer steps as an int, dense trainings as in "3x", or
        minutes as in "90m" (the last round is finished, however long it takes). None for no limit.
      early_bird: a round ends when of the weights that it prunes less than this share are
        others than an epoch before; above 0, below 1. None for never.

    Raises:
      LotteryError: an impossible value, or a budget that is too small.

    Source: You et al. 2020, "Drawing Early-Bird Tickets" (arXiv 1909.11957), section 4,
    where the distance is a share of all weights.
    """

    def __init__(self, rewind, sparsities, epochs, steps, budget=None, early_bird=None):
        super().__init__()
        self.sparsities, self.epochs = sparsities, epochs
        self.early_bird = None if early_bird is None else share("early_bird", early_bird)
        self.in_full = 2 if rewind == "trained" else 1  # rounds that are
        self.budget, self.minutes = _epochs_or_minutes(budget, epochs, steps)  # epochs, or minutes
        shortest = [1] * (len(sparsities) - 1) + [epochs]
        if rewind == "trained":
            shortest[0] = epochs
        elif isinstance(rewind, int) and steps and len(shortest) > 1:
            shortest[0] = max(1, math.ceil(rewind / steps))  # until the rewind point has come
        least = sum(shortest)
        if self.budget is not None and self.budget < least:
            raise LotteryError(
                f"budget={budget!r} is too small: {len(sparsities)} rounds, the last of {epochs} epochs and the others of one or more, take "
                f"{f'{least * steps:,} steps' if steps else f'{least} epochs'} or {math.ceil(100 * least / epochs) / 100:g}x: give that, or fewer rounds by a higher rate."
            )

    def begin(self, number, records, rewinder):
        """A round of the search of `rewinder` begins, after those with these records."""
        self.round, self.before, self.rewinder = number, {}, rewinder
        self.spent = sum(len(record["history"]) for record in records)
        self.seconds = records[-1].get("seconds", 0.0) if records else 0.0

    def record(self):
        """What later rounds must know of this one, if the process is another."""
        return {} if self.minutes is None else {"seconds": round(self.seconds, 3)}

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds += time.monotonic() - self.started
        if self.round == len(self.sparsities) - 1 or self.round < self.in_full - 1 or self.rewinder.waits():
            return
        done = epoch + 1
        if done >= self._allowed(done) or self._has_settled():
            self.model.stop_training = True

    def _allowed(self, done):
        """Epochs that this round may take."""
        budget = self.budget
        if self.minutes is not None:
            budget = self.minutes * 60 / (self.seconds / (self.spent + done))
        if budget is None:
            return self.epochs
        open_rounds = len(self.sparsities) - 1 - self.round
        return (budget - self.epochs - self.spent) // open_rounds

    def _has_settled(self):
        if self.early_bird is None:
            return False
        before, self.before = self.before, self.rewinder.tightened(self.sparsities[self.round + 1])
        return bool(before) and changed(before, self.before, pruning.masks(self.model)) < self.early_bird


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
            raise LotteryError(f"budget={budget!r}: the clocks of several machines differ: give steps, or trainings, such as 3x.")
        return amount, text[-1]
    raise LotteryError(f"budget={shown(budget)} is impossible: give steps, such as 20000, dense trainings, such as 3x, or minutes, such as 90m.")


def _epochs_or_minutes(budget, epochs, steps):
    """A budget as (epochs, minutes), of which one is None, or both where there is no limit."""
    if budget is None:
        return None, None
    amount, unit = check_budget(budget)
    if unit == "steps":
        if steps is None:
            raise LotteryError("budget: the number of steps of an epoch is unknown: tell it with assert_cardinality, or give dense trainings, such as 3x.")
        return amount / steps, None
    return (round(amount * epochs, 6), None) if unit == "x" else (None, amount)  # 1.16 * 25 is a little less than 29
