"""Rounds that end before their last epoch: a budget that they share, and masks that have settled."""

import math
import time

from .. import wrapping
from ..core.budget import check_budget
from ..core.checks import share
from ..core.errors import LotteryError
from ..core.masking import changed
from ..training.callback import StepCounter


def was_cut(ticket):
    """Whether the last round of a Ticket ended early, by a budget or since its mask had settled."""
    told, first, last = ticket.settings, ticket.rounds[0], ticket.rounds[-1]
    if not (told.get("budget") or told.get("early_bird")):
        return False
    if "stop" not in last:  # made before records said at which step a round ended
        return len(last["history"]) < told["epochs"]
    return last["stop"] < told["epochs"] * _spent(first["history"][:1])


class Stopping(StepCounter):
    """Ends the rounds of a search early, but never the last, whose training makes the ticket.

    With a budget each round may take an equal part of what is left of it once the last
    round is paid for; what a round leaves, those after it get. With `early_bird` a round
    also ends as soon as its mask has settled. No round ends before the rewind point has
    come, within its first epoch, or, where later rounds rewind to its end, before that.

    Args:
      plan: the `schedule.Round`s of the search.
      epochs: of the dense training in full.
      steps: of an epoch, None if unknown until the first has ended.
      budget: of the whole search: optimizer steps as an int, dense trainings as in "3x", or
        minutes as in "90m" (the last round is finished, however long it takes). None for no limit.
      early_bird: a round ends once fewer than this share of the weights that it would prune
        have changed since the previous epoch; above 0, below 1. None for never.
      ends_count: whether later rounds rewind to the end of the dense training.

    Raises:
      LotteryError: an impossible value, or a budget that is too small.

    Source: You et al. 2020, "Drawing Early-Bird Tickets" (arXiv 1909.11957), section 4,
    where the distance is a share of all weights.
    """

    def __init__(self, plan, epochs, steps, budget=None, early_bird=None, ends_count=False):
        super().__init__()
        self.plan, self.epochs, self.steps = plan, epochs, steps
        self.early_bird = None if early_bird is None else share("early_bird", early_bird)
        self.budget = check_budget(budget)
        self.ends_count = ends_count
        if self.budget and self.budget[1] == "steps" and steps is None:
            raise LotteryError(
                f"budget={budget} counts steps, and the number of steps per epoch is unknown: give dense "
                "trainings, such as 3x, or state the number of batches of train with assert_cardinality."
            )
        if self.budget and self.budget[1] != "m":
            a_step = steps or 1  # unknown, an epoch counts as one step, and rounds as begun at 0
            least = (
                self._least(a_step)
                if steps
                else len(plan) - 1 + epochs + (epochs - 1 if ends_count and len(plan) > 1 else 0)
            )
            if self._steps_allowed(a_step) < least:
                raise LotteryError(
                    f"budget={budget!r} is too small: {len(plan)} rounds, the last to its end and the "
                    "others of one epoch or more, take "
                    f"{f'{least:,} steps' if steps else f'{least} epochs'} or "
                    f"{math.ceil(100 * least / (epochs * a_step)) / 100:g}x: give that, or fewer rounds by "
                    "a higher rate."
                )

    def _least(self, steps):
        """The fewest steps that the search can take: of each round but the last, those to the end of its
        first epoch."""

        def shortest(round):
            if round is self.plan[-1]:
                return self.epochs * steps - round.start
            if round.number == 0:
                return (
                    self.epochs * steps
                    if self.ends_count
                    else steps * max(1, math.ceil(max(one.start for one in self.plan) / steps))
                )
            return steps - round.start % steps

        return sum(map(shortest, self.plan))

    def _steps_allowed(self, steps):
        """The budget in steps, where an epoch has so many; None for no such limit."""
        amount, unit = self.budget
        return (
            amount if unit == "steps" else round(amount * self.epochs * steps, 6)
        )  # 1.16 * 25 is a little less than 29

    def begin(self, round, records, rewinder):
        """A `schedule.Round` of the search of `rewinder` begins, after those with these records."""
        self.round, self.before, self.rewinder = round, {}, rewinder
        self.steps = self.steps or (_spent(records[0]["history"][:1]) if records else None)
        self.spent = sum(_spent(record["history"], self.steps) for record in records)
        self.seconds = records[-1].get("seconds", 0.0) if records else 0.0
        self.step = round.start

    def record(self):
        """What later rounds must know of this one, if the process is another."""
        return {"seconds": round(self.seconds, 3)} if self.budget and self.budget[1] == "m" else {}

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds += time.monotonic() - self.started
        self.steps = self.steps or self.step - self.round.start
        if self.round is self.plan[-1] or self.round.number == 0 and self.ends_count or self.rewinder.waits():
            return
        done = self.step - self.round.start
        if done + self.steps > self._allowed(done) or self._has_settled():
            self.model.stop_training = True

    def _allowed(self, done):
        """Steps that this round may take."""
        if self.budget is None:
            return math.inf
        amount, unit = self.budget
        budget = (
            amount * 60 / (self.seconds / (self.spent + done))
            if unit == "m"
            else self._steps_allowed(self.steps)
        )
        last = self.epochs * self.steps - self.plan[-1].start
        return (budget - last - self.spent) / (len(self.plan) - 1 - self.round.number)

    def _has_settled(self):
        if self.early_bird is None:
            return False
        following = self.plan[self.round.number + 1]
        before, self.before = self.before, self.rewinder.pruning.masks(following, self.step)
        return bool(before) and changed(before, self.before, wrapping.masks(self.model)) < self.early_bird


def _spent(history, steps=0):
    """Steps of a history's entries, `steps` each where they do not say."""
    return sum(entry["stop"] - entry["start"] if "stop" in entry else steps for entry in history)
