"""Rounds that end once two in a row have lost too much, or once the time for one more is gone."""

import time

from ...core.errors import LotteryError
from ...core.saying import say
from ...tickets.ticket import load_ticket
from ...training import run_folder
from ...training.callback import Callback

FAILURES = 2  # in a row


class Enough(LotteryError):
    """No further round is worth its training."""


class UntilEnough(Callback):
    """Raises `Enough` at the start of a round that is not worth its training.

    Args:
      run_dir: the folder of the search.
      allowed: points of validation accuracy that a round may lose against the dense one.
      minutes: what the whole may take in this process; None for any time.
      rounds: how many there are beside the dense one.
    """

    def __init__(self, run_dir, allowed, minutes, rounds):
        self.run_dir, self.allowed, self.minutes, self.rounds = run_dir, allowed, minutes, rounds
        self.begun = time.monotonic()

    def on_train_begin(self, logs=None):
        now = time.monotonic()
        done = run_folder.finished_rounds(self.run_dir)
        if done:
            self.check(load_ticket(run_folder.round_folder(self.run_dir, done - 1)).rounds)
        if hasattr(self, "last"):
            took = now - self.last
            if self.minutes is not None and now + took > self.begun + 60 * self.minutes:
                raise Enough(
                    f"a further round would not end within {self.minutes:g} minutes: these are enough."
                )
            minutes = (self.rounds + 1 - done) * took / 60
            say(f"at most {minutes:.1f} minutes are left, and the export")
        self.last = now

    def check(self, records):
        """Raises `Enough` if the last rounds of these records, the dense one first, all lost too much."""
        accuracies = [record["metrics"]["val_accuracy"] for record in records]
        lost = [100 * (accuracies[0] - accuracy) for accuracy in accuracies[1:]][-FAILURES:]
        if len(lost) == FAILURES and all(points > self.allowed + 1e-9 for points in lost):
            told = " and ".join(f"{points:.1f}" for points in lost)
            raise Enough(
                f"the last {FAILURES} rounds lost {told} points of validation accuracy: these are enough."
            )
