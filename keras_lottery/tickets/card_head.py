"""What the head of a card says, in the words of the Hugging Face Hub: whose a ticket is, and what it is of.

The head is YAML, written as the part of it that is JSON too: a line an entry, every text quoted.
"""

import numbers
import re

from ..core.checks import shown
from ..core.errors import LotteryError

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,60}")
_DATASET = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)
_LONGEST = 200  # characters of a name


def noted(ticket_info: dict, **given: str | None) -> dict:
    """The notes of a ticket with those of name, license and author that are given."""
    return {**ticket_info, **{name: check(name, value) for name, value in given.items() if value is not None}}


def check(name: str, value: str) -> str:
    """`value`, as the name, the license or the author of a ticket.

    Raises:
      LotteryError: it is no line of text, or no identifier of a licence.

    >>> check("license", "apache-2.0")
    'apache-2.0'
    """
    if name == "license" and not (isinstance(value, str) and _LICENSE.fullmatch(value)):
        raise LotteryError(
            f"license={shown(value)} is no identifier of a licence: give one such as apache-2.0, mit, "
            "cc-by-4.0 or other (huggingface.co/docs/hub/repositories-licenses)."
        )
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _LONGEST:
        raise LotteryError(
            f"{name}={shown(value)} is impossible: give a line of text, such as 'Ada Lovelace'."
        )
    return value


def head(ticket, name: str) -> str:
    """The YAML between the lines of dashes, for a ticket that is called `name`."""
    told, (score, where) = facts(ticket), accuracy(ticket)
    data = told.get("target") or told.get("source")
    license = ticket.info.get("license")
    entries = {
        "license": license if isinstance(license, str) and _LICENSE.fullmatch(license) else None,
        "library_name": "keras_lottery",
        "tags": ["keras", "lottery-ticket", "pruning", "sparse", *["image-classification"] * bool(data)],
        "datasets": [*filter(None, map(_identifier, told.values()))],
        "metrics": ["accuracy"] if score is not None else None,
        "model-index": [_measured(name, data, score, where)] if data and score is not None else None,
    }
    return "\n".join(f"{key}: {_yaml(value)}" for key, value in entries.items() if value)


def facts(ticket) -> dict:
    """{"source" and "target": data set} of a ticket that says them."""
    source = ticket.info.get("source") if "control" in ticket.settings else None  # else it is a user's note
    data = ticket.dataset
    told = {"source": source, "target": data} if isinstance(source, str) else {"source": data}
    return {name: value for name, value in told.items() if value}


def accuracy(ticket) -> tuple:
    """(accuracy of the trained weights, on which images), (None, "") where the ticket does not say."""
    last = ticket.rounds[-1]["metrics"] if ticket.rounds else {}
    for found, where in (
        (ticket.info.get("test_accuracy"), "test"),
        (last.get("val_accuracy"), "validation"),
        (last.get("accuracy"), "training"),
    ):
        if isinstance(found, numbers.Real) and not isinstance(found, bool) and 0 <= found <= 1:
            return float(found), where
    return None, ""


def _identifier(label):
    """What the hub may call the data set that a label names, or names some classes of; None for a folder."""
    name = label.partition("[")[0]
    return name if _DATASET.fullmatch(name) else None


def _measured(name, data, score, where):
    """An entry of the hub's model-index."""
    return {
        "name": name,
        "results": [
            {
                "task": {"type": "image-classification"},
                "dataset": {"type": _identifier(data) or "images", "name": data},
                "metrics": [{"type": "accuracy", "value": round(score, 4), "name": f"{where} accuracy"}],
            }
        ],
    }


def _yaml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, float):
        return f"{value:.4f}"
    plain = (letter if letter.isprintable() and letter not in '"\\' else _escaped(letter) for letter in value)
    return f'"{"".join(plain)}"'


def _escaped(letter):
    half = "\ud800" <= letter <= "\udfff"  # of a pair, which no file holds alone
    return "\\uFFFD" if half else f"\\U{ord(letter):08X}"
