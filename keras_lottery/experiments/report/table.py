"""A table of text, and how figures are written in one."""

import dataclasses

import rich.table

from ...core import html
from ...core.screen import Screen
from ...core.visible import cell


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
    Screen().print(shown)


def markdown(table):
    """The table as Markdown."""
    lines = [
        f"### {cell(table.title)}",
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
    return f"{_number(value.mean, sign, digits)}{half}"


def interval(ends, bounds=(0.0,)):
    """(low, high) as "-0.12 to +0.34"; "" where there is none.

    An end has two digits, or as many as show on which side of `bounds`, the numbers that it is judged by, it
    lies: -0.4996 is not -0.50 where that is a bound.
    """
    return "" if ends[0] != ends[0] else " to ".join(_number(end, "+", _digits(end, bounds)) for end in ends)


def _digits(value, bounds):
    near = [bound for bound in bounds if abs(value - bound) > 1e-9]
    enough = (n for n in range(2, 9) if all(round(value, n) != round(bound, n) for bound in near))
    return next(enough, 9)


def _number(value, sign, digits):
    """A number with so many digits; what they show as 0 has no sign."""
    text = f"{value:{sign}.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def _line(cells_of_it):
    return "| " + " | ".join(map(cell, cells_of_it)) + " |"
