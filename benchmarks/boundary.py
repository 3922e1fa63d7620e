"""What a round's boundary costs, and a ticket's way to disk and back, from 0.27 to 20 million weights.

    python benchmarks/boundary.py [--models resnet20 conv2 resnet18 vgg19] [--times 7]

Each net is a process of its own, with all cores. A boundary prunes globally, rewinds and resets the
optimizer; it is timed between training steps at batch 128, from 0% on by 20% of the survivors at a time.
Memory is what the process held at most during boundaries over what it held before them, as a multiple of the
bytes of the weights. `retraces` counts how often the training step was traced again.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import side_by_side as bench

MODELS = ("resnet20", "conv2", "resnet18", "vgg19")


def measure(name, times):
    """A row of the results: one net, in this process."""
    import numpy as np
    import tensorflow as tf

    import keras_lottery as lottery
    from keras_lottery import engines, models
    from keras_lottery.core.schedule import Round
    from keras_lottery.experiments import optimizers
    from keras_lottery.experiments.precision import set_precision
    from keras_lottery.search.rewind import Rewinder
    from keras_lottery.tickets import ticket

    set_precision("auto")
    shape = (28, 28, 1) if name == "conv2" else (32, 32, 3)
    rng = np.random.default_rng(0)
    data = (
        tf.constant(rng.normal(size=(128, *shape)).astype("float32")),
        tf.constant(rng.integers(0, 10, 128)),
    )
    model = lottery.wrap(models.build(name, shape, 10))
    optimizers.compile_classifier(model, optimizers.make_optimizer("sgd", 0.01))
    handle, traces = engines.of(model), []
    rewinder = Rewinder(handle, 0)

    @tf.function
    def step(data):
        traces.append(1)
        return model.train_step(data)

    def train():
        return [value.numpy() for value in tf.nest.flatten(step(data))]

    start = handle.values()
    train()
    first = len(traces)
    taken, more = {"step": [], "boundary": []}, []
    for number in range(1, times + 1):
        taken["step"].append(min(bench.seconds(train) for _ in range(3)))
        before = bench.held()
        bench.reset_peak()
        taken["boundary"].append(
            bench.seconds(lambda: rewinder.boundary(Round(number, 1 - 0.8**number, 0, None, True)))
        )
        more.append(bench.peak() - before)
    weights = sum(int(np.prod(variable.shape)) for variable in model.trainable_weights)
    found = ticket.from_model(model, start, [])
    return {
        "model": name,
        "weights": weights,
        "sparsity": round(found.sparsity, 4),
        "retraces": len(traces) - first,
        "step_seconds": round(statistics.median(taken["step"]), 4),
        "boundary_seconds": round(statistics.median(taken["boundary"]), 4),
        "boundary_over_step": bench.ratio(taken["boundary"], taken["step"]),
        "boundary_memory_over_weights": round(max(more) / (4 * weights), 2),
        **saved(found),
    }


def saved(found):
    """What it takes to write a ticket and to read it, and its bytes."""
    from keras_lottery.tickets import ticket

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "ticket"
        save = bench.seconds(lambda: found.save(place))
        load = statistics.median(bench.seconds(lambda: ticket.load_ticket(place)) for _ in range(3))
        size = sum(file.stat().st_size for file in place.iterdir())
    return {
        "ticket_save_seconds": round(save, 3),
        "ticket_load_seconds": round(load, 3),
        "ticket_bytes": size,
    }


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--models", nargs="+", default=MODELS)
    options.add_argument("--times", type=int, default=7)
    options.add_argument("--case", type=bench.json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return bench.answer(measure(given.case, given.times))
    rows = []
    for name in given.models:
        rows.append(row := bench.in_a_process(__file__, name, None, f"--times={given.times}"))
        print(
            f"{name:>9}, {row['weights'] / 1e6:.2f} M weights: boundary {row['boundary_seconds']:.3f} s, "
            f"{row['boundary_over_step']['median']:.2f} steps, {row['boundary_memory_over_weights']:.2f} x "
            f"the weights' memory; ticket saved in {row['ticket_save_seconds']:.2f} s, loaded in "
            f"{row['ticket_load_seconds']:.2f} s; {row['retraces']} retraces",
            flush=True,
        )
    bench.write("boundary", rows)


if __name__ == "__main__":
    main()
