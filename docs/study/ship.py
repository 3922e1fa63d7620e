"""Put a study's tickets at each of its sparsities, of the seed with the best validation accuracy, into
saved_models; or, without arguments, write the cards there anew.

python docs/study/ship.py runs/resnet18 docs/study/resnet18.flags
python docs/study/ship.py
"""

import dataclasses
import sys
from pathlib import Path

import keras_lottery as lottery
from apps import study
from keras_lottery.experiments.report import label
from keras_lottery.training import run_folder

LICENCES = {
    "cifar10": "CIFAR-10 (Krizhevsky 2009) states none; here a lossy JPEG copy of it",
    "fashion_mnist": "Fashion-MNIST is under the MIT licence, Zalando SE",
}
LICENCE = "apache-2.0"  # of the tickets, as of all that this repository holds


def write_cards(output="saved_models"):
    """Save each ticket again, which writes its card as this version does and nothing else differently."""
    for path in sorted(path.parent for path in Path(output).glob("*/ticket.json")):
        lottery.load_ticket(path).save(path, overwrite=True, license=LICENCE)
        print(path / "README.md")


def ship(folder, flagfile, output="saved_models"):
    study.FLAGS(["ship.py", f"--flagfile={flagfile}"])
    made = study.given()
    searches = [path.parent for path in Path(folder).glob("runs/*/round_00")]
    model = label(made.net.model, made.net.width).replace(" ", "")
    for at in made.sparsities:
        number = made.planned.index(at) + 1
        found = [lottery.load_ticket(run_folder.round_folder(path, number)) for path in searches]
        found = [ticket for ticket in found if ticket.settings["rewind"] == made.rewinds[0]]
        best = max(found, key=lambda ticket: ticket.rounds[-1]["metrics"]["val_accuracy"])
        info = {
            **best.info,
            "chosen": f"best validation accuracy of {len(found)} seeds",
            "licence of the data": LICENCES.get(made.source, "not noted"),
            "command": f"lottery-study --flagfile={flagfile}",
            "compared with its controls in": "docs/study/tables.md",
        }
        path = Path(output) / f"{model}-{made.source}-{100 * at:.0f}"
        dataclasses.replace(best, info=info).save(path, overwrite=True, license=LICENCE)
        size = sum(file.stat().st_size for file in path.iterdir())
        print(f"{path}: seed {best.settings['seed']}, {best.sparsity:.2%} zeros, {size:,} bytes")


if __name__ == "__main__":
    ship(*sys.argv[1:]) if sys.argv[1:] else write_cards()
