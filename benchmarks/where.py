"""Where the time of a search goes: that of search.py, by what the program was at, and a step by what
TensorFlow was at.

    python benchmarks/where.py [--dataset fashion_mnist] [--data_dir DIR] [--images 6400]

One search with all cores, in which a callback reads the clock; then TensorFlow's profiler over ten steps of
the same model. Operations run beside each other, so their sum may pass a step's time.
"""

import argparse
import collections
import statistics
import tempfile
import time
from pathlib import Path

import search
import side_by_side as bench

STEPS = 10  # that are profiled
KINDS = {  # by the beginning of an operation's name, oneDNN's prefix left out
    "convolutions, forward": ("Conv2D", "FusedConv2D"),
    "convolutions, gradient of the kernel": ("Conv2DBackpropFilter",),
    "convolutions, gradient of the input": ("Conv2DBackpropInput",),
    "batch normalisation, and ReLU fused with it": ("FusedBatchNormEx", "FusedBatchNormV3"),
    "batch normalisation, gradient": ("FusedBatchNormGradV3",),
    "ReLU and its gradient": ("Relu", "ReluGrad"),
    "sums of branches, optimizer": (
        "AddV2",
        "AddN",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "Mul",
        "Sub",
    ),
    "masks": ("Select",),
}


def clock():
    """A callback, and the seconds it read: {what the program was at: [seconds, ...]}."""
    from tf_keras.callbacks import Callback

    taken = collections.defaultdict(list)
    last = [time.perf_counter()]

    def at(name):
        now = time.perf_counter()
        taken[name].append(now - last[0])
        last[0] = now

    begins = ["before the first fit"]

    class Clock(Callback):
        def on_train_begin(self, logs=None):
            at(begins[0])
            begins[0] = "between fits: prune, rewind, start anew"

        def on_train_batch_begin(self, batch, logs=None):
            at("fit's own, input")

        def on_train_batch_end(self, batch, logs=None):
            at("steps")

        def on_train_end(self, logs=None):
            at("fit's own, input")

    return Clock(), taken


def operations(net, batch):
    """{operation: seconds of it in a step}, by TensorFlow's profiler."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    step, batches = net.make_train_function(), iter(tf.data.Dataset.from_tensors(batch).repeat())
    step(batches)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(STEPS):
            step(batches)
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    found = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                node, colon, operation = plane.event_metadata[event.metadata_id].name.rpartition(":")
                if colon and "/" in node:  # a node of the step's graph
                    found[operation.removeprefix("_Mkl").removeprefix("Native")] += (
                        event.duration_ps / 1e12 / STEPS
                    )
    return found


def measure(given):
    loaded, _, _ = search.images(given)
    import keras_lottery as lottery
    from keras_lottery import engines, models
    from keras_lottery.experiments import optimizers
    from keras_lottery.experiments.precision import set_precision
    from keras_lottery.search.find_ticket import find_ticket

    set_precision("auto")
    engines.engine_of("tf_keras")
    ticking, taken = clock()
    net = lottery.wrap(models.build("resnet20", loaded.input_shape, loaded.num_classes))
    optimizers.compile_classifier(net, optimizers.make_optimizer("sgd", search.LEARNING_RATE))
    find_ticket(
        net,
        loaded.train,
        epochs=search.EPOCHS,
        rounds=search.ROUNDS,
        rate=search.RATE,
        verbose=0,
        callbacks=[ticking],
    )
    first, *steps = taken.pop("steps")
    step = statistics.median(steps)
    parts = {
        "tracing, in the first step": first - step,
        f"{1 + len(steps)} steps": step + sum(steps),
        **{name: sum(of) for name, of in taken.items()},
    }
    found = operations(net, next(iter(loaded.train)))
    kinds = {kind: sum(found.pop(name, 0) for name in names) for kind, names in KINDS.items()}
    return {"search": parts, "step": step, "operations": {**kinds, "all else": sum(found.values())}}


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--dataset", default="fashion_mnist")
    options.add_argument("--data_dir")
    options.add_argument("--images", type=int, default=6400)
    options.add_argument("--case", type=bench.json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return bench.answer(measure(given))
    flags = [
        f"--dataset={given.dataset}",
        f"--images={given.images}",
        *([f"--data_dir={given.data_dir}"] if given.data_dir else []),
    ]
    found = bench.in_a_process(__file__, "ours", None, *flags)
    total = sum(found["search"].values())
    rows = [
        {"of": "a search", "at": name, "share": round(seconds / total, 4)}
        for name, seconds in found["search"].items()
    ]
    rows += [
        {"of": "a step", "at": name, "share": round(seconds / found["step"], 4)}
        for name, seconds in found["operations"].items()
    ]
    for row in rows:
        print(f"{row['share']:7.1%} of {row['of']}: {row['at']}")
    bench.write("where", rows, dataset=given.dataset, images=given.images)


if __name__ == "__main__":
    main()
