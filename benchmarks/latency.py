"""Latency of a sparse .tflite against the dense one of the same ticket, on this machine, one thread.

Both are invoked in turn in one process; a block is the median of 200 pairs, and the ratio is the median over blocks.

    python benchmarks/latency.py saved_models/NAME
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ticket")
    parser.add_argument("--blocks", type=int, default=7)
    arguments = parser.parse_args()
    model = lottery.load_ticket(arguments.ticket).model("trained")
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.tflite" for name in ("dense", "sparse")}
        for name, path in files.items():
            lottery.export(model, path, sparse=name == "sparse")
        sizes = {name: path.stat().st_size for name, path in files.items()}
        made = {name: interpreter(path) for name, path in files.items()}
        ratios = []
        for _ in range(arguments.blocks):
            times = [{name: milliseconds(made[name]) for name in ("dense", "sparse")} for _ in range(200)]
            medians = {name: statistics.median(pair[name] for pair in times) for name in made}
            ratios.append(medians["sparse"] / medians["dense"])
    result = {"ticket": Path(arguments.ticket).name, "bytes": sizes, "latency sparse / dense": statistics.median(ratios),
              "blocks": ratios}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['ticket']}: {sizes['dense'] / sizes['sparse']:.2f} times smaller, "
          f"latency sparse / dense {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
