"""Tune a ticket search: keras-tuner over rate, rewind point, learning rate and epochs a round."""

import contextlib
import os
import tempfile
from pathlib import Path

import filelock
import grpc
import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from rich.console import Console
from rich.table import Table

from .. import engines, wrapping
from ..core import files
from ..core.checks import above_zero, known, share, true_or_false, whole, whole_or_text
from ..core.errors import Failed, LotteryError
from ..core.jsonable import differences, digest, plain
from ..core.masking import SCOPES, check_leaves_some
from ..core.schedule import check_rewind, round_sparsities, rule
from ..models import saved
from ..training import run_folder
from . import jobs, machine
from .machine import OF_ONE_MACHINE

RATES = (0.2, 0.36, 0.5)
TRIALS = 10
TRIAL = "trial.json"  # in the folder of a trial that is finished
OBJECTIVE = "validation_accuracy"
CLUSTER = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")


def tune(
    *,
    dataset,
    model,
    final_sparsity,
    epochs,
    recipe,
    seed,
    precision,
    strategy,
    run_dir,
    trials=TRIALS,
    rates=RATES,
    rewinds=None,
    learning_rate_range=None,
    epochs_range=None,
    width=1.0,
    scope="global",
    backend="auto",
    overwrite=False,
    verbose="auto",
):
    """Try ticket searches of random settings; the best one has the highest validation accuracy at `final_sparsity`.

    The seed decides which settings are drawn, and each trial is trained with it. Of trials
    that are equally good the one of fewer epochs is the better. The test split chooses
    nothing. A trial is the search `jobs.find` in a folder of its own, so a killed
    run goes on amid a trial and runs no finished one again; more trials can be added to
    a finished run.

    Where KERASTUNER_ORACLE_IP is set, keras-tuner shares the trials out: the process whose
    KERASTUNER_TUNER_ID is "chief" draws them and the others run them.

    Args:
      final_sparsity: share of zeros at which tickets are compared; with the rate it sets the rounds.
      trials: how many settings to try.
      rates: rates to choose from.
      rewinds: rewind points to choose from; None for "init" and the steps at 5% and 20% of the shortest training.
      learning_rate_range: (lowest, highest), drawn on a log scale; None for a third of the recipe's to three times it.
      epochs_range: (fewest, most) epochs of each round; None for half of `epochs` to `epochs`.
      Others: as for `jobs.find`.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well: its rows are the
      trials, best first. None in a process that runs trials for a chief.

    Raises:
      LotteryError: an impossible argument, or a run_dir that holds another configuration.

    Source: random search, Bergstra & Bengio 2012 (JMLR 13). Not Bayesian optimization: in
    keras-tuner that gives settings again that it has tried, and a resumed run gives others.
    """
    role, run_dir = _role(), Path(run_dir)
    final_sparsity, trials = share("final_sparsity", final_sparsity), whole("trials", trials)
    known("scope", scope, SCOPES)
    true_or_false(overwrite=overwrite)
    known("strategy", strategy, OF_ONE_MACHINE)
    backend, policy, _ = jobs.prepare(epochs, recipe, seed, precision, strategy, run_dir, backend)
    ranges = _ranges(rates, rewinds, learning_rate_range, epochs_range, recipe["learning_rate"], epochs)
    make_model = saved.builder(model, width, machine.kind(backend))
    loaded = jobs.load(dataset, seed)
    if loaded.validation is None:
        raise LotteryError(
            "validation=0 leaves no images to compare trials on: give a share of them, for example 0.1."
        )
    ranges["rewind"] = _rewinds(ranges["rewind"], len(loaded.train) * ranges["epochs"][0])
    _check_fits(make_model, loaded, scope, final_sparsity)
    search = {
        "dataset": dataset,
        "model": str(model),
        "width": width,
        "final_sparsity": final_sparsity,
        "scope": scope,
        "seed": seed,
        "precision": policy,
        "strategy": strategy,
        "backend": backend,
        "recipe": {name: value for name, value in recipe.items() if name != "learning_rate"},
    }
    config = {
        **search,
        **_rule(ranges["rewind"]),
        **saved.of_file(model),
        "data": loaded.describe(),
        "ranges": ranges,
    }
    if role != "worker":
        if not overwrite:
            config = run_folder.under_its_rule(run_dir, config, lambda: _is_done(run_dir, trials))
        run_folder.open_run(run_dir, "tune", config, overwrite)
    if not overwrite and _is_done(run_dir, trials):  # the folder may have been moved
        result = files.read_json(run_dir / run_folder.RESULT)
        return {
            **result,
            "run_dir": str(run_dir),
            "rows": [
                {**row, "run_dir": str(run_dir / "trials" / Path(row["run_dir"]).name)}
                for row in result["rows"]
            ],
        }

    def run(number, setting):
        if role == "worker":
            _check_same(run_dir, config)
        return _trial(
            f"trial {number} of {trials}",
            setting,
            search,
            run_dir / "trials" / digest({**setting, **_rule([setting["rewind"]])}),
            verbose,
        )

    if role != "worker":
        most = max(
            _cost({"rate": rate, "epochs": ranges["epochs"][1]}, final_sparsity) for rate in ranges["rate"]
        )
        print(f"{trials} trials of at most {most} epochs each, {trials * most} in all", flush=True)
    _tune(role, run, ranges, trials, seed)
    if role == "worker":
        return None
    rows = [
        {**files.read_json(path), "run_dir": str(path.parent)}
        for path in (run_dir / "trials").glob(f"*/{TRIAL}")
    ]
    rows.sort(key=lambda row: (-(row[OBJECTIVE] or 0.0), row["epochs_in_all"], row["run_dir"]))
    result = {"run_dir": str(run_dir), "command": "tune", **config, "trials": trials, "rows": rows}
    files.write_json(run_dir / run_folder.RESULT, result)
    return plain(result)


def _is_done(run_dir, trials):
    return (run_dir / run_folder.RESULT).exists() and files.read_json(run_dir / run_folder.RESULT)[
        "trials"
    ] >= trials


def _rule(points):
    """The entry for what rounds train, if one of the rewind points is a step after the first."""
    return next(filter(None, (rule(int(point)) for point in points if str(point).isdecimal())), {})


def _check_fits(make_model, loaded, scope, final_sparsity):
    """Raises LotteryError if the model does not take the data, or keeps no weights at that sparsity."""
    wrapped = wrapping.wrap(make_model(loaded.input_shape, loaded.num_classes), scope=scope, verbose=False)
    check_leaves_some(wrapping.masks(wrapped), final_sparsity, scope)


def show(result):
    """Print the trials of a result of `tune`, best first."""
    table = Table(
        title=f"{result['data']['name']}: validation accuracy at {result['final_sparsity']:.1%} sparse"
    )
    for name in (
        "rate",
        "rewind",
        "learning rate",
        "epochs a round",
        "rounds",
        "epochs in all",
        "validation accuracy",
    ):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        table.add_row(
            f"{row['rate']:g}",
            row["rewind"],
            f"{row['learning_rate']:g}",
            str(row["epochs"]),
            str(row["rounds"]),
            str(row["epochs_in_all"]),
            _outcome(row),
        )
    Console(markup=False).print(table)


class TicketTuner(BaseTuner):
    """A tuner each of whose trials is a ticket search.

    Args:
      run: function of a trial's number, from 1, and its setting, {name: value}; it gives a
        dict that holds the validation accuracy, None where the training diverged.
      Others: as for keras-tuner's BaseTuner.
    """

    def __init__(self, run, **arguments):
        self.run = run
        super().__init__(**arguments)

    def run_trial(self, trial):
        values = trial.hyperparameters.values
        setting = {name: values[name] for name in ("rate", "rewind", "learning_rate", "epochs")}
        setting["learning_rate"] = float(f"{setting['learning_rate']:.3g}")  # short enough to write down
        try:
            return {OBJECTIVE: self.run(int(trial.trial_id) + 1, setting)[OBJECTIVE] or 0.0}
        except Exception as error:  # which keras-tuner would take for a bad setting, and go on
            raise keras_tuner.errors.FatalError(str(error)) from error


def _tune(role, run, ranges, trials, seed):
    """Let keras-tuner draw the settings and run them, here or in its workers."""
    space = keras_tuner.HyperParameters()
    space.Choice("rate", ranges["rate"])
    space.Choice("rewind", ranges["rewind"])
    space.Float("learning_rate", *ranges["learning_rate"], sampling="log")
    space.Int("epochs", *ranges["epochs"])
    oracle = keras_tuner.oracles.RandomSearchOracle(
        objective=keras_tuner.Objective(OBJECTIVE, "max"),
        max_trials=trials,
        seed=seed + 1,  # it takes 0 for none
        hyperparameters=space,
    )
    oracle.verbose = 0
    # A kill can cut keras-tuner's own files. A resumed run draws the same settings anew instead, and the folders of
    # the trials say which of them are finished.
    with tempfile.TemporaryDirectory() as scratch, _mistakes(role):
        TicketTuner(run, oracle=oracle, directory=scratch, project_name=role).search()


def _trial(name, setting, search, folder, verbose):
    """Run a trial, unless it is finished; its record."""
    rate, epochs = setting["rate"], setting["epochs"]
    cost = _cost(setting, search["final_sparsity"])
    print(
        f"{name}: rate {rate:g}, rewind {setting['rewind']}, learning rate {setting['learning_rate']:g}, epochs a round "
        f"{epochs}, epochs in all {cost}",
        flush=True,
    )
    with _alone(folder):
        if not (folder / TRIAL).exists():
            engines.engine_of(machine.kind(search["backend"])).keras.backend.clear_session()
            recipe = {**search["recipe"], "learning_rate": setting["learning_rate"]}
            try:
                last = jobs.find(
                    **{**search, "recipe": recipe},
                    rate=rate,
                    rewind=setting["rewind"],
                    epochs=epochs,
                    run_dir=folder,
                    verbose=verbose,
                )["rows"][-1]
                found = {"sparsity": last["sparsity"], OBJECTIVE: last["validation_accuracy"]}
            except Failed as error:
                found = {"sparsity": None, OBJECTIVE: None, "outcome": error.outcome}
            files.write_json(
                folder / TRIAL, {**setting, "rounds": cost // epochs - 1, "epochs_in_all": cost, **found}
            )
    record = files.read_json(folder / TRIAL)
    print(f"{name}: {_outcome(record, 'validation accuracy ')}", flush=True)
    return record


def _outcome(record, what=""):
    """The validation accuracy of a trial, of one that has none why."""
    return (
        record.get("outcome", "diverged") if record[OBJECTIVE] is None else f"{what}{record[OBJECTIVE]:.2%}"
    )


def _cost(setting, final_sparsity):
    """Epochs of a trial, the dense training included."""
    return (len(round_sparsities(rate=setting["rate"], final_sparsity=final_sparsity)) + 1) * setting[
        "epochs"
    ]


@contextlib.contextmanager
def _alone(folder):
    """Wait until no other process runs the trial in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):  # which ends with the process, however that ends
        yield


@contextlib.contextmanager
def _mistakes(role):
    """What went wrong in a trial as it is, and of chief and workers in one line."""
    where = ":".join(os.environ.get(name, "") for name in CLUSTER[:2])
    try:
        yield
    except keras_tuner.errors.FatalError as error:
        raise error.__cause__ or error
    except grpc.RpcError as error:
        raise LotteryError(
            f"the chief at {where} does not answer, or was started anew: start this worker again."
        ) from error
    except RuntimeError as error:
        if role != "chief":
            raise
        raise LotteryError(f"the chief cannot listen at {where}: give another {CLUSTER[1]}.") from error


def _role():
    """What this process is to keras-tuner: "alone", "chief" or "worker"."""
    missing = [name for name in CLUSTER if name not in os.environ]
    if CLUSTER[0] in missing:
        return "alone"
    if missing:
        raise LotteryError(
            f"{CLUSTER[0]} is set and {missing[0]} is not: set all of {', '.join(CLUSTER)}, or none."
        )
    return "chief" if "chief" in os.environ[CLUSTER[2]] else "worker"


def _check_same(run_dir, config):
    """Raises LotteryError if the chief has opened another folder or another configuration."""
    if not (run_dir / run_folder.CONFIG).exists():
        raise LotteryError(
            f"the chief's run is not in {str(run_dir)!r}: give all processes one run_dir, on a shared disk."
        )
    found = differences(
        files.read_json(run_dir / run_folder.CONFIG), plain({run_folder.KIND: "tune", **config})
    )
    if found:
        raise LotteryError(
            f"the chief has another configuration: {'; '.join(found[:5])}. Start all with the same settings."
        )


def _ranges(rates, rewinds, learning_rates, epochs_range, learning_rate, epochs):
    """Each hyperparameter's choices, or its lowest and highest value; checked."""
    if isinstance(learning_rate, (list, tuple)):
        raise LotteryError(f"learning_rate={learning_rate!r}: give one rate, which the trials vary.")
    return {
        "rate": [share("rates", rate) for rate in _filled("rates", rates)],
        "rewind": None
        if rewinds is None
        else [check_rewind(whole_or_text(at)) for at in _filled("rewinds", rewinds)],
        "learning_rate": [learning_rate / 3, learning_rate * 3]
        if learning_rates is None
        else (_range("learning_rate_range", learning_rates, above_zero)),
        "epochs": [max(1, epochs // 2), epochs]
        if epochs_range is None
        else _range("epochs_range", epochs_range, _whole),
    }


def _rewinds(rewinds, steps):
    """The rewind points as `jobs.find` takes them, for trainings of `steps` steps or more."""
    rewinds = [0, steps // 20, steps // 5] if rewinds is None else rewinds
    return list(dict.fromkeys(str(check_rewind(at, steps) or "init") for at in rewinds))


def _filled(name, values):
    if not values:
        raise LotteryError(
            f"{name} is empty: give one value or more, with commas between them, or leave it out."
        )
    return values


def _range(name, values, check):
    """[lowest, highest], checked."""
    if len(values) != 2:
        raise LotteryError(
            f"{name}={','.join(map(str, values))}: give the lowest and the highest, as in LOW,HIGH."
        )
    low, high = (check(name, value) for value in values)
    if low > high:
        raise LotteryError(f"{name}={low:g},{high:g} is out of order: give the lowest first.")
    return [low, high]


def _whole(name, value):
    return whole(name, whole_or_text(value))
