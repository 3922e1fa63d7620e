"""How far ahead a search on Keras could be at most: a plain training step of tf_keras beside one of PyTorch.

    python benchmarks/bound.py [--blocks 5] [--precision auto]

resnet20 on 28 x 28 x 1, batch 128, all cores, no masks on any side: tf_keras as search.py's `ours` trains it,
PyTorch in float32 and its default layout, in its fastest setting as search.py takes it, and that compiled by
torch.compile, whose compilation is not counted. A process a side, in turn. The figures go to
results/bound_PRECISION_PROCESSOR.json.
"""

import argparse
import statistics

import search
import side_by_side as bench

SHAPE, CLASSES = (28, 28, 1), 10
STEPS, FIRST = 40, 8  # a process, and those before that are not counted


def data():
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.normal(size=(search.BATCH, *SHAPE)).astype("float32"), rng.integers(0, CLASSES, search.BATCH)


def tf_keras(precision):
    import tensorflow as tf

    from keras_lottery import models
    from keras_lottery.experiments import optimizers
    from keras_lottery.experiments.precision import set_precision

    set_precision(precision)
    net = models.build("resnet20", SHAPE, CLASSES)
    optimizers.compile_classifier(net, optimizers.make_optimizer("sgd", search.LEARNING_RATE))
    step, batches = net.make_train_function(), iter(tf.data.Dataset.from_tensors(data()).repeat())
    return lambda: step(batches)


def pytorch(fastest=False, compiled=False):
    import torch
    from torch.nn import functional

    net = search.torch_resnet20(SHAPE[-1], CLASSES)
    images, labels = map(torch.from_numpy, data())
    images = images.permute(0, 3, 1, 2).contiguous()
    if fastest:
        net, images = (
            net.to(memory_format=torch.channels_last),
            images.contiguous(memory_format=torch.channels_last),
        )
    in_bfloat16 = fastest and search.torch_gains_by_bfloat16(images, labels, net)
    net = torch.compile(net) if compiled else net
    optimizer = torch.optim.SGD(net.parameters(), search.LEARNING_RATE, momentum=0.9)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            logits = net(images)
        loss = functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


SIDES = {
    "tf_keras": tf_keras,
    "pytorch": lambda _: pytorch(),
    "pytorch-fastest": lambda _: pytorch(fastest=True),
    "pytorch-compiled": lambda _: pytorch(fastest=True, compiled=True),
}


def median_step(side, precision):
    """Seconds."""
    step = SIDES[side](precision)
    return statistics.median([bench.seconds(step) for _ in range(FIRST + STEPS)][FIRST:])


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--blocks", type=int, default=5)
    options.add_argument("--precision", default="auto", choices=search.PRECISIONS)
    options.add_argument("--case", type=bench.json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return bench.answer(median_step(given.case, given.precision))
    precision = search.chosen(given.precision)
    found = {name: [] for name in SIDES}
    for name in bench.turns(SIDES, given.blocks):
        found[name].append(bench.in_a_process(__file__, name, None, f"--precision={precision}"))
    rows = [
        {
            "side": name,
            "step_seconds": round(statistics.median(taken), 4),
            "over_tf_keras": bench.ratio(taken, found["tf_keras"]),
        }
        for name, taken in found.items()
    ]
    for row in rows:
        print(f"{row['side']:>16}: {row['over_tf_keras']['median']:.2f} times the step of tf_keras")
    bench.write_of_here("bound", rows, precision=precision)


if __name__ == "__main__":
    main()
