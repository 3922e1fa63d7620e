"""What a shrunk model's owner reads: the rounds, then each file beside the dense one."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ...core.durations import duration
from ...core.saying import say
from ...core.screen import Screen
from .candidates import DENSE, DENSE_INT8
from .trainings import CHANNELS, CYCLIC, SINGLE

TITLES = {
    SINGLE: "rounds",
    CHANNELS: "rounds that prune whole channels",
    CYCLIC: "the dense net, trained again",
}


def show(result):
    """Print what a result of `shrink` says: its rounds, its files, what was assumed, and what was lost."""
    for kind, nets in result["rounds"].items():
        if nets:
            _rounds(result, kind, nets)
    _files(result)
    for line in result["told"]:
        say(f"- {line}")
    for line in lines(result):
        say(line)


def _rounds(result, kind, nets):
    images = result["data"]["sizes"]["validation"]
    table = _table("zeros", "trainings", "accuracy", "points lost", "")
    for net in nets:
        word = "dense, fine-tuned once" if net["trainings"] == 1 else "" if net["fits"] else "too many"
        table.add_row(
            f"{net['sparsity']:.1%}",
            str(net["trainings"]),
            f"{net['validation_accuracy']:.2%}",
            f"{net['points_lost']:+.2f}",
            "taken" if net["folder"] == result["ticket"] else word,
        )
    _print(
        f"{TITLES[kind]}, by {images:,} validation images, one of which is {result['one_image']:.2f} points; "
        f"{result['allowed']:.2f} may be lost",
        table,
    )


def _files(result):
    shown, test = result["files"], result["test"]
    reference = DENSE_INT8 if any(file["name"] == DENSE_INT8 for file in shown) else DENSE
    judged = {DENSE: test["dense"], result["chosen"]: test["chosen"]}
    columns = {
        "file": lambda file: file["name"],
        "encoded as": lambda file: file["encoded"],
        "zeros": lambda file: f"{file['sparsity']:.1%}",
        "right in test": lambda file: _percent(judged.get(file["name"])),
        "bytes": lambda file: f"{file['bytes']:,}",
        "zstd": lambda file: f"{file['zstd']:,}",
        "ms, here": lambda file: f"{file['latency_ms']:.3g}",
        f"over {reference}": lambda file: f"{file['latency']:.2f}",
    }
    if any(file["instructions"] for file in shown):
        columns["ARM, millions"] = lambda file: _millions(file["instructions"])
    columns[""] = lambda file: "written" * file["chosen"]
    table = _table(*columns)
    for file in shown:
        table.add_row(*(cell(file) for cell in columns.values()))
    _print(f"{result['model']}, tested on {test['images']:,} images", table)


def lines(result):
    """What the written file lost in test, against which dense net, and how long it all took."""
    against = {"chosen": "fine-tuned once", CYCLIC: f"trained as often ({CYCLIC})"}
    for name, words in against.items():
        if name in result["test"]:
            lost = result["test"][name]
            yield (
                f"points lost in test against the dense net {words}: {lost['points_lost']:+.2f} ± "
                f"{lost['half']:.2f} (95%, over the images)"
            )
    (chosen,) = (
        net for nets in result["rounds"].values() for net in nets if net["folder"] == result["ticket"]
    )
    if CYCLIC not in result["test"] and -chosen["points_lost"] > result["allowed"]:
        yield (
            f"trained {chosen['trainings']} times, the net gained {-chosen['points_lost']:.1f} points in "
            "validation, so the dense net would have gained, too: controls='dense-cyclic', with another "
            "output, compares it with the dense net trained as often"
        )
    yield f"this took {duration(60 * result['minutes'])}"


def _percent(of):
    return "" if of is None else f"{of['accuracy']:.2%} ({100 * of['low']:.1f} to {100 * of['high']:.1f})"


def _millions(count):
    return "–" if count is None else f"{count / 1e6:,.2f}"


def _table(*columns):
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="left" if name in ("file", "encoded as", "") else "right")
    return table


def _print(title, table):
    console = Screen()
    if not console.is_terminal:
        console.width = 160  # nothing is folded in a file
    console.print(title, style="bold", highlight=False)
    console.print(table)
