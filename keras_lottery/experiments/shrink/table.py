"""What a shrunk model's owner reads: the rounds, then each file beside the dense one."""

from rich.console import Console
from rich.table import Table

from .candidates import DENSE, DENSE_INT8
from .trainings import CHANNELS, CYCLIC, SINGLE

TITLES = {SINGLE: "rounds", CHANNELS: "rounds that let channels die"}


def show(result):
    """Print what a result of `shrink` says: its rounds, its files, what was assumed, and what was lost."""
    for kind, nets in result["rounds"].items():
        if nets:
            _print(_rounds(result, kind, nets))
    _print(_files(result))
    for line in result["told"]:
        print(f"- {line}")
    for line in _lines(result):
        print(line)


def _rounds(result, kind, nets):
    images = result["data"]["sizes"]["validation"]
    table = Table(
        title=f"{TITLES[kind]}, by {images:,} validation images, one of which is {result['one_image']:.2f} "
        f"points; {result['allowed']:.2f} may be lost"
    )
    for name in ("zeros", "trainings", "accuracy", "points lost", ""):
        table.add_column(name, justify="right")
    for net in nets:
        word = "dense, fine-tuned once" if net["trainings"] == 1 else "" if net["fits"] else "too many"
        table.add_row(
            f"{net['sparsity']:.1%}",
            str(net["trainings"]),
            f"{net['validation_accuracy']:.2%}",
            f"{net['points_lost']:+.2f}",
            "taken" if net["folder"] == result["ticket"] else word,
        )
    return table


def _files(result):
    shown, test = result["files"], result["test"]
    reference = DENSE_INT8 if any(file["name"] == DENSE_INT8 for file in shown) else DENSE
    table = Table(title=f"{result['model']}, tested on {test['images']:,} images")
    table.add_column("")
    judged = {"dense": test["dense"], result["chosen"]: test["chosen"]}
    for file in shown:
        table.add_column(file["name"] + ", taken" * file["chosen"], justify="right", overflow="fold")
    rows = {
        "encoded as": lambda file: file["encoded"],
        "zeros": lambda file: f"{file['sparsity']:.1%}",
        "image": lambda file: "x".join(map(str, file["input_shape"][:2])),
        "accuracy": lambda file: _percent(judged.get(file["name"])),
        "validation": lambda file: f"{file['accuracy']:.2%}",
        "bytes": lambda file: f"{file['bytes']:,}",
        "as a download (zstd)": lambda file: f"{file['zstd']:,}",
        "ms an image, here": lambda file: f"{file['latency_ms']:.3g}",
        f"the same over {reference}": lambda file: f"{file['latency']:.2f}",
    }
    if any(file["instructions"] for file in shown):
        rows["ARM instructions, millions"] = lambda file: _millions(file["instructions"])
    for name, cell in rows.items():
        table.add_row(name, *map(cell, shown))
    return table


def _lines(result):
    against = {"chosen": "fine-tuned once", CYCLIC: f"trained as often ({CYCLIC})"}
    for name, words in against.items():
        if name in result["test"]:
            lost = result["test"][name]
            yield (
                f"points lost in test against the dense net {words}: {lost['points_lost']:+.2f} ± "
                f"{lost['half']:.2f} (95%, over the images)"
            )
    yield f"this took {result['minutes']:.1f} minutes"


def _percent(of):
    return "" if of is None else f"{of['accuracy']:.2%} ({100 * of['low']:.1f} to {100 * of['high']:.1f})"


def _millions(count):
    return "–" if count is None else f"{count / 1e6:,.2f}"


def _print(table):
    Console(markup=False).print(table)
