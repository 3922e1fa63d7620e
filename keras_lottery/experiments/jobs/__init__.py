"""What the commands do: find a ticket, transfer it, train one control, export it, each with a result.json.

Values are checked before data are loaded, and all of it before anything is trained.
"""

from ...config import Run
from ...tflite.of_ticket import export
from .control_job import train_control
from .own_net import for_net, found_net, wrapped
from .search_job import find, settled
from .shared import about, check_net, load, prepare
from .transfer_job import transfer

__all__ = [
    "check_net",
    "export",
    "find",
    "for_net",
    "found_net",
    "load",
    "perform",
    "prepare",
    "settled",
    "train_control",
    "transfer",
    "wrapped",
]


def perform(kind, arguments, folder) -> dict:
    """Do a task of a study, a search ("find") or the training of one control ("train_control"), in its
    folder."""
    job = {"find": find, "train_control": train_control}[kind]
    return job(**arguments, run=Run(str(folder), verbose=2))
