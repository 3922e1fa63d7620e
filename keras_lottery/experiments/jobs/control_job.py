"""One control of a comparison, trained on the source or on a target, as a study does."""

from pathlib import Path

from ... import engines
from ...core import files
from ...core.checks import known
from ...core.errors import Dead, Diverged
from ...tickets.ticket import load_ticket
from ...training import run_folder
from .. import machine
from ..controls import ON_SOURCE, trainings_before
from ..controls import check as check_control
from ..controls import student as control_student
from ..recipe import compile_classifier, make_optimizer
from ..train_control import best_epoch, failed, on_target, train_or_tell
from .shared import FINETUNED, finish, load, prepare, rewind_point, ticket_hash


def train_control(
    *,
    control,
    ticket,
    dense,
    on,
    sparsity,
    dataset,
    epochs,
    recipe,
    seed,
    precision,
    strategy,
    run_dir,
    backend="auto",
    tpu=None,
    verbose="auto",
):
    """Train one control of a comparison, on the data its ticket was found on or on a target.

    On the source the ticket's own head is kept and the last epoch is tested, as in the
    rounds of a search; on a target the head is new and the epoch with the best
    validation accuracy is tested, as in `transfer`.

    Args: as `transfer`; `control` is a name in `controls.CONTROLS`, `dense` the folder of the
      search's round 0, `ticket` None for a control that needs none, `on` "source" or
      "target", `sparsity` what the control is compared at.
    Returns: the result, a JSON-able dict with one row, which is in run_dir/result.json too.
    """
    known("on", on, ("source", "target"))
    hashes = {"ticket_hash": ticket and ticket_hash(ticket), "dense_hash": ticket_hash(dense)}
    search = Path(dense).parent
    nothing, found = _came_to_nothing(ticket, dense), None
    if not nothing:
        dense = load_ticket(dense)
        found = load_ticket(ticket) if ticket else dense
        check_control(control, dense, on)
    backend, policy, devices = prepare(epochs, recipe, seed, precision, strategy, run_dir, backend, tpu)
    keras, run_dir = machine.kind(backend), Path(run_dir)
    loaded = load(dataset, seed, corrupted=True)
    steps = len(loaded.train) * epochs
    about = {
        "control": control,
        "ticket": found and {"settings": found.settings, "info": found.info},
        **hashes,
        "sparsity": sparsity,
        "on": on,
        "data": loaded.describe(),
        "backend": backend,
        "strategy": strategy,
        "epochs": epochs,
        "recipe": recipe,
        "seed": seed,
        "precision": policy,
    }
    sizes = {"num_classes": loaded.num_classes, "input_shape": loaded.input_shape} if on == "target" else {}
    point, before, cycles = None, 0, 0
    if on == "source" and found:
        point, before = rewind_point(control, found, search), trainings_before(control, found)
        cycles = before if control in ON_SOURCE else 0
    going_on = cycles > 0 and found.settings["rewind"] == "finetune"

    def student():
        engines.engine_of(keras).set_seed(seed)
        net = control_student(control, found, dense, seed=seed, keras=keras, **sizes)
        end = FINETUNED if going_on else 0.0
        compile_classifier(net, make_optimizer(steps=steps, keras=keras, end=end, **recipe))
        return ready(net)

    with devices():
        run_folder.open_run(run_dir, "train_control", about)
        if (run_dir / run_folder.RESULT).exists():
            return run_folder.read_result(run_dir)
        ready, callbacks, settled = on_target(control, sparsity, loaded, steps)
        best = best_epoch(loaded, settled) if on == "target" else None
        row = (
            failed(control, sparsity, nothing)
            if nothing
            else train_or_tell(
                control,
                sparsity,
                student,
                loaded,
                epochs,
                run_dir,
                seed,
                best,
                callbacks,
                verbose,
                save=False,
                point=point,
                cycles=cycles,
                goes_on=going_on,
                before=before * steps,
                corrupted=True,
            )
        )
    result = finish(run_dir, {"command": "train_control", **about, "rows": [row]})
    files.remove(run_dir / run_folder.BACKUP)
    return result


def _came_to_nothing(*tickets):
    """Why the search of these folders made one of them not, if it ended before; None where it made all."""
    for folder in map(Path, filter(None, tickets)):
        result = folder.parent / run_folder.RESULT
        if not (folder / "ticket.json").is_file() and result.is_file():
            for row in run_folder.read_result(folder.parent)["rows"]:
                if row.get("outcome"):
                    return (Diverged if row["outcome"] == Diverged.outcome else Dead)(row["why"])
    return None
