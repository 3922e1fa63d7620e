"""Put a study's tickets at 90 and 95%, of the seed with the best validation accuracy, into saved_models.

python docs/study/ship.py runs/study docs/study/study.flags
"""

import dataclasses
import sys
from pathlib import Path

import keras_lottery as lottery
from apps import study
from keras_lottery.experiments.report import label, tables
from keras_lottery.training import run_folder

WANTED = (0.9, 0.95)
LICENCES = {
    "cifar10": "CIFAR-10 (Krizhevsky 2009) states none; here a lossy JPEG copy of it",
    "fashion_mnist": "Fashion-MNIST is under the MIT licence, Zalando SE",
}


def main(folder, flagfile):
    study.FLAGS(["ship.py", f"--flagfile={flagfile}"])
    made = study.given()
    searches = [path.parent for path in Path(folder).glob("runs/*/round_00")]
    rows = lottery.report.read(Path(folder) / "rows.jsonl")
    numbers = made.planned
    model = label(made.net.model, made.net.width).replace(" ", "")
    for at in WANTED:
        found = [
            lottery.load_ticket(run_folder.round_folder(path, numbers.index(at) + 1)) for path in searches
        ]
        found = [ticket for ticket in found if ticket.settings["rewind"] == made.rewinds[0]]
        best = max(found, key=lambda ticket: ticket.rounds[-1]["metrics"]["val_accuracy"])
        compared = [table for table in tables(rows) if table.title.startswith("The ticket against ")]
        lines = [
            (table.title.removeprefix("The ticket against "), *row)
            for table in compared
            for row in table.rows
            if row[1] == f"{at:.1%}"
        ]
        results = {
            "title": "The ticket against its controls",
            "note": f"{compared[0].note.partition(' Corrected')[0]} Corrected: for all "
            "sparsities of the study.",
            "header": ("against", *compared[0].header),
            "rows": lines,
        }
        info = {
            **best.info,
            "chosen": f"best validation accuracy of {len(found)} seeds",
            "licence of the data": LICENCES[made.source],
            "command": f"lottery-study --flagfile={flagfile}",
            "results": results,
        }
        path = Path("saved_models") / f"{model}-{made.source}-{100 * at:.0f}"
        dataclasses.replace(best, info=info).save(path, overwrite=True)
        print(
            f"{path}: seed {best.settings['seed']}, {best.sparsity:.2%} zeros, "
            f"{sum(f.stat().st_size for f in path.iterdir()):,} bytes"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
