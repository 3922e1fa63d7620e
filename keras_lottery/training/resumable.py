"""fit that a kill cannot harm: it goes on after the last finished epoch, with the same result.

Not Keras' BackupAndRestore: the epoch to go on from must be known before fit, to put the
data where it was, and the logs of finished epochs, the state of random layers and what
callbacks remember must survive.
"""

import bisect
import contextlib
import dataclasses
import math
from collections import ChainMap
from collections.abc import Sequence
from pathlib import Path

from .. import engines
from ..core import files, team
from ..core.finite import check_loss
from ..core.jsonable import plain
from ..core.lazily import Lazily
from ..core.told import told_in_one_line
from .callback import Callback
from .callback_memory import held_by, memories_of, remembered, remind
from .diverging import Diverging


def number(backup):
    """The number of the training, of several labelled by their numbers, that the file is of; 0 where there is
    none."""
    if backup is None or not Path(backup).exists():
        return 0
    _, notes = files.read_arrays(backup, "none/")
    return int(notes["label"].rpartition(" ")[2] or 0)


@dataclasses.dataclass(frozen=True)
class Start:
    """Where a training begins.

    Attributes:
      step: of the dense training, from 0.
      epoch, batch: the epoch that the step is in and the batch within it, from 0.
      length: batches of an epoch, where the step is not the first.
      random: {name: array}, the state of random layers; where it is empty they go on.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    length: int | None = None
    random: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def at(cls, step: int, ends: list, random: dict | None = None) -> "Start":
        """The place of a step in a training whose epochs ended at the steps `ends`.

        >>> Start.at(25, [10, 20, 30])
        Start(step=25, epoch=2, batch=5, length=10, random={})
        """
        epoch = bisect.bisect_right(ends, step)
        return cls(
            step,
            epoch,
            step - (ends[epoch - 1] if epoch else 0),
            ends[0] if len(ends) else None,
            random or {},
        )


@dataclasses.dataclass(frozen=True)
class Kept:
    """Where the state after each epoch of a training is kept, and what of it another training takes.

    Attributes:
      file: of the state; None keeps nothing.
      label: what is trained. Of a file with another label only the state of random layers is taken, unless
        the training's `Start` has one: it goes on from one training to the next.
      goes_on: take the optimizer, too, from a file with another label.
      held: what is not new of the first callbacks, as `callback_memory.recall` gives it; else what they hold
        now.
    """

    file: Path | None = None
    label: str = ""
    goes_on: bool = False
    held: Sequence = ()


def fit(model, train, validation_data=None, *, epochs, start=Start(), kept=Kept(), callbacks=(), **arguments):
    """Train `model` to the end of epoch `epochs`, whatever was done before.

    A training that starts within an epoch is two fits, since Keras takes the length of all
    epochs from the first. To callbacks it is one, without the epochs before.

    Args:
      model: a compiled, wrapped model.
      train, validation_data: what Keras' fit takes; `train` in its own order.
      epochs: the number of the last epoch.
      start: the `Start` of the training.
      kept: where the state after each epoch goes.
      callbacks: their numbers, texts, arrays and functions of Keras, and lists and dicts
        of these, are kept too, where they are new.
      arguments: what else fit takes, such as verbose or class_weight.

    Returns:
      A list with the logs of each epoch, those from before a kill included, and in each the
      steps "start" and "stop" between which it trained.
    """
    handle = engines.of(model)
    handle.build_optimizer()
    handle.build_metrics(train)
    held = [*kept.held, *map(held_by, callbacks[len(kept.held) :])]
    keeper = _Backup(handle, kept, callbacks, held, train, start)
    team.wait()
    keeper.restore()
    first = epochs if keeper.stopped else start.epoch + len(keeper.history)
    # Of unknown length a training has one first epoch, whose end tf_keras finds by a step that it counts.
    length = start.length or (keeper.history[0]["stop"] if keeper.history else None)
    rest = handle.of_length(train, length) if length else train
    arguments = {"verbose": "auto", "validation_data": validation_data, **arguments}
    fits = _Fits(handle, epochs, [*callbacks, keeper], arguments)
    if start.batch and not keeper.history:
        fits.begun_within_an_epoch(train, rest, start)
    else:
        fits(rest, first, epochs)
    check_loss(keeper.history, kept.label or "the training")
    return keeper.history


class _Fits:
    """Keras' fits of one training; the last of the callbacks is its `_Backup`."""

    def __init__(self, handle, epochs, callbacks, arguments):
        self.handle, self.model, self.epochs = handle, handle.model, epochs
        self.callbacks, self.arguments = callbacks, arguments

    def __call__(self, data, first, last):
        """From epoch `first` to before epoch `last`."""
        with told_in_one_line():
            self.model.fit(
                data,
                initial_epoch=first,
                epochs=last,
                callbacks=self.callbacks,
                shuffle=False,  # it would be by Python's random, which no file keeps
                **self.arguments,
            )

    def begun_within_an_epoch(self, train, rest, start):
        """The rest of the epoch that the training starts in, then the others: to callbacks one fit."""
        first = start.epoch
        begun = self.handle.from_batch(train, start.batch)
        begun = self.handle.of_length(begun, start.length - start.batch) if first else begun
        if first + 1 == self.epochs:
            self(begun, first, self.epochs)
            return
        keeper = self.callbacks[-1]
        self.callbacks = self.handle.keras.callbacks.CallbackList(
            self.callbacks, add_history=True, add_progbar=bool(self.arguments["verbose"]), model=self.model
        )
        self._tell(start.length - start.batch)
        self.callbacks.on_train_end = lambda logs=None: None
        with _without_last_values(self.model.optimizer):
            self(begun, first, first + 1)
        del self.callbacks.on_train_end
        random = self.handle.random_state()  # before the next fit, which may draw
        self.callbacks.on_train_begin = lambda logs=None: keeper.go_on(random)
        self._tell(start.length)
        self(rest, self.epochs if self.model.stop_training else first + 1, self.epochs)

    def _tell(self, steps):
        verbose = self.arguments["verbose"]
        self.callbacks.set_params(
            {"verbose": 1 if verbose == "auto" else verbose, "epochs": self.epochs, "steps": steps}
        )


@contextlib.contextmanager
def _without_last_values(optimizer):
    """Let fits within not end a training: averaged weights stay where they are, and are not written into the
    model."""
    if hasattr(optimizer, "finalize_variable_values"):
        optimizer.finalize_variable_values = lambda var_list: None
    try:
        yield
    finally:
        vars(optimizer).pop("finalize_variable_values", None)


class BestEpoch(Callback):
    """Keeps the state of the epoch with the best validation figure, from epoch `first` on; the first of equal
    ones."""

    def __init__(self, monitor="val_accuracy", first=0):
        super().__init__()
        self.monitor, self.first = monitor, first
        self.epoch, self.value, self.values = None, -math.inf, None

    def on_epoch_end(self, epoch, logs=None):
        if epoch >= self.first and (self.values is None or logs[self.monitor] > self.value):
            self.epoch, self.value = epoch, float(logs[self.monitor])
            self.values = self.handle.values()

    def restore(self):
        """Put the best epoch's state into the model."""
        self.handle.load_state(self.values)


class _Backup(Diverging):
    """After each epoch: its logs into `history`, all that the next ones depend on into the file."""

    def __init__(self, handle, kept, callbacks, held, train, start):
        super().__init__(kept.label, start.step)
        self.handle, self.path = handle, kept.file and Path(kept.file)
        self.goes_on = kept.goes_on
        self.callbacks, self.held = callbacks, held
        self.train, self.start = train, start
        self.history, self.stopped, self.memories = [], False, {}

    def restore(self):
        """Take up the training where the file left it, if there is one."""
        self.random = (
            self.start.random
        )  # if it has none: as fit has it by then, which may draw a batch to build metrics
        if self.path is None or not self.path.exists():
            return
        random, notes = files.read_arrays(self.path, "random/")
        if notes["label"] == self.label or not self.random:
            self.random = random
        if self.goes_on or notes["label"] == self.label:
            self.handle.load_optimizer(list(_saved(self.path, "optimizer/").values()))
        if notes["label"] == self.label:
            self.history, self.stopped = notes["history"], notes["stopped"]
            self.step = self.history[-1]["stop"] if self.history else self.step
            self.memories = remembered(self.path)
            self.handle.load_state(_saved(self.path, "model/"))

    def on_train_begin(self, logs=None):
        # Here, since fit may have drawn a batch, and random numbers, to build the metrics with.
        super().on_train_begin(logs)
        self.go_on(self.random)
        # Last of the callbacks: the others have made themselves ready for a new training.
        remind(self.callbacks, self.memories)

    def go_on(self, random):
        """Put the data to the epoch that comes next, and random layers to `random`, if it is known."""
        self.handle.set_epoch(self.train, self.start.epoch + len(self.history))
        if random:
            self.handle.load_random_state(random)

    def on_epoch_end(self, epoch, logs=None):
        begun = self.history[-1]["stop"] if self.history else self.start.step
        self.history.append({**plain(logs or {}), "start": begun, "stop": self.step})
        self.handle.unify_replicas()
        self.check(self.handle.current())
        if self.path is None:
            return
        kept = {f"model/{path}": variable for path, variable in self.handle.variables().items()}
        kept |= {f"optimizer/{n:05d}": slot for n, slot in enumerate(self.handle.optimizer_variables())}
        arrays = ChainMap(self.handle.random_state(), Lazily(kept, self.handle.array))
        memories, own = memories_of(self.callbacks, self.held)
        notes = dict(
            label=self.label, history=self.history, stopped=bool(self.model.stop_training), callbacks=memories
        )
        files.write_arrays(self.path, arrays.new_child(own), **notes)


def _saved(path, below):
    """The arrays of a backup whose names begin so, in order, by the rest of their names."""
    arrays, _ = files.read_arrays(path, below)
    return {name.removeprefix(below): arrays[name] for name in sorted(arrays)}
