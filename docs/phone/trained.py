"""Gather what nets.sh trained: a row for each round of each search, and how much work `lottery.compact` takes
out of it.

python docs/phone/trained.py RUNS_FOLDER    # into docs/phone/trained.jsonl, in the place of the same searches
"""

import json
import sys
from pathlib import Path

import keras_lottery as lottery
from keras_lottery.core import files
from keras_lottery.training import run_folder

ROWS = Path(__file__).parent / "trained.jsonl"


def work(model):
    return sum(row["multiply_adds"] or 0 for row in lottery.costs(model))


def rounds(folder):
    """A search's rounds: accuracy on the test images, and the share of multiply-adds that compacting
    leaves."""
    name, _, seed = folder.name.rpartition("-")
    for number, row in enumerate(run_folder.read_result(folder)["rows"]):
        model = lottery.strip(lottery.load_ticket(run_folder.round_folder(folder, number)).model("trained"))
        left = work(lottery.compact(model, verbose=False)) / work(model)
        yield {
            "search": name,
            "seed": int(seed),
            "sparsity": row["sparsity"],
            "test_accuracy": row["test_accuracy"],
            "work_left": left,
        }


def main(folder):
    found = [
        row for path in sorted(Path(folder).glob(f"*/{run_folder.RESULT}")) for row in rounds(path.parent)
    ]
    old = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    again = {row["search"] for row in found}
    rows = sorted(
        [row for row in old if row["search"] not in again] + found,
        key=lambda row: (row["search"], row["seed"], row["sparsity"]),
    )
    with files.new_file(ROWS) as aside:
        aside.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
