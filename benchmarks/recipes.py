"""Whether the recipe that is chosen for a net trains it: beside a grid of six, and for nets of all kinds.

    python benchmarks/recipes.py --data_dir=TFDS --photos=FOLDER [--model=FILE] [--data bangla] [--nets lenet]

Each training has 4 epochs at the batch size that is chosen for its images, in the fastest precision here,
and adds a row to results/recipes.jsonl; those that are there are not run again. At the end, or at once if no
folder is given, it writes recipes.md. The rule was made with seed 0; the page shows seed 1.

For lenet, conv2, conv6, resnet8, resnet20 and mobilenet the goal is at most 2 points below the best of the
grid, for other nets half of what resnet8 reaches. --model is a pretrained net: it gets a new head, and images
of 96 pixels.
"""

import argparse
import dataclasses
import json
import time

import side_by_side as bench

from keras_lottery.config import DataConfig, Recipe

ROWS = bench.RESULTS / "recipes.jsonl"
PAGE = bench.ROOT / "benchmarks" / "recipes.md"
EPOCHS, REPORTED, SIDE = 4, 1, 32
CHOSEN = "chosen"
GRID = {
    f"{optimizer} {rate:g}": Recipe(optimizer, rate, "cosine", 0.0, 0.0)
    for optimizer, rates in (("sgd", (0.1, 0.01, 0.001)), ("adam", (0.01, 0.001, 0.0001)))
    for rate in rates
}
GRIDDED = ("lenet", "conv2", "conv6", "resnet8", "resnet20", "mobilenet")
OTHERS = ("conv4", "resnet14", "resnet32", "resnet18", "vgg19 x0.25", "MobileNetV2", "EfficientNetB0")
BASE, LEAST, MOST_BELOW = "resnet8", 0.5, 2.0
DATA = {
    "bangla": DataConfig("cmaterdb/bangla", image_size=SIDE, channels=3),
    "photos": DataConfig(image_size=SIDE, channels=3),
    "fashion": DataConfig(
        "fashion_mnist", train_split="train[:5000]", test_split="test[:5000]", image_size=SIDE, channels=3
    ),
}


def config(name, given):
    """The DataConfig of a data set, with the folders that are given."""
    folder = {"dataset": given.photos} if name == "photos" else {"data_dir": given.data_dir}
    return dataclasses.replace(DATA[name], **folder)


def opened(net, data, seed):
    """(a plain model, its data)."""
    from keras_lottery import data as data_sets
    from keras_lottery import models
    from keras_lottery.experiments import jobs
    from keras_lottery.experiments.configs import Pretrained
    from keras_lottery.experiments.look import opened as looked_at

    if net.endswith((".keras", ".h5")):
        data = dataclasses.replace(data, image_size=96, channels=None)
        found = looked_at(Pretrained(net), data, seed, "tf_keras", jobs.load)
        return found.model, found.data
    name, _, width = net.partition(" x")
    loaded = data_sets.load(**data.arguments(), seed=seed)
    return models.build(name, loaded.input_shape, loaded.num_classes, float(width or 1), "tf_keras"), loaded


def trained(net, name, which, given):
    """The row of one training."""
    import keras_lottery as lottery
    from keras_lottery import engines
    from keras_lottery.core.errors import Failed
    from keras_lottery.experiments import optimizers as make
    from keras_lottery.experiments import recipes
    from keras_lottery.training import resumable

    engine = engines.engine_of("tf_keras")
    engine.keras.backend.clear_session()
    engine.set_seed(given.seed)
    model, loaded = opened(net, config(name, given), given.seed)
    steps = len(loaded.train) * EPOCHS
    recipe, _ = recipes.settled(GRID.get(which, Recipe()), model, steps=steps)
    model = lottery.wrap(model, verbose=False)
    make.compile_classifier(model, make.make_optimizer(steps=steps, **recipe.entries()))
    begun, accuracy = time.perf_counter(), None
    try:
        resumable.fit(model, loaded.train, loaded.validation, epochs=EPOCHS, verbose=0)
        accuracy = round(model.evaluate(loaded.test, verbose=0)[1], 4)
    except Failed as error:
        print(error)
    return {
        "data": name,
        "net": net.rpartition("/")[2],
        "recipe": which,
        "seed": given.seed,
        "test_accuracy": accuracy,
        "told": recipe.told(),
        "batch_size": loaded.settings["batch_size"],
        "steps": steps,
        "images": loaded.sizes,
        "precision": engine.keras.mixed_precision.global_policy().name,
        "seconds": round(time.perf_counter() - begun),
    }


def read():
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def page(rows):
    """The rows of the reported seed as a page; what was not run has no row there."""
    lines = ["# The recipes that are chosen", "", *__doc__.strip().splitlines()[-7:], ""]
    for name in DATA:
        found = {
            (row["net"], row["recipe"]): row for row in rows if (row["data"], row["seed"]) == (name, REPORTED)
        }
        nets = [net for net, which in found if which == CHOSEN]
        lines += [f"## {name}", "", *table(found, nets), ""] if nets else []
    return "\n".join(lines)


def table(found, nets):
    base = found.get((BASE, CHOSEN), {}).get("test_accuracy")
    yield "| net | chosen | batch | steps | test accuracy, % | best of the grid, % | goal |"
    yield "|---|---|---|---|---|---|---|"
    for net in nets:
        row = found[net, CHOSEN]
        told, accuracy = row["told"], row["test_accuracy"] or 0.0
        grid = {which: found[net, which]["test_accuracy"] or 0.0 for which in GRID if (net, which) in found}
        best = max(grid, key=grid.get, default=None)
        if len(grid) == len(GRID):
            reached = 100 * (grid[best] - accuracy) <= MOST_BELOW
        else:
            reached = None if base is None or net in GRIDDED else accuracy > LEAST * base
        yield (
            f"| {net} | {told['optimizer']} {told['learning_rate']:g}, warm-up {told.get('warmup', 0):g} | "
            f"{row['batch_size']} | {row['steps']} | {100 * accuracy:.1f} | "
            f"{f'{100 * grid[best]:.1f} ({best}, of {len(grid)})' if grid else '–'} | "
            f"{ {True: 'reached', False: 'missed', None: 'not measured'}[reached] } |"
        )


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--data_dir")
    options.add_argument("--photos")
    options.add_argument("--model")
    options.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    options.add_argument("--nets", nargs="+", default=[*GRIDDED, *OTHERS])
    options.add_argument("--recipes", nargs="+", default=[CHOSEN, *GRID], choices=[CHOSEN, *GRID])
    options.add_argument("--seed", type=int, default=REPORTED)
    given = options.parse_args()
    rows = read()
    done = {(row["data"], row["net"], row["recipe"], row["seed"]) for row in rows}
    there = [name for name in given.data if (given.photos if name == "photos" else given.data_dir)]
    if there:
        from keras_lottery.experiments import machine
        from keras_lottery.experiments.precision import set_precision

        set_precision("auto")
        machine.place("none", "tf_keras")
    for name in there:
        for net in [*given.nets, *([given.model] if given.model else [])]:
            for which in given.recipes if net in GRIDDED else [CHOSEN]:
                if (name, net.rpartition("/")[2], which, given.seed) not in done:
                    rows.append(trained(net, name, which, given))
                    print(json.dumps(rows[-1]), flush=True)
                    with ROWS.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
    PAGE.write_text(page(rows))
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
