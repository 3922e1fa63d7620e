"""A search that finds its own rewind point: the earliest step from which the ticket is stable to data order."""

import bisect
from pathlib import Path

from .. import data, engines, wrapping
from ..core import files
from ..core.checks import known, share, true_or_false, whole
from ..core.errors import LotteryError
from ..core.jsonable import plain
from ..core.masking import BLOCKS, SCOPES
from ..core.schedule import LotterySchedule, rule, search_rounds
from ..models import saved
from ..search.rewind import start_at_point
from ..search.stability import STABLE, instability
from ..search.stopping import Stopping, check_budget
from ..tickets.ticket import load_ticket
from ..training import run_folder
from . import jobs, machine
from .recipe import compile_classifier, make_optimizer
from .variants import unusual


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
    rewind_once=False,
    block=1,
    structured=False,
    budget=None,
    early_bird=None,
    patience=None,
    compare_at=(),
    backend="auto",
    tpu=None,
    overwrite=False,
    verbose="auto",
):
    """`jobs.find` with the earliest rewind step, of the grid 0, 1, 2, 4, ..., whose last ticket is stable.

    A probe of a step is a whole search rewound to it, whose last ticket is then trained
    under two data orders; it is stable if the error barrier between the two ends is below
    `stability.STABLE` points of validation error. The steps are bisected, which takes a
    ticket that is stable from one step to be stable from all later ones. The test split
    chooses nothing. Killed and started again with the same call it goes on after the last
    finished epoch.

    Args: as `jobs.find`. The probe of step k is the run run_dir/rewind_k; the controls of
      `compare_at` are trained for the step that is chosen.

    Returns:
      The result of the search with the step chosen, a JSON-able dict with "probes", one
      record a step probed: "rewind" and what `stability.barrier` gives. It is in
      run_dir/result.json as well.

    Raises:
      LotteryError: no step gives a stable ticket (the barriers are named), there is no
        validation split, or as `jobs.find`.

    Source: Frankle et al. 2020 (arXiv 1912.05671), section 4.
    """
    if rounds is None and final_sparsity is None:
        rounds = jobs.ROUNDS
    check_budget(budget)
    true_or_false(rewind_once=rewind_once, structured=structured, overwrite=overwrite)
    patience = None if patience is None else whole("patience", patience)
    planned = LotterySchedule(rounds, rate, round_steps=1, final_sparsity=final_sparsity)
    trainings = 1 + planned.rounds
    known("scope", scope, SCOPES)
    known("block", whole("block", block), BLOCKS)
    compare_at = [share("compare_at", at) for at in compare_at]
    backend, _, devices = jobs.prepare(epochs, recipe, seed, precision, strategy, run_dir, backend, tpu)
    keras, run_dir = machine.kind(backend), Path(run_dir)
    loaded = jobs.load(dataset, seed)
    if loaded.validation is None:
        raise LotteryError(
            "rewind='auto' chooses by validation error, and validation=0 leaves none: give a share like 0.1."
        )
    net = saved.builder(model, width, keras)(loaded.input_shape, loaded.num_classes)
    wrapping.wrap(net, block=block, verbose=False)  # says what does not fit
    steps = len(loaded.train) * epochs

    def stopping(step):
        return Stopping(
            search_rounds(planned.sparsities, step, steps, rewind_once),
            epochs,
            len(loaded.train),
            budget,
            early_bird,
        )

    stopping(0)  # says what is impossible
    given = {
        "dataset": dataset,
        "model": model,
        "epochs": epochs,
        "recipe": recipe,
        "seed": seed,
        "precision": precision,
        "strategy": strategy,
        "width": width,
        "rounds": rounds,
        "rate": rate,
        "final_sparsity": final_sparsity,
        "scope": scope,
        "backend": backend,
        **unusual(
            {
                "rewind_once": rewind_once,
                "block": block,
                "structured": structured,
                "budget": budget,
                "early_bird": early_bird,
                "patience": patience,
            }
        ),
    }
    config = {**given, **rule(1), **saved.of_file(model), "data": loaded.describe()}
    if not overwrite:
        config = run_folder.under_its_rule(run_dir, config, lambda: (run_dir / run_folder.RESULT).exists())
    run_folder.open_run(run_dir, "find_rewind", config, overwrite)

    def affordable(step):
        try:
            stopping(step)
        except LotteryError:
            return False
        return True

    grid, probes = list(filter(affordable, candidates(steps))), {}
    if verbose:
        print(_cost(grid, trainings, len(compare_at), epochs), flush=True)

    def search(step, compare_at=()):
        return jobs.find(
            **given,
            tpu=tpu,
            rewind=step,
            run_dir=run_dir / f"rewind_{step}",
            compare_at=compare_at,
            verbose=verbose,
        )

    def measured(step):
        folder = run_dir / f"rewind_{step}" / "stability"
        if (folder / run_folder.RESULT).exists():
            return files.read_json(folder / run_folder.RESULT)
        ticket = load_ticket(search(step)["ticket"])
        orders = [loaded.train, data.load(**dataset, seed=(seed + 1) % 2**32).train]
        with devices():
            engines.engine_of(keras).set_seed(seed)
            net = ticket.model("rewind", keras)
            compile_classifier(net, make_optimizer(steps=steps, keras=keras, **recipe))
            start = start_at_point(net, step, folder.parent, len(loaded.train))
            return instability(
                net, orders, loaded.validation, epochs=epochs, start=start, run_dir=folder, verbose=verbose
            )

    def stable(step):
        probes[step] = measured(step)
        return probes[step]["barrier"] < STABLE

    step = earliest(grid, stable)
    probes = [{"rewind": probed, **probes[probed]} for probed in sorted(probes)]
    if step is None:
        raise LotteryError(
            f"no ticket is stable (a barrier below {STABLE:g}): {describe(probes)}. Train longer (epochs), prune less "
            "(rounds, final_sparsity) or lower learning_rate."
        )
    result = {**search(step, compare_at), "run_dir": str(run_dir), "probes": probes}
    files.write_json(run_dir / run_folder.RESULT, result)
    return plain(result)


def candidates(steps):
    """The rewind steps to choose from in a training of `steps` steps.

    >>> candidates(20)
    [0, 1, 2, 4, 8, 16]
    """
    return [0, *(2**n for n in range((steps - 1).bit_length()))]


def earliest(grid, stable):
    """The first of the rising `grid` for which stable(step), None if there is none; asks len(grid).bit_length() times at most.

    Takes it that what is stable at one step is so at all later ones.

    >>> earliest([0, 1, 2, 4, 8, 16], lambda step: step >= 3)
    4
    """
    found = bisect.bisect_left(grid, True, key=stable)
    return grid[found] if found < len(grid) else None


def describe(probes):
    """One line: the barrier measured at each step probed.

    >>> describe([{"rewind": 0, "barrier": 7.5}, {"rewind": 8, "barrier": 1.24}])
    'error barrier by rewind step, in points: 7.5 at 0, 1.2 at 8'
    """
    return "error barrier by rewind step, in points: " + ", ".join(
        f"{p['barrier']:.1f} at {p['rewind']}" for p in probes
    )


def _cost(grid, trainings, controls, epochs):
    probes = len(grid).bit_length()
    total = probes * (trainings + 2) + controls
    also = f" and {controls} controls" if controls else ""
    return (
        f"rewind=auto, over the steps {', '.join(map(str, grid))}: at most {probes} probes of {trainings} + 2 trainings{also}, "
        f"{total} trainings or {total * epochs} epochs in all"
    )
