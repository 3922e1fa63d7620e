"""A ticket, and its controls, trained on another data set."""

import dataclasses
import warnings

from ...config import DataConfig, Machine, Recipe, Run
from ...core.checks import known
from ...core.errors import LotteryError
from ...core.options import command
from ...core.schedule import steepest
from ...models import noted
from ...models.preprocessing import scaled_twice
from ...tickets.carry import transfer as carry
from ...tickets.ticket import Ticket, as_built_by, load_ticket, ticket_folder
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
    Images are brought to the size and channels of the ticket's net where `data` does not say others. They are
    scaled as `preprocessing` says, by default as `noted.normalization` does: by their own mean and deviation,
    as the paper's were on each of its data sets, unless the ticket's search was told a scaling, such as that
    of a pretrained net.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well. The trained student is the
      ticket folder run_dir/ticket/student.

    Raises:
      LotteryError: whatever keeps it from starting or from going on in its folder.
    """
    folder, found, dense = _tickets(wanted)
    place = prepare(recipe, wanted.seed, machine, run)
    loaded = _load(data, wanted, found, place.keras)
    steps = len(loaded.train) * wanted.epochs
    notes = {"source": found.dataset, "command": command("lottery-transfer", wanted, data, recipe, machine)}

    def net(control):
        return place.made(lambda: _made(control, wanted, found, dense, loaded, place.keras))

    with place.devices():
        first = net("ticket")  # says what cannot be carried before the folder is touched
        if said := scaled_twice(first, next(iter(loaded.test))[0].numpy()):
            warnings.warn(said, stacklevel=2)
        of = {"noted": recipes.noted(found), "pretrained": recipes.pretrained(found, wanted.start)}
        place = place.settled(first, loaded, data, wanted.epochs, **of)
        told = {**_told(wanted, folder, found), **about(place, loaded), "precision": place.machine.precision}
        place.tell(run.progress)
        with run_folder.open_run(place.run_dir, "transfer", told, run.overwrite):
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
                    notes=notes,
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
    """(the ticket's folder, the ticket, the dense ticket of its search or None), once the controls are known
    to be possible."""
    if not wanted.ticket:
        raise LotteryError(
            "no ticket given: give ticket='NAME' of one that comes with the package, a round's folder "
            "of a search, hf://user/name or the https address of a zip file."
        )
    folder = ticket_folder(wanted.ticket)
    found = load_ticket(folder)
    found.start(wanted.start)
    beside = run_folder.round_folder(folder.parent, 0)
    dense = load_ticket(beside) if wanted.controls and (beside / "ticket.json").is_file() else None
    for control in wanted.controls:
        known("control", control, CONTROLS)
        check_control(control, dense, "target")
        if wanted.freeze_backbone and control in ON_TARGET:
            raise LotteryError(
                f"control {control!r} prunes layers while they train, and freeze_backbone trains the head "
                "alone: leave out one of them."
            )
    return folder, found, dense


def _load(data, wanted, found, keras):
    """The data in the form that the ticket's net takes."""
    notes, asked = found.images, {"image_size": data.image_size, "channels": data.channels}
    shape = tuple(notes.get("input_shape") or _input_shape(found, keras))
    data = dataclasses.replace(data, **noted.in_form(asked, shape, notes))
    size = (data.image_size,) * 2 if isinstance(data.image_size, int) else data.image_size
    form = (*(size or ()), data.channels)
    if form != shape and None not in form:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the student says it
            carry(found, num_classes=2, input_shape=form, keras=keras)  # says what does not fit
    normalization = noted.normalization(wanted.preprocessing, notes, data.channels)
    return load(data, wanted.seed, normalization=normalization)


def _input_shape(found, keras):
    """What the net of a ticket takes; raises LotteryError unless that is images."""
    engine, architecture = as_built_by(keras, found)
    shape = engine.build(architecture).input_shape
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise LotteryError(
            f"the ticket's net takes {shape}: expected one input of images, (height, width, channels)."
        )
    return shape[1:]


def _told(wanted, folder, found):
    """What the configuration of a transfer says of it and of its ticket."""
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
