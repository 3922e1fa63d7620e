"""What it costs to prune whole channels of a pretrained net, and how much faster the file becomes.

    python docs/photos/channels.py train --photos=FOLDER --model=FILE.keras [--seeds=0,1,2] [--runs=FOLDER]
    python docs/photos/channels.py measure --photos=FOLDER --model=FILE.keras [--noarm]

Photos, model, splits and recipe are those of run.py. `train` searches by learning-rate rewinding, and goes on
where it was stopped. `measure` writes the int8 file of each net of a finished search, without its dead
channels, and adds a line for each to docs/photos/channels.jsonl: what it gets right of the test photos, which
chose nothing, its instructions on an emulated Cortex-A76, and its latency here over that of the dense net's
int8 file. Leave the machine alone meanwhile.
"""

import json
from pathlib import Path

import tf_keras
from absl import app, flags
from files import NORMALIZATION, accuracy
from people import read
from trainings import Study, search

import keras_lottery as lottery
from keras_lottery.core.checks import known
from keras_lottery.experiments.precision import set_precision
from keras_lottery.tflite.measure import emulated, local
from keras_lottery.training import run_folder

SPARSITIES = [0.3, 0.45, 0.6, 0.7, 0.8]
FORMAT = "int8"
SECONDS = 20  # of running the files of a seed side by side

FLAGS = flags.FLAGS


def tickets(study):
    """The dense net and those with fewer and fewer channels."""
    return search(study, "channels", "lr", SPARSITIES, structured=True)


def exported(study, ticket, number):
    """(a dict for a net's int8 file, the file)."""
    tf_keras.backend.clear_session()
    path, parts = study.folder / "channels-files" / f"{number}.tflite", study.parts
    path.parent.mkdir(parents=True, exist_ok=True)
    model = ticket.model("trained")
    lottery.export(
        model,
        path,
        images=study.photos.images[parts["validation"]],
        labels=study.photos.labels[parts["validation"]],
        normalization=NORMALIZATION,
        max_loss=100,
        formats=[FORMAT],
        compact=True,
        overwrite=True,
        verbose=False,
    )
    test = parts["test"]
    return {
        "seed": study.seed,
        "sparsity": ticket.sparsity,
        "trainings": number + 1,
        "work_left": work(lottery.compact(model, verbose=False)) / work(model),
        "test_accuracy": study.compiled(model).evaluate(study.test, verbose=0)[1],
        "file_test_accuracy": accuracy(path, study.photos.images[test], study.photos.labels[test]),
        "bytes": path.stat().st_size,
    }, path


def work(model):
    """Multiply-adds of an inference."""
    return sum(row["multiply_adds"] or 0 for row in lottery.costs(model))


def measured(study, arm):
    """The rows of a finished search; arm: whether instructions are counted."""
    found = [exported(study, ticket, number) for number, ticket in enumerate(tickets(study))]
    files = {str(number): path for number, (_, path) in enumerate(found)}
    times = local.latencies(files, seconds=SECONDS)
    counts = emulated.instructions(files) if arm else [None] * len(files)
    for (row, _), time, count in zip(found, times, counts):
        yield {**row, "latency": time.ratio.median, "instructions": count and count.instructions}


def main(arguments):
    what = arguments[1] if len(arguments) == 2 else None
    known("what to do", what, ("train", "measure"))
    photos, precision = read(FLAGS.photos, FLAGS.image_size), set_precision("float32")
    rows, done = Path(FLAGS.rows), set()
    if rows.exists():
        done = {json.loads(line)["seed"] for line in rows.read_text().splitlines()}
    for seed in map(int, FLAGS.seeds):
        folder = Path(FLAGS.runs, f"person-{seed}")
        study = Study(seed, "person", photos, FLAGS.model, FLAGS.epochs, folder, rows, precision)
        if what == "train":
            tickets(study)
        elif seed not in done and run_folder.finished_rounds(folder / "channels") > len(SPARSITIES):
            lines = [json.dumps(row) + "\n" for row in measured(study, FLAGS.arm)]
            with rows.open("a") as file:
                file.write("".join(lines))


if __name__ == "__main__":
    flags.DEFINE_string("photos", None, "a folder with one sub-folder of photos a class", required=True)
    flags.DEFINE_string("model", None, "a tf_keras model, pretrained", required=True)
    flags.DEFINE_list("seeds", ["0", "1", "2"], "the seeds")
    flags.DEFINE_string("runs", "runs/photos", "where unfinished runs and trained weights are kept")
    flags.DEFINE_string("rows", str(Path(__file__).parent / "channels.jsonl"), "the file of results")
    flags.DEFINE_integer("epochs", 6, "epochs a training")
    flags.DEFINE_integer("image_size", 96, "height and width that photos are resized to")
    flags.DEFINE_bool("arm", True, "count instructions; sets up the emulation, with apt")
    app.run(main)
