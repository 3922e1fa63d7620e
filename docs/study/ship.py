"""Put a study's tickets at each of its sparsities, of the seed with the best validation accuracy, into
saved_models; or, without arguments, write the cards there anew.

    python docs/study/ship.py runs/resnet18 docs/study/resnet18.flags --data_dir=DIR
    python docs/study/ship.py

What follows the file of flags is given to `lottery-study` as well. Searches of other studies that share the
run folder are left alone.
"""

import dataclasses
import sys
from pathlib import Path

from keras_lottery.apps import study

import keras_lottery as lottery
from keras_lottery.core.files import new_file
from keras_lottery.experiments.report import label
from keras_lottery.experiments.study import prepare, workers
from keras_lottery.tickets.card import card
from keras_lottery.training import run_folder

LICENCES = {
    "cifar10": "CIFAR-10 (Krizhevsky 2009) states none; here a lossy JPEG copy of it",
    "fashion_mnist": "Fashion-MNIST is under the MIT licence, Zalando SE",
}
LICENCE = "apache-2.0"  # of the tickets, as of all that this repository holds


def write_cards(output="saved_models"):
    """Write each ticket's card as this version does; its other files stay as they are."""
    for folder in sorted(path.parent for path in Path(output).glob("*/ticket.json")):
        page = folder / "README.md"
        files = sorted(set(folder.iterdir()) - {page})
        text = card(lottery.load_ticket(folder), folder.name, folder.name, files)
        with new_file(page) as aside:
            aside.write_text(text, encoding="utf-8")
        print(page)


def ship(folder, flagfile, *flags, output="saved_models"):
    study.FLAGS(["ship.py", f"--flagfile={flagfile}", *flags])
    made, _, tasks = prepare(study.given(), folder)
    searches = [
        workers.task_folder(folder, task.name)
        for task in tasks
        if task.kind == "find" and task.about["rewind"] == made.rewinds[0]
    ]
    model = label(made.net.model, made.net.width).replace(" ", "")
    for at in made.sparsities:
        number = made.planned.index(at) + 1
        found = [lottery.load_ticket(run_folder.round_folder(path, number)) for path in searches]
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
