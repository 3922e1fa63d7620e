"""An export as a table."""

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from ..core.screen import Screen
from .record import REFUSED

COLUMNS = {
    "bytes": lambda row: f"{row.bytes:,}",
    "zstd": lambda row: f"{row.zstd:,}",
    "load ms": lambda row: f"{row.load_ms:.1f}",
    "latency": lambda row: f"{row.latency:.2f}",
    "error": lambda row: f"{row.relative_difference:.0e}",
    "top-1": lambda row: f"{100 * row.accuracy:.2f}",
}


def show(record):
    """Print a row for each variant, what is wrong with some, and which was written.

    latency is over that of the first file that runs, error the largest difference over the output's largest
    value.
    """
    columns = {
        name: column for name, column in COLUMNS.items() if name != "top-1" or record.accuracy is not None
    }
    table = Table(
        Column("variant", no_wrap=True),
        *(Column(name, justify="right", no_wrap=True) for name in columns),
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for row in record.variants:
        table.add_row(
            row.name, *(_text(row, column) for column in columns.values()), style="bold" if row.chosen else ""
        )
    console, chosen = Screen(), record.chosen
    console.print(table)
    for problem, rows in _problems(record.variants).items():
        _print(console, f"{', '.join(row.name for row in rows)}: {problem}")
    if chosen.sparse_kernels:
        _print(console, f"layers that sparse kernels of an ARM processor can run: {chosen.sparse_kernels}")
    if record.restated:
        before, rounded, after = (record.restated[name] for name in ("before", "in_16_bits", "after"))
        _print(
            console,
            f"BatchNorm statistics taken anew in float32, on training images: {before:.1%} of the validation "
            f"images were right ({rounded:.1%} in 16 bits), now {after:.1%}",
        )
    _print(console, f"wrote {record.path}: {chosen.name}, the best for {record.goal}")
    if test := record.test:
        _print(
            console,
            f"on {test['examples']:,} test images: the model {test['keras']:.2%}, the file "
            f"{test['file']:.2%}",
        )


def _problems(variants):
    """{what is wrong: the variants}, in the order of the table; why LiteRT refuses one is in the record."""
    found = {}
    for row in variants:
        if row.problem:
            found.setdefault(REFUSED if row.refused else row.problem, []).append(row)
    return found


def _print(console, line):
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def _text(row, column):
    try:
        return column(row)
    except TypeError:  # of None: it was not measured
        return "–"
