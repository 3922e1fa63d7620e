"""A whole ticket search in this package, by hand with stock TF-MOT, and by hand in PyTorch, on the same
images.

    python benchmarks/search.py [--dataset fashion_mnist] [--data_dir DIR] [--images 6400] [--blocks 3]
    [--precision auto]

Dense training and 5 prunings of 20%, 2 epochs each, of resnet20 at batch 128, SGD with momentum 0.9, rewound
to the initial weights. Each side is a fresh process with all cores; the sides follow each other in a block,
in an order that turns, and ratios are medians over the blocks. Time runs from the first line that builds a
net to the last weight; the reading of the images, which all get in memory, and imports are not in it.

  ours              keras_lottery.find_ticket with what the commands choose
  tfmot             each round wrapped anew by prune_low_magnitude, whose schedule drops the smallest of the
                    trained weights in each layer at once, then compiled anew from the initial weights. In
                    float32: TF-MOT refuses mixed precision
  pytorch           masks multiplied into the weights before each forward pass, as OpenLTH does; in float32
                    and PyTorch's default layout
  pytorch-fastest   the same with channels_last, and with bfloat16 autocast if a trial before the time runs
                    shows that PyTorch is faster with it here

The figures go to results/search_PRECISION_PROCESSOR.json, by what ours trained in and on.
"""

import argparse
import statistics
import time

import side_by_side as bench

PRECISIONS = ("auto", "float32", "mixed_bfloat16")
ROUNDS, RATE, EPOCHS, BATCH, LEARNING_RATE = 5, 0.2, 2, 128, 0.05
NEVER = (
    10**9
)  # the step at which TF-MOT prunes: no training comes to it, which would prune by the rewound weights


def chosen(precision):
    """A precision by name, "auto" as the commands choose it here."""
    from keras_lottery.experiments.precision import set_precision

    return set_precision(precision)


def images(given):
    """((x, y), (x, y)) of training and test images as float32 and int64."""
    import numpy as np

    from keras_lottery import data

    loaded = data.load(
        given.dataset,
        data_dir=given.data_dir,
        train_split=f"train[:{given.images}]",
        validation=0,
        batch_size=BATCH,
    )

    def arrays(batches):
        x, y = zip(*((x.numpy(), y.numpy()) for x, y in batches))
        return np.concatenate(x), np.concatenate(y).astype("int64")

    return loaded, arrays(loaded.train), arrays(loaded.test)


def ours(given):
    loaded, _, _ = images(given)
    import keras_lottery as lottery
    from keras_lottery import engines, models
    from keras_lottery.experiments import optimizers
    from keras_lottery.experiments.precision import set_precision
    from keras_lottery.search.find_ticket import find_ticket

    set_precision(given.precision)
    engines.engine_of("tf_keras")  # TF-MOT, which the other side has imported before it starts too
    start = time.perf_counter()
    net = lottery.wrap(models.build("resnet20", loaded.input_shape, loaded.num_classes))
    optimizers.compile_classifier(net, optimizers.make_optimizer("sgd", LEARNING_RATE))
    find_ticket(net, loaded.train, epochs=EPOCHS, rounds=ROUNDS, rate=RATE, verbose=0)
    return {
        "seconds": time.perf_counter() - start,
        "sparsity": lottery.sparsity(net),
        "test_accuracy": net.evaluate(loaded.test, verbose=0)[1],
    }


def tfmot(given):
    loaded, (x, y), test = images(given)
    import numpy as np
    import tensorflow_model_optimization as tfmot

    from keras_lottery import models
    from keras_lottery.experiments import optimizers

    sparsity = tfmot.sparsity.keras
    start = time.perf_counter()
    net = models.build("resnet20", loaded.input_shape, loaded.num_classes)

    def compiled(model):
        optimizers.compile_classifier(model, optimizers.make_optimizer("sgd", LEARNING_RATE))
        return model

    weights, first = net.weights, net.get_weights()  # wrappers keep these variables
    compiled(net).fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    for number in range(1, ROUNDS + 1):
        once = sparsity.ConstantSparsity(1 - (1 - RATE) ** number, begin_step=NEVER, end_step=NEVER)
        wrapped = sparsity.prune_low_magnitude(net, pruning_schedule=once)
        for layer in wrapped.layers:  # the masks, of the trained weights
            if hasattr(layer, "pruning_obj"):
                layer.pruning_step.assign(NEVER)
                layer.pruning_obj.conditional_mask_update()
        for weight, value in zip(weights, first, strict=True):
            weight.assign(value)
        compiled(wrapped).fit(
            x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0, callbacks=[sparsity.UpdatePruningStep()]
        )
        net = sparsity.strip_pruning(wrapped)
    seconds = time.perf_counter() - start
    kernels = [weight.numpy() for layer in net.layers for weight in layer.weights if "kernel" in weight.name]
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels) / sum(kernel.size for kernel in kernels)
    logits = net.predict(test[0], batch_size=500, verbose=0)
    return {
        "seconds": seconds,
        "sparsity": zeros,
        "test_accuracy": float(np.mean(logits.argmax(1) == test[1])),
    }


def torch_resnet20(channels, classes):
    import torch
    from torch import nn

    def block(inputs, outputs, stride):
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.one, self.norm1 = (
                    nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                    nn.BatchNorm2d(outputs),
                )
                self.two, self.norm2 = (
                    nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
                    nn.BatchNorm2d(outputs),
                )
                self.short = nn.Sequential()
                if inputs != outputs:
                    self.short = nn.Sequential(
                        nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                    )

            def forward(self, x):
                y = self.norm2(self.two(torch.relu(self.norm1(self.one(x)))))
                return torch.relu(y + self.short(x))

        return Block()

    torch.manual_seed(0)
    blocks = [
        block(
            16 if i == 0 and stage == 0 else width // 2 if i == 0 else width,
            width,
            2 if i == 0 and stage else 1,
        )
        for stage, width in enumerate((16, 32, 64))
        for i in range(3)
    ]
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


def torch_gains_by_bfloat16(images_, labels, net):
    """Whether PyTorch trains a net faster with bfloat16 autocast: the median of some steps of each, in
    turn."""
    import torch
    from torch.nn import functional

    def step(enabled):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs = net(images_)
        functional.cross_entropy(outputs.float(), labels).backward()

    taken = bench.in_turn({on: lambda on=on: step(on) for on in (True, False)}, 8)
    return statistics.median(taken[True][2:]) < statistics.median(taken[False][2:])


def pytorch(given, fastest=False):
    loaded, (x, y), test = images(given)
    import torch
    from torch.nn import functional

    tried = torch_resnet20(loaded.input_shape[-1], loaded.num_classes).to(memory_format=torch.channels_last)
    batch = torch.from_numpy(x[:BATCH]).permute(0, 3, 1, 2), torch.from_numpy(y[:BATCH])
    in_bfloat16 = fastest and torch_gains_by_bfloat16(*batch, tried)
    start = time.perf_counter()
    net = torch_resnet20(loaded.input_shape[-1], loaded.num_classes)
    images_, labels = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(y)
    if fastest:
        net, images_ = (
            net.to(memory_format=torch.channels_last),
            images_.contiguous(memory_format=torch.channels_last),
        )
    prunable = {name: weight for name, weight in net.named_parameters() if weight.dim() == 4}
    masks = {name: torch.ones_like(weight) for name, weight in prunable.items()}
    first = {name: value.clone() for name, value in net.state_dict().items()}

    def forward(x):
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            return net(x)

    def train():
        net.train()
        optimizer = torch.optim.SGD(net.parameters(), LEARNING_RATE, momentum=0.9)
        for _ in range(EPOCHS):
            order = torch.randperm(len(labels))
            for index in order.split(BATCH):
                with torch.no_grad():
                    for name, weight in prunable.items():
                        weight.mul_(masks[name])
                loss = functional.cross_entropy(forward(images_[index]).float(), labels[index])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    train()
    for _ in range(ROUNDS):
        with torch.no_grad():
            kept = torch.cat([weight[masks[name] == 1].abs() for name, weight in prunable.items()])
            threshold = kept.kthvalue(int(RATE * kept.numel())).values
            for name, weight in prunable.items():
                masks[name] *= weight.abs() > threshold
        net.load_state_dict(first)
        train()
    seconds = time.perf_counter() - start
    with torch.no_grad():
        for name, weight in prunable.items():
            weight.mul_(masks[name])
        net.eval()
        shown = torch.from_numpy(test[0]).permute(0, 3, 1, 2)
        right = sum(
            int((forward(x).argmax(1) == y).sum())
            for x, y in zip(shown.split(500), torch.from_numpy(test[1]).split(500))
        )
    total = sum(mask.numel() for mask in masks.values())
    return {
        "seconds": seconds,
        "sparsity": 1 - sum(int(mask.sum()) for mask in masks.values()) / total,
        "test_accuracy": right / len(test[1]),
        "precision": "bfloat16 autocast" if in_bfloat16 else "float32",
    }


SIDES = {
    "ours": ours,
    "tfmot": tfmot,
    "pytorch": pytorch,
    "pytorch-fastest": lambda given: pytorch(given, fastest=True),
}


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--dataset", default="fashion_mnist")
    options.add_argument("--data_dir")
    options.add_argument("--images", type=int, default=6400)
    options.add_argument("--blocks", type=int, default=3)
    options.add_argument("--precision", default="auto", choices=PRECISIONS)
    options.add_argument("--case", type=bench.json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return bench.answer(SIDES[given.case](given))
    precision = chosen(given.precision)
    flags = [
        f"--dataset={given.dataset}",
        f"--images={given.images}",
        f"--precision={precision}",
        *([f"--data_dir={given.data_dir}"] if given.data_dir else []),
    ]
    found = {name: [] for name in SIDES}
    for name in bench.turns(SIDES, given.blocks):
        found[name].append(one := bench.in_a_process(__file__, name, None, *flags))
        print(
            f"block {len(found[name])}, {name}: {one['seconds']:.1f} s, {one['sparsity']:.1%} zeros, "
            f"test accuracy {one['test_accuracy']:.1%}",
            flush=True,
        )
    rows = []
    for name, runs in found.items():
        seconds = [run["seconds"] for run in runs]
        rows.append(
            {
                "side": name,
                **({"precision": runs[0]["precision"]} if "precision" in runs[0] else {}),
                "seconds": [round(value, 1) for value in seconds],
                "sparsity": round(runs[0]["sparsity"], 4),
                "test_accuracy": round(statistics.mean(run["test_accuracy"] for run in runs), 4),
                "over_ours": bench.ratio(seconds, [run["seconds"] for run in found["ours"]]),
            }
        )
        print(f"{name:>16}: {rows[-1]['over_ours']['median']:.2f} times the time of ours")
    bench.write_of_here("search", rows, precision=precision, dataset=given.dataset, images=given.images)


if __name__ == "__main__":
    main()
