"""One control of a comparison: trained, going on where it was stopped, and tested."""

import bisect
import dataclasses
import warnings
from pathlib import Path

import numpy as np

from .. import engines
from ..core import files, team
from ..core.errors import Failed
from ..core.jsonable import plain
from ..core.masking import sparsity
from ..core.saying import say
from ..search import alive
from ..search.rewind import start_at_point
from ..tickets.ticket import from_model
from ..training import older, resumable, run_folder
from . import corruptions, metrics, optimizers
from .controls import CONTROLS
from .gradual import GradualPruning
from .saliency import CRITERIA, saliency_masks


def on_target(control, sparsity, loaded, steps):
    """For SNIP, GraSP and gradual pruning: (function that prunes the compiled model, callbacks, first epoch
    at `sparsity`). For other controls the function returns the model unchanged."""
    if control in CRITERIA:

        def mask(net):
            handle = engines.of(net)
            x, y = _sample(loaded, handle)
            alive.set_masks(
                handle,
                saliency_masks(
                    net, x, y, control, sparsity, loss=optimizers.classifier_loss(net, reduction="none")
                ),
            )
            return net

        return mask, [], 0
    if control == "gradual":
        end = max(1, steps * 3 // 4)
        gradual = GradualPruning(sparsity, end=end, every=max(1, steps // 100))
        return lambda net: net, [gradual], -(-end // len(loaded.train)) - 1
    return lambda net: net, [], 0


def _sample(loaded, handle):
    """The first images of the first epoch, ten a class or a batch, whichever is more: (images, labels)."""
    wanted, parts = 10 * loaded.num_classes, []
    handle.set_epoch(loaded.train, 0)
    for x, y in loaded.train:
        parts.append((x.numpy(), y.numpy()))
        if sum(len(y) for _, y in parts) >= wanted:
            break
    return tuple(np.concatenate(part) for part in zip(*parts))


def best_epoch(loaded, first):
    """What keeps the epoch with the best validation figure, from `first` on; None where nothing validates."""
    return resumable.BestEpoch(first=first) if loaded.validation is not None else None


@dataclasses.dataclass(frozen=True)
class Training:
    """How one control is trained.

    Attributes:
      control: a name in `controls.CONTROLS`, or one that `told` explains.
      epochs: of each training.
      folder: where it goes on after it was stopped.
      seed: of its random operations.
      best: callback that picks the epoch to keep, or None for the last.
      callbacks: others.
      verbose: as for `fit`.
      save: keep the trained model as folder/student, and the row as folder/result.json.
      point: (step, run folder) of the rewind point that it trains on from, on the data of its search; None
        for step 0.
      cycles: trainings before this one, each from the weights that the last one left.
      goes_on: with the optimizer, too, that it left.
      before: steps that its weights were trained before, on the same data.
      corrupted: as for `tested`.
      notes: for the ticket of the trained model.
      told: what is printed when it begins; "" for what `CONTROLS` says of the control.
    """

    control: str
    epochs: int
    folder: Path
    seed: int
    best: object = None
    callbacks: tuple = ()
    verbose: object = "auto"
    save: bool = True
    point: tuple | None = None
    cycles: int = 0
    goes_on: bool = False
    before: int = 0
    corrupted: bool = False
    notes: dict = dataclasses.field(default_factory=dict)
    told: str = ""


def train_or_tell(how: Training, sparsity, make, loaded):
    """As `train`; the row of a control that comes to nothing says so, and the others go on."""
    try:
        return train(how, make, loaded)
    except Failed as error:
        warnings.warn(f"control {how.control!r} is left out of comparisons: {error}", stacklevel=2)
        return failed(how.control, sparsity, error)


def train(how: Training, make, loaded):
    """Train one control, the model that make() gives, going on where it was stopped; its row. A finished one
    is read."""
    backup, finished = how.folder / run_folder.BACKUP, how.folder / run_folder.RESULT
    if not finished.exists():
        model = make()
        handle = engines.of(model)
        handle.set_seed(how.seed)
        if how.verbose:
            say(how.told or f"{how.control}: {CONTROLS[how.control]}")
        if team.is_chief():
            how.folder.mkdir(parents=True, exist_ok=True)
        begin = start_at_point(model, *how.point, len(loaded.train)) if how.point else resumable.Start()
        start = handle.values()
        history = _cycled(how, handle, loaded, begin, backup)
        if how.best:
            how.best.restore()
        epoch = how.best and how.best.epoch
        row = tested(how.control, handle, loaded, history, epoch, how.before, how.corrupted)
        if not how.save:
            return row
        settings = {"control": how.control, "seed": how.seed}
        notes = {"data": loaded.describe(), "test_accuracy": row["test_accuracy"], **how.notes}
        made = from_model(model, start, [], notes, settings=settings)
        made.save(how.folder / "student", overwrite=True)
        files.write_json(finished, row)
        team.wait()
    files.remove(backup)
    return older.row(files.read_json(finished))


def failed(control, sparsity, error):
    """The row of a training that came to nothing: what it was, no figures, and why."""
    return {
        "control": control,
        "sparsity": sparsity,
        "epoch": None,
        "test_accuracy": None,
        "test_loss": None,
        "validation_accuracy": None,
        "history": [],
        "outcome": error.outcome,
        "why": str(error),
    }


def _cycled(how, handle, loaded, begin, backup):
    """Train `cycles` times and once more, each training from the weights of the last; the history of the
    last."""
    handle.build_optimizer()
    copies, fresh = handle.weight_copies(), handle.optimizer_state()
    for number in range(resumable.number(backup), how.cycles + 1):
        if number and not how.goes_on:
            handle.reset_optimizer(fresh, copies)
        history = resumable.fit(
            handle.model,
            loaded.train,
            loaded.validation,
            epochs=how.epochs,
            start=begin,
            kept=resumable.Kept(backup, f"training {number}" if how.cycles else "", how.goes_on),
            callbacks=[*how.callbacks, *([how.best] if how.best else [])],
            verbose=how.verbose,
        )
    return history


def tested(control, handle, loaded, history, epoch=None, before=0, corrupted=False):
    """The row of a trained model: tested, and validated at the end of `epoch` (from 0), by default the last.

    With `corrupted` it is tested on corrupted images, too: 12 times 2,000, or as many as there are to test.
    """
    steps = len(loaded.train)
    ends = [
        entry.get("stop", n * steps) for n, entry in enumerate(history, 1)
    ]  # where an entry does not say, each is an epoch
    number = len(history) - 1 if epoch is None else bisect.bisect_left(ends, (epoch + 1) * steps)
    return plain(
        {
            "control": control,
            "sparsity": sparsity(handle.masks()),
            "epoch": -(-ends[number] // steps),
            "steps": {"before": before, "start": history[0].get("start", 0), "stop": ends[-1]},
            **metrics.measured(handle, loaded),
            **metrics.left(handle),
            **({"corrupted": corruptions.accuracies(handle.model, loaded)} if corrupted else {}),
            "validation_accuracy": history[number].get("val_accuracy"),
            "history": history,
        }
    )
