"""The main job end to end on scikit-learn's digits: find, transfer, export, compare."""

import shutil
from pathlib import Path

from rich.table import Table

from ..config import DataConfig, Machine, Net, Recipe, Run, SearchConfig
from ..core import files
from ..core.saying import is_drawn, say
from ..core.screen import Screen
from ..tflite.config import ExportConfig
from ..training import run_folder
from . import jobs
from .configs import TransferConfig

RECIPE = Recipe("sgd", 0.05, weight_decay=1e-4)
SOURCE = DataConfig("digits", classes=(0, 1, 2, 3, 4), batch_size=32)
TARGET = DataConfig("digits", classes=(5, 6, 7, 8, 9), batch_size=32)
SEARCH = SearchConfig(epochs=4, rounds=5, final_sparsity=0.9, rewind=20)
CONTROLS = ("random", "dense-scratch", "dense-transferred")


def run(run_dir, backend="auto"):
    """Run the demo in `run_dir`, which is made anew, on a backend of `config.BACKENDS`; returns its rows
    (name, sparsity, accuracy, bytes)."""
    run_dir = Path(run_dir)
    shutil.rmtree(run_dir, ignore_errors=True)
    machine = Machine(precision="float32", backend=backend)
    say("1/3  find a ticket on the digits 0-4\n")
    bars = is_drawn()  # and in a file nothing in their place
    place = Run(str(run_dir / "find"), verbose=bars)
    found = jobs.find(SEARCH, Net("resnet8"), SOURCE, RECIPE, machine, place)
    say("\n2/3  carry it to the digits 5-9, beside its controls\n")
    wanted = TransferConfig(found["ticket"], controls=CONTROLS, epochs=10)
    place = Run(str(run_dir / "transfer"), verbose=bars)
    carried = jobs.transfer(wanted, TARGET, RECIPE, machine, place)
    say("\n3/3  write each as .tflite; of the ticket every variant is shown\n")
    rows = []
    for row in carried["rows"]:
        output = run_dir / f"{row['control']}.tflite"
        student = str(run_dir / "transfer" / row["control"] / "student")
        of_ticket = row["control"] == "ticket"
        written = jobs.export(
            ExportConfig(student, output=str(output)), TARGET.arguments(), verbose=of_ticket
        )
        rows.append(
            {
                "name": row["control"],
                "sparsity": row["sparsity"],
                "accuracy": row["test_accuracy"],
                "bytes": written["bytes"],
            }
        )
    files.write_json(run_dir / run_folder.RESULT, rows)
    table = Table(title=f"digits 5-9, {carried['data']['sizes']['test']} test images")
    for name in ("", "sparsity", "accuracy on the target", ".tflite bytes"):
        table.add_column(name, justify="right" if name else "left")
    for row in rows:
        table.add_row(row["name"], f"{row['sparsity']:.1%}", f"{row['accuracy']:.1%}", f"{row['bytes']:,}")
    Screen().print(table)
    say(
        f"One seed and few images: a demonstration, no evidence. All files are in {run_dir}: the ticket in "
        f"{found['ticket']},"
    )
    say(
        f"the file for a phone in {run_dir / 'ticket.tflite'}. Next, with your own images, one sub-folder "
        "a class:"
    )
    say(f"  lottery-transfer --ticket={found['ticket']} --dataset=FOLDER")
    return rows
