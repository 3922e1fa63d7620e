"""A ticket's folder, written: masks at one bit a weight, of masked weights what survives, hashes, a card."""

import gzip
import json

import numpy as np

from ..core import jsonable
from ..core.files import sha256, write_arrays, write_json
from ..core.finite import check_finite
from ..core.lazily import Lazily
from . import ticket_file
from .card import card


def check_savable(ticket):
    """Raises LotteryError if the ticket has weights that are no numbers."""
    ends = ticket.weights, ticket.trained or ticket.weights
    for state, other in (ends, ends[::-1]):
        check_finite(state, other, "this ticket is of a training that diverged")


def write(ticket, folder, name, address=None, trained=True):
    """Write a ticket into an empty folder.

    Args:
      name: what the card calls it, if the ticket's notes do not say.
      address: where it will be loaded from; by default the name.
      trained: whether to write its trained weights, if it has any.
    """
    write_arrays(folder / ticket_file.MASKS, Lazily(ticket.masks, np.packbits))
    write_arrays(folder / ticket_file.WEIGHTS, _survivors(ticket.weights, ticket.masks))
    trained = trained and ticket.trained is not None
    once = trained and ticket.trained is ticket.weights  # then the file of the weights holds both
    if trained and not once:
        write_arrays(folder / ticket_file.TRAINED, _survivors(ticket.trained, ticket.masks))
    # mtime=0: equal tickets are equal files.
    (folder / ticket_file.ARCHITECTURE).write_bytes(
        gzip.compress(json.dumps(ticket.architecture).encode(), mtime=0)
    )
    content = _content(ticket, {file.name: sha256(file) for file in sorted(folder.iterdir())})
    if once:
        content["trained"] = ticket_file.WEIGHTS
    write_json(folder / ticket_file.TICKET, {**content, "checksum": ticket_file.checksum(content)})
    called = ticket.info.get("name")
    text = card(
        ticket, called if isinstance(called, str) else name, address or name, sorted(folder.iterdir())
    )
    (folder / "README.md").write_text(text, encoding="utf-8", errors="replace")


def _content(ticket, hashes):
    """What ticket.json says."""
    shapes = {path: {"shape": list(m.shape), "kept": int(m.sum())} for path, m in ticket.masks.items()}
    return jsonable.plain(
        {
            "format": ticket_file.FORMAT,
            "sparsity": ticket.sparsity,
            "masks": shapes,
            "heads": ticket.heads,
            "rounds": ticket.rounds,
            "settings": ticket.settings,
            "info": ticket.info,
            "sha256": hashes,
        }
    )


def _survivors(values, masks):
    """Of masked weights what the mask keeps, without a copy where that is all."""

    def kept(path):
        value, mask = values[path], masks.get(path)
        return value if mask is None else value.ravel() if mask.all() else value[mask]

    return Lazily({path: path for path in values}, kept)
