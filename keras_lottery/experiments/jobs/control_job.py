"""One control of a comparison, trained on the source or on a target, as a study does."""

from pathlib import Path

from ...config import DataConfig, Machine, Recipe, Run
from ...core import files
from ...core.errors import Dead, Diverged
from ...tickets.ticket import load_ticket
from ...training import run_folder
from .. import remarks
from ..configs import Control
from ..controls import ON_SOURCE, trainings_before
from ..controls import check as check_control
from ..controls import student as control_student
from ..train_control import Training, best_epoch, failed, on_target, train_or_tell
from .shared import FINETUNED, about, early_stopping, finish, load, prepare, rewind_point, ticket_hash


def train_control(control: Control, data: DataConfig, recipe: Recipe, machine: Machine, run: Run) -> dict:
    """Train one control of a comparison, on the data its ticket was found on or on a target.

    On the source the ticket's own head is kept and the last epoch is tested, as in the rounds of a search; on
    a target the head is new and the epoch with the best validation accuracy is tested, as in `transfer`.

    Returns:
      The result, a JSON-able dict with one row, which is in run_dir/result.json too.

    Raises:
      LotteryError: whatever keeps it from starting or from going on in its folder.
    """
    nothing, found, dense = _came_to_nothing(control.ticket, control.dense), None, None
    if not nothing:
        dense = load_ticket(control.dense)
        found = load_ticket(control.ticket) if control.ticket else dense
        check_control(control.control, dense, control.on)
    place = prepare(recipe, control.seed, machine, run)
    loaded = load(data, control.seed, corrupted=True)
    if dense and len(recipe.given) < len(recipe.entries()):
        place = place.settled(dense.model("rewind", place.keras), loaded, data, pretrained=False)
    config = {**_told(control, found), **about(place, loaded), "precision": place.machine.precision}
    with place.devices(), run_folder.open_run(place.run_dir, "train_control", config):
        if (place.run_dir / run_folder.RESULT).exists():
            return run_folder.read_result(place.run_dir)
        row = (
            failed(control.control, control.sparsity, nothing)
            if nothing
            else _trained(control, place, loaded, found, dense, run.progress)
        )
        remarks.say([row], loaded)
        result = finish(place.run_dir, {"command": "train_control", **config, "rows": [row]})
        files.remove(place.run_dir / run_folder.BACKUP)
        return result


def _told(control, found):
    """What the configuration of a run says of the control and of its tickets."""
    return {
        "control": control.control,
        "ticket": found and {"settings": found.settings, "info": found.info},
        "ticket_hash": control.ticket and ticket_hash(control.ticket),
        "dense_hash": ticket_hash(control.dense),
        "sparsity": control.sparsity,
        "on": control.on,
        "epochs": control.epochs,
        "seed": control.seed,
        **({} if control.patience is None else {"patience": control.patience}),
    }


def _trained(control, place, loaded, found, dense, verbose):
    """The row of the trained control."""
    name, on_source = control.control, control.on == "source"
    steps = len(loaded.train) * control.epochs
    before = trainings_before(name, found) if on_source else 0
    cycles = before if name in ON_SOURCE else 0
    goes_on = cycles > 0 and found.settings["rewind"] == "finetune"
    point = rewind_point(name, found, Path(control.dense).parent) if on_source else None
    sizes = {} if on_source else {"num_classes": loaded.num_classes, "input_shape": loaded.input_shape}
    ready, callbacks, since = on_target(name, control.sparsity, loaded, steps)
    callbacks += early_stopping(place, control.patience, loaded, point[0] if point else 0)

    def made():
        return control_student(name, found, dense, seed=control.seed, keras=place.keras, **sizes)

    def student():
        return ready(place.compiled(made, steps, FINETUNED if goes_on else 0.0))

    how = Training(
        name,
        control.epochs,
        place.run_dir,
        control.seed,
        None if on_source else best_epoch(loaded, since),
        tuple(callbacks),
        verbose,
        save=False,
        point=point,
        cycles=cycles,
        goes_on=goes_on,
        before=before * steps,
        corrupted=True,
    )
    return train_or_tell(how, control.sparsity, student, loaded)


def _came_to_nothing(*tickets):
    """Why the search of these folders made one of them not, if it ended before; None where it made all."""
    for folder in map(Path, filter(None, tickets)):
        result = folder.parent / run_folder.RESULT
        if not (folder / "ticket.json").is_file() and result.is_file():
            for row in run_folder.read_result(folder.parent)["rows"]:
                if row.get("outcome"):
                    return (Diverged if row["outcome"] == Diverged.outcome else Dead)(row["why"])
    return None
