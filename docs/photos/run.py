"""Tickets of a pretrained net on photos of people that it has not seen, and what they are compared with.

    python docs/photos/run.py --photos=FOLDER --model=FILE.keras [--seeds=0,1,2,3,4] [--runs=runs/photos]

FOLDER has one sub-folder of photos for each class. FILE is a tf_keras model whose input is (x - 127) / 128; a
new Dense layer takes the place of its last one. docs/photos/plan.md says what is trained and why. Each
finished training adds a line to docs/photos/rows.jsonl. What is there is not trained again. A run that was
stopped, even by kill -9, goes on from the folder --runs.
"""

from pathlib import Path

from absl import app, flags
from people import read
from trainings import Study, random_rescaled, search, tested, trained, untrained

import keras_lottery as lottery
from keras_lottery.core.checks import known
from keras_lottery.experiments.gradual import GradualPruning
from keras_lottery.experiments.precision import set_precision
from keras_lottery.training import run_folder

SPARSITIES = [0.5, 0.75, 0.875, 0.9, 0.95, 0.975]
ANCHORED = SPARSITIES[:4]  # of the search that rewinds to the pretrained weights
RANDOM = SPARSITIES[:5]  # of the random masks
GRADUAL = 0.95

FLAGS = flags.FLAGS


def tickets(study):
    """Learning-rate rewinding: the weights stay, the optimizer and the rate start anew in each round."""
    found = search(study, "ticket", "lr", SPARSITIES)
    for number, (sparsity, ticket) in enumerate(zip([0.0, *SPARSITIES], found)):
        epochs = (number + 1) * study.epochs
        tested(study, ticket, "ticket" if number else "dense", sparsity, number + 1, epochs, epochs)


def dense_cyclic(study):
    """The dense net trained as often as each ticket."""
    net = lottery.load_ticket(run_folder.round_folder(study.folder / "ticket", 0))
    for trainings in range(2, len(SPARSITIES) + 2):
        net = trained(study, net, "dense-cyclic", study.epochs, trainings)
        tested(study, net, "dense-cyclic", 0.0, trainings, trainings * study.epochs, trainings * study.epochs)


def nested_random(study):
    """Random masks, each a part of the last, through the same rounds as the ticket."""
    net = lottery.load_ticket(run_folder.round_folder(study.folder / "ticket", 0))
    for number, sparsity in enumerate(RANDOM, 1):
        like = lottery.load_ticket(run_folder.round_folder(study.folder / "ticket", number))
        before, start = net, random_rescaled(net, like, 1000 * study.seed + number)
        net = trained(study, start, "random-rescaled", study.epochs, number)
        for path, mask in net.masks.items():
            if (mask & ~before.masks[path]).any() or mask.sum() != like.masks[path].sum():
                raise SystemExit(f"{path}: the random mask is no subset of the last, or its count is another")
        epochs = (number + 1) * study.epochs
        tested(study, net, "random-rescaled", sparsity, number + 1, epochs, epochs)


def gradual(study):
    """One long training that prunes on the way, with as many steps as the search to the same sparsity."""
    epochs = study.epochs * (1 + 1 + SPARSITIES.index(GRADUAL))
    steps = epochs * len(study.train)
    callback = GradualPruning(GRADUAL, end=steps * 3 // 4, every=max(1, steps // 100))
    net = trained(study, untrained(study.net()), "gradual", epochs, callbacks=[callback])
    tested(study, net, "gradual", GRADUAL, 1, epochs, epochs)


def anchored(study):
    """Rounds that start from the pretrained weights under the mask."""
    found = search(study, "ticket-pretrained", "init", ANCHORED)
    for number, (sparsity, ticket) in enumerate(zip(ANCHORED, found[1:]), 1):
        tested(study, ticket, "ticket-pretrained", sparsity, 1, study.epochs, (number + 1) * study.epochs)


def new_weights(study):
    """The net without its pretraining, with as many steps as the whole search."""
    epochs = study.epochs * (len(SPARSITIES) + 1)
    net = trained(study, untrained(study.net(pretrained=False)), "dense-new", epochs)
    tested(study, net, "dense-new", 0.0, 1, epochs, epochs)


def random_split(study):
    """The dense net on a split that has each person on both sides, which flatters it."""
    net = trained(study, untrained(study.net()), "dense", study.epochs)
    tested(study, net, "dense", 0.0, 1, study.epochs, study.epochs)


CONTROLS = {  # in the order in which they are trained: (function, what the split is by)
    "ticket": (tickets, "person"),
    "dense-cyclic": (dense_cyclic, "person"),
    "dense-by-photo": (random_split, "photo"),
    "random-rescaled": (nested_random, "person"),
    "gradual": (gradual, "person"),
    "ticket-pretrained": (anchored, "person"),
    "dense-new": (new_weights, "person"),
}


def main(_):
    photos = read(FLAGS.photos, FLAGS.image_size)
    precision = set_precision("float32")
    for seed in map(int, FLAGS.seeds):
        studies = {
            by: Study(
                seed,
                by,
                photos,
                FLAGS.model,
                FLAGS.epochs,
                Path(FLAGS.runs, f"{by}-{seed}"),
                Path(FLAGS.rows),
                precision,
            )
            for by in ("person", "photo")
        }
        for name in FLAGS.controls:
            known("control", name, CONTROLS)
            train, by = CONTROLS[name]
            train(studies[by])


if __name__ == "__main__":
    flags.DEFINE_string("photos", None, "a folder with one sub-folder of photos a class", required=True)
    flags.DEFINE_string("model", None, "a tf_keras model, pretrained", required=True)
    flags.DEFINE_list("seeds", ["0", "1", "2", "3", "4"], "the seeds")
    flags.DEFINE_list("controls", list(CONTROLS), "what to train; two of them go on from ticket's rounds")
    flags.DEFINE_string("runs", "runs/photos", "where unfinished runs and trained weights are kept")
    flags.DEFINE_string("rows", str(Path(__file__).parent / "rows.jsonl"), "the file of results")
    flags.DEFINE_integer("epochs", 6, "epochs a training")
    flags.DEFINE_integer("image_size", 96, "height and width that photos are resized to")
    app.run(main)
