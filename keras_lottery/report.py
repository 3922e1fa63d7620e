"""Results as tables."""

from rich.console import Console
from rich.table import Table


def show(result):
    """Print the rows of a result of `jobs`."""
    data = result["data"]
    table = Table(title=f"{data['name']}: {data['sizes']['train']:,} images to train, {data['sizes']['test']:,} to test")
    for name in ("", "sparsity", "epochs", "validation accuracy", "test accuracy"):
        table.add_column(name, justify="right" if name else "left")
    for row in result["rows"]:
        validation = row["validation_accuracy"]
        table.add_row(row["arm"], f"{row['sparsity']:.1%}", str(row["epoch"]),
                      "" if validation is None else f"{validation:.2%}", f"{row['test_accuracy']:.2%}")
    Console().print(table)
