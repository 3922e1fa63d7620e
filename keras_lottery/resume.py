"""fit that a kill cannot harm: it goes on after the last finished epoch, with the same result.

Not Keras' BackupAndRestore: the epoch to go on from must be known before fit, to put the
data where it was, and the logs of finished epochs, the state of random layers and what
callbacks remember must survive.
"""

import bisect
import contextlib
import dataclasses
import hashlib
import math
import sys
from pathlib import Path

import numpy as np

from . import pruning, runs, team
from .callback import Callback, StepCounter
from .finite import check_finite, check_loss, not_finite
from .jsonable import plain
from .told import told_in_one_line


def recall(backup, callbacks):
    """Give callbacks what the file remembers of them, if there is one; what they held before, for several calls of `fit`."""
    held = [_held(callback) for callback in callbacks]
    if backup is not None and Path(backup).exists():
        _remind(callbacks, _remembered(backup))
    return held


def number(backup):
    """The number of the training, of several labelled by their numbers, that the file is of; 0 where there is none."""
    if backup is None or not Path(backup).exists():
        return 0
    _, notes = runs.read_arrays(backup, "none/")
    return int(notes["label"].rpartition(" ")[2] or 0)


def keep(backup, callbacks, held):
    """Bring up to date what the file of an ended training remembers of callbacks, which on_train_end may have changed."""
    if not team.is_chief():
        return
    arrays, notes = runs.read_arrays(backup, "callback/")
    memories, now = _memories(callbacks, held)
    if notes["callbacks"] | memories != notes["callbacks"] or _digests(arrays | now) != _digests(arrays):
        arrays, notes = runs.read_arrays(backup)
        runs.write_arrays(backup, arrays | now, **notes | {"callbacks": notes["callbacks"] | memories})


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
        return cls(step, epoch, step - (ends[epoch - 1] if epoch else 0), ends[0] if len(ends) else None, random or {})


def fit(model, train, validation_data=None, *, epochs, start=Start(), backup=None, label="", callbacks=(), held=(), goes_on=False,
        verbose="auto"):
    """Train `model` to the end of epoch `epochs`, whatever was done before.

    A training that starts within an epoch is two fits, since Keras takes the length of all
    epochs from the first. To callbacks it is one, without the epochs before.

    Args:
      model: a compiled, wrapped model.
      train, validation_data: what Keras' fit takes; `train` in its own order.
      epochs: the number of the last epoch.
      start: the `Start` of the training.
      backup: file for the state after each epoch, or None.
      label: what is trained. Of a backup with another label only the state of random
        layers is taken, unless `start` has one: it goes on from one training to the next.
      callbacks: their numbers, texts, arrays and functions of Keras, and lists and dicts
        of these, go into the backup too, where they are new.
      held: what is not new of the first callbacks, as `recall` gives it; else what they
        hold now.
      goes_on: take the optimizer, too, from a backup with another label.
      verbose: as for fit.

    Returns:
      A list with the logs of each epoch, those from before a kill included, and in each the
      steps "start" and "stop" between which it trained.
    """
    engine = pruning.engine(model)
    engine.build_optimizer(model)
    engine.build_metrics(model, train)
    keeper = _Backup(backup, label, callbacks, [*held, *map(_held, callbacks[len(held):])], train, start)
    team.wait()
    keeper.restore(model, goes_on)
    callbacks = [*callbacks, keeper]

    def part(data, first, last, callbacks):
        # shuffle would be by Python's random, which no file keeps
        with told_in_one_line():
            model.fit(data, validation_data=validation_data, initial_epoch=first, epochs=last, callbacks=callbacks, shuffle=False, verbose=verbose)

    first = epochs if keeper.stopped else start.epoch + len(keeper.history)
    rest = engine.of_length(train, start.length) if start.step else train  # of unknown length the dense training had one first epoch
    if not start.batch or keeper.history:
        part(rest, first, epochs, callbacks)
    else:
        _begun_within(engine, model, train, rest, start, first, epochs, callbacks, part, verbose)
    check_loss(keeper.history, label or "the training")
    return keeper.history


def _begun_within(engine, model, train, rest, start, first, epochs, callbacks, part, verbose):
    """Train the rest of the epoch that a training begins in, then the others."""
    begun = engine.from_batch(train, start.batch)
    begun = engine.of_length(begun, start.length - start.batch) if first else begun
    if first + 1 == epochs:
        part(begun, first, epochs, callbacks)
        return
    listed = engine.keras.callbacks.CallbackList(callbacks, add_history=True, add_progbar=bool(verbose), model=model)

    def tell(steps):
        listed.set_params({"verbose": 1 if verbose == "auto" else verbose, "epochs": epochs, "steps": steps})

    tell(start.length - start.batch)
    listed.on_train_end = lambda logs=None: None
    with engine.without_last_values(model):
        part(begun, first, first + 1, listed)
    del listed.on_train_end
    random = engine.random_state(model)  # before the next fit, which may draw
    listed.on_train_begin = lambda logs=None: callbacks[-1].go_on(random)
    tell(start.length)
    part(rest, epochs if model.stop_training else first + 1, epochs, listed)


class BestEpoch(Callback):
    """Keeps the state of the epoch with the best validation figure, from epoch `first` on; the first of equal ones."""

    def __init__(self, monitor="val_accuracy", first=0):
        super().__init__()
        self.monitor, self.first = monitor, first
        self.epoch, self.value, self.values = None, -math.inf, None

    def on_epoch_end(self, epoch, logs=None):
        if epoch >= self.first and (self.values is None or logs[self.monitor] > self.value):
            self.epoch, self.value = epoch, float(logs[self.monitor])
            self.values = pruning.engine(self.model).values(self.model)

    def restore(self, model):
        """Put the best epoch's state into `model`."""
        pruning.engine(model).load_state(model, self.values)


class _Backup(StepCounter):
    """After each epoch: its logs into `history`, all that the next ones depend on into the file."""

    def __init__(self, path, label, callbacks, held, train, start):
        super().__init__(start.step)
        self.path = path and Path(path)
        self.label = label
        self.callbacks, self.held = callbacks, held
        self.train, self.start = train, start
        self.history, self.stopped, self.memories = [], False, {}

    def restore(self, model, goes_on):
        """Take up the training where the file left it, if there is one."""
        self.random = self.start.random  # if it has none: as fit has it by then, which may draw a batch to build metrics
        if self.path is None or not self.path.exists():
            return
        random, notes = runs.read_arrays(self.path, "random/")
        if notes["label"] == self.label or not self.random:
            self.random = random
        engine = pruning.engine(model)
        if goes_on or notes["label"] == self.label:
            engine.load_optimizer(model, list(_saved(self.path, "optimizer/").values()))
        if notes["label"] == self.label:
            self.history, self.stopped = notes["history"], notes["stopped"]
            self.step = self.history[-1]["stop"] if self.history else self.step
            self.memories = _remembered(self.path)
            engine.load_state(model, _saved(self.path, "model/"))

    def on_train_begin(self, logs=None):
        # Here, since fit may have drawn a batch, and random numbers, to build the metrics with.
        self.constants = not_finite(pruning.engine(self.model).values(self.model))
        self.go_on(self.random)
        # Last of the callbacks: the others have made themselves ready for a new training.
        _remind(self.callbacks, self.memories)

    def _diverged(self, epoch):
        epochs = (self.params or {}).get("epochs")
        return f"{self.label or 'the training'} diverged in epoch {epoch + 1} of {epochs}, steps {self.history[-1]['start'] + 1:,} to {self.history[-1]['stop']:,}"

    def go_on(self, random):
        """Put the data to the epoch that comes next, and random layers to `random`, if it is known."""
        engine = pruning.engine(self.model)
        engine.set_epoch(self.train, self.start.epoch + len(self.history))
        if random:
            engine.load_random_state(self.model, random)

    def on_epoch_end(self, epoch, logs=None):
        begun = self.history[-1]["stop"] if self.history else self.start.step
        self.history.append({**plain(logs or {}), "start": begun, "stop": self.step})
        engine = pruning.engine(self.model)
        engine.unify_replicas(self.model)
        values = engine.values(self.model)
        check_finite(values, self.constants, self._diverged(epoch))
        if self.path is None:
            return
        arrays = {f"model/{path}": value for path, value in values.items()}
        arrays |= {f"optimizer/{n:05d}": value for n, value in enumerate(engine.optimizer_state(self.model))}
        arrays |= engine.random_state(self.model)
        memories, own = _memories(self.callbacks, self.held)
        notes = dict(label=self.label, history=self.history, stopped=bool(self.model.stop_training), callbacks=memories)
        runs.write_arrays(self.path, arrays | own, **notes)


def _saved(path, below):
    """The arrays of a backup whose names begin so, in order, by the rest of their names."""
    arrays, _ = runs.read_arrays(path, below)
    return {name.removeprefix(below): arrays[name] for name in sorted(arrays)}


def _names(callbacks):
    """Of each callback its class and which of that class it is, so that others may come and go."""
    kinds = [type(callback).__qualname__ for callback in callbacks]
    return [f"{kind} {kinds[:n].count(kind)}" for n, kind in enumerate(kinds)]


def _remind(callbacks, memories):
    """Give callbacks what `_remembered` has of them."""
    for name, callback in zip(_names(callbacks), callbacks):
        for attribute, value in memories.get(name, {}).items():
            here = vars(callback).get(attribute)
            if isinstance(here, dict) and isinstance(value, dict):  # of a class of its own, such as a defaultdict
                here.clear()
                here.update(value)
            else:
                setattr(callback, attribute, value)


def _remembered(path):
    """{callback: {attribute: value}} of a backup."""
    arrays, notes = runs.read_arrays(path, "callback/")
    found = {}
    for callback, memory in notes["callbacks"].items():
        own = {name.removeprefix(f"callback/{callback}/"): array for name, array in arrays.items() if name.startswith(f"callback/{callback}/")}
        found[callback] = {name: _unpack(form, own) for name, form in memory.items()}
    return found


def _memories(callbacks, held):
    """({callback: {attribute: JSON-able form}}, their arrays by their names in a backup) of what is not as it was held."""
    memories, arrays = {}, {}
    for own, callback, before in zip(_names(callbacks), callbacks, held):
        memory = {name: item for name, item in _memory(callback).items() if _changed(item, before.get(name))}
        memories[own] = {name: form for name, (form, _) in memory.items()}
        arrays |= {f"callback/{own}/{name}": array for _, found in memory.values() for name, array in found.items()}
    return memories, arrays


def _memory(callback):
    """{attribute: (JSON-able form, its arrays)} of a callback, but for what no file can hold."""
    found = {}
    for name, value in vars(callback).items():
        if name == "params":  # which each fit gives anew, and all callbacks share
            continue
        arrays = {}
        # A model, a function, an open file, a list that holds itself.
        with contextlib.suppress(TypeError, RecursionError):
            found[name] = _pack(value, name, arrays), arrays
    return found


def _held(callback):
    """What it remembers now: {attribute: (JSON-able form, digests of its arrays)}."""
    return {name: (form, _digests(arrays)) for name, (form, arrays) in _memory(callback).items()}


def _changed(item, before):
    form, arrays = item
    return before is None or form != before[0] or _digests(arrays) != before[1]


def _digests(arrays):
    return {name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest() for name, array in arrays.items()}


# What safetensors holds. Other arrays, of text, dates or complex numbers, go there as their bytes.
_NUMBERS = {"bool", "bfloat16", "float16", "float32", "float64",
            *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))}


def _pack(value, name, arrays):
    """`value` as JSON, its arrays moved to `arrays`; raises TypeError for what cannot be written."""
    if type(value) is np.ndarray and not value.dtype.hasobject:
        key = f"{name}/{len(arrays)}"
        if value.dtype.name in _NUMBERS and value.dtype.isnative:
            arrays[key] = value
            return {"array": key}
        if np.dtype(value.dtype.str) == value.dtype:  # records lose their fields there
            arrays[key] = np.frombuffer(value.tobytes(), np.uint8)
            return {"array": key, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic) and not isinstance(value, str):
        if value.dtype.name not in _NUMBERS:
            return {"scalar": _pack(np.asarray(value), name, arrays)}
        value = value.item()
    if isinstance(value, list):
        return [_pack(item, name, arrays) for item in value]
    if type(value) is tuple:
        return {"tuple": _pack(list(value), name, arrays)}
    if isinstance(value, dict) and all(type(key) in (int, float, bool) for key in value) and value:
        return {"pairs": [[key, _pack(item, name, arrays)] for key, item in value.items()]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _pack(item, name, arrays) for key, item in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    names = [getattr(value, name, "") for name in ("__module__", "__name__")]
    if callable(value) and _function(*names) is value:
        return {"function": names}
    raise TypeError(type(value).__name__)


def _unpack(form, arrays):
    """What `_pack` was given."""
    if isinstance(form, list):
        return [_unpack(item, arrays) for item in form]
    if isinstance(form, dict) and "array" in form:
        array = arrays[form["array"]]
        return np.ndarray(form["shape"], form["dtype"], array.tobytes()).copy() if "dtype" in form else array
    if isinstance(form, dict) and "scalar" in form:
        return _unpack(form["scalar"], arrays)[()]
    if isinstance(form, dict) and "tuple" in form:
        return tuple(_unpack(form["tuple"], arrays))
    if isinstance(form, dict) and "pairs" in form:
        return {key: _unpack(item, arrays) for key, item in form["pairs"]}
    if isinstance(form, dict) and "function" in form:
        return _function(*form["function"])
    if isinstance(form, dict):
        return {key: _unpack(item, arrays) for key, item in form["dict"].items()}
    return form


def _function(module, name):
    """What Keras calls so: its callbacks keep functions of its own, such as the comparison of a monitored figure."""
    return getattr(sys.modules.get(module), name, None) if module.partition(".")[0] in ("keras", "tf_keras") else None
