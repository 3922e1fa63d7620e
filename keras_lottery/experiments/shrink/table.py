"""The one table that a shrunk model's owner reads."""

from rich.console import Console
from rich.table import Table

from ...core.saying import say


def show(result):
    """Print what a result of `shrink` says: each round, then before and after."""
    rounds = Table(title=f"validation accuracy; {result['allowed']:.2f} points may be lost")
    for name in ("zeros", "accuracy", "points lost", ""):
        rounds.add_column(name, justify="right")
    for number, row in enumerate(result["rounds"]):
        word = "dense, fine-tuned once" if not number else "taken" if number == result["chosen"] else ""
        rounds.add_row(
            f"{row['sparsity']:.1%}", f"{row['validation_accuracy']:.2%}", f"{row['points_lost']:+.2f}", word
        )
    test, before, after = result["test"], result["before"], result["after"]
    table = Table(title=f"{result['model']} on {test['images']:,} test images")
    for name in ("", "dense, float32", f"{result['sparsity']:.1%} zeros, {after['name']}"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("accuracy", f"{test['dense']:.2%}", f"{after['test_accuracy']:.2%}")
    table.add_row("bytes", f"{before['bytes']:,}", f"{after['bytes']:,}")
    table.add_row("as a download (zstd)", f"{before['zstd']:,}", f"{after['zstd']:,}")
    table.add_row("ms an image, here", f"{before['latency_ms']:.3g}", f"{after['latency_ms']:.3g}")
    for one in (rounds, table):
        Console(markup=False).print(one)
    say(
        f"points lost in test against the dense net fine-tuned once: {test['points_lost']:+.2f} ± "
        f"{test['half']:.2f} (95%, over the images)"
    )
