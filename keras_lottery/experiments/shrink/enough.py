"""Rounds that end once two in a row have lost too much, or once the time for one more is gone."""

import math
import time

from ...core.durations import duration
from ...core.errors import LotteryError
from ...core.files import read_json, write_json
from ...core.saying import say
from ...tickets.ticket import load_ticket
from ...training import run_folder
from ...training.callback import Callback

FAILURES = 2  # in a row
ROUNDING = 1e-4  # points: accuracies of Keras are float32


class Enough(LotteryError):
    """No further training is worth its time."""


class Clock(Callback):
    """What a training takes, by its last epoch, and until when another may begin.

    Args:
      minutes: what the whole command may take in this process; None for any time.
      epochs: of a training.
    """

    def __init__(self, minutes, epochs):
        self.minutes, self.epochs = minutes, epochs
        self.begun, self.epoch = time.monotonic(), None
        self.file, self.before = None, 0.0

    def keep(self, file):
        """Keep in a file how long the command has run, and count what its earlier processes have run."""
        self.file, self.before = file, read_json(file)["seconds"] if file.exists() else 0.0

    @property
    def passed(self):
        """Seconds since this process began."""
        return time.monotonic() - self.begun

    @property
    def whole(self):
        """Seconds that the command has run, in this process and in those that were stopped."""
        return self.before + self.passed

    @property
    def left(self):
        """Seconds that are left; infinity where any time may be taken."""
        return math.inf if self.minutes is None else 60 * self.minutes - self.passed

    @property
    def training(self):
        """Seconds that a training takes; None where no epoch has ended yet."""
        return None if self.epoch is None else self.epochs * self.epoch

    def for_others(self, parts):
        """Seconds of what is left that are for the others of so many parts."""
        return 0.0 if self.minutes is None else self.left * (parts - 1) / parts

    def check(self, keep=0.0):
        """Raises `Enough` unless another training would end before the last `keep` seconds of the time."""
        if self.training is not None and self.training + keep > self.left:
            raise Enough(f"a further training would not end within {self.minutes:g} minutes")

    def on_epoch_begin(self, epoch, logs=None):
        self.since = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = time.monotonic() - self.since
        if self.file:
            write_json(self.file, {"seconds": self.whole})


class UntilEnough(Callback):
    """Raises `Enough` at the start of a round that is not worth its training; says how long the rest takes.

    Args:
      run_dir: the folder of the search.
      allowed: points of validation accuracy that a round may lose against the dense net.
      rounds: how many there are beside the dense one.
      clock: a `Clock`, which is among the callbacks before this one.
      best: the dense net's validation accuracy; None for that of this search, whose first round is then
        trained in any case.
      more: trainings at most that follow after this search.
      keep: seconds of the time that are for those.
    """

    def __init__(self, run_dir, allowed, rounds, clock, best=None, more=0, keep=0.0):
        self.run_dir, self.allowed, self.rounds, self.clock = run_dir, allowed, rounds, clock
        self.best, self.more, self.keep = best, more, keep
        self.told = False

    def on_train_begin(self, logs=None):
        self.done = run_folder.finished_rounds(self.run_dir)
        if self.done:
            self.check(load_ticket(run_folder.round_folder(self.run_dir, self.done - 1)).rounds)
        if self.done or self.best is not None:
            self.clock.check(self.keep)
        self.told = self.clock.training is not None
        if self.told:
            self.tell()

    def on_epoch_end(self, epoch, logs=None):
        if not self.told:
            self.tell()
        self.told = True

    def tell(self):
        """Print what is left at most, the round that begins included."""
        trainings = self.rounds + 1 - self.done + self.more
        one = self.clock.training
        rest = min(trainings * one, max(self.clock.left, one))
        say(
            f"a training takes about {duration(one)}; at most {duration(rest)} are left before the export",
        )

    def check(self, records):
        """Raises `Enough` if the last rounds of these records, the dense one first, all lost too much."""
        accuracies = [record["metrics"]["val_accuracy"] for record in records]
        best = accuracies[0] if self.best is None else self.best
        lost = [100 * (best - accuracy) for accuracy in accuracies[1:]][-FAILURES:]
        if len(lost) == FAILURES and all(points > self.allowed + ROUNDING for points in lost):
            told = " and ".join(f"{points:.1f}" for points in lost)
            raise Enough(
                f"the last {FAILURES} rounds lost {told} points of validation accuracy: the rounds end here."
            )
