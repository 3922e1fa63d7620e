"""A training ends where its weights become NaN or infinite: at that step, if the loss shows it."""

import numpy as np

from ..core.finite import check_finite, not_finite
from .callback import StepCounter


class Diverging(StepCounter):
    """Raises Diverged at the first step whose loss is no number, if weights are none either.

    Keras gives the mean loss of the epoch so far. Loss scaling leaves out a step of infinite gradients: the
    mean then stays infinite, and the weights are well. So they are looked at again, each time after twice as
    many steps.

    Args:
      label: what is trained.
      start: the step that the training begins at.
    """

    def __init__(self, label, start):
        super().__init__(start)
        self.label = label

    def on_train_begin(self, logs=None):
        self.constants = not_finite(self.handle.current())

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.epoch, self.begun = epoch, self.step
        self.next, self.wait = self.step, 1

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        if self.step >= self.next and not np.all(np.isfinite((logs or {}).get("loss", 0))):
            self.next, self.wait = self.step + self.wait, 2 * self.wait
            self.check(self.handle.current())

    def check(self, values):
        """Raises Diverged if a state of the model, {path: array}, holds what it did not hold at the start."""
        what, epochs = self.label or "the training", (self.params or {}).get("epochs")
        check_finite(
            values,
            self.constants,
            f"{what} diverged in epoch {self.epoch + 1} of {epochs}, steps {self.begun + 1:,} to "
            f"{self.step:,}",
        )
