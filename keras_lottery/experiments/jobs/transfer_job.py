"""A ticket, and its controls, trained on another data set."""

from ...config import DataConfig, Machine, Recipe, Run
from ...core.checks import known
from ...core.errors import LotteryError
from ...core.schedule import steepest
from ...tickets.carry import transfer as carry
from ...tickets.ticket import Ticket, load_ticket, ticket_folder
from ...training import run_folder
from .. import recipes, remarks
from ..configs import TransferConfig
from ..controls import CONTROLS, DENSE, ON_TARGET
from ..controls import check as check_control
from ..controls import student as control_student
from ..train_control import Training, best_epoch, on_target, train, train_or_tell
from .shared import about, finish, load, prepare, ticket_hash


def transfer(wanted: TransferConfig, data: DataConfig, recipe: Recipe, machine: Machine, run: Run) -> dict:
    """Train the ticket, and each of its controls, on a data set with the same budget.

    The epoch with the best validation accuracy is the one that is tested. What is open in the recipe is that
    of the ticket, else it is chosen for the ticket's net; see `recipes.settled`. All controls share it.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well. The trained student is the
      ticket folder run_dir/ticket/student.

    Raises:
      LotteryError: whatever keeps it from starting or from going on in its folder.
    """
    found, dense = _tickets(wanted)
    place = prepare(recipe, wanted.seed, machine, run)
    loaded = load(data, wanted.seed)
    steps = len(loaded.train) * wanted.epochs

    def net(control):
        return place.made(lambda: _made(control, wanted, found, dense, loaded, place.keras))

    with place.devices():
        first = net("ticket")  # says what cannot be carried before the folder is touched
        of = {"noted": recipes.noted(found), "pretrained": wanted.start == "trained"}
        place = place.settled(first, loaded, data, **of)
        told = {**_told(wanted, found), **about(place, loaded), "precision": place.machine.precision}
        if run.progress:
            place.tell()
        run_folder.open_run(place.run_dir, "transfer", told, run.overwrite)
        rows = []
        for control in dict.fromkeys(("ticket", *wanted.controls)):
            ready, callbacks, since = on_target(control, found.sparsity, loaded, steps)
            how = Training(
                control,
                _times(control) * wanted.epochs,
                place.run_dir / control,
                wanted.seed,
                best_epoch(loaded, since),
                tuple(callbacks),
                run.progress,
            )
            if control == "ticket":
                rows.append(train(how, lambda: ready(place.compile(first, steps)), loaded))
            else:
                at = 0.0 if control in DENSE else found.sparsity
                make = lambda: ready(place.compile(net(control), _times(control) * steps))
                rows.append(train_or_tell(how, at, make, loaded))
    remarks.say(rows, loaded)
    trained = str(place.run_dir / "ticket" / "student")
    return finish(
        place.run_dir,
        {"command": "transfer", "student": trained, **told, **_search(found), "rows": rows},
    )


def _tickets(wanted):
    """(the ticket, the dense ticket of its search or None), once the controls are known to be possible."""
    if not wanted.ticket:
        raise LotteryError(
            "no ticket given: give ticket='NAME' of one that comes with the package, or a round's folder "
            "of a search."
        )
    found = load_ticket(wanted.ticket)
    found.start(wanted.start)
    beside = run_folder.round_folder(ticket_folder(wanted.ticket).parent, 0)
    dense = load_ticket(beside) if wanted.controls and (beside / "ticket.json").is_file() else None
    for control in wanted.controls:
        known("control", control, CONTROLS)
        check_control(control, dense, "target")
        if wanted.freeze_backbone and control in ON_TARGET:
            raise LotteryError(
                f"control {control!r} prunes layers while they train, and freeze_backbone trains the head "
                "alone: leave out one of them."
            )
    return found, dense


def _told(wanted, found):
    """What the configuration of a transfer says of it and of its ticket."""
    folder = ticket_folder(wanted.ticket)
    return {
        "ticket": {"settings": found.settings, "info": found.info},
        "ticket_hash": ticket_hash(folder),
        "dense_hash": ticket_hash(run_folder.round_folder(folder.parent, 0)),
        "sparsity": found.sparsity,
        "start": wanted.start,
        "freeze_backbone": wanted.freeze_backbone,
        "epochs": wanted.epochs,
        "seed": wanted.seed,
    }


def _times(control):
    return 2 if control == "dense-longer" else 1


def _made(control, wanted, found: Ticket, dense, loaded, keras):
    """The wrapped, uncompiled net of a control."""
    sizes = {
        "num_classes": loaded.num_classes,
        "input_shape": loaded.input_shape,
        "keras": keras,
        "freeze_backbone": wanted.freeze_backbone,
    }
    if control == "ticket":
        return carry(found, start=wanted.start, **sizes)
    return control_student(control, found, dense, seed=wanted.seed, **sizes)


def _search(ticket):
    """What its search did where it did so: the most that a round pruned of what was left, the size of
    blocks."""
    pruned = [record["sparsity"] for record in ticket.rounds if record["sparsity"]]
    blocks = ticket.pruned_by["blocks"]
    return {
        **({"rate": steepest(pruned)} if pruned else {}),
        **({"block": max(blocks.values())} if blocks else {}),
    }
