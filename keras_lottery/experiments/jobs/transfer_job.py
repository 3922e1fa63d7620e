"""A ticket, and its controls, trained on another data set."""

from pathlib import Path

from ... import engines
from ...core.checks import true_or_false
from ...core.errors import LotteryError
from ...core.schedule import steepest
from ...tickets.carry import transfer as carry
from ...tickets.ticket import load_ticket, ticket_folder
from ...training import run_folder
from .. import machine
from ..controls import DENSE, ON_TARGET
from ..controls import check as check_control
from ..controls import student as control_student
from ..recipe import compile_classifier, make_optimizer
from ..train_control import best_epoch, on_target, train, train_or_tell
from .shared import finish, load, prepare, tell, ticket_hash


def transfer(
    *,
    ticket,
    dataset,
    epochs,
    recipe,
    seed,
    precision,
    strategy,
    run_dir,
    start="rewind",
    controls=(),
    freeze_backbone=False,
    backend="auto",
    tpu=None,
    overwrite=False,
    verbose="auto",
):
    """Train the ticket, and each of `controls`, on a data set with the same budget.

    The epoch with the best validation accuracy is the one that is tested.

    Args: as `find`; `ticket` is a ticket folder, `start` and `freeze_backbone` as for
      `keras_lottery.transfer`, `controls` are names in `controls.CONTROLS`.
    Returns: the result, a JSON-able dict, which is in run_dir/result.json as well. The
      trained student is the ticket folder run_dir/ticket/student.
    """
    if not ticket:
        raise LotteryError(
            "no ticket given: give ticket='NAME' of one that comes with the package, or a round's folder of a search."
        )
    true_or_false(freeze_backbone=freeze_backbone, overwrite=overwrite)
    found, folder = load_ticket(ticket), ticket_folder(ticket)
    beside = run_folder.round_folder(folder.parent, 0)
    found.start(start)
    dense = load_ticket(beside) if controls and (beside / "ticket.json").is_file() else None
    for control in controls:
        check_control(control, dense, "target")
        if freeze_backbone and control in ON_TARGET:
            raise LotteryError(
                f"control {control!r} prunes layers while they train, and freeze_backbone trains the head alone: leave out one of them."
            )
    backend, policy, devices = prepare(epochs, recipe, seed, precision, strategy, run_dir, backend, tpu)
    keras, run_dir = machine.kind(backend), Path(run_dir)
    loaded = load(dataset, seed)
    steps = len(loaded.train) * epochs
    about = {
        "ticket": {"settings": found.settings, "info": found.info},
        "ticket_hash": ticket_hash(folder),
        "dense_hash": ticket_hash(beside),
        "sparsity": found.sparsity,
        "start": start,
        "freeze_backbone": freeze_backbone,
        "data": loaded.describe(),
        "backend": backend,
        "strategy": strategy,
        "epochs": epochs,
        "recipe": recipe,
        "seed": seed,
        "precision": policy,
    }
    sizes = {
        "num_classes": loaded.num_classes,
        "input_shape": loaded.input_shape,
        "keras": keras,
        "freeze_backbone": freeze_backbone,
    }

    def times(control):
        return 2 if control == "dense-longer" else 1

    def student(control):
        engines.engine_of(keras).set_seed(seed)
        net = (
            carry(found, start=start, **sizes)
            if control == "ticket"
            else control_student(control, found, dense, seed=seed, **sizes)
        )
        compile_classifier(net, make_optimizer(steps=times(control) * steps, keras=keras, **recipe))
        return net

    with devices():
        first = student("ticket")  # says what cannot be carried before the folder is touched
        if verbose:
            tell(backend, policy, precision)
        run_folder.open_run(run_dir, "transfer", about, overwrite)
        rows = []
        for control in dict.fromkeys(("ticket", *controls)):
            ready, callbacks, settled = on_target(control, found.sparsity, loaded, steps)
            how = (
                lambda: ready(first if control == "ticket" else student(control)),
                loaded,
                times(control) * epochs,
                run_dir / control,
                seed,
                best_epoch(loaded, settled),
                callbacks,
                verbose,
            )
            at = 0.0 if control in DENSE else found.sparsity
            rows.append(train(control, *how) if control == "ticket" else train_or_tell(control, at, *how))
    trained = str(run_dir / "ticket" / "student")
    return finish(
        run_dir, {"command": "transfer", "student": trained, **about, **_search(found), "rows": rows}
    )


def _search(ticket):
    """What its search did where it did so: the most that a round pruned of what was left, the size of blocks."""
    pruned = [record["sparsity"] for record in ticket.rounds if record["sparsity"]]
    blocks = ticket.pruned_by["blocks"]
    return {
        **({"rate": steepest(pruned)} if pruned else {}),
        **({"block": max(blocks.values())} if blocks else {}),
    }
