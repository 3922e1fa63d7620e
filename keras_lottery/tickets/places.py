"""Where tickets are: folders, those that come with the package, the Hugging Face Hub, https addresses."""

import difflib
import os
from pathlib import Path

from ..core import checks
from ..core.errors import LotteryError
from . import download, hub
from .ticket_file import TICKET


def shipped():
    """{name: folder} of the tickets that come with the package."""
    places = [folder / "saved_models" for folder in Path(__file__).parents[1:3]]  # installed, in a checkout
    return {file.parent.name: file.parent for place in places for file in sorted(place.glob(f"*/{TICKET}"))}


def ticket_folder(ticket, sha256=None):
    """The folder of a ticket that is named as `load_ticket` takes it, fetched if it is elsewhere.

    Raises:
      LotteryError: there is no ticket.
    """
    scheme = ticket.partition("://")[0] if isinstance(ticket, str) and "://" in ticket else None
    if sha256 is not None and scheme in (None, "hf"):
        raise LotteryError(
            f"sha256 is of a zip file at an https address, and {checks.shown(ticket)} is none: leave it out; "
            "hf://user/name@COMMIT names one version of a ticket on the hub."
        )
    if scheme == "hf":
        return _holding(hub.downloaded(ticket), f"{ticket!r} holds no ticket: publish one with Ticket.push.")
    if scheme:
        return download.fetched(ticket, sha256)
    path = checks.path(ticket, "a ticket's folder or its name")
    names = shipped()
    if str(ticket) not in names and (within := _within(path)):
        raise LotteryError(
            f"no ticket at {str(path)!r}, but in folders of it: give one, such as {str(within)!r}."
        )
    near = difflib.get_close_matches(path.name, names, 1) or list(names)[:3]
    return _holding(
        path if os.path.isfile(path / TICKET) else names.get(str(ticket), path),
        f"no ticket at {str(path)!r}: give a folder that holds ticket.json, made by Ticket.save, or "
        f"the name of one that comes with the package, such as {', '.join(near)}.",
    )


def _within(path):
    """The last ticket of a run, where the path is its folder and no ticket itself."""
    if os.path.isfile(path / TICKET) or not os.path.isdir(path):
        return None
    found = [file.parent for depth in ("*", "*/*") for file in path.glob(f"{depth}/{TICKET}")]
    return max(found, default=None)


def _holding(folder, otherwise):
    """The folder, if it holds a ticket."""
    if not os.path.isfile(folder / TICKET):  # nor where the folder may not be read
        raise LotteryError(otherwise)
    return folder
