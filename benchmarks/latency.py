"""Latency of a sparse .tflite against the dense one of the same ticket, on this machine, one thread.

Both are invoked in turn in one process; a block is the median of 200 pairs, and the ratio is the median over blocks.

    python benchmarks/latency.py [TICKET ...]       # the ones in saved_models if none is given

Writes benchmarks/results/latency.json.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import keras_lottery as lottery

RESULTS = Path(__file__).parent / "results" / "latency.json"
TICKETS = Path(__file__).parents[1] / "saved_models"


def interpreter(path):
    made = Interpreter(str(path), num_threads=1)
    made.allocate_tensors()
    entry = made.get_input_details()[0]
    made.set_tensor(entry["index"], np.random.default_rng(0).normal(size=entry["shape"]).astype("float32"))
    return made


def milliseconds(made):
    start = time.perf_counter()
    made.invoke()
    return 1000 * (time.perf_counter() - start)


def compare(ticket, blocks):
    """Bytes of both files and, a block of pairs each, the ratio of their latencies."""
    model = lottery.load_ticket(ticket).model("trained")
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.tflite" for name in ("dense", "sparse")}
        for name, path in files.items():
            lottery.export(model, path, sparse=name == "sparse")
        sizes = {name: path.stat().st_size for name, path in files.items()}
        made = {name: interpreter(path) for name, path in files.items()}
        ratios = []
        for _ in range(blocks):
            times = [{name: milliseconds(made[name]) for name in made} for _ in range(200)]
            medians = {name: statistics.median(pair[name] for pair in times) for name in made}
            ratios.append(medians["sparse"] / medians["dense"])
    return {"ticket": Path(ticket).name, "bytes": sizes, "latency sparse / dense": statistics.median(ratios), "blocks": ratios}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tickets", nargs="*", default=sorted(path.parent for path in TICKETS.glob("*/ticket.json")))
    parser.add_argument("--blocks", type=int, default=7)
    arguments = parser.parse_args()
    rows = [compare(ticket, arguments.blocks) for ticket in arguments.tickets]
    for row in rows:
        print(f"{row['ticket']}: {row['bytes']['dense'] / row['bytes']['sparse']:.2f} times smaller, latency sparse / dense "
              f"{row['latency sparse / dense']:.3f} ({min(row['blocks']):.3f} to {max(row['blocks']):.3f})")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
