"""Tune a ticket search: keras-tuner over rate, rewind point, learning rate and epochs a round."""

import contextlib
import dataclasses
import os
from pathlib import Path

import filelock
from rich.table import Table

from ..config import DataConfig, Machine, Net, Recipe, Run, SearchConfig
from ..core import files
from ..core.checks import share
from ..core.errors import Failed, LotteryError
from ..core.jsonable import digest, plain
from ..core.saying import say
from ..core.schedule import check_rewind, rule
from ..core.screen import Screen
from ..models import saved
from ..training import run_folder
from . import jobs
from .configs import TuneConfig
from .drawing import OBJECTIVE, draw

TRIAL = "trial.json"  # in the folder of a trial that is finished
CLUSTER = "KERASTUNER_ORACLE_IP"  # by which keras-tuner takes itself for one process of several


def tune(
    tuning: TuneConfig,
    search: SearchConfig,
    net: Net,
    data: DataConfig,
    recipe: Recipe,
    machine: Machine,
    run: Run,
) -> dict:
    """Try ticket searches of several settings; the best one has the highest validation accuracy at the last
    sparsity.

    The first settings are drawn at random, each later one is what a Gaussian process over the trials before
    takes for the most promising. The seed decides what is drawn, and each trial is trained with it. Of trials
    that are equally good the one of fewer epochs is the better. The test split chooses nothing. A trial is
    the search `jobs.find` in a folder of its own, so a killed run goes on amid a trial and runs no finished
    one again; more trials can be added to a finished run.

    Args:
      net: how a saved one takes images is found out, as by `jobs.find`, where this is an `OwnNet`.
      search: its `final_sparsity` is where tickets are compared; rate, rewind and epochs are those of the
        trials.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well: its rows are the trials, best
      first.

    Raises:
      LotteryError: an impossible argument, or a run_dir that holds another configuration.

    Source: Bayesian optimization by the upper confidence bound, Srinivas et al. 2010 (arXiv 0912.3995), as
      keras-tuner
    has it.
    """
    search = _checked(search, recipe)
    place = jobs.prepare(recipe, search.seed, jobs.for_net(net, machine), run)
    own = jobs.found_net(net, data, search.seed, place.keras, jobs.load)
    loaded = own.data
    if loaded.validation is None:
        raise LotteryError(
            "validation=0 leaves no images to compare trials on: give a share of them, for example 0.1."
        )
    model = own.make(loaded.input_shape, loaded.num_classes)
    place = place.settled(model, loaded, data, search.epochs)
    ranges = _ranges(tuning, place.recipe.learning_rate, search.epochs)
    ranges["rewind"] = _rewinds(tuning.rewinds, len(loaded.train) * ranges["epochs"][0])
    jobs.check_net(model, net, search.scope, search.final_sparsity)
    config = {**_config(search, net, data, place, ranges, loaded), **own.notes}
    if not run.overwrite:
        config = run_folder.under_its_rule(
            place.run_dir, config, lambda: _is_done(place.run_dir, tuning.trials)
        )

    def trial(number, setting):
        name = f"trial {number} of {tuning.trials}"
        return _trial(name, setting, (search, net, data), place, run.verbose)

    with run_folder.open_run(place.run_dir, "tune", config, run.overwrite):
        result = place.run_dir / run_folder.RESULT
        if _is_done(place.run_dir, tuning.trials):
            return _moved(files.read_json(result), place.run_dir)
        costs = [_cost(search, rate, ranges["epochs"][1]) for rate in ranges["rate"]]
        say(
            f"{tuning.trials} trials of at most {max(costs)} epochs each, {tuning.trials * max(costs)} in all"
        )
        say(place.told)
        draw(trial, ranges, tuning.trials, search.seed)
        told = {"run_dir": str(place.run_dir), "command": "tune", **config, "trials": tuning.trials}
        files.write_json(result, {**told, "rows": _rows(place.run_dir)})
        return plain({**told, "rows": _rows(place.run_dir)})


def _checked(search, recipe):
    """The search that trials vary."""
    if isinstance(recipe.learning_rate, list):
        raise LotteryError(f"learning_rate={recipe.learning_rate!r}: give one rate, which the trials vary.")
    if CLUSTER in os.environ:
        raise LotteryError(
            f"the environment variable {CLUSTER} is set, but trials cannot be shared among processes, "
            "because each depends on those before it: unset the variable."
        )
    if search.rounds is not None:
        raise LotteryError("rounds follow from final_sparsity and the rate of each trial: leave rounds out.")
    share("final_sparsity", search.final_sparsity)
    return jobs.settled(search)


def _trial(name, setting, of, place, verbose):
    """Run a trial, unless it is finished; its record. `of` is (search, net, data)."""
    folder = place.run_dir / "trials" / digest({**setting, **_rule([setting["rewind"]])})
    search, recipe = of[0], dataclasses.replace(place.recipe, learning_rate=setting["learning_rate"])
    own = dataclasses.replace(search, **{name: setting[name] for name in ("rate", "rewind", "epochs")})
    cost = _cost(search, setting["rate"], setting["epochs"])
    say(
        f"{name}: rate {setting['rate']:g}, rewind {setting['rewind']}, learning rate "
        f"{setting['learning_rate']:g}, epochs a round {setting['epochs']}, epochs in all {cost}"
    )
    with _alone(folder):
        if not (folder / TRIAL).exists():
            place.engine.keras.backend.clear_session()
            how = recipe, place.machine, Run(str(folder), verbose=verbose)
            try:
                last = jobs.find(own, *of[1:], *how)["rows"][-1]
                found = {"sparsity": last["sparsity"], OBJECTIVE: last["validation_accuracy"]}
            except Failed as error:
                found = {"sparsity": None, OBJECTIVE: None, "outcome": error.outcome}
            told = {**setting, "rounds": len(own.sparsities), "epochs_in_all": cost}
            files.write_json(folder / TRIAL, {**told, **found})
    record = files.read_json(folder / TRIAL)
    say(f"{name}: {_outcome(record, 'validation accuracy ')}")
    return record


def _rows(run_dir):
    """The records of the finished trials, best first."""
    found = (run_dir / "trials").glob(f"*/{TRIAL}")
    rows = [{**files.read_json(path), "run_dir": str(path.parent)} for path in found]
    return sorted(rows, key=lambda row: (-(row[OBJECTIVE] or 0.0), row["epochs_in_all"], row["run_dir"]))


def _config(search, net, data, place, ranges, loaded):
    """What the result of a run depends on."""
    recipe = {name: value for name, value in place.recipe.told().items() if name != "learning_rate"}
    return {
        "dataset": data.arguments(),
        "model": str(net.model),
        "width": net.width,
        "final_sparsity": search.final_sparsity,
        "scope": search.scope,
        "seed": search.seed,
        "precision": place.machine.precision,
        "strategy": place.machine.strategy,
        "backend": place.machine.backend,
        "recipe": recipe,
        **{name: value for name, value in search.unusual().items() if name not in ("rate", "scope")},
        **net.unusual(),
        **_rule(ranges["rewind"]),
        **saved.of_file(net.model),
        "data": loaded.describe(),
        "ranges": ranges,
    }


def _is_done(run_dir, trials):
    path = run_dir / run_folder.RESULT
    return path.exists() and files.read_json(path)["trials"] >= trials


def _moved(result, run_dir):
    """A result whose folder may have been moved."""
    rows = [{**row, "run_dir": str(run_dir / "trials" / Path(row["run_dir"]).name)} for row in result["rows"]]
    return {**result, "run_dir": str(run_dir), "rows": rows}


def _rule(points):
    """The entry for what rounds train, if one of the rewind points is a step after the first."""
    return next(filter(None, (rule(int(point)) for point in points if str(point).isdecimal())), {})


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
    Screen().print(table)


def _cost(search, rate, epochs):
    """Epochs of a trial, the dense training included."""
    return (len(dataclasses.replace(search, rate=rate).sparsities) + 1) * epochs


def _outcome(record, what=""):
    """The validation accuracy of a trial, of one that has none why."""
    return (
        record.get("outcome", "diverged") if record[OBJECTIVE] is None else f"{what}{record[OBJECTIVE]:.2%}"
    )


@contextlib.contextmanager
def _alone(folder):
    """Wait until no other process runs the trial in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):  # which ends with the process, however that ends
        yield


def _ranges(tuning, learning_rate, epochs):
    """Each hyperparameter's choices, or its lowest and highest value."""
    return {
        "rate": list(tuning.rates),
        "learning_rate": list(tuning.learning_rate_range or (learning_rate / 3, learning_rate * 3)),
        "epochs": list(tuning.epochs_range or (max(1, epochs // 2), epochs)),
    }


def _rewinds(rewinds, steps):
    """The rewind points that trials choose from, as text, for trainings of `steps` steps or more."""
    rewinds = [0, steps // 20, steps // 5] if rewinds is None else rewinds
    return list(dict.fromkeys(str(check_rewind(at, steps) or "init") for at in rewinds))
