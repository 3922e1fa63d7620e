"""What was measured, as tables on the terminal: one for each place, the files in the same order."""

from rich import box
from rich.table import Table

from ...core.screen import Screen

NONE = "–"


def here(rows, threads):
    table = _table("bytes", "gzip", "zstd", "load, ms", "ms", "ratio", "low to high", "difference")
    for row in rows:
        sizes = [f"{size:,}" for size in (row.bytes, row.gzip, row.zstd)]
        table.add_row(
            row.name,
            *sizes,
            _median(row.load),
            _median(row.latency),
            *_ratio(row.ratio),
            _number(row.difference),
        )
    _print(f"this machine, {threads} thread{'s' * (threads > 1)}", table, rows)


def emulated(rows, cpu):
    table = _table("instructions", "ratio", "counted twice", "over", "difference to here")
    for row in rows:
        agree = NONE if row.repeats is None else "same" if row.repeats else "differs"
        millions = NONE if row.instructions is None else f"{row.instructions / 1e6:,.2f}"
        ratio = NONE if row.ratio is None else f"{row.ratio:.3f}"
        table.add_row(row.name, millions, ratio, agree, _number(row.invocations), _number(row.difference))
    _print(f"{cpu}, emulated: instructions of one inference, in millions; no measure of time", table, rows)


def phone(rows):
    table = _table("load, ms", "first, ms", "ms", "ratio", "low to high", "memory, MB", "runs")
    for row in rows:
        table.add_row(
            row.name,
            _median(row.load),
            _median(row.first),
            _median(row.inference),
            *_ratio(row.ratio),
            _median(row.memory),
            str(row.runs),
        )
    _print("phone", table, rows)


def _median(value):
    return _number(value and value.median)


def _ratio(value):
    if value is None:
        return NONE, ""
    return f"{value.median:.2f}", "" if value.low == value.high else f"{value.low:.2f} to {value.high:.2f}"


def _number(value):
    return NONE if value is None else f"{value:.3g}"


def _table(*columns):
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("file", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _print(title, table, rows):
    console = Screen()
    if not console.is_terminal:
        console.width = 160  # nothing is folded in a file
    console.print(title, style="bold", highlight=False)
    console.print(table)
    for row in rows:
        if row.problem:
            console.print(f"{row.name} {row.problem}", soft_wrap=True, highlight=False, markup=False)
