"""What a ticket's notes say of the images of its search."""

from typing import Any

from ..core.errors import LotteryError
from ..core.pixels import Pixels


def described(notes: Any) -> dict:
    """`notes` if they tell of images as `data.Data.describe` does, otherwise {}.

    Notes are whatever the maker of a ticket wrote, and a command takes its defaults from these.

    >>> described({"name": "photos", "mean": 5})
    {}
    """
    return notes if isinstance(notes, dict) and _fits(notes) else {}


def _fits(notes):
    try:
        mean, std = notes["mean"], notes["std"]
        Pixels.of((mean, std), len(mean))
        return (
            "validation" in notes
            and len(mean) == len(std)
            and _all(str, list(notes["splits"].values()))
            and _all(str, [notes["name"], notes.get("label", "")])
            and _all(str, notes["classes"])
            and _all(int, notes.get("input_shape") or [])
        )
    except (AttributeError, KeyError, TypeError, LotteryError):
        return False


def _all(kind, values):
    return isinstance(values, (list, tuple)) and all(isinstance(value, kind) for value in values)
