"""A search whose rounds are tested, beside controls."""

import dataclasses
import functools

from ... import engines
from ...config import ROUNDS, DataConfig, Machine, Net, Recipe, Run, SearchConfig
from ...core import files
from ...core.checks import share, true_or_false
from ...core.errors import Failed
from ...core.options import command
from ...core.saying import say
from ...core.schedule import KEPT, check_rewind, steepest
from ...models import saved
from ...search.find_ticket import find_ticket
from ...search.stopping import was_cut
from ...tickets.ticket import load_ticket
from ...training import run_folder
from .. import remarks
from ..controls import random_mask, trainings_before
from ..train_control import Training, failed, tested, train_or_tell
from .own_net import for_net, found_net, wrapped
from .shared import FINETUNED, Place, about, early_stopping, finish, load, prepare, rewind_point

ON_THE_WAY = "on the way"  # a round that ended early or was not rewound: no verdict is on it


def settled(search: SearchConfig) -> SearchConfig:
    """A search with the rounds and the scope that a command has where nobody says others."""
    open_ended = search.rounds is None and search.final_sparsity is None
    return dataclasses.replace(
        search, rounds=ROUNDS if open_ended else search.rounds, scope=search.scope or "global"
    )


def find(
    search: SearchConfig,
    net: Net,
    data: DataConfig,
    recipe: Recipe,
    machine: Machine,
    run: Run,
    *,
    compare_at: tuple = (),
    corrupted: bool = False,
) -> dict:
    """Search; then test each round and, at the sparsities `compare_at`, a random mask trained alike.

    Where weights are never rewound, and no round is cut short, a dense net that is trained as often stands
    there too.

    Test figures are of the last epoch of each round: the test split chooses nothing. What is open in the
    recipe is chosen for the net, see `recipes.settled`, and shared by all rounds and controls.

    Args:
      search: with neither rounds nor final_sparsity there are 10 rounds.
      compare_at: sparsities; the round nearest to each gets the control.
      corrupted: test each round on corrupted images, too, as a study does; commands save themselves that
        time, which for a small net is that of an epoch.

    Returns:
      The result, a JSON-able dict, which is in run_dir/result.json as well.

    Raises:
      LotteryError: whatever keeps the search from starting or from going on in its folder.
    """
    search = settled(search)
    true_or_false(corrupted=corrupted)
    compare_at = [share("compare_at", at) for at in compare_at]
    place = prepare(recipe, search.seed, for_net(net, machine), run)
    with place.devices():
        own = found_net(net, data, search.seed, place.keras, functools.partial(load, corrupted=corrupted))
    loaded = own.data
    steps = len(loaded.train) * search.epochs
    check_rewind(search.rewind, steps)
    asked = command("lottery-find", search, net, data, recipe, machine)
    end = FINETUNED if search.rewind == "finetune" else 0.0

    def compiled(make):
        return place.compiled(make, steps, end)

    def made():
        return wrapped(own.make(loaded.input_shape, loaded.num_classes), net, scope=search.scope)

    for line in own.told:
        say(line)
    with place.devices():
        model = place.made(made)
        place = place.settled(model, loaded, data)
        model = place.compile(model, steps, end)
        info = _info(search, net, place, own)
        place.tell(run.progress)
        nothing = _searched(search, model, loaded, {**info, "command": asked}, place, run)
        finished = range(run_folder.finished_rounds(place.run_dir))
        folders = [run_folder.round_folder(place.run_dir, number) for number in finished]
        last = str(folders[-1]) if folders else None
        if not nothing and (place.run_dir / run_folder.RESULT).exists():
            result = run_folder.read_result(place.run_dir)
            if result.get("compare_at") == compare_at:
                remarks.say(result["rows"][:1], loaded)
                return finish(place.run_dir, {**result, "ticket": last})  # the folder may have been moved
        rows = _rounds_tested(search, model, loaded, folders, steps, corrupted)
        remarks.say(rows[:1], loaded)
        if nothing:
            rows += [
                failed("ticket" if number else "dense", at, nothing)
                for number, at in enumerate([0.0, *search.sparsities])
                if number >= len(folders)
            ]
        for number in () if nothing else _nearest(rows, compare_at):
            rows += _compared(search, place, run, loaded, folders, number, compiled)
    told = {**info, **_told(search, net, place), "compare_at": compare_at}
    result = finish(place.run_dir, {"command": "find", "ticket": last, **told, "rows": rows})
    if nothing:
        raise nothing
    return result


def _info(search, net, place, own):
    """The notes of the tickets."""
    patience = {} if search.patience is None else {"patience": search.patience}
    model = {"model": str(net.model), "width": net.width, **saved.of_file(net.model)}
    return {**about(place, own.data), **model, **own.notes, **patience}


def _told(search, net, place):
    """What a result says of the search."""
    return {
        **search.unusual(),
        **net.unusual(),
        "precision": place.machine.precision,
        "epochs": search.epochs,
        "rate": steepest(search.sparsities),
        "rewind": search.rewind,
        **_rule(place.run_dir),
        "seed": search.seed,
    }


def _searched(search, model, loaded, info, place, run):
    """Run the rounds; what ended them before the last, if something did: the rounds before count."""
    try:
        find_ticket(
            model,
            loaded.train,
            loaded.validation,
            **{name: value for name, value in search.entries().items() if name != "patience"},
            run_dir=place.run_dir,
            overwrite=run.overwrite,
            callbacks=early_stopping(place, search.patience, loaded, search.rewind),
            verbose=run.progress,
            info=info,
        )
    except Failed as error:
        return error
    return None


def _rounds_tested(search, model, loaded, folders, steps, corrupted):
    """A row for each finished round."""
    rows, handle = [], engines.of(model)
    for number, folder in enumerate(folders):
        ticket = load_ticket(folder)
        handle.set_masks(ticket.masks)
        handle.load_state(ticket.trained)
        on_the_way = folder != folders[-1] and (was_cut(ticket) or search.rewind_once and number)
        name = ON_THE_WAY if on_the_way else "ticket" if number else "dense"
        stays = search.rewind in KEPT or search.rewind_once and folder != folders[-1]
        before = _steps_before(ticket.rounds, search.rewind, stays, steps)
        history = ticket.rounds[-1]["history"]
        rows.append(tested(name, handle, loaded, history, before=before, corrupted=corrupted))
    return rows


def _compared(search, place: Place, run, loaded, folders, number, compiled):
    """The rows of the controls at a round: a random mask, and a dense net trained as often where weights
    stay."""
    steps, dense = len(loaded.train) * search.epochs, load_ticket(folders[0])
    masked = random_mask(load_ticket(folders[number]), dense, search.seed)

    def how(control, **more):
        return Training(
            control,
            search.epochs,
            place.run_dir / "controls" / f"{control}_{number:02d}",
            search.seed,
            callbacks=tuple(early_stopping(place, search.patience, loaded, search.rewind)),
            verbose=run.progress,
            **more,
        )

    random = how(
        "random",
        point=rewind_point("random", masked, place.run_dir),
        before=trainings_before("random", masked) * steps,
    )
    rows = [
        train_or_tell(
            random, masked.sparsity, lambda: compiled(lambda: masked.model("rewind", place.keras)), loaded
        )
    ]
    if search.rewind in KEPT and not search.budget and not search.early_bird:
        cyclic = how(
            "dense-cyclic", cycles=number, goes_on=search.rewind == "finetune", before=number * steps
        )
        rows.append(
            train_or_tell(cyclic, 0.0, lambda: compiled(lambda: dense.model("rewind", place.keras)), loaded)
        )
    return rows


def _steps_before(records, rewind, stays, steps):
    """Steps that the weights of a search's last round had been trained before it; `steps` a round where
    records do not say."""
    trained = [record.get("stop", steps) - record.get("start", 0) for record in records[:-1]]
    return sum(trained) if stays else trained[0] if trained and rewind == "trained" else 0


def _rule(run_dir):
    """The rule of a search, if its rounds began at a later step than 0."""
    return {
        name: value for name, value in files.read_json(run_dir / run_folder.CONFIG).items() if name == "rule"
    }


def _nearest(rows, wanted):
    """The tickets whose sparsities are nearest to those wanted, each once."""
    later = [number for number, row in enumerate(rows) if row["control"] == "ticket"]
    return sorted({min(later, key=lambda number: abs(rows[number]["sparsity"] - at)) for at in wanted})
