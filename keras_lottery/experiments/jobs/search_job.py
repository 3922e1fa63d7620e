"""A search whose rounds are tested, beside controls."""

from pathlib import Path

from ... import engines, wrapping
from ...core import files
from ...core.checks import known, share, true_or_false, whole, whole_or_text
from ...core.errors import Failed
from ...core.masking import BLOCKS, SCOPES
from ...core.schedule import KEPT, check_rewind, check_rewind_once, round_sparsities, steepest
from ...models import saved
from ...search.find_ticket import find_ticket
from ...search.stopping import check_budget, was_cut
from ...tickets.ticket import load_ticket
from ...training import run_folder
from .. import machine
from ..controls import random_mask, trainings_before
from ..recipe import compile_classifier, make_optimizer
from ..train_control import failed, tested, train_or_tell
from ..variants import unusual
from .shared import FINETUNED, finish, load, prepare, rewind_point, tell

ROUNDS = 10
ON_THE_WAY = "on the way"  # a round that ended early or was not rewound: no verdict is on it


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
            tell(backend, policy, precision)
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
                return finish(run_dir, {**result, "ticket": last})  # the folder may have been moved
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
                    point=rewind_point("random", masked, run_dir),
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
    result = finish(
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


def _steps_before(records, rewind, stays, steps):
    """Steps that the weights of a search's last round had been trained before it; `steps` a round where records do not say."""
    trained = [record.get("stop", steps) - record.get("start", 0) for record in records[:-1]]
    return sum(trained) if stays else trained[0] if trained and rewind == "trained" else 0


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
