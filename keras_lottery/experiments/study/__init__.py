"""A study: searches on a source, tickets and controls on targets, over seeds; then one table, plots and a
page."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.table import Table

from ...core import files
from ...core.checks import true_or_false
from ...core.durations import duration
from ...core.errors import LotteryError
from ...core.jsonable import plain
from ...core.processes import ended_with_this_block, pool
from ...core.saying import say
from ...core.schedule import check_rewind, steepest
from ...core.screen import Screen
from ...core.types import PathLike
from ...models import saved
from ...training import run_folder
from .. import corruptions, machine, recipes, report
from ..jobs import check_net, load
from ..machine import place
from ..optimizers import compile_classifier, make_optimizer
from ..precision import set_precision
from ..question import Study
from . import board, workers
from .compositions import tickets
from .net import net_of
from .plan import Size, Task, plan

__all__ = ["Size", "Study", "Task", "estimate", "plan", "prepare", "rows", "run", "show", "tickets"]
CONFIG = "study.json"


def prepare(study: Study, folder: PathLike) -> tuple:
    """Look at the folder, every data set and the model before anything is trained.

    Args:
      study: a Study.
      folder: of this study; another with more seeds, targets or controls may go on in it.

    Returns:
      (the study with each "auto" made plain, {data set: Size}, its tasks).

    Raises:
      LotteryError: whatever would stop one of its runs from starting.
    """
    files.check_writable(folder)
    folder = Path(folder)
    there = (
        {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        if folder.is_dir()
        else set()
    )
    if there and there.isdisjoint((CONFIG, "runs")):
        raise LotteryError(f"{str(folder)!r} is not empty and holds no study: give another run_dir.")
    given = study.machine
    backend = machine.choose_backend(given.backend)
    precision = set_precision(_precision(given, folder), backend, given.strategy)
    study = dataclasses.replace(
        study, machine=dataclasses.replace(given, backend=backend, precision=precision)
    )
    keras = machine.kind(backend)
    for recipe in (study.recipe, study.target_recipe):
        recipes.check(recipe, keras)
    sizes, found_on, batch_size = {}, None, study.data.batch_size
    for name, options in study.datasets.items():
        loaded = load(dataclasses.replace(options, batch_size=batch_size), 0, corrupted=True)
        if name == study.source_name:
            model = net_of(study, keras, loaded)
            (study, told), batch_size = _settled(study, model, loaded), loaded.settings["batch_size"]
        if name != study.source_name and (loaded.name, set(loaded.class_names)) == found_on:
            raise LotteryError(
                f"targets: {name!r} has the classes of the source, {study.source_name!r}: leave it out, or "
                "give it other classes."
            )
        found_on = (loaded.name, set(loaded.class_names)) if name == study.source_name else found_on
        batches = [
            0 if part is None else len(part) for part in (loaded.train, loaded.validation, loaded.test)
        ]
        batches[-1] += corruptions.batches_of(loaded)
        sizes[name] = Size(*batches, loaded.input_shape, loaded.num_classes)
    for point in study.rewinds:
        check_rewind(point, sizes[study.source_name].train * study.search.epochs)
    targets = {sizes[name] for name in study.target_names}
    check_net(model, study.net, study.scope, max(study.sparsities), targets)
    say(told)
    return study, sizes, plan(study, sizes)


def _precision(given, folder):
    """That of the study in the folder where "auto" is asked for, so that all of its runs share it."""
    if given.precision != "auto" or not (folder / CONFIG).is_file():
        return given.precision
    there = files.read_json(folder / CONFIG)
    return run_folder.precision(there.get("machine") if isinstance(there, dict) else None)


def _settled(study, model, loaded):
    """(the study with one recipe and batch size for all, those of the dense net on the source, a line on
    them)."""
    recipe, source = recipes.settled(study.recipe, model, steps=len(loaded.train) * study.search.epochs)
    told = recipes.line(recipe, source, study.data, loaded)
    data = dataclasses.replace(study.data, batch_size=loaded.settings["batch_size"])
    return dataclasses.replace(study, recipe=recipe, data=data), told


def run(
    study: Study,
    tasks: list,
    folder: PathLike,
    *,
    output: PathLike | None = None,
    jobs: int = 1,
    ray_address: str | None = None,
    tensorboard: bool = False,
    tell: Callable = print,
) -> list:
    """Run the tasks that are not done yet, then write the results.

    Args:
      study, tasks, folder: as `prepare` gives and takes them.
      output: folder for the results, where it is not `folder`: several studies can share their runs.
      jobs, ray_address, tell: as for `workers.run`.
      tensorboard: write output/tensorboard as well.

    Returns:
      The rows, which are in output/rows.jsonl as well.

    Raises:
      LotteryError: runs that failed; the others are done and written.
    """
    true_or_false(tensorboard=tensorboard)
    folder = Path(folder)
    output = folder if output is None else Path(output)
    files.check_writable(output)
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / CONFIG, plain(dataclasses.asdict(study)))
    try:
        failed = workers.run(tasks, folder, jobs=jobs, ray_address=ray_address, tell=tell)
    finally:
        found = rows(study, tasks, folder)
        if found:
            report.write(found, output, plain(tickets(study, tasks, folder)))
            if tensorboard:
                board.write(found, output / "tensorboard")
    if failed:
        name, why = next(iter(failed.items()))
        raise LotteryError(
            f"{len(failed)} of {len(tasks)} runs failed; the first is {name}: {' '.join(why.split())} More "
            f"is in {workers.task_folder(folder, name) / workers.LOG}. The same command tries them again."
        )
    return found


def show(tasks: list, seconds: dict, jobs: int) -> None:
    """Print what is to be run, a line a kind of task, and the estimated time.

    Args:
      tasks: of the study.
      seconds: as `estimate` gives them.
    """
    kinds = {}
    for task in tasks:
        kinds.setdefault(
            (task.about["dataset"], task.about.get("control", f"search, rewind {task.about['rewind']}")), []
        ).append(task)
    table = Table(title=f"{len(seconds)} of {len(tasks)} runs are to be done")
    for name in ("data", "", "sparsities", "runs", "done", "time left"):
        table.add_column(name, justify="left" if name in ("data", "", "sparsities") else "right")
    for (dataset, what), alike in kinds.items():
        left = [seconds[task.name] for task in alike if task.name in seconds]
        at = sorted({task.about["sparsity"] for task in alike if task.about.get("sparsity")})
        table.add_row(
            dataset,
            what,
            ", ".join(f"{s:.1%}" for s in at),
            str(len(alike)),
            str(len(alike) - len(left)),
            duration(sum(left)) if left else "",
        )
    Screen().print(table)
    say(
        f"about {duration(sum(seconds.values()) / jobs)} with {jobs} process{'es' * (jobs > 1)} at a time, "
        "estimated from measured steps, plus the time to start and to load data"
    )


def rows(study: Study, tasks: list, folder: PathLike) -> list:
    """The rows of the tasks that are done: one a control, sparsity, rewind point and seed."""
    model = report.label(study.net.model, study.net.width)
    planned = [0.0, *study.planned]
    rate = steepest(planned[1:])  # of controls too, which have no rounds
    found = []
    for task in filter(lambda task: workers.is_done(folder, task.name), tasks):
        result = {**run_folder.read_result(workers.task_folder(folder, task.name)), "rate": rate}
        first = task.about["rewind"] == study.rewinds[0]
        for number, row in enumerate(result["rows"]):
            if first or row["control"] != "dense":  # the dense round is the same in each search
                at = planned[number] if task.kind == "find" else task.about["sparsity"]
                found.append(
                    {
                        **report.row(result, row, model, study.source_name, at),
                        "rewind": task.about["rewind"],
                        "run": task.name,
                    }
                )
                if row["control"] == "dense-longer":
                    found[-1]["epochs"] //= 2  # those of what it stands beside
    return found


def estimate(study: Study, sizes: dict, tasks: list, folder: PathLike, jobs: int, steps: int = 10) -> dict:
    """Seconds that each task which is not done would take, from measured steps.

    The model is trained for some steps on noise, in one process with its share of the
    cores. Starting processes and loading data come on top.

    Returns:
      {task name: seconds}; the whole takes their sum divided by `jobs`.
    """
    left = [task for task in tasks if not workers.is_done(folder, task.name)]
    on = {task.name: sizes[task.about["dataset"]] for task in left}
    with pool(1, of=jobs) as alone, ended_with_this_block():
        measured = {
            size: alone.submit(_seconds_per_step, study, size, steps).result()
            for size in dict.fromkeys(on.values())
        }
    return {task.name: task.steps * measured[on[task.name]] for task in left}


def _seconds_per_step(study, size, steps):
    settings = study.machine
    keras = machine.kind(settings.backend)
    set_precision(settings.precision, settings.backend)
    with place(settings.strategy, settings.backend)():
        build = saved.builder(study.net.model, study.net.width, keras)
        model = build(size.input_shape, size.num_classes)
        compile_classifier(model, make_optimizer(steps=steps, keras=keras, **study.recipe.entries()))
    x = np.random.default_rng(0).normal(size=(study.data.batch_size, *size.input_shape)).astype("float32")
    y = np.arange(len(x)) % size.num_classes
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        model.train_on_batch(x, y)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[2:]))
