"""What earlier versions wrote, read as this one would have written it."""

# What the tickets of format 1 held among the notes in their info.
SETTINGS = ("rewind", "scope", "epochs", "seed", "rewind_once", "structured", "budget", "early_bird", "blocks", "arm")
# What the configuration of a search held beside notes and settings.
_OF_SEARCH = ("run", "sparsities", "steps", "train", "architecture", "masks", "weights", "compiled")


def settings_of(info):
    """(settings, notes) of an `info` that held both.

    >>> settings_of({"seed": 0, "model": "lenet"})
    ({'seed': 0}, {'model': 'lenet'})
    """
    return ({name: value for name, value in info.items() if name in SETTINGS},
            {name: value for name, value in info.items() if name not in SETTINGS})


def config(there):
    """The configuration of a run with settings and notes apart; one that has them so stays as it is."""
    if there["run"] == "find_ticket" and "info" not in there:
        told = {name: value for name, value in there.items() if name in (*SETTINGS, *_OF_SEARCH)}
        return {**told, "info": {name: value for name, value in there.items() if name not in told}}
    if there["run"] in ("transfer", "train_arm") and isinstance(there.get("ticket"), dict):
        return {**there, "ticket": told_of(there["ticket"])}
    return there


def told_of(ticket):
    """What a result tells of the ticket that it carried: its settings and its info, which were one dict."""
    if ticket.keys() == {"settings", "info"}:
        return ticket
    settings, info = settings_of(ticket)
    return {"settings": settings, "info": info}
