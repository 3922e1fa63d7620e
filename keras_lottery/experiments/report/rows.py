"""Rows: one a control, sparsity, rewind point and seed, ready for JSON lines."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from ...config import DataConfig, Machine, Net, SearchConfig
from ...core import files
from ...core.checks import path as checked_path
from ...core.checks import shown
from ...core.errors import LotteryError
from ...core.jsonable import digest
from ...core.options import usual
from ...training import older
from ..configs import TransferConfig

APART = usual(
    Net, SearchConfig, TransferConfig, DataConfig, Machine
)  # options, and what they are where rows do not say
NEEDED = {"rows", "data", "seed", "epochs", "recipe", "precision"}  # of a result
_FIGURE = (int, float, type(None))
KINDS = {  # of a row
    **dict.fromkeys(("model", "source", "target", "control", "precision"), str),
    **dict.fromkeys(("seed", "epochs", "train_images"), int),
    **dict.fromkeys(("sparsity", "ticket_sparsity"), (int, float)),
    **dict.fromkeys(("test_accuracy", "validation_accuracy", "test_loss", "calibration_error"), _FIGURE),
    **dict.fromkeys(("effective_sparsity", "multiply_adds", "test_images"), _FIGURE),
    "rewind": (int, str),
    "ticket_seed": (int, type(None)),
    "outcome": (str, type(None)),
    "recipe": dict,
    "validation_curve": list,
}
MEASURED = (
    "test_loss",
    "calibration_error",
    "class_accuracy",
    "corrupted",
    "effective_sparsity",
    "multiply_adds",
    "test_images",
    "correct",
)  # of an entry, where it says so
NOTED = {
    "model": str,
    "width": (int, float),
    "data": (dict, str),
    "recipe": dict,
    "patience": int,
}  # of a ticket's notes


def collect(results):
    """Rows of several results of `jobs.find` and `jobs.transfer`.

    Args:
      results: paths of result.json files.

    Raises:
      LotteryError: a file that is not there or no such result.
    """
    rows = []
    if isinstance(results, (str, bytes)) or not isinstance(results, Iterable):
        raise LotteryError(f"results is {shown(results)}: give a list of result.json files.")
    for path in results:
        if not os.path.isfile(checked_path(path, "a result.json")):
            raise LotteryError(f"there is no file {str(path)!r}: give result.json of a finished run.")
        found = _rows_of(older.result(files.read_json(path)))
        if found is None:
            raise LotteryError(
                f"{str(path)!r} is no result of a search or a transfer: give result.json of a finished run."
            )
        rows += found
    return rows


def is_row(entry) -> bool:
    """Whether what an entry says of itself is of the kinds that a row's is."""
    return (
        all(isinstance(entry[name], kind) for name, kind in KINDS.items() if name in entry)
        and all(isinstance(figure, _FIGURE) for figure in entry.get("validation_curve", ()))
        and (
            entry.get("test_accuracy", 0) is not None or entry.get("outcome")
        )  # which says why there is none
    )


def _rows_of(result):
    """The rows of a result; None if it is none."""
    with contextlib.suppress(KeyError, TypeError, AttributeError, ValueError):  # of a file of anybody's
        if result["command"] in ("find", "transfer") and NEEDED <= result.keys():
            found = _told(result)
            return found if all(map(is_row, found)) else None
    return None


def _told(result):
    carried = result["command"] == "transfer"
    source = _of_search(result["ticket"]) if carried else result
    model = label(source.get("model", "own model"), source.get("width", 1))
    found_on = source.get("data", "own data")
    name = (
        found_on.get("label", found_on.get("name", "own data"))
        if isinstance(found_on, dict)
        else str(found_on)
    )
    more = {"rewind": source["rewind"] or "init"} if "rewind" in source else {}
    if carried:
        more |= _searched(source, found_on)
    return [
        {**row(result, entry, model, name, result.get("sparsity", entry["sparsity"])), **more}
        for entry in result["rows"]
    ]


def _of_search(ticket):
    """The settings of a ticket's search, and of its notes those that `jobs.find` made."""
    told = older.told_of(ticket)
    noted = {
        name: told["info"][name] for name, kind in NOTED.items() if isinstance(told["info"].get(name), kind)
    }
    return {**noted, **told["settings"]}


def _searched(ticket, data):
    """What else tells the search of a ticket that was carried from others: its seed, and how it trained."""
    how = {"epochs": ticket.get("epochs"), **(ticket.get("recipe") or {})}
    if isinstance(data, dict):
        how |= {"images": data.get("sizes", {}).get("train"), "input_shape": data.get("input_shape")}
    return {"ticket_seed": ticket.get("seed"), "search": how}


def row(result, entry, model, source, ticket_sparsity):
    """The row of one entry of a result.

    Args:
      model: what the model is called.
      source: the data set that the ticket was found on.
      ticket_sparsity: what the entry is compared at.
    """
    told = {
        **(_of_search(result["ticket"]) if isinstance(result.get("ticket"), dict) else {}),
        **result["data"],
        **result,
    }
    return {
        "model": model,
        "source": source,
        "target": result["data"].get("label", result["data"]["name"]),
        "seed": result["seed"],
        "ticket_sparsity": round(ticket_sparsity, 4),
        "control": entry["control"],
        "sparsity": round(entry["sparsity"], 4),
        "epochs": result["epochs"],
        "epoch": entry["epoch"],
        "train_images": result["data"]["sizes"]["train"],
        "recipe": result["recipe"],
        "precision": result["precision"],
        "test_accuracy": entry["test_accuracy"],
        **{name: entry[name] for name in MEASURED if entry.get(name) is not None},
        "validation_accuracy": entry["validation_accuracy"],
        "validation_curve": [epoch.get("val_accuracy") for epoch in entry["history"]],
        **({"outcome": entry["outcome"]} if entry.get("outcome") else {}),
        **(
            {"steps": entry["steps"], "curve_steps": [epoch["stop"] for epoch in entry["history"]]}
            if "steps" in entry
            else {}
        ),
        "data": {
            **result["data"]["splits"],
            "validation": result["data"]["validation"],
            "input_shape": result["data"]["input_shape"],
            "classes": digest(result["data"]["classes"]),
        },
        **({"rule": told["rule"]} if "rule" in told else {}),
        **_unusual(told),
    }


def _unusual(told):
    """The options that tell runs apart, where what a result tells is not what they were before they
    existed."""
    return {name: told[name] for name, before in APART.items() if told.get(name, before) != before}


def label(model, width):
    """What a model is called in tables: "resnet8 x2"."""
    return Path(model).stem + (f" x{width:g}" if width != 1 else "")


def by_setting(rows):
    """Lists of the rows that may be compared: one model, source, target, number of images, epochs and recipe
    each."""
    groups = {}
    for entry in rows:
        groups.setdefault(setting(entry), []).append(entry)
    return list(groups.values())


def setting(entry):
    """What rows must share to be compared."""
    recipe, data, search = (
        json.dumps(entry.get(name), sort_keys=True) for name in ("recipe", "data", "search")
    )
    variant = (str(entry.get(name, before)) for name, before in APART.items())
    return (
        *(entry[name] for name in ("model", "source", "target", "train_images", "epochs", "precision")),
        recipe,
        data,
        search,
        *variant,
        old_rule(entry),
    )


def old_rule(entry):
    """Whether a row is of a search whose rounds trained T steps from a step k > 0 on, and so k steps more
    than the dense net."""
    return isinstance(entry.get("rewind"), int) and entry["rewind"] > 0 and "rule" not in entry
