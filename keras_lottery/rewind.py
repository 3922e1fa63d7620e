"""The boundary between two rounds: prune by magnitude, rewind, start the optimizer anew."""

import warnings

import numpy as np

from . import alive, pruning
from .callback import Callback, StepCounter
from .errors import Dead, LotteryError
from .masks import check_leaves_some, prune
from .schedule import KEPT
from .structured import favour_channels


class Rewinder:
    """Holds the rewind point of a wrapped, compiled model and takes it from round to round.

    Args:
      model: a wrapped, compiled model whose optimizer has not taken a step yet.
      rewind: a step of the first round (0 = the initial weights), "trained" (the weights
        at the end of the first round), "lr" (weights are never taken back) or "finetune"
        (nor is the optimizer).
      scope: "global" or "layer"; None for what `wrap` was told.
      sides: prune whole channels, these, rather than single weights; see `structured.favour_channels`.

    The rewind point holds every weight and BatchNorm statistic, with zeros where the masks
    have them, the optimizer's start its slots, iteration count, learning rate and loss scale.
    Slots that begin as copies of the weights become copies of the rewound ones.
    """

    def __init__(self, model, rewind, scope=None, sides=None):
        self.model = model
        self.rewind = rewind
        self.sides = sides
        self.engine = pruning.engine(model)
        self.pruned_by = {**self.engine.settings(model)[1], **({"scope": scope} if scope else {})}
        self.engine.build_optimizer(model)
        if self.engine.steps_taken(model):
            raise LotteryError("the optimizer has taken steps already: compile the model again first.")
        self.copies = self.engine.weight_copies(model)
        self.optimizer_start = [_small(array) for array in self.engine.optimizer_state(model)]
        self.point = None
        if rewind == 0:
            self.capture()

    def capture(self):
        """Make the present weights the rewind point."""
        self.point = self.engine.values(self.model)

    def waits(self):
        """Whether the rewind point is a step that is still to come."""
        return self.point is None and not isinstance(self.rewind, str)

    def tightened(self, sparsity):
        """{path: mask}: the masks at `sparsity`, were the round to end now."""
        scores = {path: np.abs(v.numpy()) for path, v in self.engine.prunable(self.model).items()}
        masks = self.engine.masks(self.model)
        if self.sides is not None:
            scores = favour_channels(scores, masks, self.sides)
        return prune(scores, masks, sparsity, **self.pruned_by)

    def boundary(self, sparsity, back=True):
        """End a round: tighten the masks to `sparsity` in place, rewind, reset the optimizer.

        Surviving weights are afterwards bit for bit those of the rewind point; without
        `back` they stay as they are. Nothing is traced again.
        """
        if self.rewind == "trained" and self.point is None:
            self.capture()
        if self.rewind not in KEPT and self.point is None:
            raise LotteryError(f"rewind={self.rewind}: no execution of steps ended at that step: give another.")
        masks = self.tightened(sparsity)
        alive.set_masks(self.model, masks)
        if self.point is not None:
            for path, mask in masks.items():  # what is pruned never comes back
                self.point[path] = np.where(mask, self.point[path], np.zeros((), self.point[path].dtype))
            if back:
                self.engine.load_state(self.model, self.point)
        going_on = self.rewind == "finetune"
        state = self.engine.optimizer_state(self.model) if going_on else self.optimizer_start
        self.engine.reset_optimizer(self.model, state, () if going_on else self.copies)  # copies: JAX gives each buffer away once


def _small(array):
    """An equal array, without memory of its own where all values are alike, as those of fresh slots are."""
    first = array.flat[0] if array.size else None
    return np.broadcast_to(first, array.shape) if array.size and (array == first).all() else array


class RewindCallback(StepCounter):
    """Counts the steps of a fit and captures the rewind point when its step has come, then calls `then`."""

    def __init__(self, rewinder, then=lambda: None):
        super().__init__()
        self.rewinder = rewinder
        self.then = then

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        if self.step == self.rewinder.rewind and self.rewinder.point is None:
            self.rewinder.capture()
            self.then()


_UNDONE = (
    "which undoes rounds: leave out EarlyStopping's restore_best_weights and BackupAndRestore. "
    "find_ticket(run_dir=...) goes on after a kill."
)


class LotteryCallback(Callback):
    """Runs all rounds of a model's LotterySchedule in one fit.

    A round is pruned and rewound just before the first step of the next, so that
    validation and checkpoints at its end still see its trained weights. After fit the
    model holds the last ticket, trained; `ticket` is that Ticket and `rounds` has one
    record a round. Fit for `schedule.total_steps` steps. Callbacks that put back the state
    of an earlier epoch (EarlyStopping's restore_best_weights, BackupAndRestore) would undo
    rounds; `find_ticket(run_dir=...)` goes on after a kill.

    Raises:
      LotteryError: the model is not wrapped with a schedule or is pruned already, its
        optimizer has taken steps, another callback put back an earlier round, or Keras
        cannot tell how many steps an epoch has (it would then decay weights once more than
        it trains them at the end of the data).

    Example:
      >>> import numpy as np, tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
      >>> schedule = lottery.LotterySchedule(rounds=2, rate=0.5, round_steps=4)
      >>> model = lottery.wrap(net, schedule=schedule)  # doctest: +ELLIPSIS
      32 of ...
      >>> model.compile("sgd", "mse")
      >>> callback = lottery.LotteryCallback()
      >>> _ = model.fit(np.ones((64, 4)), np.ones((64, 2)), batch_size=16, epochs=3, callbacks=[callback], verbose=0)
      >>> callback.ticket.sparsity
      0.75
    """

    prunes = True

    def __init__(self):
        super().__init__()
        self.rounds = []
        self.ticket = None

    def on_train_begin(self, logs=None):
        if not pruning.is_wrapped(self.model) or pruning.engine(self.model).settings(self.model)[0] is None:
            raise LotteryError("LotteryCallback needs a schedule: lottery.wrap(model, schedule=LotterySchedule(...)).")
        pruning.check_unpruned(self.model)
        if self.params["steps"] is None:
            raise LotteryError(
                "the number of steps of an epoch is unknown: tell it, fit(..., steps_per_epoch=steps), or for a Dataset "
                "train = train.apply(tf.data.experimental.assert_cardinality(steps))."
            )
        self.schedule, _ = pruning.engine(self.model).settings(self.model)
        check_stateless(self.model)
        check_leaves_some(pruning.masks(self.model), self.schedule.sparsities[-1], pruning.engine(self.model).settings(self.model)[1]["scope"])
        check_steps(self.model, self.schedule.rewind_step, self.schedule.round_steps, self.params["steps"])
        self.rewinder = Rewinder(self.model, self.schedule.rewind_step)
        self.rewinder.engine.keep_randomness(self.model)
        self.counter = RewindCallback(self.rewinder)
        self.counter.set_params(self.params)
        self.start = self.rewinder.engine.values(self.model)
        self.masks = pruning.masks(self.model)
        self.rounds, self.ticket = [], None

    def on_epoch_begin(self, epoch, logs=None):
        self.counter.on_epoch_begin(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        if self.counter.step == 0:
            self._check_masks()
            if self.rewinder.engine.steps_taken(self.model):
                raise LotteryError(f"another callback put back a training that had begun, {_UNDONE}")
        done, rest = divmod(self.counter.step, self.schedule.round_steps)
        if rest == 0 and len(self.rounds) < done <= self.schedule.rounds:
            self._end_round()
            self._boundary(self.schedule.sparsities[done - 1])
            self.start = self.rewinder.engine.values(self.model)
            self.masks = pruning.masks(self.model)

    def on_train_batch_end(self, batch, logs=None):
        self.logs = logs
        self.counter.on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self.logs = logs

    def on_train_end(self, logs=None):
        self._check_masks()
        self._end_round()
        if self.rewinder.rewind == "trained" and self.rewinder.point is None:
            self.rewinder.capture()
        self.ticket = self._ticket()
        if self.counter.step < self.schedule.total_steps:
            warnings.warn(
                f"fit ended after {self.counter.step} of {self.schedule.total_steps} steps: the ticket is that of round "
                f"{len(self.rounds) - 1} of {self.schedule.rounds}, {self.ticket.sparsity:.1%} sparse.",
                stacklevel=2,
            )

    def _boundary(self, sparsity):
        with alive.naming_the_last_good(len(self.rounds) - 1, self.rounds[-1]["sparsity"], ", in LotteryCallback.ticket"):
            try:
                self.rewinder.boundary(sparsity)
            except Dead:
                self.ticket = self._ticket()
                raise

    def _ticket(self):
        from .ticket import from_model

        return from_model(self.model, self.rewinder.point or self.start, self.rounds)

    def _check_masks(self):
        """Raises LotteryError if the model has other masks than this callback gave it."""
        if any((mask != self.masks[path]).any() for path, mask in pruning.masks(self.model).items()):
            raise LotteryError(f"another callback put back the weights and masks of another round, {_UNDONE}")

    def _end_round(self):
        # fit does this at its end, for optimizers that average weights.
        self.rewinder.engine.finalize_optimizer(self.model)
        self.rounds.append(record(self.model, len(self.rounds), self.logs))


def record(model, number, logs):
    """What is kept of a round: its number, exact counts and the metrics at its end."""
    masks = pruning.masks(model)
    total = sum(mask.size for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    metrics = {name: float(value) for name, value in (logs or {}).items() if np.ndim(value) == 0}
    return {"round": number, "sparsity": 1 - kept / total, "kept": kept, "total": total, "metrics": metrics}


def check_stateless(model):
    """Raises LotteryError for a recurrent layer that keeps its state from batch to batch, which no rewind would find."""
    engine = pruning.engine(model)
    for path, layer in engine.layers(model).items():
        if isinstance(layer, engine.keras.layers.RNN) and layer.stateful:
            raise LotteryError(f"layer {path!r} is stateful: its state cannot be rewound with the weights. Make it with stateful=False.")


def check_steps(model, rewind_step, round_steps=None, epoch_steps=None):
    """Raises LotteryError unless round ends and the rewind step fall between two executions, of which one ends with each epoch."""
    every = pruning.engine(model).steps_per_execution(model)
    for name, steps, times in (("rewind step", rewind_step, 1), ("round length", round_steps, epoch_steps)):
        if steps is None or isinstance(steps, str):
            continue
        if steps and getattr(model, "autotune_steps_per_execution", False):
            raise LotteryError(f"the {name}, {steps} steps, may fall inside an execution with steps_per_execution='auto': give a number.")
        if steps and every > 1 and epoch_steps is None:
            raise LotteryError(f"the {name}, {steps} steps, may fall inside an execution of steps_per_execution={every}, since it is unknown how many "
                               "steps an epoch has: tell it, train = train.apply(tf.data.experimental.assert_cardinality(steps)).")
        if any(n * steps % (epoch_steps or every) % every for n in range(1, times + 1)):
            within = f" within epochs of {epoch_steps}" if epoch_steps and epoch_steps % every else ""
            raise LotteryError(
                f"the {name}, {steps} steps, is no multiple of steps_per_execution={every}{within}: change one of them."
            )
