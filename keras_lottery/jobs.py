"""What the commands do: find a ticket, transfer it, export it, each with a result.json.

Values are checked before data are loaded, and all of it before anything is trained.
"""

from pathlib import Path

from . import controls as arms
from . import data, pruning, resume, runs, training
from .checks import SEED, above_zero, known, share, whole
from .errors import LotteryError
from .export import export as export_model
from .masks import SCOPES, sparsity
from .schedule import check_rewind, round_sparsities
from .search import find_ticket
from .ticket import from_model, load_ticket
from .transfer import transfer as carry

ROUNDS = 10


def find(*, dataset, model, epochs, recipe, seed, precision, strategy, run_dir, width=1.0, rounds=None, rate=None,
         final_sparsity=None, scope="global", rewind="init", compare_at=(), backend="auto", overwrite=False, verbose="auto"):
    """Search; then test each round and, at the sparsities `compare_at`, a random mask trained alike.

    Test figures are of the last epoch of each round: the test split chooses nothing.

    Args:
      dataset: arguments of `data.load`, as a dict.
      model, width: a builder's name and its width, or a saved .keras file.
      recipe: optimizer, learning_rate, schedule and weight_decay, as a dict.
      rounds, rate, final_sparsity, scope, rewind, epochs: as for `find_ticket`; with
        neither rounds nor final_sparsity there are 10 rounds.
      precision: one of `training.PRECISIONS`.
      strategy: "none", or "mirrored" for all devices of this machine.
      backend: one of `training.BACKENDS`.
      compare_at: sparsities; the round nearest to each gets the control.
      overwrite: start anew in run_dir, deleting the run that is there.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well.
    """
    if rounds is None and final_sparsity is None:
        rounds = ROUNDS
    if rate is None and (rounds is None or final_sparsity is None):
        rate = 0.2
    round_sparsities(rounds, rate, final_sparsity)
    rewind = check_rewind(int(rewind) if str(rewind).isdecimal() else rewind)
    known("scope", scope, SCOPES)
    compare_at = [share("compare_at", at) for at in compare_at]
    backend, policy, place = _prepare(epochs, recipe, seed, precision, strategy, run_dir, backend)
    keras, run_dir = training.kind(backend), Path(run_dir)
    with place():
        make_model = training.builder(model, width, keras)
    loaded = data.load(**dataset, seed=seed)
    steps = len(loaded.train) * epochs
    check_rewind(rewind, steps)
    about = {"data": loaded.describe(), "model": str(model), "width": width, "backend": backend, "strategy": strategy,
             "recipe": recipe}

    def compiled(make):
        pruning.engine_of(keras).set_seed(seed)
        net = make()
        training.compile_classifier(net, training.make_optimizer(steps=steps, keras=keras, **recipe))
        return net

    with place():
        net = compiled(lambda: pruning.wrap(make_model(loaded.input_shape, loaded.num_classes), scope=scope))
        find_ticket(net, loaded.train, loaded.validation, epochs=epochs, rounds=rounds, rate=rate, seed=seed, info=about,
                    final_sparsity=final_sparsity, rewind=rewind, run_dir=run_dir, overwrite=overwrite, verbose=verbose)
        if (run_dir / runs.RESULT).exists():
            result = runs.read_json(run_dir / runs.RESULT)
            if result["compare_at"] == compare_at:
                return result
        folders = [runs.round_folder(run_dir, n) for n in range(runs.finished_rounds(run_dir))]
        rows = []
        for number, folder in enumerate(folders):
            ticket = load_ticket(folder)
            pruning.engine(net).set_masks(net, ticket.masks)
            pruning.engine(net).load_state(net, ticket.trained)
            rows.append(_row("ticket" if number else "dense", net, loaded, ticket.rounds[-1]["history"]))
        for number in _nearest(rows, compare_at):
            masked = arms.random_mask(load_ticket(folders[number]), load_ticket(folders[0]), seed)
            rows.append(_train("random", lambda: compiled(lambda: masked.model("rewind", keras)), loaded, epochs,
                               run_dir / "controls" / f"random_{number:02d}", seed, None, verbose))
    return _finish(run_dir, {"command": "find", "ticket": str(folders[-1]), **about, "precision": policy, "epochs": epochs,
                             "rewind": rewind, "seed": seed, "compare_at": compare_at, "rows": rows})


def transfer(*, ticket, dataset, epochs, recipe, seed, precision, strategy, run_dir, start="rewind", controls=(),
             freeze_backbone=False, backend="auto", overwrite=False, verbose="auto"):
    """Train the ticket, and each of `controls`, on a data set with the same budget.

    The epoch with the best validation accuracy is the one that is tested.

    Args: as `find`; `ticket` is a ticket folder, `start` and `freeze_backbone` as for
      `keras_lottery.transfer`, `controls` are names in `controls.ARMS`.
    Returns: the result, a JSON-able dict, which is in run_dir/result.json as well. The
      trained student is the ticket folder run_dir/ticket/student.
    """
    if not ticket:
        raise LotteryError("no ticket given: --ticket=saved_models/NAME or a round's folder of a search.")
    found, beside = load_ticket(ticket), runs.round_folder(Path(ticket).parent, 0)
    found.start(start)
    dense = load_ticket(beside) if controls and (beside / "ticket.json").is_file() else None
    for arm in controls:
        arms.check(arm, dense)
    backend, policy, place = _prepare(epochs, recipe, seed, precision, strategy, run_dir, backend)
    keras, run_dir = training.kind(backend), Path(run_dir)
    loaded = data.load(**dataset, seed=seed)
    steps = len(loaded.train) * epochs
    about = {"ticket": found.info, "ticket_hash": runs.sha256(Path(ticket) / "ticket.json")[:12], "sparsity": found.sparsity,
             "start": start, "freeze_backbone": freeze_backbone, "data": loaded.describe(), "backend": backend,
             "strategy": strategy, "epochs": epochs, "recipe": recipe, "seed": seed, "precision": policy}
    sizes = {"num_classes": loaded.num_classes, "input_shape": loaded.input_shape, "keras": keras}

    def student(arm):
        pruning.engine_of(keras).set_seed(seed)
        net = (carry(found, start=start, freeze_backbone=freeze_backbone, **sizes) if arm == "ticket"
               else arms.student(arm, found, dense, seed=seed, **sizes))
        training.compile_classifier(net, training.make_optimizer(steps=steps, keras=keras, **recipe))
        return net

    with place():
        first = student("ticket")  # says what cannot be carried before the folder is touched
        runs.open_run(run_dir, "transfer", about, overwrite)
        best = resume.BestEpoch if loaded.validation is not None else None
        rows = [
            _train(arm, lambda: first if arm == "ticket" else student(arm), loaded, epochs, run_dir / arm, seed, best, verbose)
            for arm in dict.fromkeys(("ticket", *controls))
        ]
    trained = str(run_dir / "ticket" / "student")
    return _finish(run_dir, {"command": "transfer", "student": trained, **about, "rows": rows})


def export(*, ticket, output, start="trained", overwrite=False):
    """Write a ticket's weights as .tflite, checked by running it.

    Returns:
      The result, a JSON-able dict, which is in `output`.json as well.
    """
    if not ticket or not output:
        raise LotteryError("give --ticket=FOLDER and --output=FILE.tflite.")
    record = export_model(load_ticket(ticket).model(start), output, overwrite=overwrite).to_dict()
    size = next(row["bytes"] for row in record["variants"] if row["chosen"])
    result = {"command": "export", "ticket": str(ticket), "output": str(output), "bytes": size, **record}
    runs.write_json(f"{output}.json", result)
    return result


def _prepare(epochs, recipe, seed, precision, strategy, run_dir, backend):
    """Check what the jobs share; make operations repeatable; (backend, policy name, function that gives a scope)."""
    whole("epochs", epochs)
    whole("seed", seed, **SEED)
    known("precision", precision, training.PRECISIONS)
    known("strategy", strategy, training.STRATEGIES)
    backend = training.choose_backend(backend)
    training.make_optimizer(steps=4, keras=training.kind(backend), **recipe)
    runs.check_run_dir(run_dir)
    pruning.engine_of(training.kind(backend)).set_seed(seed)
    place = training.place(strategy, backend)
    return backend, training.set_precision(precision, backend), place


def _nearest(rows, wanted):
    """The rounds whose sparsities are nearest to those wanted, each once."""
    later = range(1, len(rows))
    return sorted({min(later, key=lambda number: abs(rows[number]["sparsity"] - at)) for at in wanted})


def _train(arm, make, loaded, epochs, folder, seed, best, verbose):
    """Train one arm, the model that make() gives, resuming in `folder`; its row. A finished one is read.

    best: callback class that picks the epoch to keep, or None for the last.
    """
    backup = folder / runs.BACKUP
    if not (folder / runs.RESULT).exists():
        model = make()
        pruning.engine(model).set_seed(seed)
        if verbose:
            print(f"{arm}: {arms.ARMS[arm]}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        start = pruning.engine(model).values(model)
        best = best and best()
        history = resume.fit(model, loaded.train, loaded.validation, epochs=epochs, backup=backup,
                             callbacks=[best] if best else [], verbose=verbose)
        if best:
            best.restore(model)
        about = {"arm": arm, "seed": seed, "data": loaded.describe()}
        from_model(model, start, [], about).save(folder / "student", overwrite=True)
        runs.write_json(folder / runs.RESULT, _row(arm, model, loaded, history, best and best.epoch))
    backup.unlink(missing_ok=True)
    return runs.read_json(folder / runs.RESULT)


def _row(arm, model, loaded, history, epoch=None):
    epoch = len(history) - 1 if epoch is None else epoch
    loss, accuracy = model.evaluate(loaded.test, verbose=0)
    return runs.plain({
        "arm": arm,
        "sparsity": sparsity(pruning.masks(model)),
        "epoch": epoch + 1,
        "test_accuracy": accuracy,
        "test_loss": loss,
        "validation_accuracy": history[epoch].get("val_accuracy"),
        "history": history,
    })


def _finish(run_dir, result):
    result = {"run_dir": str(run_dir), **result}
    runs.write_json(run_dir / runs.RESULT, result)
    return runs.plain(result)
