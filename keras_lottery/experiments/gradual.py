"""Gradual magnitude pruning: the usual way to prune while training, and a control for tickets."""

import numpy as np

from .. import wrapping
from ..core.checks import share, whole
from ..core.counts import check_leaves_some
from ..core.errors import LotteryError
from ..core.masking import prune
from ..search import alive
from ..training.callback import StepCounter


class GradualPruning(StepCounter):
    """Prunes a wrapped model by magnitude while it trains, fast at first, then ever slower.

    The sparsity at a step is final * (1 - (1 - (step - begin) / (end - begin)) ** 3), which is TF-MOT's
    PolynomialDecay.

    Args:
      final_sparsity: share of zeros from step `end` on, 0..1, in the model's scope.
      end: step of the last pruning.
      begin: step of the first.
      every: steps from one pruning to the next.

    Raises:
      LotteryError: an impossible value, a model that is not wrapped, or pruning would leave a net whose
        answers do not depend on its input.

    Source: Zhu & Gupta 2017 (arXiv 1710.01878), section 3.

    Example:
      >>> import numpy as np, tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
      >>> model = lottery.wrap(net)  # doctest: +ELLIPSIS
      32 of ...
      >>> model.compile("sgd", "mse")
      >>> gradual = GradualPruning(0.75, end=8, every=2)
      >>> _ = model.fit(np.ones((64, 4)), np.ones((64, 2)), batch_size=4, callbacks=[gradual], verbose=0)
      >>> lottery.sparsity(model)
      0.75
    """

    prunes = True

    def __init__(self, final_sparsity, end, begin=0, every=100):
        super().__init__()
        self.final_sparsity, self.begin = (
            share("final_sparsity", final_sparsity),
            whole("begin", begin, least=0),
        )
        self.end, self.every = whole("end", end, least=self.begin + 1), whole("every", every)
        self.step, self.masks = 0, None

    def sparsity(self, step):
        """Share of zeros wanted once `step` steps are done, 0..1."""
        done = (min(max(step, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return self.final_sparsity * (1 - (1 - done) ** 3)

    def _prunings(self, step):
        """How many prunings are due by the end of a step."""
        return (
            (min(step, self.end) - self.begin) // self.every + (step >= self.end)
            if step >= self.begin
            else -1
        )

    def on_train_begin(self, logs=None):
        masks = self.handle.masks()
        if not masks:
            raise LotteryError("GradualPruning needs a wrapped model: lottery.wrap(model).")
        wrapping.check_unpruned(self.handle)
        check_leaves_some(masks, self.final_sparsity, self.handle.settings()[1]["scope"])
        self.step, self.masks = 0, None

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0 and self.masks:  # of a training that goes on after a kill
            self.handle.set_masks(self.masks)

    def on_train_end(self, logs=None):
        if self.masks:  # of one that had ended already
            self.handle.set_masks(self.masks)

    def on_train_batch_end(self, batch, logs=None):
        before = self.step
        super().on_train_batch_end(batch, logs)
        if self._prunings(self.step) > self._prunings(before):
            scores = {path: np.abs(variable.numpy()) for path, variable in self.handle.prunable().items()}
            masks = prune(scores, self.handle.masks(), self.sparsity(self.step), **self.handle.settings()[1])
            alive.set_masks(self.handle, masks)
            self.masks = masks
