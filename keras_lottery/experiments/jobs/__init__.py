"""What the commands do: find a ticket, transfer it, train one control, export it, each with a result.json.

Values are checked before data are loaded, and all of it before anything is trained.
"""

from ...tflite.of_ticket import export
from .control_job import train_control
from .search_job import ROUNDS, find
from .shared import load, prepare
from .transfer_job import transfer

__all__ = ["ROUNDS", "export", "find", "load", "prepare", "train_control", "transfer"]
