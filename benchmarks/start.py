"""How long `import keras_lottery` takes beside `import tensorflow`.

    python benchmarks/start.py [--blocks 9]

Each case is a fresh process; the cases follow each other in a block, in an order that turns. "all names" also
touches every public name, which is the most that a user can come to pay.
"""

import argparse
import os
import subprocess
import sys

import side_by_side as bench

CASES = {
    "tensorflow": "import tensorflow",
    "keras_lottery": "import keras_lottery",
    "keras_lottery, all names": "import keras_lottery as k; [getattr(k, n) for n in k.__all__]",
}


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--blocks", type=int, default=9)
    given = options.parse_args()
    environment = {**os.environ, "PYTHONPATH": str(bench.ROOT)}
    calls = {
        name: lambda code=code: subprocess.run(
            [sys.executable, "-c", code], check=True, env=environment, capture_output=True
        )
        for name, code in CASES.items()
    }
    taken = bench.in_turn(calls, given.blocks + 1)  # the first fills the file cache
    rows = [
        {"import": name, "over_tensorflow": bench.ratio(seconds[1:], taken["tensorflow"][1:])}
        for name, seconds in taken.items()
    ]
    for row in rows[1:]:
        print(f"{row['import']}: {row['over_tensorflow']['median']:.3f} times import tensorflow")
    bench.write("start", rows[1:])


if __name__ == "__main__":
    main()
