"""The boundary between two rounds: prune, rewind, start the optimizer anew."""

import sys
import warnings
from pathlib import Path

import numpy as np

from .. import engines
from ..core import files
from ..core.errors import LotteryError
from ..core.schedule import KEPT
from ..training import run_folder
from ..training.callback import StepCounter
from ..training.resumable import Start
from . import alive
from .pruning import Pruning

# Names of what stands beside a rewind point's weights: learning rates, and the optimizer's count of steps,
# which is not the training's where Keras counts a step past the end of data of unknown length, or loss
# scaling leaves steps out.
_RATE, _COUNT = "learning_rate/", "optimizer/steps"


class Rewinder:
    """Holds the rewind point of a wrapped, compiled model and takes it from round to round.

    Args:
      handle: that of a wrapped, compiled model whose optimizer has not taken a step yet.
      rewind: a step of the first round (0 = the initial weights), "trained" (the weights
        at the end of the first round), "lr" (weights are never taken back) or "finetune"
        (nor is the optimizer).
      pruning: the `Pruning` of the model; None for that by magnitude in the scope that `wrap` was told.

    The rewind point holds every weight and BatchNorm statistic, with zeros where the masks
    have them, and beside them, of a step, the state of random layers and a learning rate that
    a callback may have changed. The optimizer's start holds its slots, step count and loss
    scale. Slots that begin as copies of the weights become copies of the rewound ones.
    """

    def __init__(self, handle, rewind, pruning=None):
        self.handle = handle
        self.rewind = rewind
        handle.build_optimizer()
        if handle.steps_taken():
            raise LotteryError(
                "the optimizer has taken steps already: make a new one, or compile the model again, first."
            )
        self.pruning = pruning or Pruning(handle)
        self.pruning.begin()
        self.copies = handle.weight_copies()
        if rewind not in ("trained", *KEPT, 0):
            handle.make_shiftable()
        self.optimizer_start = [_small(array) for array in handle.optimizer_state()]
        self.point, self.beside = None, {}
        if rewind == 0:
            self.point = handle.values()

    def begin(self):
        """The dense training begins: if it is what rounds rewind to, so do the numbers that random layers
        draw."""
        if self.rewind == 0 and not self.handle.steps_taken():
            self.beside = self.handle.random_state()

    def capture(self):
        """Make the present state the rewind point."""
        if self.rewind != "trained":
            self.handle.unify_replicas()
            rates = {f"{_RATE}{n}": rate for n, rate in enumerate(self.handle.rates())}
            self.beside = {
                **self.handle.random_state(),
                **rates,
                _COUNT: np.int64(self.handle.steps_taken()),
            }
        self.point = self.handle.values()

    def load(self, arrays):
        """Take up the rewind point of a file, as `arrays` gives it."""
        self.point = {path: arrays[path] for path in self.handle.variables()}
        self.beside = {name: array for name, array in arrays.items() if name not in self.point}

    def arrays(self):
        """{name: array} of the rewind point."""
        return {**self.point, **self.beside}

    def waits(self):
        """Whether the rewind point is a step that is still to come."""
        return self.point is None and not isinstance(self.rewind, str)

    def is_point(self, round, step):
        """Whether rounds rewind to the state after this step of a `schedule.Round`."""
        return round.number == 0 and step == self.rewind

    def boundary(self, round, step=None):
        """Begin a `schedule.Round`: tighten the masks in place, rewind if it does, reset the optimizer.

        step: of the dense training, that the round before ended at; None where it is unknown.

        Surviving weights are afterwards bit for bit those of the rewind point, or where the
        round does not rewind those that were trained. Nothing is traced again.
        """
        if self.rewind == "trained" and self.point is None:
            self.capture()
        if self.rewind not in KEPT and self.point is None:
            raise LotteryError(
                f"rewind={self.rewind}: that step was never the last one of an execution of steps "
                "(steps_per_execution), so its state is not known: give another step."
            )
        masks = self.pruning.masks(round, step)
        alive.set_masks(self.handle, masks)
        if self.point is not None:
            for path, mask in masks.items():  # what is pruned never comes back
                self.point[path] = np.where(mask, self.point[path], np.zeros((), self.point[path].dtype))
        if round.rewind:
            self.handle.load_state(self.point)
        if self.rewind == "finetune":
            self.handle.load_optimizer(self.handle.optimizer_state())  # JAX gives each buffer away once
        else:
            self.handle.reset_optimizer(self.optimizer_start, self.copies)
        if round.rewind:
            go_on_from(self.handle, round.start, self.beside)


def go_on_from(handle, step, beside):
    """Let a model whose optimizer is fresh train on from a step of a training that it did not take.

    Args:
      handle: that of a compiled model with the weights of that step.
      step: the step at which the learning rate's schedule goes on.
      beside: {name: array} of the state of random layers and of learning rates at that step, as
        `Rewinder.beside` has it; what is not there stays as it is.
    """
    if random_of(beside):
        handle.load_random_state(random_of(beside))
    rates = [array for name, array in sorted(beside.items()) if name.startswith(_RATE)]
    if rates:
        handle.load_rates(rates)
    if step:
        handle.make_shiftable()
        handle.shift_rate(int(beside.get(_COUNT, step)))


def start_at_point(model, step, run_dir, epoch_steps):
    """Let a freshly compiled model with the weights of a search's rewind point train on from there.

    Args:
      model: a compiled model whose optimizer is fresh.
      step: the rewind point.
      run_dir: the folder of the search; without its file random layers begin as they are.
      epoch_steps: steps of an epoch.

    Returns:
      The `resumable.Start` of the training.
    """
    handle = engines.of(model)
    with handle.strategy_scope():
        handle.build_optimizer()
        handle.keep_randomness()
    beside, file = {}, Path(run_dir) / run_folder.REWIND
    if file.exists():
        arrays, _ = files.read_arrays(file)
        beside = {name: array for name, array in arrays.items() if name not in handle.variables()}
    go_on_from(handle, step, beside)
    return Start.at(step, range(epoch_steps, step + epoch_steps, epoch_steps), random_of(beside))


def random_of(beside):
    """The state of random layers in what stands beside a rewind point."""
    return {name: array for name, array in beside.items() if name.startswith("random/")}


def _small(array):
    """An equal array, without memory of its own where all values are alike, as those of fresh slots are."""
    first = array.flat[0] if array.size else None
    return np.broadcast_to(first, array.shape) if array.size and (array == first).all() else array


class RewindCallback(StepCounter):
    """Counts the steps of a round and captures the rewind point when its step has come, then calls `then`."""

    def __init__(self, rewinder, round, then=lambda: None):
        super().__init__(round.start)
        self.rewinder, self.round = rewinder, round
        self.then = then

    def on_train_begin(self, logs=None):
        if self.round.number == 0:
            self.rewinder.begin()
            self.then()

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        if self.rewinder.is_point(self.round, self.step):
            if self.rewinder.point is None:
                self.rewinder.capture()
                self.then()
            else:  # of a file, since the run was killed within this epoch
                self.rewinder.handle.unify_replicas()


def record(masks, number, logs):
    """What is kept of a round with these masks: its number, exact counts and the metrics at its end."""
    total = sum(mask.size for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    metrics = {name: float(value) for name, value in (logs or {}).items() if np.ndim(value) == 0}
    return {"round": number, "sparsity": 1 - kept / total, "kept": kept, "total": total, "metrics": metrics}


def check_stateless(handle):
    """Raises LotteryError for a recurrent layer that keeps its state from batch to batch, which no rewind
    would find; warns of state in PyTorch's modules."""
    for path, layer in handle.layers().items():
        if isinstance(layer, handle.keras.layers.RNN) and layer.stateful:
            raise LotteryError(
                f"layer {path!r} is stateful: its state cannot be rewound with the weights. Make it with "
                "stateful=False."
            )
    torch = sys.modules.get("torch")
    parts = handle.layers().values() if torch and isinstance(handle.model, torch.nn.Module) else ()
    if any(next(part.buffers(), None) is not None for part in parts):
        warnings.warn(
            f"{handle.model.name!r} holds buffers of a PyTorch module, which are no Keras variables: running "
            "statistics among them are neither rewound nor kept in run_dir. Build such layers with Keras.",
            stacklevel=3,
        )


def check_steps(handle, marks, epoch_steps=None):
    """Raises LotteryError unless steps fall between two executions, of which one ends with each epoch.

    Args:
      handle: that of a compiled model.
      marks: {what they are called: the steps}; what is no int is left out.
      epoch_steps: steps of an epoch, None if unknown.
    """
    every = handle.steps_per_execution()
    for name, steps in marks.items():
        for step in (step for step in steps if step and not isinstance(step, str)):
            if getattr(handle.model, "autotune_steps_per_execution", False):
                raise LotteryError(
                    f"the {name}, step {step}, may fall inside an execution with "
                    "steps_per_execution='auto': give a number."
                )
            if every > 1 and epoch_steps is None:
                raise LotteryError(
                    f"the {name}, step {step}, may fall inside an execution of "
                    f"steps_per_execution={every}, since it is unknown how many steps an epoch has: tell "
                    "it, train = train.apply(tf.data.experimental.assert_cardinality(steps))."
                )
            if step % (epoch_steps or every) % every:
                within = f" within epochs of {epoch_steps}" if epoch_steps and epoch_steps % every else ""
                raise LotteryError(
                    f"the {name}, step {step}, is no multiple of steps_per_execution={every}{within}: "
                    "change one of them."
                )
