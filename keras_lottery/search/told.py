"""What a ticket and a run folder say of their search, and when a folder is reopened."""

import itertools

from ..architecture import form
from ..core.errors import LotteryError
from ..core.jsonable import MISSING, digest, plain
from ..core.schedule import rule
from ..training import run_folder
from ..training.check_data import content


def settings_of(search, wrapped, length, class_weight=None):
    """What a ticket says of its search; `wrapped` is how the model was wrapped, `length` what the search was
    told of its trainings."""
    return {
        **length,
        **rule(search.rewind),
        **{name: value for name, value in search.unusual().items() if name != "rate"},
        "rewind": "init" if search.rewind == 0 else search.rewind,
        "scope": search.scope or wrapped["scope"],
        **({"class_weight": list(class_weight.values())} if class_weight else {}),
    }


def told(handle, architecture, settings, search, given):
    """What the result of a run depends on."""
    blocks = handle.settings()[1]["blocks"]
    return {
        **settings,
        "sparsities": search.sparsities,
        "steps": given.steps,
        "train": given.account,
        "content": content(given.train),
        "validation": given.validated,
        "architecture": digest(form(architecture)),
        "masks": list(handle.masks()),
        "weights": list(handle.variables()),
        "compiled": handle.compiled(),
        **({"blocks": blocks} if blocks else {}),
        # Rounds were not pruned so before; a run that began with those is not continued with these.
        **({"channels": "whole"} if search.structured else {}),
    }


def opened(run_dir, config, overwrite, rounds):
    """A context manager: the folder of the run, made or reopened."""
    if not overwrite:
        config = run_folder.under_its_rule(
            run_dir, config, lambda: run_folder.finished_rounds(run_dir) == rounds
        )
        _check_names(run_dir, config)
    return run_folder.open_run(run_dir, "find_ticket", config, overwrite)


def _check_names(run_dir, config):
    """Raises LotteryError if the folder holds the run of a model that differs in its layers' names alone."""
    there, config = run_folder.check_run_dir(run_dir, config) or {}, plain(config)
    if {
        name
        for name in {**there, **config}
        if name != run_folder.KIND and there.get(name, MISSING) != config.get(name, MISSING)
    } in ({"weights"}, {"masks", "weights"}):
        was, now = next(
            pair for pair in itertools.zip_longest(there["weights"], config["weights"]) if pair[0] != pair[1]
        )
        if was is None or now is None:
            raise LotteryError(
                f"{str(run_dir)!r} holds a run of a model with {len(there['weights'])} weights, now "
                f"{len(config['weights'])}: {was or now!r} is in one of them alone. Give another run_dir, "
                "or overwrite=True to start anew."
            )
        raise LotteryError(
            f"{str(run_dir)!r} holds a run of this model with other names, {was!r}, now {now!r}: name the "
            "layers, or call keras.backend.clear_session() before the model is built, to go on; or pass "
            "overwrite=True."
        )
