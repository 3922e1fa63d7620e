"""What the commands do: find a ticket, transfer it, each with a run folder and a result.json."""

import contextlib
from pathlib import Path

from . import controls as arms
from . import data, models, pruning, resume, runs, training
from .errors import LotteryError
from .export import export as export_model
from .legacy import tf_keras
from .search import find_ticket
from .ticket import from_model, load_ticket
from .transfer import transfer as carry


def prepare(seed, precision, strategy):
    """Set seed, deterministic operations and precision; returns (policy name, strategy scope)."""
    import tensorflow as tf

    tf_keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    # Random layers then keep their state in variables, which a resumed run restores.
    tf_keras.backend.experimental.enable_tf_random_generator()
    policy = training.set_precision(precision)
    scope = tf.distribute.MirroredStrategy().scope() if strategy == "mirrored" else contextlib.nullcontext()
    return policy, scope


def build(model, input_shape, num_classes, width=1.0):
    """A builder's name or a saved .keras file -> a plain model with logits or probabilities for the classes.

    Raises:
      LotteryError: unknown name, a file that tf_keras cannot read, a model of another shape.
    """
    if not model.endswith((".keras", ".h5")):
        return models.build(model, input_shape, num_classes, width=width)
    if not Path(model).is_file():
        raise LotteryError(f"--model={model}: there is no such file.")
    try:
        loaded = tf_keras.models.load_model(model, compile=False)
    except (ValueError, TypeError, OSError, KeyError, AttributeError) as error:
        first = str(error).strip().splitlines()[0]
        raise LotteryError(f"--model={model}: tf_keras cannot read it ({first}). Save it with tf_keras.") from error
    for what, has, needs in (
        ("input", loaded.input_shape, (None, *input_shape)),
        ("output", loaded.output_shape, (None, num_classes)),
    ):
        if len(has) != len(needs) or any(h is not None and h != n for h, n in zip(has[1:], needs[1:])):
            raise LotteryError(f"--model={model}: its {what} shape is {has}, the data need {needs}.")
    return loaded


def find(*, dataset, model, width, epochs, rounds, rate, final_sparsity, scope, rewind, recipe, seed, precision,
         strategy, run_dir, compare_at=(), verbose="auto"):
    """Search; then test each round and, at the sparsities `compare_at`, a random mask trained alike.

    Test figures are of the last epoch of each round: the test split chooses nothing.

    Args:
      dataset: arguments of `data.load`, as a dict.
      recipe: optimizer, learning_rate, schedule and weight_decay, as a dict.
      compare_at: sparsities; the round nearest to each gets the control.
      The rest as the flags of lottery-find.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well.
    """
    run_dir = Path(run_dir)
    runs.check_writable(run_dir)
    policy, strategy_scope = prepare(seed, precision, strategy)
    loaded = data.load(**dataset, seed=seed)
    steps = len(loaded.train) * epochs
    training.make_optimizer(steps=steps, **recipe)
    with strategy_scope:
        net = pruning.wrap(build(model, loaded.input_shape, loaded.num_classes, width), scope=scope)
        training.compile_classifier(net, training.make_optimizer(steps=steps, **recipe))
        about = {"data": loaded.describe(), "model": model, "width": width, "strategy": strategy}
        find_ticket(net, loaded.train, loaded.validation, epochs=epochs, rounds=rounds, rate=rate, seed=seed,
                    final_sparsity=final_sparsity, rewind=rewind, run_dir=run_dir, info=about, verbose=verbose)
        tickets = [load_ticket(runs.round_folder(run_dir, n)) for n in range(runs.finished_rounds(run_dir))]
        rows = []
        for ticket in tickets:
            pruning.engine(net).set_masks(net, ticket.masks)
            pruning.engine(net).load_state(net, ticket.trained)
            history = ticket.rounds[-1]["history"]
            rows.append(_row("ticket" if ticket.sparsity else "dense", net, loaded, history, len(history) - 1))
        for wanted in compare_at:
            ticket = min(tickets[1:], key=lambda ticket: abs(ticket.sparsity - wanted))
            control = arms.random_mask(ticket, tickets[0], seed).model("rewind")
            training.compile_classifier(control, training.make_optimizer(steps=steps, **recipe))
            folder = run_dir / "controls" / f"random-{ticket.sparsity:.4f}"
            rows.append(_train("random", control, loaded, epochs, folder, seed, False, verbose))
    last = runs.round_folder(run_dir, len(tickets) - 1)
    return _finish(run_dir, {"command": "find", "ticket": str(last), **about, "precision": policy, "epochs": epochs, "rewind": rewind,
                             "recipe": recipe, "seed": seed, "rows": rows})


def transfer(*, ticket, dataset, epochs, recipe, seed, precision, strategy, run_dir, start="rewind", controls=(),
             freeze_backbone=False, verbose="auto"):
    """Train the ticket, and each of `controls`, on a data set with the same budget.

    The epoch with the best validation accuracy is the one that is tested.

    Args: as `find`; `ticket` is a ticket folder, `start` and `freeze_backbone` as for
      `keras_lottery.transfer`, `controls` are names in `controls.ARMS`.
    Returns: the result, a JSON-able dict, which is in run_dir/result.json as well. The
      trained student is the ticket folder run_dir/ticket/student.
    """
    if ticket is None:
        raise LotteryError("no ticket given: --ticket=saved_models/NAME or a round's folder of a search.")
    run_dir, folder = Path(run_dir), Path(ticket)
    found = load_ticket(folder)
    beside = runs.round_folder(folder.parent, 0)
    dense = load_ticket(beside) if controls and (beside / "ticket.json").is_file() else None
    for arm in controls:
        arms.check(arm, dense)
    runs.check_writable(run_dir)
    policy, strategy_scope = prepare(seed, precision, strategy)
    loaded = data.load(**dataset, seed=seed)
    steps = len(loaded.train) * epochs
    about = {"ticket": found.info, "sparsity": found.sparsity, "start": start, "freeze_backbone": freeze_backbone,
             "data": loaded.describe(), "strategy": strategy, "epochs": epochs, "recipe": recipe, "seed": seed,
             "precision": policy}
    runs.open_run(run_dir, about)
    sizes = {"num_classes": loaded.num_classes, "input_shape": loaded.input_shape}
    rows = []
    for arm in ("ticket", *controls):
        tf_keras.utils.set_random_seed(seed)
        with strategy_scope:
            if arm == "ticket":
                student = carry(found, start=start, freeze_backbone=freeze_backbone, **sizes)
            else:
                student = arms.student(arm, found, dense, seed=seed, **sizes)
            training.compile_classifier(student, training.make_optimizer(steps=steps, **recipe))
            rows.append(_train(arm, student, loaded, epochs, run_dir / arm, seed, True, verbose))
    student = str(run_dir / "ticket" / "student")
    return _finish(run_dir, {"command": "transfer", "student": student, **about, "rows": rows})


def export(*, ticket, output, start="trained", overwrite=False):
    """Write a ticket's weights as .tflite, checked by running it.

    Returns:
      The result, a JSON-able dict, which is in `output`.json as well.
    """
    if ticket is None or output is None:
        raise LotteryError("give --ticket=FOLDER and --output=FILE.tflite.")
    record = export_model(load_ticket(ticket).model(start), output, overwrite=overwrite).to_dict()
    size = next(row["bytes"] for row in record["variants"] if row["chosen"])
    result = {"command": "export", "ticket": str(ticket), "output": str(output), "bytes": size, **record}
    runs.write_json(f"{output}.json", result)
    return result


def _train(arm, model, loaded, epochs, folder, seed, best, verbose):
    """Train one arm to the end, resuming in `folder`; its row. A finished arm is read, not trained again."""
    if (folder / runs.RESULT).exists():
        return runs.read_json(folder / runs.RESULT)
    runs.check_writable(folder)
    tf_keras.utils.set_random_seed(seed)
    if verbose:
        print(f"{arm}: {arms.ARMS[arm]}", flush=True)
    start = pruning.engine(model).values(model)
    keeper = resume.BestEpoch(folder / "best.safetensors") if best and loaded.validation is not None else None
    history = resume.fit(model, loaded.train, loaded.validation, epochs=epochs, backup=folder / runs.BACKUP,
                         callbacks=[keeper] if keeper else [], verbose=verbose)
    if keeper:
        keeper.restore(model)
    from_model(model, start, [], {"arm": arm, "seed": seed, "data": loaded.describe()}).save(folder / "student", overwrite=True)
    row = _row(arm, model, loaded, history, keeper.epoch if keeper else len(history) - 1)
    runs.write_json(folder / runs.RESULT, row)
    for name in (runs.BACKUP, "best.safetensors"):
        (folder / name).unlink(missing_ok=True)
    return row


def _row(arm, model, loaded, history, epoch):
    loss, accuracy = model.evaluate(loaded.test, verbose=0)
    return {
        "arm": arm,
        "sparsity": pruning.sparsity(model) if arm != "dense" else 0.0,
        "epoch": epoch + 1,
        "test_accuracy": accuracy,
        "test_loss": loss,
        "validation_accuracy": history[epoch].get("val_accuracy"),
        "history": history,
    }


def _finish(run_dir, result):
    result = {"run_dir": str(run_dir), **result}
    runs.write_json(run_dir / runs.RESULT, result)
    return result
