"""What a masked training step costs beside an unmasked one, on each backend, and the mask alone.

    python benchmarks/mask_cost.py [--backends tf_keras,tensorflow,jax,torch] [--pairs 60] [--models resnet20,conv2]

Each backend is a process of its own, one thread. A pair is one step of the plain model and one of the same model
wrapped at 90% zeros, in an order that turns from pair to pair; the ratio is the median over the pairs. The mask alone
is what holds the zeros after an update, on all weights, against the plain step.
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
RESULTS = ROOT / "benchmarks" / "results" / "mask_cost.json"
BACKENDS = ("tf_keras", "tensorflow", "jax", "torch")
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")}


def measure(backend, name, pairs, batch_size=64):
    """{ratio, quartiles, seconds, mask_alone}: one model on one backend, in this process."""
    import numpy as np

    import keras_lottery as lottery
    from keras_lottery import models, pruning, training

    keras = training.kind(training.choose_backend(backend))
    if backend == "torch":
        import torch

        torch.set_num_threads(1)
    shape = (28, 28, 1) if name in ("conv2", "lenet") else (32, 32, 3)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(batch_size, *shape)).astype("float32"), rng.integers(0, 10, batch_size)
    plain = models.build(name, shape, 10, keras=keras)
    engine = pruning.engine_of(keras)
    wrapped = lottery.wrap(plain)
    engine.set_masks(wrapped, {path: rng.random(mask.shape) < 0.1 for path, mask in lottery.masks(wrapped).items()})
    for model in (plain, wrapped):
        training.compile_classifier(model, training.make_optimizer("sgd", 0.01, keras=keras))
        model.optimizer.build(model.trainable_variables)
    mask_alone = _mask_alone(backend, wrapped)
    steps = [_stepper(backend, model, data) for model in (plain, wrapped)]
    for step in steps * 3:
        step()
    taken = [[], []]
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 else (1, 0):
            start = time.perf_counter()
            steps[which]()
            taken[which].append(time.perf_counter() - start)
    ratios = [masked / bare for bare, masked in zip(*taken)]
    bare = statistics.median(taken[0])
    alone = statistics.median(_timed(mask_alone) for _ in range(max(20, pairs)))
    return {
        "backend": backend, "model": name, "batch_size": batch_size, "pairs": pairs, "plain_step_seconds": round(bare, 4),
        "ratio": round(statistics.median(ratios), 4),
        "quartiles": [round(q, 4) for q in statistics.quantiles(ratios, n=4)[::2]],
        "mask_alone_seconds": round(alone, 6), "mask_alone_share": round(alone / bare, 4),
    }


def _timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _stepper(backend, model, data):
    """A function that takes one optimizer step and waits for it."""
    if backend == "jax":
        import jax

        step = jax.jit(model.train_step, donate_argnums=0)
        model._symbolic_build(data_batch=data)
        groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables, model.metrics_variables)
        state = [tuple([jax.numpy.array(v.value) for v in group] for group in groups)]

        def run():
            logs, state[0] = step(state[0], data)
            jax.block_until_ready(state[0])

        return run
    if backend == "torch":
        import torch

        model._symbolic_build(data_batch=data)
        given = tuple(map(torch.as_tensor, data))
        return lambda: model.train_step(given)
    import tensorflow as tf

    if backend == "tensorflow":
        model._symbolic_build(data_batch=data)
    given = tuple(map(tf.constant, data))
    step = tf.function(model.train_step)
    return lambda: [value.numpy() for value in tf.nest.flatten(step(given))]


def _mask_alone(backend, model):
    """A function that masks all held weights once, as an optimizer step does."""
    from keras_lottery import prunable

    variables = list(prunable(model).values())
    if backend == "jax":
        import jax

        masks = [jax.numpy.array(hold.mask.value) for hold in model.holds]
        values = [[jax.numpy.array(v.value) for v in variables]]
        keep = jax.jit(lambda values: [jax.numpy.where(m, v, 0) for m, v in zip(masks, values)], donate_argnums=0)

        def run():
            values[0] = jax.block_until_ready(keep(values[0]))

        return run
    if backend == "torch":
        return lambda: [v.assign(v.constraint(v)) for v in variables]
    import tensorflow as tf

    held = [getattr(v, "_variable", v) for v in variables]
    run = tf.function(lambda: [v.assign(v.constraint(v)) for v in held] and tf.constant(0))
    return lambda: run().numpy()


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--backends", default=",".join(BACKENDS))
    options.add_argument("--models", default="resnet20,conv2")
    options.add_argument("--pairs", type=int, default=60)
    options.add_argument("--one", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print("row " + json.dumps(measure(*given.one.split(","), given.pairs)))
        return
    rows = []
    for backend in given.backends.split(","):
        for name in given.models.split(","):
            environment = {**os.environ, **THREADS, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
            if backend != "tf_keras":
                environment["KERAS_BACKEND"] = backend
            command = [sys.executable, __file__, "--one", f"{backend},{name}", "--pairs", str(given.pairs)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            rows.append(json.loads(next(line[4:] for line in done.stdout.splitlines() if line.startswith("row "))))
            print(f"{backend:>10} {name:>8}: {rows[-1]['ratio']:.3f} times the plain step (quartiles "
                  f"{rows[-1]['quartiles'][0]:.3f} to {rows[-1]['quartiles'][1]:.3f}), the mask alone "
                  f"{rows[-1]['mask_alone_share']:.2%} of it", flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": platform.machine(), "cpus": os.cpu_count(), "threads": 1, "rows": rows}, indent=1) + "\n")
    print(f"written: {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
