"""fit that a kill cannot harm: it goes on after the last finished epoch, with the same result.

Not Keras' BackupAndRestore: the epoch to go on from must be known before fit, to put the
data where it was, and the logs of finished epochs must survive.
"""

from pathlib import Path

from . import pruning, runs
from .data import set_epoch
from .pruning.tfmot import Callback


def fit(model, train, validation_data=None, *, epochs, backup=None, label="", callbacks=(), verbose="auto"):
    """Train `model` to the end of epoch `epochs`, whatever was done before.

    Args:
      model: a compiled, wrapped model.
      train, validation_data: what Keras' fit takes.
      epochs: epochs in all.
      backup: file for the state after each epoch, or None.
      label: what is trained; a backup with another label is not used.
      callbacks, verbose: as for fit.

    Returns:
      A list with the logs of each epoch, those from before a kill included.
    """
    engine = pruning.engine(model)
    engine.build_optimizer(model)
    history = []
    if backup is not None and Path(backup).exists():
        arrays, notes = runs.read_arrays(backup)
        if notes["label"] == label:
            history = notes["history"]
            engine.load_state(model, _below(arrays, "model/"))
            engine.load_optimizer(model, list(_below(arrays, "optimizer/").values()))
    if hasattr(train, "element_spec"):
        set_epoch(train, len(history))
    model.fit(
        train,
        validation_data=validation_data,
        initial_epoch=len(history),
        epochs=epochs,
        callbacks=[*callbacks, _Backup(backup, label, history)],
        verbose=verbose,
    )
    return history


class BestEpoch(Callback):
    """Keeps the state of the epoch with the best validation figure; the first of equal ones.

    Args:
      path: file for it, which a resumed run reads again; None keeps it in memory only.
    """

    def __init__(self, path=None, monitor="val_accuracy"):
        super().__init__()
        self.path = path
        self.monitor = monitor
        self.epoch, self.value, self.values = None, float("-inf"), None
        if path is not None and Path(path).exists():
            self.values, notes = runs.read_arrays(path)
            self.epoch, self.value = notes["epoch"], notes["value"]

    def on_epoch_end(self, epoch, logs=None):
        if logs[self.monitor] > self.value:
            self.epoch, self.value = epoch, float(logs[self.monitor])
            self.values = pruning.engine(self.model).values(self.model)
            if self.path is not None:
                runs.write_arrays(self.path, self.values, epoch=self.epoch, value=self.value)

    def restore(self, model):
        """Put the best epoch's state into `model`."""
        pruning.engine(model).load_state(model, self.values)


class _Backup(Callback):
    """After each epoch: its logs into `history`, the whole state into the file."""

    def __init__(self, path, label, history):
        super().__init__()
        self.path = path
        self.label = label
        self.history = history

    def on_epoch_end(self, epoch, logs=None):
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        if self.path is not None:
            engine = pruning.engine(self.model)
            model = {f"model/{path}": value for path, value in engine.values(self.model).items()}
            optimizer = {f"optimizer/{n:05d}": value for n, value in enumerate(engine.optimizer_state(self.model))}
            runs.write_arrays(self.path, {**model, **optimizer}, label=self.label, history=self.history)


def _below(arrays, prefix):
    return {name[len(prefix) :]: arrays[name] for name in sorted(arrays) if name.startswith(prefix)}
