"""A table of text, and how figures are written in one."""

import dataclasses

import rich.table
from rich.console import Console

from ...core import html


@dataclasses.dataclass(frozen=True)
class Table:
    """A title, a line below it, the names of the columns, and rows of text."""

    title: str
    note: str
    header: tuple
    rows: tuple

    def __repr__(self):
        return f"Table({self.title}: {len(self.rows)} rows)"

    def _repr_html_(self):
        return html.table(self.title, self.header, self.rows)


def show_table(table: Table) -> None:
    """Print a table."""
    shown = rich.table.Table(*table.header, title=table.title, caption=table.note)
    for cells in table.rows:
        shown.add_row(*cells)
    Console(markup=False).print(shown)


def markdown(table):
    """The table as Markdown."""
    lines = [
        f"### {table.title}",
        "",
        table.note,
        "",
        _line(table.header),
        "|" + "---|" * len(table.header),
        *map(_line, table.rows),
    ]
    return "\n".join(lines) + "\n"


def figure(value, sign="", digits=2):
    """An `Estimate`, as "+0.12 ± 0.34"; without the half width where there is none."""
    half = "" if value.half != value.half else f" ± {value.half:.{digits}f}"
    return f"{value.mean:{sign}.{digits}f}{half}"


def interval(ends):
    """(low, high) as "-0.12 to +0.34"; "" where there is none."""
    return "" if ends[0] != ends[0] else f"{ends[0]:+.2f} to {ends[1]:+.2f}"


def _line(cells_of_it):
    return "| " + " | ".join(cells_of_it) + " |"
