"""Stability to data order: whether two trainings from the same weights end in one linearly connected
valley."""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import engines
from ..architecture import form
from ..core.checks import shown, whole
from ..core.errors import LotteryError
from ..core.files import read_arrays, read_json, remove, write_arrays, write_json
from ..core.fingerprint import fingerprint
from ..core.jsonable import digest
from ..core.saying import say
from ..core.types import Model, PathLike
from ..training import run_folder
from ..training.batch_norm import BATCHES, BatchNormStatistics
from ..training.check_data import content, open_data
from ..training.resumable import Kept, Start, fit

STABLE = 2.0  # points of error; Frankle et al. 2020, section 2
POINTS = 11


def interpolate(a: dict, b: dict, alpha: float) -> dict:
    """(1 - alpha) * a + alpha * b of two states {path: array}, each in its own dtype; what is not real is
    that of `a`.

    >>> interpolate({"w": np.float32([0, 2])}, {"w": np.float32([0, 4])}, 0.25)["w"].tolist()
    [0.0, 2.5]
    """

    def between(first, second):
        if first.dtype.kind in "biu":
            return first
        return ((1 - alpha) * first.astype(np.float64) + alpha * second.astype(np.float64)).astype(
            first.dtype
        )

    return {path: between(value, b[path]) for path, value in a.items()}


def barrier(
    model: Model,
    a: dict,
    b: dict,
    train: Any,
    validation: Any,
    *,
    points: int = POINTS,
    batches: int | None = BATCHES,
) -> dict:
    """How much worse the model is on the straight line between two states than at its ends.

    The model stays as it is. BatchNorm statistics are re-estimated at each point, the
    ends included; see `BatchNormStatistics`.

    Args:
      model: a compiled model with an accuracy metric.
      a, b: its states {path: array} at the ends, of the same masks.
      train: data for the BatchNorm statistics, as for `find_ticket`.
      validation: data for the errors, as `fit` takes its validation_data.
      points: how many evenly spaced points, the ends included.
      batches: how many batches of `train` the statistics are of.

    Returns:
      A dict: "alphas" (0..1, 0 is `a`), "errors" (1 - accuracy, 0..1) and "barrier", the
      largest of these errors less the mean of the ends', in points (hundredths).

    Raises:
      LotteryError: no accuracy to read, or an impossible number.

    Source: Frankle et al. 2020 (arXiv 1912.05671), section 2.
    """
    alphas = [n / (points - 1) for n in range(whole("points", points, least=3))]
    handle = engines.of(model)
    restated, before = BatchNormStatistics(model, train, batches), handle.values()
    for name, state in {"a": a, "b": b}.items():
        other = [path for path, value in before.items() if np.shape(state.get(path)) != value.shape]
        if other:
            raise LotteryError(
                f"{name} is no state of this model: {other[0]!r} has another shape there, or none. Give "
                f"two states of {model.name!r}."
            )
    errors = []
    try:
        for alpha in alphas:
            handle.load_state(restated(interpolate(a, b, alpha)))
            errors.append(_error(model, validation))
    finally:
        handle.load_state(before)
    return {"alphas": alphas, "errors": errors, "barrier": 100 * (max(errors) - (errors[0] + errors[-1]) / 2)}


def instability(
    model: Model,
    orders: Sequence,
    validation: Any,
    *,
    epochs: int,
    start: Any = Start(),
    run_dir: PathLike | None = None,
    points: int = POINTS,
    batches: int | None = BATCHES,
    verbose: Any = "auto",
) -> dict:
    """Train from the model's weights under two data orders; the barrier between the two ends.

    Args:
      model: a wrapped model, compiled with an accuracy metric. Each training starts from
        its weights and its optimizer as they are, and it ends with both.
      orders: two trainings' data, each as `fit` takes it, the same but for their order.
      validation: data for the errors, as `fit` takes its validation_data.
      epochs: the number of each training's last epoch.
      start: the `resumable.Start` of both; with a learning-rate schedule, see `rewind.go_on_from`.
      run_dir: folder of this one measurement. Killed and started again with the same call
        it goes on after the last finished epoch; a finished one is read. The folder of
        another is refused.
      points, batches: as for `barrier`.
      verbose: as for `fit`.

    Returns:
      The record of `barrier`, which is in run_dir/result.json as well. The model is stable
      if its barrier is below `STABLE` points.

    Raises:
      LotteryError: as `barrier`; `run_dir` holds the measurement of other weights, data, ...: the
        difference is shown.
    """
    handle = engines.of(model)
    handle.check_compiled()
    epochs = whole("epochs", epochs)
    if not isinstance(orders, (list, tuple)) or len(orders) != 2:
        raise LotteryError(
            f"orders is {shown(orders)}: give the data of two trainings, the same but for their order."
        )
    if validation is None:
        raise LotteryError(
            "validation is None: give data to measure errors on, as fit takes its validation_data."
        )
    place = contextlib.nullcontext()
    if run_dir is not None:
        about = {"epochs": epochs, "start": start.step, "points": points, "batches": batches}
        place = run_folder.open_run(
            run_dir, "instability", {**about, **_measured(handle, orders, validation)}
        )
    with place as folder:
        if folder and (folder / run_folder.RESULT).exists():
            return read_json(folder / run_folder.RESULT)
        ends, train = _ends(handle, orders, validation, epochs, start, folder, verbose)
        record = barrier(model, *ends, train, validation, points=points, batches=batches)
        if folder:
            write_json(folder / run_folder.RESULT, record)
            for file in (folder / run_folder.BACKUP, *_of_ends(folder)):
                remove(file)
        return record


def _of_ends(folder):
    return [folder and folder / f"order_{number}.safetensors" for number in range(2)]


def _ends(handle, orders, validation, epochs, start, folder, verbose):
    """(the states at the end of the two trainings, the data of the first)."""
    orders = [open_data(handle, train, seed, "orders")[0] for seed, train in enumerate(orders)]
    with handle.strategy_scope():
        handle.build_optimizer()
        handle.keep_randomness()
    _error(handle.model, validation)  # before anything is trained
    weights, slots = handle.values(), handle.optimizer_state()
    backup = folder and folder / run_folder.BACKUP
    ends = []
    for number, (train, file) in enumerate(zip(orders, _of_ends(folder), strict=True)):
        if file and file.exists():
            ends.append(read_arrays(file)[0])
            continue
        if verbose:
            say(f"training {number + 1} of 2 under another data order")
        kept = Kept(backup, f"order {number}")
        fit(handle.model, train, epochs=epochs, start=start, kept=kept, verbose=verbose)
        ends.append(handle.values())
        if file:
            write_arrays(file, ends[-1])
        handle.load_state(weights)
        handle.reset_optimizer(slots)
    return ends, orders[0]


def _measured(handle, orders, validation):
    """What tells this measurement from another, JSON-able."""
    given = {"train": orders[0], "train again": orders[1], "validation": validation}
    opened = {name: open_data(handle, data, seed=0, name=name) for name, data in given.items()}
    return {
        "architecture": digest(form(handle.architecture())),
        "weights": fingerprint([*handle.values().values(), *handle.masks().values()]),
        "compiled": handle.compiled(),
        **{name: [account, steps, content(data)] for name, (data, steps, account) in opened.items()},
    }


def _error(model, validation):
    given = dict(
        zip(("x", "y", "sample_weight"), validation if isinstance(validation, tuple) else (validation,))
    )
    figures = model.evaluate(**given, verbose=0, return_dict=True)
    name = next((name for name in figures if name.endswith("accuracy")), None)
    if name is None:
        raise LotteryError(
            f"the model reports {', '.join(figures)}, no accuracy: compile it with metrics=['accuracy']."
        )
    return 1 - float(figures[name])
