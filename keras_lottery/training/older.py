"""What earlier versions wrote, read as this one would have written it."""

from pathlib import Path

from ..architecture import form
from ..architecture.trust import LONGEST, parsed
from ..core.errors import LotteryError
from ..core.files import decompressed
from ..core.jsonable import digest

# What the tickets of format 1 held among the notes in their info.
SETTINGS = (
    "rewind",
    "scope",
    "epochs",
    "seed",
    "rewind_once",
    "structured",
    "budget",
    "early_bird",
    "blocks",
    "arm",
)
# What the configuration of a search held beside notes and settings.
_OF_SEARCH = ("run", "sparsities", "steps", "train", "architecture", "masks", "weights", "compiled")
_UNTOLD = ("content", "validation")  # of it, which earlier versions did not write down


def settings_of(info):
    """(settings, notes) of an `info` that held both.

    >>> settings_of({"seed": 0, "model": "lenet"})
    ({'seed': 0}, {'model': 'lenet'})
    """
    return (
        {name: value for name, value in info.items() if name in SETTINGS},
        {name: value for name, value in info.items() if name not in SETTINGS},
    )


def config(there, now, run_dir):
    """The configuration `there` of the run in the folder, as this version has it.

    now: the configuration that it is compared with, which knows what earlier versions did not write down.
    """
    there = _of_data(there, now)
    if there["run"] == "find_ticket" and "info" not in there:
        told = {name: value for name, value in there.items() if name in (*SETTINGS, *_OF_SEARCH)}
        told |= {name: now[name] for name in _UNTOLD if name in now}
        first = Path(run_dir) / "round_00" / "architecture.json.gz"
        if first.is_file():  # its hash was of another text
            told["architecture"] = _form_in(first)
        return {**told, "info": {name: value for name, value in there.items() if name not in told}}
    if there["run"] == "train_arm":
        there = {**row(there), "run": "train_control"}
    if there["run"] in ("transfer", "train_control") and isinstance(there.get("ticket"), dict):
        hashes = {name: now[name] for name in ("ticket_hash", "dense_hash") if name in now}
        return {**hashes, **there, "ticket": told_of(there["ticket"])}
    return there


def _form_in(file):
    """The digest of the net in a round's folder."""
    text = decompressed(file, LONGEST)
    try:
        return digest(form(parsed(text)))
    except (LotteryError, KeyError, TypeError, AttributeError) as error:
        raise LotteryError(f"{str(file)!r} holds no model. Restore it from a copy.") from error


def _of_data(there, now):
    """`there` with what earlier versions did not write down of its data: what a part of the classes is
    called, and the size and channels that images had by themselves."""
    if isinstance(there.get("info"), dict) and isinstance(now.get("info"), dict):
        there = {**there, "info": _of_data(there["info"], now["info"])}
    data, later = there.get("data"), now.get("data")
    if not isinstance(data, dict) or not isinstance(later, dict):
        return there
    if "label" in later:
        data = {"label": later["label"], **data}
    if data.get("input_shape") == later.get("input_shape"):
        own = (name for name in ("image_size", "channels") if data.get(name) is None)
        data = {**data, **{name: later[name] for name in own if name in later}}
    return {**there, "data": data}


def result(there):
    """What a run wrote into its result.json, its rows as this version has them.

    >>> result({"command": "train_arm", "rows": [{"arm": "random", "sparsity": 0.9}]})
    {'command': 'train_control', 'rows': [{'control': 'random', 'sparsity': 0.9}]}
    """
    if not isinstance(there, dict) or not isinstance(there.get("rows"), list):
        return there
    named = row(there)
    command = {"command": "train_control"} if named.get("command") == "train_arm" else {}
    return {
        **named,
        **command,
        "rows": [row(entry) if isinstance(entry, dict) else entry for entry in there["rows"]],
    }


def row(there):
    """A row of a table; earlier versions called a control an arm.

    >>> row({"arm": "random", "seed": 0})
    {'control': 'random', 'seed': 0}
    """
    return {"control" if name == "arm" else name: value for name, value in there.items()}


def identity(now):
    """What a study's run depends on, in the words of earlier versions, from which its folder takes its name.

    >>> identity({"kind": "train_control", "control": "random", "seed": 0})
    {'kind': 'train_arm', 'arm': 'random', 'seed': 0}
    """
    if now.get("kind") != "train_control":
        return now
    return {
        "arm" if name == "control" else name: value for name, value in {**now, "kind": "train_arm"}.items()
    }


def told_of(ticket):
    """What a result tells of the ticket that it carried: its settings and its info, which were one dict."""
    if ticket.keys() == {"settings", "info"}:
        return ticket
    settings, info = settings_of(ticket)
    return {"settings": settings, "info": info}
