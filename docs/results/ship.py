"""Put the tickets of the seed with the best validation accuracy into saved_models/.

python docs/results/ship.py RUNS_FOLDER
"""

import dataclasses
import sys
from pathlib import Path

import keras_lottery as lottery

ROUNDS = {"07": "90", "09": "95"}
NETS = ("resnet8x2", "plain4", "lenet")
LICENCE = "Fashion-MNIST is under the MIT licence, Zalando SE"


def main(runs):
    for net in NETS:
        for number, percent in ROUNDS.items():
            found = [
                lottery.load_ticket(folder)
                for folder in sorted(Path(runs).glob(f"{net}-fashion-*/round_{number}"))
            ]
            best = max(found, key=lambda ticket: ticket.rounds[-1]["metrics"]["val_accuracy"])
            info = {
                **best.info,
                "chosen": f"best validation accuracy of {len(found)} seeds",
                "licence of the data": LICENCE,
                "made by": "docs/results/commands.sh",
                "compared with its controls in": "docs/results/tables.md",
            }
            path = Path("saved_models") / f"{net}-fashion_mnist-{percent}"
            dataclasses.replace(best, info=info).save(path, overwrite=True)
            size = sum(file.stat().st_size for file in path.iterdir())
            print(f"{path}: seed {best.settings['seed']}, {best.sparsity:.2%} sparse, {size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
