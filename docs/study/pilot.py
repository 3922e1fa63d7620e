"""What the plan of the study chooses beforehand, by pilot trainings of the dense net whose seed no later run
uses.

    python docs/study/pilot.py rates NET --dataset=cifar10 --augment --epochs=6 --data_dir=DIR
    python docs/study/pilot.py rates NET --dataset=fashion_mnist --augment --steps=1500 --data_dir=DIR
    python docs/study/pilot.py rates NET --dataset=fashion_mnist --augment --steps=600
        --train_split=train[:5556] --data_dir=DIR
    python docs/study/pilot.py connectivity NET --dataset=cifar10 --augment --epochs=6
        --learning_rate=R --weight_decay=W --data_dir=DIR

`rates` trains the net from new weights with each learning rate and weight decay of a grid: a row with its
validation accuracy. `connectivity` measures linear mode connectivity at four rewind points k: two trainings
from step k to the end under different data orders, and the error barrier between their ends (Frankle et al.
2020, arXiv 1912.05671, section 2). Rows go to docs/study/pilot.jsonl as they come; what is there is not run
again, what was killed goes on in --runs. Without a command the tables of docs/study/pilot.md are made again.
"""

import argparse
import itertools
import json
from pathlib import Path

from keras_lottery import data, engines, wrap
from keras_lottery.core.files import read_arrays, write_arrays
from keras_lottery.core.jsonable import digest
from keras_lottery.experiments import optimizers
from keras_lottery.experiments.precision import set_precision
from keras_lottery.models import saved
from keras_lottery.search import stability
from keras_lottery.search.rewind import start_at_point
from keras_lottery.training import resumable

HERE = Path(__file__).parent
ROWS = HERE / "pilot.jsonl"
SEED = 1000
WIDTH = 0.25
RATES, DECAYS = (0.05, 0.1, 0.2), (0.001, 0.005)
POINTS = (0, 100, 400, 1000)


def load(given, seed=SEED):
    """The data of a pilot training, 32x32 pixels in three channels as the source's are."""
    return data.load(
        given.dataset,
        data_dir=given.data_dir,
        train_split=given.train_split,
        augment=given.augment,
        image_size=32,
        channels=3,
        batch_size=128,
        seed=seed,
    )


def compiled(given, loaded, epochs, rate, decay):
    """The dense net, newly drawn."""
    engines.engine_of("tf_keras").set_seed(SEED)
    net = wrap(saved.builder(given.net, WIDTH)(loaded.input_shape, loaded.num_classes))
    steps = len(loaded.train) * epochs
    optimizer = optimizers.make_optimizer("sgd", rate, "cosine", steps, decay)
    optimizers.compile_classifier(net, optimizer)
    return net


def epochs_of(given, loaded):
    """Epochs as given, or as many as come nearest to the steps given."""
    return given.epochs or max(1, round(given.steps / len(loaded.train)))


def about(given, loaded, epochs, rate, decay):
    """What a row says of its training."""
    return {
        "what": given.what,
        "net": f"{given.net} x{WIDTH:g}",
        "dataset": given.dataset,
        "images": loaded.sizes["train"],
        "epochs": epochs,
        "steps": epochs * len(loaded.train),
        "augment": given.augment,
        "learning_rate": rate,
        "weight_decay": decay,
        "seed": SEED,
        "precision": given.precision,
    }


def place(given, told):
    """Where a training that is told so keeps what it goes on from; another's is elsewhere."""
    return Path(given.runs) / f"{given.what}-{given.net}-{digest(told)}"


def rates(given):
    """A row for each learning rate and weight decay: the validation accuracy at the end of the training."""
    loaded = load(given)
    epochs = epochs_of(given, loaded)
    for rate, decay in itertools.product(given.rates, given.decays):
        told = about(given, loaded, epochs, rate, decay)
        if not done(told):
            backup = Path(f"{place(given, told)}.safetensors")
            backup.parent.mkdir(parents=True, exist_ok=True)
            net = compiled(given, loaded, epochs, rate, decay)
            history = resumable.fit(
                net, loaded.train, loaded.validation, epochs=epochs, kept=resumable.Kept(backup), verbose=2
            )
            keep(
                {
                    **told,
                    "validation_accuracy": history[-1]["val_accuracy"],
                    "validation_loss": history[-1]["val_loss"],
                }
            )
            backup.unlink()


def connectivity(given):
    """A row for each rewind point: the error barrier between two trainings from it."""
    loaded, other = load(given), load(given, SEED + 1)
    epochs = epochs_of(given, loaded)
    training = about(given, loaded, epochs, given.learning_rate, given.weight_decay)
    folder = place(given, training)
    net = compiled(given, loaded, epochs, given.learning_rate, given.weight_decay)
    points = states(net, loaded, folder)
    for point, state in reversed(points.items()):  # the latest first: k is known once a barrier is too high
        told = {**training, "rewind": point}
        if not done(told):
            net = compiled(given, loaded, epochs, given.learning_rate, given.weight_decay)
            engines.of(net).load_state(state)
            start = start_at_point(net, point, folder, len(loaded.train))
            record = stability.instability(
                net,
                [loaded.train, other.train],
                loaded.validation,
                epochs=epochs,
                start=start,
                run_dir=folder / f"step_{point}",
                verbose=2,
            )
            keep({**told, **record})


def states(net, loaded, folder):
    """{k: the dense net's state at step k of its training}, read where it was written before."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, found = engines.of(net), {}
    files = {point: folder / f"at_{point}.safetensors" for point in POINTS}
    if not all(file.exists() for file in files.values()):
        for epoch in range(-(-max(POINTS) // len(loaded.train))):
            data.set_epoch(loaded.train, epoch)
            for step, batch in enumerate(loaded.train, epoch * len(loaded.train)):
                if step in files:
                    write_arrays(files[step], handle.values())
                if step >= max(POINTS):
                    break
                net.train_on_batch(*batch)
    for point, file in files.items():
        found[point] = read_arrays(file)[0]
    return found


def rows():
    """The rows that are there."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def done(told):
    """Whether a row says so of itself."""
    return any(told.items() <= row.items() for row in rows())


def keep(row):
    """Add a row, and make the tables again."""
    with ROWS.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(row, flush=True)
    page()


def page():
    """Write docs/study/pilot.md."""
    lines = [
        "# Pilot trainings",
        "",
        f"The dense net, seed {SEED}, which no run of the study uses. `python docs/study/pilot.py` makes "
        "this page from pilot.jsonl.",
        "Validation accuracy at the end of the training; the test images are not looked at.",
        "",
    ]
    tried = [row for row in rows() if row["what"] == "rates"]
    for key, alike in itertools.groupby(sorted(tried, key=_setting), _setting):
        alike = list(alike)
        net, dataset, images, epochs = key
        best = max(alike, key=lambda row: row["validation_accuracy"])
        lines += [
            f"**{net} on {dataset}**, {images:,} images, {epochs} epochs, {alike[0]['steps']:,} steps:",
            "",
            "| learning rate | weight decay | validation accuracy, % |",
            "|---|---|---|",
            *(
                f"| {row['learning_rate']:g} | {row['weight_decay']:g} | "
                f"{100 * row['validation_accuracy']:.2f}{' (chosen)' if row is best else ''} |"
                for row in sorted(alike, key=lambda row: (row["learning_rate"], row["weight_decay"]))
            ),
            "",
        ]
    measured = [row for row in rows() if row["what"] == "connectivity"]
    if measured:
        lines += [
            "**Linear mode connectivity** of the dense net by rewind point: the error barrier between two "
            "trainings from step k, in points.",
            "",
            "| net | k | barrier | errors at the two ends, % |",
            "|---|---|---|---|",
            *(
                f"| {row['net']} | {row['rewind']} | {row['barrier']:.2f} | {100 * row['errors'][0]:.2f}, "
                f"{100 * row['errors'][-1]:.2f} |"
                for row in sorted(measured, key=lambda row: (row["net"], row["rewind"]))
            ),
            "",
        ]
    (HERE / "pilot.md").write_text("\n".join(lines))


def _setting(row):
    return row["net"], row["dataset"], row["images"], row["epochs"]


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("what", nargs="?", choices=("rates", "connectivity"))
    options.add_argument("net", nargs="?")
    options.add_argument("--dataset", default="cifar10")
    options.add_argument("--data_dir")
    options.add_argument("--train_split", default="train")
    options.add_argument("--augment", action="store_true")
    options.add_argument("--epochs", type=int)
    options.add_argument("--steps", type=int)
    options.add_argument("--rates", type=float, nargs="+", default=RATES)
    options.add_argument("--decays", type=float, nargs="+", default=DECAYS)
    options.add_argument("--learning_rate", type=float)
    options.add_argument("--weight_decay", type=float)
    options.add_argument("--precision", default="auto")
    options.add_argument("--runs", default="runs/pilot")
    given = options.parse_args()
    if given.what:
        given.precision = set_precision(given.precision)
        {"rates": rates, "connectivity": connectivity}[given.what](given)
    page()


if __name__ == "__main__":
    main()
