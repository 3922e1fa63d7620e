"""What earlier versions wrote, read as this one would have written it."""

import gzip
import json
from pathlib import Path

from .architecture import form
from .jsonable import digest

# What the tickets of format 1 held among the notes in their info.
SETTINGS = ("rewind", "scope", "epochs", "seed", "rewind_once", "structured", "budget", "early_bird", "blocks", "arm")
# What the configuration of a search held beside notes and settings.
_OF_SEARCH = ("run", "sparsities", "steps", "train", "architecture", "masks", "weights", "compiled")
_UNTOLD = ("content", "validation")  # of it, which earlier versions did not write down


def settings_of(info):
    """(settings, notes) of an `info` that held both.

    >>> settings_of({"seed": 0, "model": "lenet"})
    ({'seed': 0}, {'model': 'lenet'})
    """
    return ({name: value for name, value in info.items() if name in SETTINGS},
            {name: value for name, value in info.items() if name not in SETTINGS})


def config(there, now, run_dir):
    """The configuration `there` of the run in the folder, as this version has it.

    now: the configuration that it is compared with, which knows what earlier versions did not write down.
    """
    if there["run"] == "find_ticket" and "info" not in there:
        told = {name: value for name, value in there.items() if name in (*SETTINGS, *_OF_SEARCH)}
        told |= {name: now[name] for name in _UNTOLD if name in now}
        first = Path(run_dir) / "round_00" / "architecture.json.gz"
        if first.is_file():  # its hash was of another text
            told["architecture"] = digest(form(json.loads(gzip.decompress(first.read_bytes()))))
        return {**told, "info": {name: value for name, value in there.items() if name not in told}}
    if there["run"] in ("transfer", "train_arm") and isinstance(there.get("ticket"), dict):
        hashes = {name: now[name] for name in ("ticket_hash", "dense_hash") if name in now}
        return {**hashes, **there, "ticket": told_of(there["ticket"])}
    return there


def told_of(ticket):
    """What a result tells of the ticket that it carried: its settings and its info, which were one dict."""
    if ticket.keys() == {"settings", "info"}:
        return ticket
    settings, info = settings_of(ticket)
    return {"settings": settings, "info": info}
