"""Whether a change made anything slower: import, wrap, step and search of two checkouts, in turn.

    python benchmarks/versions.py --before=CHECKOUT [--blocks 7]

CHECKOUT is a clone at the commit to compare with. Each case is a fresh process, which does all four and says
how long each took; the two sides take turns. The ratio is this checkout's time over the other's.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import side_by_side as bench

CHILD = """
import json, sys, time
began = time.perf_counter()
import keras_lottery as lottery
took = {"import": time.perf_counter() - began}
import numpy as np, tf_keras
net = lottery.models.build("resnet8", (32, 32, 3), 10, keras="tf_keras")
tf_keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(512, 32, 32, 3)).astype("float32")
y = np.arange(512) % 10
loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
lottery.wrap(net)  # engines are imported
def timed(call, times):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))
took["wrap"] = timed(lambda: lottery.wrap(net), 5)
model = lottery.wrap(net)
model.compile(tf_keras.optimizers.SGD(0.01, momentum=0.9), loss, metrics=["accuracy"])
model.train_on_batch(x[:64], y[:64])
took["step"] = timed(lambda: model.train_on_batch(x[:64], y[:64]), 30)
small = lottery.models.build("lenet", (8, 8, 1), 10, width=0.2, keras="tf_keras")
small.compile(tf_keras.optimizers.SGD(0.01, momentum=0.9), loss, metrics=["accuracy"])
images = x[:, :8, :8, :1]
start = time.perf_counter()
lottery.find_ticket(small, (images, y), (images, y), epochs=2, rounds=4, rate=0.3, rewind=5, verbose=0)
took["search"] = time.perf_counter() - start
print(json.dumps(took))
"""


def once(checkout):
    """{case: seconds} of a fresh process on a checkout."""
    environment = {
        **os.environ,
        **bench.ONE_THREAD,
        "PYTHONPATH": str(checkout),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=checkout,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--before", required=True, type=Path)
    options.add_argument("--blocks", type=int, default=7)
    given = options.parse_args()
    sides, taken = {"before": given.before.resolve(), "after": bench.ROOT}, {"before": [], "after": []}
    for side in bench.turns(sides, given.blocks):
        taken[side].append(once(sides[side]))
    commits = {
        side: subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=where, capture_output=True, text=True, check=True
        ).stdout.strip()
        for side, where in sides.items()
    }
    found = {
        case: bench.ratio(*([one[case] for one in taken[side]] for side in ("after", "before")))
        for case in taken["after"][0]
    }
    print(json.dumps({**commits, "blocks": given.blocks, **found}, indent=1))


if __name__ == "__main__":
    main()
