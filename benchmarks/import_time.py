"""How long `import keras_lottery` takes beside `import tensorflow`.

    python benchmarks/import_time.py [--blocks 15]

Each block starts one fresh process for each case, in an order that turns from block to block, so that
a slow spell of the machine falls on all of them. "all names" also touches every public name, which is
the most that a user can come to pay.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CASES = {
    "tensorflow": "import tensorflow",
    "keras_lottery": "import keras_lottery",
    "keras_lottery, all names": "import keras_lottery as k; [getattr(k, n) for n in k.__all__]",
}


def seconds(code):
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=env, cwd=ROOT,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=15)
    blocks = parser.parse_args().blocks
    names = list(CASES)
    for code in CASES.values():         # fills the file cache and the .pyc files; not counted
        seconds(code)
    rows = []
    for block in range(blocks):
        turn = block % len(names)
        rows.append({name: seconds(CASES[name]) for name in names[turn:] + names[:turn]})
        print(f"\rblock {block + 1} of {blocks}", end="", file=sys.stderr)
    print(file=sys.stderr)

    import importlib.metadata as metadata
    result = {"python": platform.python_version(), "tensorflow": metadata.version("tensorflow"),
              "machine": platform.machine(), "cpus": os.cpu_count(), "blocks": blocks,
              "seconds": {name: round(statistics.median(r[name] for r in rows), 3) for name in names},
              "ratio_to_tensorflow": {}}
    for name in names[1:]:
        ratios = sorted(r[name] / r["tensorflow"] for r in rows)
        low, _, high = statistics.quantiles(ratios, n=4)
        result["ratio_to_tensorflow"][name] = {
            "median": round(statistics.median(ratios), 3), "quartiles": [round(low, 3), round(high, 3)],
            "range": [round(ratios[0], 3), round(ratios[-1], 3)]}
        print(f"{name}: {statistics.median(ratios):.3f} times import tensorflow "
              f"(quartiles {low:.3f} to {high:.3f}, all {ratios[0]:.3f} to {ratios[-1]:.3f}, {blocks} blocks)")
    out = ROOT / "benchmarks" / "results" / "import_time.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {out.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
