"""Which backend takes a training step in the least time: what `--backend=auto` rests on.

    python benchmarks/backends.py [--blocks 3] [--nets conv2 resnet20 mobilenet vgg19]

Each net is trained plainly at batch 128 on all cores by tf_keras and by Keras 3 on TensorFlow, JAX and
PyTorch, in float32 and, where the processor computes in it, in mixed_bfloat16. Each is a process of its own,
in an order that turns. The figures go to results/backends_PRECISION_PROCESSOR.json, by what the commands take
here.
"""

import argparse
import statistics

import side_by_side as bench
import step

BATCH = 128
STEPS, FIRST = 20, 4  # a process, and those before that are not counted
BACKENDS = ("tf_keras", "tensorflow", "jax", "torch")


def median_step(backend, name, precision):
    """Seconds."""
    import numpy as np

    from keras_lottery import models
    from keras_lottery.experiments import machine, optimizers
    from keras_lottery.experiments.precision import set_precision

    keras = machine.kind(machine.choose_backend(backend))
    set_precision(precision, backend)
    shape = (28, 28, 1) if name in ("conv2", "lenet") else (32, 32, 3)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(BATCH, *shape)).astype("float32"), rng.integers(0, 10, BATCH)
    net = models.build(name, shape, 10, keras=keras)
    optimizers.compile_classifier(net, optimizers.make_optimizer("sgd", 0.01, keras=keras))
    net.optimizer.build(net.trainable_variables)
    once = step.stepper(backend, net, data)
    return statistics.median([bench.seconds(once) for _ in range(FIRST + STEPS)][FIRST:])


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--blocks", type=int, default=3)
    options.add_argument("--nets", nargs="+", default=step.NETS)
    options.add_argument("--case", type=bench.json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return bench.answer(median_step(*given.case))
    from keras_lottery.experiments.precision import set_precision

    taken_here = set_precision()
    precisions = list(dict.fromkeys(("float32", taken_here)))
    rows = []
    for net in given.nets:
        sides = [(backend, net, precision) for backend in BACKENDS for precision in precisions]
        found = {side: [] for side in sides}
        for side in bench.turns(sides, given.blocks):
            found[side].append(bench.in_a_process(__file__, side))
        ours = found["tf_keras", net, taken_here]
        for (backend, _, precision), taken in found.items():
            row = {"net": net, "backend": backend, "precision": precision}
            rows.append({**row, "over_tf_keras": bench.ratio(taken, ours)})
            print(f"{net} on {backend} in {precision}: {rows[-1]['over_tf_keras']['median']:.2f}", flush=True)
    bench.write_of_here("backends", rows, precision=taken_here)


if __name__ == "__main__":
    main()
