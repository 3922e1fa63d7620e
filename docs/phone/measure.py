"""Measure tickets as files for a phone: every variant's bytes, latency here, accuracy, and instructions on an
emulated ARM processor.

    python docs/phone/measure.py --data_dir=DIR [TICKET or NAME=TICKET ...]    # those in saved_models if none
    is given

The dense net that a ticket was pruned from is the same net without zeros, so its dense float32 file weighs
and takes what the ticket's dense float32 file does. Variants are chosen on at most 1,000 of the ticket's own
validation images. Adds a line for each ticket to docs/phone/rows.jsonl, in the place of an older one of the
same name.
"""

import argparse
import json
import tempfile
from pathlib import Path

from keras_lottery.core.files import new_file
from keras_lottery.core.jsonable import plain
from keras_lottery.experiments import jobs
from keras_lottery.tflite.config import ExportConfig
from keras_lottery.tflite.measure import emulated, local
from keras_lottery.tickets.ticket import load_ticket

ROOT = Path(__file__).parents[2]
ROWS = Path(__file__).parent / "rows.jsonl"
COUNTED = ("float32-dense", "float32-sparse", "int8-weights-sparse", "int8-dense", "int8-sparse")


def measure(name, ticket, data_dir):
    """One row: the export's record, that of the compacted net, instructions by file, and dense int8's latency
    side by side."""
    source = load_ticket(ticket).info["data"]["name"]
    row = {"ticket": name, "data": source, "sparsity": load_ticket(ticket).sparsity}
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        of = {"name": source, "data_dir": data_dir}
        for kind in ("whole", "compact"):
            given = dict(
                ticket=ticket,
                compact=kind == "compact",
                variants_dir=f"{folder}/{kind}",
            )
            made = jobs.export(ExportConfig(**given, output=f"{folder}/{kind}.tflite", max_loss=0.5), of)
            row[kind] = {name: made[name] for name in ("accuracy", "restated", "chosen", "test", "variants")}
            if not Path(
                folder, kind, "int8-dense.tflite"
            ).exists():  # it loses more, and is counted all the same
                other = dict(output=f"{folder}/{kind}-int8.tflite", formats=("int8",), max_loss=100)
                jobs.export(ExportConfig(**given, **other), of)
            files |= {
                f"{kind} {path.stem}": path
                for path in sorted(Path(folder, kind).iterdir())
                if path.stem in COUNTED
            }
        row["instructions"] = {found.name: found.instructions for found in emulated.instructions(files)}
        beside = {name: files[name] for name in ("whole int8-dense", "compact int8-dense") if name in files}
        row["compact_int8_latency"] = (
            local.latencies(beside, seconds=10)[1].ratio.median if len(beside) == 2 else None
        )
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "tickets",
        nargs="*",
        default=sorted(str(path.parent) for path in (ROOT / "saved_models").glob("*/ticket.json")),
    )
    parser.add_argument("--data_dir")
    given = parser.parse_args()
    for ticket in given.tickets:
        name, _, folder = ticket.partition("=") if "=" in ticket else (Path(ticket).name, "", ticket)
        new = plain(measure(name, folder, given.data_dir))
        old = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
        rows = sorted(
            [row for row in old if row["ticket"] != new["ticket"]] + [new], key=lambda row: row["ticket"]
        )
        with new_file(ROWS) as aside:
            aside.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
