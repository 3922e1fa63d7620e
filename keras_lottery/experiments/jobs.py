"""What the commands do: find a ticket, transfer it, train one control, export it, each with a result.json.

Values are checked before data are loaded, and all of it before anything is trained.
"""

from pathlib import Path

from .. import data, engines, wrapping
from ..core import files
from ..core.checks import SEED, known, share, true_or_false, whole, whole_or_text
from ..core.errors import Dead, Diverged, Failed, LotteryError
from ..core.jsonable import plain
from ..core.masking import BLOCKS, SCOPES
from ..core.schedule import KEPT, check_rewind, check_rewind_once, round_sparsities, steepest
from ..models import saved
from ..search.find_ticket import find_ticket
from ..search.stopping import check_budget, was_cut
from ..tflite.of_ticket import export  # noqa: F401  a job too
from ..tickets.carry import transfer as carry
from ..tickets.ticket import load_ticket, ticket_folder
from ..training import run_folder
from . import machine
from .controls import DENSE, FROM_POINT, ON_SOURCE, ON_TARGET, first_step, random_mask, trainings_before
from .controls import check as check_control
from .controls import student as control_student
from .corruptions import IMAGES
from .machine import STRATEGIES, check_batches, place
from .recipe import compile_classifier, make_optimizer
from .train_control import best_epoch, failed, on_target, tested, train, train_or_tell
from .variants import unusual

ROUNDS = 10
ON_THE_WAY = "on the way"  # a round that ended early or was not rewound: no verdict is on it
FINETUNED = 0.01  # what a cosine ends at, as a share of its rate, where training goes on at that rate


def find(
    *,
    dataset,
    model,
    epochs,
    recipe,
    seed,
    precision,
    strategy,
    run_dir,
    width=1.0,
    rounds=None,
    rate=None,
    final_sparsity=None,
    scope="global",
    rewind="init",
    rewind_once=False,
    block=1,
    structured=False,
    budget=None,
    early_bird=None,
    patience=None,
    compare_at=(),
    corrupted=False,
    backend="auto",
    tpu=None,
    overwrite=False,
    verbose="auto",
):
    """Search; then test each round and, at the sparsities `compare_at`, a random mask trained alike.

    Where weights are never rewound, and no round is cut short, a dense net that is trained as often stands there too.

    Test figures are of the last epoch of each round: the test split chooses nothing.

    Args:
      dataset: arguments of `data.load`, as a dict.
      model, width: a builder's name and its width, or a saved .keras file.
      recipe: optimizer, learning_rate, schedule and weight_decay, as a dict.
      rounds, rate, final_sparsity, scope, rewind, rewind_once, structured, budget, early_bird, epochs: as
        for `find_ticket`; with neither rounds nor final_sparsity there are 10 rounds.
      patience: end each round, the last too, after so many epochs without a better
        validation accuracy. None for never.
      block: as for `wrap`.
      precision: one of `machine.PRECISIONS`.
      strategy, tpu: as for `machine.place`.
      backend: one of `machine.BACKENDS`.
      compare_at: sparsities; the round nearest to each gets the control.
      corrupted: test each round on corrupted images, too, as a study does; commands save themselves that time,
        which for a small net is that of an epoch.
      overwrite: start anew in run_dir, deleting the run that is there.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well.
    """
    if rounds is None and final_sparsity is None:
        rounds = ROUNDS
    if rate is None and (rounds is None or final_sparsity is None):
        rate = 0.2
    planned = round_sparsities(rounds, rate, final_sparsity)
    rewind = check_rewind(whole_or_text(rewind))
    check_rewind_once(rewind_once, rewind)
    true_or_false(structured=structured, overwrite=overwrite, corrupted=corrupted)
    check_budget(budget)
    early_bird = None if early_bird is None else share("early_bird", early_bird)
    patience = None if patience is None else whole("patience", patience)
    known("scope", scope, SCOPES)
    known("block", whole("block", block), BLOCKS)
    compare_at = [share("compare_at", at) for at in compare_at]
    backend, policy, devices = prepare(epochs, recipe, seed, precision, strategy, run_dir, backend, tpu)
    keras, run_dir = machine.kind(backend), Path(run_dir)
    with devices():
        make_model = saved.builder(model, width, keras)
    loaded = load(dataset, seed, corrupted)
    steps = len(loaded.train) * epochs
    check_rewind(rewind, steps)
    about = {
        "data": loaded.describe(),
        "model": str(model),
        "width": width,
        **saved.of_file(model),
        "backend": backend,
        "strategy": strategy,
        "recipe": recipe,
    }
    variant = unusual(
        {
            "scope": scope,
            "block": block,
            "rewind_once": rewind_once,
            "structured": structured,
            "budget": budget,
            "early_bird": early_bird,
            "patience": patience,
        }
    )
    if patience is not None:
        about["patience"] = patience

    def callbacks():
        monitor = "accuracy" if loaded.validation is None else "val_accuracy"
        early = engines.engine_of(keras).keras.callbacks.EarlyStopping
        return (
            []
            if patience is None
            else [
                early(monitor, patience=patience, start_from_epoch=_epochs_before(rewind, len(loaded.train)))
            ]
        )

    def compiled(make):
        engines.engine_of(keras).set_seed(seed)
        net = make()
        end = FINETUNED if rewind == "finetune" else 0.0
        compile_classifier(net, make_optimizer(steps=steps, keras=keras, end=end, **recipe))
        return net

    with devices():
        net = compiled(
            lambda: wrapping.wrap(
                make_model(loaded.input_shape, loaded.num_classes), scope=scope, block=block
            )
        )
        if verbose:
            _tell(backend, policy, precision)
        nothing = None
        try:
            find_ticket(
                net,
                loaded.train,
                loaded.validation,
                epochs=epochs,
                rounds=rounds,
                rate=rate,
                seed=seed,
                info=about,
                final_sparsity=final_sparsity,
                rewind=rewind,
                rewind_once=rewind_once,
                structured=structured,
                budget=budget,
                early_bird=early_bird,
                run_dir=run_dir,
                overwrite=overwrite,
                callbacks=callbacks(),
                verbose=verbose,
            )
        except Failed as error:  # the rounds before count
            nothing = error
        folders = [run_folder.round_folder(run_dir, n) for n in range(run_folder.finished_rounds(run_dir))]
        last = str(folders[-1]) if folders else None
        if not nothing and (run_dir / run_folder.RESULT).exists():
            result = run_folder.read_result(run_dir)
            if result.get("compare_at") == compare_at:
                return _finish(run_dir, {**result, "ticket": last})  # the folder may have been moved
        rows = []
        for number, folder in enumerate(folders):
            ticket = load_ticket(folder)
            engines.engine(net).set_masks(net, ticket.masks)
            engines.engine(net).load_state(net, ticket.trained)
            on_the_way = folder != folders[-1] and (was_cut(ticket) or rewind_once and number)
            name = ON_THE_WAY if on_the_way else "ticket" if number else "dense"
            stays = rewind in KEPT or rewind_once and folder != folders[-1]
            before = _steps_before(ticket.rounds, rewind, stays, steps)
            history = ticket.rounds[-1]["history"]
            rows.append(tested(name, net, loaded, history, before=before, corrupted=corrupted))
        if nothing:
            rows += [
                failed("ticket" if number else "dense", at, nothing)
                for number, at in enumerate([0.0, *planned])
                if number >= len(folders)
            ]
        for number in () if nothing else _nearest(rows, compare_at):
            masked = random_mask(load_ticket(folders[number]), load_ticket(folders[0]), seed)
            rows.append(
                train_or_tell(
                    "random",
                    masked.sparsity,
                    lambda: compiled(lambda: masked.model("rewind", keras)),
                    loaded,
                    epochs,
                    run_dir / "controls" / f"random_{number:02d}",
                    seed,
                    None,
                    callbacks(),
                    verbose,
                    point=_point("random", masked, run_dir),
                    before=trainings_before("random", masked) * steps,
                )
            )
            if rewind in KEPT and not budget and not early_bird:
                dense = load_ticket(folders[0])
                rows.append(
                    train_or_tell(
                        "dense-cyclic",
                        0.0,
                        lambda: compiled(lambda: dense.model("rewind", keras)),
                        loaded,
                        epochs,
                        run_dir / "controls" / f"dense-cyclic_{number:02d}",
                        seed,
                        None,
                        callbacks(),
                        verbose,
                        cycles=number,
                        goes_on=rewind == "finetune",
                        before=number * steps,
                    )
                )
    result = _finish(
        run_dir,
        {
            "command": "find",
            "ticket": last,
            **about,
            **variant,
            "precision": policy,
            "epochs": epochs,
            "rate": steepest(planned),
            "rewind": rewind,
            **_rule(run_dir),
            "seed": seed,
            "compare_at": compare_at,
            "rows": rows,
        },
    )
    if nothing:
        raise nothing
    return result


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
        "ticket_hash": _hash(folder),
        "dense_hash": _hash(beside),
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
            _tell(backend, policy, precision)
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
    return _finish(
        run_dir, {"command": "transfer", "student": trained, **about, **_search(found), "rows": rows}
    )


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
    hashes = {"ticket_hash": ticket and _hash(ticket), "dense_hash": _hash(dense)}
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
        point, before = _point(control, found, search), trainings_before(control, found)
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
    result = _finish(run_dir, {"command": "train_control", **about, "rows": [row]})
    files.remove(run_dir / run_folder.BACKUP)
    return result


def prepare(epochs, recipe, seed, precision, strategy, run_dir, backend, tpu=None):
    """Check what the jobs share; make operations repeatable; (backend, policy name, function that gives a scope)."""
    whole("epochs", epochs)
    whole("seed", seed, **SEED)
    known("precision", precision, machine.PRECISIONS)
    known("strategy", strategy, STRATEGIES)
    backend = machine.choose_backend(backend)
    run_folder.check_run_dir(run_dir)
    devices = place(strategy, backend, tpu)
    make_optimizer(steps=4, keras=machine.kind(backend), **recipe)
    engines.engine_of(machine.kind(backend)).set_seed(seed)
    return backend, machine.set_precision(precision, backend, strategy), devices


def load(dataset, seed, corrupted=False):
    """The data set, whose batches the devices can share; those of corrupted test images, too, if asked for."""
    loaded = data.load(**dataset, seed=seed)
    check_batches(loaded, {"corrupted test images": min(IMAGES, loaded.sizes["test"])} if corrupted else {})
    return loaded


def _came_to_nothing(*tickets):
    """Why the search of these folders made one of them not, if it ended before; None where it made all."""
    for folder in map(Path, filter(None, tickets)):
        result = folder.parent / run_folder.RESULT
        if not (folder / "ticket.json").is_file() and result.is_file():
            for row in run_folder.read_result(folder.parent)["rows"]:
                if row.get("outcome"):
                    return (Diverged if row["outcome"] == Diverged.outcome else Dead)(row["why"])
    return None


def _hash(folder):
    """What tells a ticket from others; None where there is none. Its file has the hashes of all the others."""
    file = ticket_folder(folder) / "ticket.json"
    return files.sha256(file)[:12] if file.is_file() else None


def _tell(backend, policy, precision):
    chosen = (
        " (the fastest here; precision=float32 is the other)"
        if precision == "auto" and policy != "float32"
        else ""
    )
    print(f"training with {backend} in {policy}{chosen}", flush=True)


def _search(ticket):
    """What its search did where it did so: the most that a round pruned of what was left, the size of blocks."""
    pruned = [record["sparsity"] for record in ticket.rounds if record["sparsity"]]
    blocks = ticket.pruned_by["blocks"]
    return {
        **({"rate": steepest(pruned)} if pruned else {}),
        **({"block": max(blocks.values())} if blocks else {}),
    }


def _steps_before(records, rewind, stays, steps):
    """Steps that the weights of a search's last round had been trained before it; `steps` a round where records do not say."""
    trained = [record.get("stop", steps) - record.get("start", 0) for record in records[:-1]]
    return sum(trained) if stays else trained[0] if trained and rewind == "trained" else 0


def _point(control, ticket, search):
    """(step, folder of the search) where a control begins on the source with weights of the rewind point; else None."""
    at_a_step = ticket.settings.get("rewind") in ("init", 0) or ticket.settings.get("rule")
    return (first_step(control, ticket), search) if control in FROM_POINT and at_a_step else None


def _rule(run_dir):
    """The rule of a search, if its rounds began at a later step than 0."""
    return {
        name: value for name, value in files.read_json(run_dir / run_folder.CONFIG).items() if name == "rule"
    }


def _epochs_before(rewind, steps):
    """Epochs of so many steps that end before the one that the rewind point is in."""
    return max(0, -(-rewind // steps) - 1) if isinstance(rewind, int) else 0


def _nearest(rows, wanted):
    """The tickets whose sparsities are nearest to those wanted, each once."""
    later = [number for number, row in enumerate(rows) if row["control"] == "ticket"]
    return sorted({min(later, key=lambda number: abs(rows[number]["sparsity"] - at)) for at in wanted})


def _finish(run_dir, result):
    result = {**result, "run_dir": str(run_dir)}
    files.write_json(run_dir / run_folder.RESULT, result)
    return plain(result)
