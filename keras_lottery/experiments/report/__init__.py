"""Results side by side: one run on the screen; many over seeds as rows, tables, plots and one HTML page."""

import dataclasses
import itertools
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from ...core import files
from ...core.checks import path as checked_path
from ...core.errors import LotteryError
from ...core.masking import sparsity
from ...core.saying import say
from ...core.screen import Screen
from ...core.types import PathLike
from ...tickets import anatomy
from ...tickets.ticket import load_ticket
from ...training import older
from ..controls import CONTROLS
from . import plots
from .cells import NEVER_PRUNED, steps_trained
from .family import Family, read_family
from .page import page
from .rows import by_setting, collect, is_row, label, row, setting
from .table import markdown, show_table
from .tables import tables

__all__ = [
    "Family",
    "by_setting",
    "collect",
    "label",
    "markdown",
    "read",
    "read_family",
    "row",
    "show",
    "show_table",
    "show_tickets",
    "tables",
    "write",
]
ROWS = "rows.jsonl"
TICKETS = "tickets.jsonl"
PRIMARY = "primary.json"


def show(result: dict) -> None:
    """Print the rows of a result of `jobs`."""
    data = result["data"]
    table = Table(
        title=f"{data.get('label', data['name'])}: {data['sizes']['train']:,} images to train, "
        f"{data['sizes']['test']:,} to test"
    )
    for name in ("", "sparsity", "steps", "epoch", "validation accuracy", "test accuracy"):
        table.add_column(name, justify="right" if name else "left")
    for entry in result["rows"]:
        validation = entry["validation_accuracy"]
        steps = steps_trained(entry) if "steps" in entry else ""
        table.add_row(
            entry["control"],
            f"{entry['sparsity']:.1%}",
            steps,
            str(entry["epoch"] or ""),
            "" if validation is None else f"{validation:.2%}",
            entry.get("outcome") or f"{entry['test_accuracy']:.2%}",
        )
    Screen().print(table)


def show_tickets(tickets: Any) -> None:
    """Print what tickets of one net are made of, and how much each two share.

    Args:
      tickets: folders, or names of tickets that come with the package.

    Raises:
      LotteryError: no ticket there, or tickets of different nets.
    """
    masks = {name: load_ticket(name).masks for name in tickets}
    for name, of in masks.items():
        table = Table(title=f"{name}: {sparsity(of):.1%} zeros")
        for column in ("weight", "shape", "kept", "zeros", "dead outputs", "dead inputs"):
            table.add_column(column, justify="left" if column in ("weight", "shape") else "right")
        for layer in anatomy.layers(of):
            dead = ("" if count is None else str(count) for count in (layer.dead_outputs, layer.dead_inputs))
            table.add_row(
                layer.path, "x".join(map(str, layer.shape)), f"{layer.kept:,}", f"{layer.sparsity:.1%}", *dead
            )
        Screen().print(table)
    for one, other in itertools.combinations(masks, 2):
        shared, _ = anatomy.overlap(masks[one], masks[other])
        say(
            f"{one} and {other} share {shared.share:.1%} of the kept weights; by chance "
            f"{shared.chance:.1%} ± {2 * shared.deviation:.1%}"
        )


def read(path: PathLike) -> list:
    """The rows in a rows.jsonl or tickets.jsonl file.

    Raises:
      LotteryError: no such file, or a line that is no JSON.
    """
    path = checked_path(path, "a rows.jsonl")
    if not os.path.isfile(path):
        raise LotteryError(
            f"there is no file {str(path)!r}: give a rows.jsonl that a report or a study wrote."
        )
    try:
        found = [json.loads(line) for line in path.read_text().splitlines()]
    except OSError as error:
        raise LotteryError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise LotteryError(f"{str(path)!r} is damaged: {error}. Restore it from a copy.") from error
    if not all(isinstance(entry, dict) and {"model", "source"} <= entry.keys() for entry in found) or not all(
        map(is_row, found)
    ):
        raise LotteryError(
            f"{str(path)!r} holds other lines than those of a report: give a rows.jsonl that a report or a "
            "study wrote."
        )
    return list(map(older.row, found))


def write(rows: list, output: PathLike, tickets: Sequence = (), family: Any = None) -> int:
    """Write rows.jsonl, rows.csv, tables.md, curves.png, accuracy.png and page.html to the folder `output`.

    Args:
      rows: as `collect` and `row` give them; of two of the same run the later counts.
      tickets: what tickets are made of, as `study.tickets` gives it; tickets.jsonl and
        layers.png are written where there are any.
      family: the `Family` of primary comparisons that a plan names; primary.json is written where there is
        one.

    Returns:
      The number of rows.

    Raises:
      LotteryError: nothing to report, or a folder that cannot be written.
    """
    found = {}
    for entry in rows:
        before = found.get(_run_of(entry), entry)
        if before["test_accuracy"] != entry["test_accuracy"]:
            got = [of.get("outcome") or f"{of['test_accuracy']:.2%}" for of in (before, entry)]
            warnings.warn(
                f"two runs have the same settings and different results ({' and '.join(got)}): "
                f"{_name(entry)}. The later one is used; leave one of them out.",
                stacklevel=2,
            )
        found[_run_of(entry)] = entry
    rows = list(found.values())
    _warn_of_shared_seeds(rows)
    if not rows:
        raise LotteryError("there are no rows: give result.json files of finished runs.")
    made = tables(rows, tickets, family)
    output = Path(output)
    files.check_writable(output)
    output.mkdir(parents=True, exist_ok=True)
    texts = {ROWS: _lines(rows), "rows.csv": plots.csv(rows), "tables.md": "\n".join(map(markdown, made))}
    pictures = {"accuracy.png": plots.accuracy(rows), "curves.png": plots.curves(rows)}
    if tickets:
        texts[TICKETS] = _lines(tickets)
        pictures["layers.png"] = plots.layers(tickets)
    if family:
        texts[PRIMARY] = json.dumps(dataclasses.asdict(family), indent=2) + "\n"
    pictures = {name: picture for name, picture in pictures.items() if picture}
    compared = {row["control"].partition(",")[0]: None for row in rows}
    told = {name: CONTROLS[name] for name in CONTROLS if name in compared}
    html = page(made, pictures, plots.CAPTIONS, told, list(texts))
    for name, content in {**texts, **pictures, "page.html": html}.items():
        with files.new_file(output / name) as aside:
            if isinstance(content, str):  # the names in it may be of any text
                content = content.encode(errors="backslashreplace")
            aside.write_bytes(content)
    return len(rows)


def _warn_of_shared_seeds(rows):
    tickets = {}
    for entry in rows:
        if "ticket_seed" in entry and entry["control"] == "ticket":
            tickets.setdefault((*setting(entry), entry["seed"]), set()).add(entry["ticket_seed"])
    for (*_, seed), of in tickets.items():
        if len(of) > 1:
            warnings.warn(
                f"tickets of {len(of)} seeds were carried with the same seed={seed}: they share the new "
                "head, the order of the data and the dense nets, so the intervals are too narrow. Carry "
                "each with a seed of its own.",
                stacklevel=3,
            )


def _lines(rows):
    return "".join(json.dumps(entry) + "\n" for entry in rows)


def _run_of(entry):
    of = ("seed", "ticket_seed", "rewind", "ticket_sparsity", "control")
    never_pruned = entry["control"] in NEVER_PRUNED  # wherever the tickets beside it rewind to
    return (*setting(entry), *(entry.get(name) for name in of if not (never_pruned and name == "rewind")))


def _name(entry):
    return f"{entry['control']} of {entry['model']} on {entry['target']}, seed {entry['seed']}"
