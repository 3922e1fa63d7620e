"""find_ticket: the rounds of training, pruning and rewinding, resumable at any moment."""

import contextlib
import dataclasses
import gc
from collections.abc import Sequence
from typing import Any

from .. import engines, wrapping
from ..config import SearchConfig
from ..core import files, team
from ..core.checks import true_or_false
from ..core.errors import LotteryError
from ..core.functions import check_described
from ..core.jsonable import plain
from ..core.saying import say
from ..core.schedule import check_rewind, search_rounds
from ..core.types import Model, PathLike, Score
from ..tickets.ticket import Ticket
from ..training import class_weight as class_weights
from ..training import run_folder
from ..training.callback_memory import keep, recall
from ..training.check_data import LongEpochs, content, open_data, warn_of_order
from ..training.labels import check_labels
from ..training.noted_recipe import recipe_of
from ..training.resumable import Kept, fit
from .pruning import Pruning
from .rewind import RewindCallback, check_stateless, check_steps
from .scaling import warn_if_scaled_twice
from .state import Rounds
from .stopping import Stopping
from .told import opened, settings_of, told


def find_ticket(
    model: Model,
    train: Any,
    validation_data: Any = None,
    *,
    epochs: int,
    rounds: int | None = None,
    rate: float | None = None,
    final_sparsity: float | Sequence[float] | None = None,
    layer_rates: dict[str, float] | None = None,
    score: str | Score | None = None,
    scope: str | None = None,
    rewind: int | str = "init",
    rewind_once: bool = False,
    structured: bool = False,
    budget: str | int | None = None,
    early_bird: float | None = None,
    seed: int = 0,
    run_dir: PathLike | None = None,
    overwrite: bool = False,
    callbacks: Any = (),
    class_weight: dict[int, float] | None = None,
    verbose: Any = "auto",
    info: dict | None = None,
) -> Ticket:
    """Find a winning ticket: train, prune the weights with the lowest scores, rewind, and again.

    Args:
      model: a compiled model of tf_keras or Keras 3. A wrapped one is used in place and
        ends trained; from a plain one a copy is wrapped.
      train: a tf.data.Dataset of batches or a PyDataset, taken in its own order, or arrays
        (x, y) or (x, y, sample_weight), served in batches of 32 in an order that `seed`
        and the epoch set.
      validation_data: what `fit` takes.
      epochs: epochs of each round, and of the dense training before the first.
      rounds, rate, final_sparsity: two of these; see `schedule.round_sparsities`. With
        none, or only one of rounds and final_sparsity, rate is 0.2.
      layer_rates: {layer or pattern: rate}: of single layers, the share of their surviving weights that
        a round prunes. Layers go by path, name or pattern, such as "conv*"; of several that fit the
        first counts. The other layers bring each round to its sparsity.
      score: what a weight is kept for: "magnitude", "random", "taylor" (weight times gradient), "synflow"
        (how much flows through it), or a function of (path, weight, state) that gives a number for each
        weight; see `scores.State`; None for "taylor" if structured, else "magnitude". A run folder
        records a function by its name and a hash of its code and of the values that it uses, so a run is
        not resumed with a changed score.
      scope: among which weights scores are compared: "global" (all), "layer" (those of one, each at
        the same sparsity) or "erk" (those of one, small layers denser, in Erdos-Renyi-kernel
        shares); None for what `wrap` was told, else "global".
      rewind: "init", a step of the first training, "trained" (its end), "lr" (weights
        stay, the learning rate starts anew) or "finetune" (weights stay, and the training
        goes on at the rate that the learning rate's schedule ends at, which should not be
        0). The optimizer starts anew in each case but the last. A round that rewinds to
        step k trains from there to the last step of the dense training, with its learning
        rates and its batches, so that both take the same number of steps. Rounds of the
        other kinds train all steps again.
      rewind_once: take the weights back before the last round alone; those between go on
        with what they have learned, so that they can be short. Needs a rewind point.
      structured: prune whole channels, so that `lottery.compact` can take them out: by "taylor" those
        without which the loss changes least for the multiply-adds that they take; by another score the
        weakest of each layer. The boundary of a round may cut one. See `whole.by_channel`.
      budget: of the whole search: optimizer steps, such as 20000, dense trainings, such as
        "3x", or minutes, such as "90m". Every round but the last, which is trained in full,
        ends early enough to keep it; see `stopping.Stopping`. None for no limit.
      early_bird: end every round except the last once its mask has settled: fewer than this
        share of the weights that it would prune have changed since the previous epoch.
      seed: sets Python's, NumPy's and the backend's seed, and the order of arrays.
      run_dir: folder of the run. If the run is killed, the same call continues it after the
        last finished epoch, with the same result where operations are deterministic and
        the order of `train` depends on seed and epoch only. A finished round r is the
        ticket folder round_0r.
      overwrite: start anew in run_dir, deleting the run that is there.
      callbacks: for each round's fit. What they remember survives a kill as far as it is
        numbers, text, arrays, and lists and dicts of these.
      class_weight: {class number: how much its examples count in the loss}, as for `fit`; 1 for those
        that it does not name.
      verbose: as for `fit`; 0 prints nothing.
      info: JSON-able notes for the ticket, such as the data's name. Nothing is computed from them, but
        lottery-transfer begins with the recipe among them, by default that of the model's optimizer. What
        `data.load` says of its images is there by itself, as "data".

    Returns:
      The Ticket of the last round, with rewind weights and trained weights.

    Raises:
      LotteryError: an impossible argument, an uncompiled model, a run_dir that holds
        another configuration (the difference is shown) or cannot be written.

    Source: iterative magnitude pruning with rewinding, Frankle et al. 2020
    (arXiv 1912.05671), algorithm 2; rates of layers, Frankle & Carbin 2019 (arXiv 1803.03635),
    figure 2; "erk", Evci et al. 2020 (arXiv 1911.11134), section 3; scores, see `scores`.

    Example:
      >>> import numpy as np, tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
      >>> net.compile("adam", "mse")
      >>> data = np.ones((64, 4), "float32"), np.ones((64, 2), "float32")
      >>> ticket = lottery.find_ticket(net, data, epochs=1, rounds=2, rate=0.5, verbose=0)
      >>> ticket.sparsity
      0.75
    """
    search = SearchConfig.of(locals())
    search.sparsities  # noqa: B018  says that it is open how far to prune
    true_or_false(overwrite=overwrite)
    if not isinstance(info, (dict, type(None))):
        raise LotteryError(f"info is a {type(info).__name__}: give a dict of notes.")
    info = plain(info or {})
    handle = engines.of(model)
    handle.check_compiled()
    callbacks = _checked_callbacks(callbacks, handle.keras.__name__)
    check_stateless(handle)
    given = _Given.opened(handle, train, validation_data, search.seed, class_weight)
    plan, stopping = _planned(handle, search, given)
    handle.set_seed(search.seed)
    handle = _ready(handle, scope, bool(verbose))
    length = {"epochs": search.epochs, "seed": search.seed}
    settings = settings_of(search, handle.settings()[1], length, given.class_weight)
    pruning = Pruning.of(handle, search, settings["scope"], given.train)
    architecture = handle.architecture()
    warn_of_order(given.train, kept=run_dir is not None, step=plan[-1].start)
    place = contextlib.nullcontext()
    if run_dir is not None:
        check_described("score", search.scored_by)
        # The command may say the same in other words.
        notes = {name: note for name, note in info.items() if name != "command"}
        config = told(handle, architecture, {**settings, "info": notes}, search, given)
        place = opened(run_dir, config, overwrite, len(plan))
    gc.collect()  # copies that were made on the way refer to themselves
    info = {**_noted(handle, given), **info}
    with place as run_dir:
        state = Rounds(handle, architecture, search.rewind, pruning, run_dir, info, settings)
        return _run(state, plan, stopping, given, search, callbacks, verbose)


@dataclasses.dataclass(frozen=True)
class _Given:
    """The data of a search, and what tells them from others.

    `steps` is that of an epoch, None if unknown; `account` and `validated` describe the two parts for a run
    folder; `class_weight` is as `class_weight.checked` gives it.
    """

    train: object
    validation_data: object
    steps: int | None
    account: object
    validated: list | None
    class_weight: dict | None

    @classmethod
    def opened(cls, handle, train, validation_data, seed, class_weight):
        """The data, checked: what is wrong with either part is said before anything is trained."""
        as_given = train
        train, steps, account = open_data(handle, train, seed)
        warn_if_scaled_twice(handle, as_given, check_labels(handle, train))
        validated = None
        if validation_data is not None:
            held_out, _, validated = open_data(handle, validation_data, seed, "validation_data")
            check_labels(handle, held_out, "validation_data")
            validated = [validated, content(held_out)]
        class_weight = class_weights.checked(handle, class_weight)
        return cls(train, validation_data, steps, account, validated, class_weight)


def _noted(handle, given):
    """What a ticket notes by itself: how its net was trained, and on what images."""
    recipe, data = recipe_of(handle.compiled()["optimizer"]), getattr(given.train, "_lottery_data", None)
    return {**({"recipe": recipe} if recipe else {}), **({"data": data} if data else {})}


def _planned(handle, search, given):
    """(the rounds, what ends them early) of a search."""
    steps, rewind = given.steps, search.rewind
    check_steps(handle, {"rewind step": [rewind]}, steps)
    if steps is not None:
        check_rewind(rewind, steps * search.epochs)
    plan = search_rounds(search.sparsities, rewind, steps and steps * search.epochs, search.rewind_once)
    ends_count = rewind == "trained"
    return plan, Stopping(plan, search.epochs, steps, search.budget, search.early_bird, ends_count)


def _run(state, plan, stopping, given, search, callbacks, verbose):
    """Run the rounds that are not finished; the ticket of the last."""
    backup = state.run_dir and state.run_dir / run_folder.BACKUP
    held = recall(backup, callbacks)
    for round in state.begun(plan):
        if verbose:
            say(f"round {round.number} of {len(plan) - 1}, {round.sparsity:.1%} sparse")
        stopping.begin(round, state.records, state.rewinder)
        history = fit(
            state.handle.model,
            given.train,
            given.validation_data,
            epochs=search.epochs,
            start=state.place(round),
            kept=Kept(backup, f"round {round.number}", search.rewind == "finetune", held),
            callbacks=[
                *callbacks,
                RewindCallback(state.rewinder, round, state.keep_rewind_point),
                stopping,
                *([LongEpochs()] if given.steps is None else []),
            ],
            class_weight=given.class_weight,
            verbose=verbose,
        )
        state.finish(round, history[-1], history=history, **stopping.record())
        if backup:
            keep(backup, callbacks, held)
    if backup:
        files.remove(backup)
    team.wait()
    return state.ticket


def _checked_callbacks(callbacks, keras):
    callbacks = (
        [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    )
    for callback in callbacks:
        if getattr(callback, "prunes", False) is True:
            raise LotteryError(
                f"a {type(callback).__name__} prunes while fit runs, and find_ticket prunes itself, after "
                "each round: leave it out."
            )
        if any(kind.__name__ == "BackupAndRestore" for kind in type(callback).__mro__):
            raise LotteryError(
                "callbacks holds a BackupAndRestore, which puts back what an earlier fit ended with and so "
                "undoes rounds: leave it out, and give run_dir, from which the search goes on after a kill."
            )
        if isinstance(callback, type) or not hasattr(callback, "on_epoch_end"):
            raise LotteryError(f"callbacks holds a {type(callback).__name__}: give Keras callbacks.")
        kinds = {kind.__module__.partition(".")[0] for kind in type(callback).__mro__} & {"keras", "tf_keras"}
        if kinds and keras not in kinds:
            raise LotteryError(
                f"callbacks holds a {type(callback).__name__} of {kinds.pop()}, and the model is one of "
                f"{keras}: give callbacks of {keras}."
            )
    return callbacks


def _ready(handle, scope, verbose):
    """The handle of the model to run the rounds on: wrapped, compiled, its optimizer fresh, its masks
    full."""
    with handle.strategy_scope():  # or the replicas would share the optimizer's slots
        if not handle.masks():
            given = handle.model
            handle = handle.on(wrapping.wrap(given, scope=scope or "global", verbose=verbose))
            handle.compile_like(given)
        wrapping.check_unpruned(handle)
        if handle.steps_taken():
            handle.compile_like(handle.model)
        handle.build_optimizer()
        handle.keep_randomness()
    return handle
