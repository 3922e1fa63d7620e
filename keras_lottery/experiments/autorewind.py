"""A search that finds its own rewind point: the earliest step from which the ticket is stable to data
order."""

import bisect
import dataclasses

from ..config import DataConfig, Machine, Net, Recipe, Run, SearchConfig
from ..core import files
from ..core.checks import share
from ..core.errors import LotteryError
from ..core.jsonable import plain
from ..core.saying import say
from ..core.schedule import rule, search_rounds
from ..models import saved
from ..search.rewind import start_at_point
from ..search.stability import STABLE, instability
from ..search.stopping import Stopping
from ..tickets.ticket import load_ticket
from ..training import run_folder
from . import jobs


def find(
    search: SearchConfig,
    net: Net,
    data: DataConfig,
    recipe: Recipe,
    machine: Machine,
    run: Run,
    *,
    compare_at: tuple = (),
) -> dict:
    """`jobs.find` with the earliest rewind step, of the grid 0, 1, 2, 4, ..., whose last ticket is stable.

    A probe of a step is a whole search rewound to it, whose last ticket is then trained
    under two data orders; it is stable if the error barrier between the two ends is below
    `stability.STABLE` points of validation error. The steps are bisected, which takes a
    ticket that is stable from one step to be stable from all later ones. The test split
    chooses nothing. Killed and started again with the same call it goes on after the last
    finished epoch.

    Args: as `jobs.find`; the rewind point of `search` is not used. The probe of step k is the run
      run_dir/rewind_k; the controls of `compare_at` are trained for the step that is chosen.

    Returns:
      The result of the search with the step chosen, a JSON-able dict with "probes", one
      record a step probed: "rewind" and what `stability.barrier` gives. It is in
      run_dir/result.json as well.

    Raises:
      LotteryError: no step gives a stable ticket (the barriers are named), there is no
        validation split, or as `jobs.find`.

    Source: Frankle et al. 2020 (arXiv 1912.05671), section 4.
    """
    search = jobs.settled(search)
    compare_at = [share("compare_at", at) for at in compare_at]
    if data.validation == 0:
        raise LotteryError(
            "rewind='auto' chooses by validation error, and validation=0 leaves none: give a share like 0.1."
        )
    place = jobs.prepare(recipe, search.seed, jobs.for_net(net, machine), run)
    own = jobs.found_net(net, data, search.seed, place.keras, jobs.load)
    loaded = own.data
    model = own.make(loaded.input_shape, loaded.num_classes)
    jobs.wrapped(model, net, verbose=False)  # says what does not fit
    place = place.settled(model, loaded, data, search.epochs)
    grid = _affordable(search, loaded)

    def searched(step, compare_at=()):
        return jobs.find(
            dataclasses.replace(search, rewind=step),
            net,
            data,
            place.recipe,
            machine,
            Run(str(place.run_dir / f"rewind_{step}"), verbose=run.verbose),
            compare_at=compare_at,
        )

    def measured(step):
        folder = place.run_dir / f"rewind_{step}" / "stability"
        if (folder / run_folder.RESULT).exists():
            return files.read_json(folder / run_folder.RESULT)
        return _instability(searched(step)["ticket"], step, search, own, place, folder, run.progress)

    probes = {}

    def stable(step):
        probes[step] = measured(step)
        return probes[step]["barrier"] < STABLE

    with _opened(search, net, data, place, loaded, run):
        if run.progress:
            say(_cost(grid, 1 + len(search.sparsities), len(compare_at), search.epochs))
        if run.progress or place.was_open:
            say(place.told)
        step = earliest(grid, stable)
        probes = [{"rewind": probed, **probes[probed]} for probed in sorted(probes)]
        if step is None:
            raise LotteryError(
                f"no ticket is stable (a barrier below {STABLE:g}): {describe(probes)}. Train longer "
                "(epochs), prune less (rounds, final_sparsity) or lower learning_rate."
            )
        result = {**searched(step, compare_at), "run_dir": str(place.run_dir), "probes": probes}
        files.write_json(place.run_dir / run_folder.RESULT, result)
        return plain(result)


def _affordable(search, loaded):
    """The candidates among the steps that the budget of the search leaves room for; the first must be one."""
    steps = len(loaded.train) * search.epochs

    def stopping(step):
        rounds = search_rounds(search.sparsities, step, steps, search.rewind_once)
        return Stopping(rounds, search.epochs, len(loaded.train), search.budget, search.early_bird)

    def fits(step):
        try:
            stopping(step)
        except LotteryError:
            return False
        return True

    stopping(0)  # says what is impossible
    return list(filter(fits, candidates(steps)))


def _opened(search, net, data, place, loaded, run):
    """A context manager: the folder of the run, made or reopened."""
    told = search.unusual()
    config = {
        "dataset": data.arguments(),
        "model": net.model,
        "epochs": search.epochs,
        "recipe": place.recipe.told(),
        "seed": search.seed,
        "precision": place.asked.precision,
        "strategy": place.machine.strategy,
        "width": net.width,
        "rounds": search.rounds,
        "rate": search.rate,
        "final_sparsity": search.final_sparsity,
        "scope": search.scope,
        "backend": place.machine.backend,
        **{name: value for name, value in told.items() if name not in ("rate", "scope")},
        **net.unusual(),
        **rule(1),
        **saved.of_file(net.model),
        "data": loaded.describe(),
    }
    if not run.overwrite:
        config = run_folder.under_its_rule(
            place.run_dir, config, lambda: (place.run_dir / run_folder.RESULT).exists()
        )
    return run_folder.open_run(place.run_dir, "find_rewind", config, run.overwrite)


def _instability(ticket, step, search, own, place, folder, verbose):
    """What `stability.instability` gives of a ticket that was rewound to a step, trained under two data
    orders."""
    loaded = own.data
    steps = len(loaded.train) * search.epochs
    other = own.load((search.seed + 1) % 2**32).train
    with place.devices():
        model = place.compiled(lambda: load_ticket(ticket).model("rewind", place.keras), steps)
        return instability(
            model,
            [loaded.train, other],
            loaded.validation,
            epochs=search.epochs,
            start=start_at_point(model, step, folder.parent, len(loaded.train)),
            run_dir=folder,
            verbose=verbose,
        )


def candidates(steps):
    """The rewind steps to choose from in a training of `steps` steps.

    >>> candidates(20)
    [0, 1, 2, 4, 8, 16]
    """
    return [0, *(2**n for n in range((steps - 1).bit_length()))]


def earliest(grid, stable):
    """The first of the rising `grid` for which stable(step), None if there is none; asks
    len(grid).bit_length() times at most.

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
        f"rewind=auto, over the steps {', '.join(map(str, grid))}: at most {probes} probes of {trainings} "
        f"+ 2 trainings{also}, {total} trainings or {total * epochs} epochs in all"
    )
