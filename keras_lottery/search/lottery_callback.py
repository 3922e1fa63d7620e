"""All rounds of a search in one fit."""

import warnings

import numpy as np

from .. import wrapping
from ..core.counts import check_leaves_some
from ..core.errors import Dead, LotteryError
from ..training.callback import Callback
from . import alive
from .rewind import RewindCallback, Rewinder, check_stateless, check_steps, record

_UNDONE = (
    "which undoes rounds: leave out EarlyStopping's restore_best_weights and BackupAndRestore. "
    "find_ticket(run_dir=...) goes on after a kill."
)


class LotteryCallback(Callback):
    """Runs all rounds of a model's LotterySchedule in one fit.

    A round is pruned and rewound just before the first step of the next, so that
    validation and checkpoints at its end still see its trained weights. After fit the
    model holds the last ticket, trained; `ticket` is that Ticket and `rounds` has one
    record per round. Give fit enough epochs for `schedule.total_steps` steps: it ends there,
    within an epoch if need be. A round that rewinds to step k has the learning rate of step k
    and the batches that fit serves next; `find_ticket` serves those of the dense training.
    Callbacks that put back the state of an earlier epoch (EarlyStopping's
    restore_best_weights, BackupAndRestore) would undo rounds; `find_ticket(run_dir=...)` goes
    on after a kill.

    Raises:
      LotteryError: the model is not wrapped with a schedule or is pruned already, its
        optimizer has taken steps, another callback put back an earlier round or, with a
        rewind step, sets the learning rate by epochs, or Keras cannot tell how many steps an
        epoch has (it would then decay weights once more than it trains them at the end of
        the data).

    Example:
      >>> import numpy as np, tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
      >>> schedule = lottery.LotterySchedule(rounds=2, rate=0.5, round_steps=4)
      >>> model = lottery.wrap(net, schedule=schedule)  # doctest: +ELLIPSIS
      32 of ...
      >>> model.compile("sgd", "mse")
      >>> callback = lottery.LotteryCallback()
      >>> x, y = np.ones((64, 4)), np.ones((64, 2))
      >>> _ = model.fit(x, y, batch_size=16, epochs=3, callbacks=[callback], verbose=0)
      >>> callback.ticket.sparsity
      0.75
    """

    prunes = True

    def __init__(self) -> None:
        super().__init__()
        self.rounds = []
        self.ticket = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.masks = self.handle.masks()
        self.schedule, how = self.handle.settings() if self.masks else (None, None)
        if self.schedule is None:
            raise LotteryError(
                "LotteryCallback needs a schedule: lottery.wrap(model, schedule=LotterySchedule(...))."
            )
        wrapping.check_unpruned(self.handle)
        if self.params["steps"] is None:
            raise LotteryError(
                "the number of steps per epoch is unknown: state it as fit(..., steps_per_epoch=steps), or "
                "for a Dataset by train = train.apply(tf.data.experimental.assert_cardinality(steps))."
            )
        check_stateless(self.handle)
        check_leaves_some(self.masks, self.schedule.sparsities[-1], how["scope"])
        check_steps(
            self.handle,
            {
                "rewind step": [self.schedule.rewind_step],
                "end of a round": [*self.schedule.boundaries, self.schedule.total_steps],
            },
            self.params["steps"],
        )
        self.handle.keep_randomness()
        self.rewinder = Rewinder(self.handle, self.schedule.rewind_step)
        self.plan = self.schedule.search_rounds
        self.counter = RewindCallback(self.rewinder, self.plan[0])
        self.counter.set_params(self.params)
        self.counter.on_train_begin()
        self.rates = self.handle.rates()
        self._note_start()
        self.rounds, self.ticket = [], None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.counter.on_epoch_begin(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self.counter.step == 0:
            self._check_masks()
            if self.handle.steps_taken():
                raise LotteryError(f"another callback put back a training that had begun, {_UNDONE}")
        if batch == 0:
            self._check_rates()
        begun = len(self.rounds)
        if begun < self.schedule.rounds and self.counter.step == self.schedule.boundaries[begun]:
            self._end_round()
            self._boundary(self.plan[begun + 1])
            self._note_start()
            self.masks = self.handle.masks()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.logs = logs
        self.counter.on_train_batch_end(batch, logs)
        if self.counter.step >= self.schedule.total_steps:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.logs = logs

    def on_train_end(self, logs: dict | None = None) -> None:
        self._check_masks()
        self._end_round()
        if self.rewinder.rewind == "trained" and self.rewinder.point is None:
            self.rewinder.capture()
        self.ticket = self._ticket()
        if self.counter.step < self.schedule.total_steps:
            warnings.warn(
                f"fit ended after {self.counter.step} of {self.schedule.total_steps} steps: the ticket is "
                f"that of round {len(self.rounds) - 1} of {self.schedule.rounds}, "
                f"{self.ticket.sparsity:.1%} sparse.",
                stacklevel=2,
            )

    def _boundary(self, round):
        with alive.naming_the_last_good(
            len(self.rounds) - 1, self.rounds[-1]["sparsity"], ", in LotteryCallback.ticket"
        ):
            try:
                self.rewinder.boundary(round, self.plan[round.number - 1].stop)
            except Dead:
                self.ticket = self._ticket()
                raise

    def _ticket(self):
        from ..tickets.ticket import from_model

        return from_model(self.model, self.rewinder.point or self.start, self.rounds)

    def _note_start(self):
        """Keep what a round starts from, where there is no rewind point."""
        self.start = self.rewinder.point or self.handle.values()

    def _check_rates(self):
        """Raises LotteryError if another callback set the learning rate, by epochs that a rewound round does
        not repeat."""
        if self.plan[-1].start and not all(map(np.array_equal, self.handle.rates(), self.rates)):
            raise LotteryError(
                "a callback sets the learning rate by epochs, but within one fit the epochs count on when a "
                f"round rewinds to step {self.plan[-1].start}: use find_ticket, or compile with a "
                "LearningRateSchedule."
            )

    def _check_masks(self):
        """Raises LotteryError if the model has other masks than this callback gave it."""
        if any((mask != self.masks[path]).any() for path, mask in self.handle.masks().items()):
            raise LotteryError(f"another callback put back the weights and masks of another round, {_UNDONE}")

    def _end_round(self):
        # fit does this at its end, for optimizers that average weights.
        self.handle.finalize_optimizer()
        self.rounds.append(record(self.handle.masks(), len(self.rounds), self.logs))
