"""Tickets of a pretrained net on photos of people that it has not seen, and what they are compared with.

    python docs/photos/run.py --photos=FOLDER --model=FILE.keras [--seeds=0,1,2,3,4] [--runs=runs/photos]

FOLDER has one sub-folder of photos a class, FILE is a tf_keras model with an input of (x - 127) / 128 and a last Dense
layer that a new one replaces. docs/photos/plan.md says what is trained and why. Each finished training adds a line to
docs/photos/rows.jsonl; one that is there is not trained again, and one that was stopped goes on from --runs.
"""

import base64
import dataclasses
import json
import subprocess
from pathlib import Path

import numpy as np
import tf_keras
from absl import app, flags
from people import BATCH, Photos, read, served, split

import keras_lottery as lottery
from keras_lottery import pruning, resume, runs, training
from keras_lottery.checks import known
from keras_lottery.gradual import GradualPruning
from keras_lottery.jsonable import plain
from keras_lottery.ticket import Ticket, from_model

HERE = Path(__file__).parent
SPARSITIES = [0.5, 0.75, 0.875, 0.9, 0.95, 0.975]
ANCHORED = SPARSITIES[:4]  # of the search that rewinds to the pretrained weights
RANDOM = SPARSITIES[:5]  # of the random masks
GRADUAL = 0.95
RATE = 1e-3

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Study:
    """What a training of one seed and split needs, and where its results go."""

    seed: int
    by: str  # what the split is by: "person" or "photo"
    photos: Photos
    model: str
    epochs: int
    folder: Path
    rows: Path
    precision: str

    def __post_init__(self):
        parts = split(self.photos, self.seed, self.by)
        object.__setattr__(self, "parts", parts)
        for part, rows in parts.items():
            object.__setattr__(self, part, served(self.photos, rows, self.seed, part == "train"))

    def net(self, pretrained=True):
        """A plain model with a new head, drawn by the seed, over the pretrained weights or over new ones."""
        tf_keras.backend.clear_session()
        source = tf_keras.models.load_model(self.model, compile=False)
        tf_keras.utils.set_random_seed(self.seed)
        body = tf_keras.Model(source.inputs, source.layers[-2].output)
        body = tf_keras.models.clone_model(body, tf_keras.Input(self.photos.images.shape[1:], name="image"))
        if pretrained:
            body.set_weights(source.get_weights()[:len(body.get_weights())])
        head = tf_keras.layers.Dense(len(self.photos.classes), dtype="float32", name="head")
        return tf_keras.Model(body.inputs, head(body.output))

    def compiled(self, model, epochs=None):
        """The model with an optimizer whose learning rate falls from RATE to 0 over a training."""
        steps = len(self.train) * (epochs or self.epochs)
        training.compile_classifier(model, training.make_optimizer("adam", RATE, "cosine", steps=steps))
        return model

    def done(self):
        """What the rows hold of this seed and split: {(control, sparsity, trainings)}."""
        if not self.rows.exists():
            return set()
        found = map(json.loads, self.rows.read_text().splitlines())
        return {(row["control"], row["sparsity"], row["trainings"]) for row in found
                if (row["seed"], row["split"]) == (self.seed, self.by)}


def search(study: Study, control: str, rewind: str, sparsities: list) -> list:
    """The tickets of a search, the dense net first; `study.folder`/`control` is its run folder."""
    folder = study.folder / control
    if runs.finished_rounds(folder) <= len(sparsities):
        model = study.compiled(lottery.wrap(study.net()))
        lottery.find_ticket(model, study.train, study.validation, epochs=study.epochs, rate=0.5, rewind=rewind,
                            final_sparsity=sparsities, seed=study.seed, run_dir=folder, verbose=2)
    return [lottery.load_ticket(runs.round_folder(folder, number)) for number in range(len(sparsities) + 1)]


def trained(study: Study, start: Ticket, name: str, epochs: int, number: int = 0, callbacks=()) -> Ticket:
    """A Ticket whose trained weights are those of `start`, trained for `epochs` by an optimizer and a rate that start anew.

    name, number: of the control, and of the training of several; their folder is where an unfinished one goes on.
    """
    folder = study.folder / name / f"training_{number}"
    if not folder.exists():
        tf_keras.backend.clear_session()
        model = study.compiled(start.model("trained"), epochs)
        engine = pruning.engine(model)
        engine.set_seed(1000 * study.seed + number)  # so that Dropout differs from training to training
        engine.keep_randomness(model)
        begun = engine.values(model)
        folder.parent.mkdir(parents=True, exist_ok=True)
        backup = folder.with_suffix(".safetensors")
        print(f"{folder}: {epochs} epochs", flush=True)
        history = resume.fit(model, study.train, study.validation, epochs=epochs, backup=backup,
                             callbacks=callbacks, verbose=2)
        from_model(model, begun, [], {"history": history}).save(folder)
        runs.remove(backup)
    return lottery.load_ticket(folder)


def untrained(net) -> Ticket:
    """A Ticket of a plain net as it is, every weight kept."""
    model = lottery.wrap(net)
    return from_model(model, pruning.engine(model).values(model), [])


def random_rescaled(before: Ticket, like: Ticket, seed: int) -> Ticket:
    """`before` with a random part of what it keeps, as much in each tensor as `like` keeps, at the scale it had.

    Kernels are divided by the square root of the share that stays, so that sums of so many fewer terms vary as much.
    """
    rng = np.random.default_rng(seed)
    masks, weights = {}, dict(before.trained)
    for path, mask in before.masks.items():
        count = np.count_nonzero(like.masks[path])
        masks[path] = np.zeros(mask.shape, bool)
        masks[path].flat[rng.choice(np.flatnonzero(mask), count, replace=False)] = True
        scale = np.float32(np.sqrt(np.count_nonzero(mask) / max(count, 1)))
        weights[path] = np.where(masks[path], weights[path] * scale, np.float32(0))
    return dataclasses.replace(before, masks=masks, trained=weights)


def tested(study: Study, ticket: Ticket, control: str, sparsity: float, trainings: int, epochs: int, search_epochs: int):
    """Add the row of a Ticket's trained weights, unless it is there."""
    if (control, sparsity, trainings) in study.done():
        return
    tf_keras.backend.clear_session()
    model = ticket.model("trained")
    total = sum(mask.size for mask in ticket.masks.values())
    kept = sum(np.count_nonzero(mask) for mask in ticket.masks.values())
    values = pruning.engine(model).values(model)
    revived = any(values[path][~mask].any() for path, mask in ticket.masks.items())
    if abs(ticket.sparsity - sparsity) * total > 1 or revived:
        raise SystemExit(f"{study.folder}: {control} has {ticket.sparsity:.4%} zeros, not {sparsity:.1%}, or some are none")
    right = {part: _right(study, model, part) for part in ("validation", "test")}
    steps = len(study.train)
    row = {
        "seed": study.seed, "split": study.by, "control": control, "sparsity": sparsity, "kept": kept, "prunable": total,
        "trainings": trainings, "steps": steps * epochs, "search_steps": steps * search_epochs,
        "test_accuracy": right["test"].mean(), "validation_accuracy": right["validation"].mean(),
        "test_images": right["test"].size, "correct": base64.b64encode(np.packbits(right["test"]).tobytes()).decode(),
        "images": {part: rows.size for part, rows in study.parts.items()},
        "recipe": {"optimizer": "adam", "learning_rate": RATE, "schedule": "cosine", "batch_size": BATCH,
                   "epochs": study.epochs, "image_size": study.photos.images.shape[1]},
        "model": Path(study.model).name, "precision": study.precision, **pruning.engine(model).versions(), "commit": _commit(),
    }
    with study.rows.open("a") as file:
        file.write(json.dumps(plain(row)) + "\n")
    print(f"seed {study.seed}, {control}, {sparsity:.1%} zeros, {trainings} trainings: {row['test_accuracy']:.2%}", flush=True)


def _right(study, model, part):
    """Which images of a part the model gets right: a bool array, in the order of the file numbers."""
    scores = model.predict(getattr(study, part), verbose=0)
    return scores.argmax(-1) == study.photos.labels[study.parts[part]]


def _commit():
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout.strip() or None


def tickets(study):
    """Learning-rate rewinding: the weights stay, the optimizer and the rate start anew in each round."""
    for number, (sparsity, ticket) in enumerate(zip([0.0, *SPARSITIES], search(study, "ticket", "lr", SPARSITIES))):
        epochs = (number + 1) * study.epochs
        tested(study, ticket, "ticket" if number else "dense", sparsity, number + 1, epochs, epochs)


def dense_cyclic(study):
    """The dense net trained as often as each ticket."""
    net = lottery.load_ticket(runs.round_folder(study.folder / "ticket", 0))
    for trainings in range(2, len(SPARSITIES) + 2):
        net = trained(study, net, "dense-cyclic", study.epochs, trainings)
        tested(study, net, "dense-cyclic", 0.0, trainings, trainings * study.epochs, trainings * study.epochs)


def nested_random(study):
    """Random masks, each a part of the last, through the same rounds as the ticket."""
    net = lottery.load_ticket(runs.round_folder(study.folder / "ticket", 0))
    for number, sparsity in enumerate(RANDOM, 1):
        like = lottery.load_ticket(runs.round_folder(study.folder / "ticket", number))
        before, start = net, random_rescaled(net, like, 1000 * study.seed + number)
        net = trained(study, start, "random-rescaled", study.epochs, number)
        for path, mask in net.masks.items():
            if (mask & ~before.masks[path]).any() or np.count_nonzero(mask) != np.count_nonzero(like.masks[path]):
                raise SystemExit(f"the random mask of {path} is no part of the last, or has another count than the ticket's")
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
    for number, (sparsity, ticket) in enumerate(zip([0.0, *ANCHORED], search(study, "ticket-pretrained", "init", ANCHORED))):
        if number:
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
    precision = training.set_precision("auto")
    for seed in map(int, FLAGS.seeds):
        for name in FLAGS.controls:
            known("control", name, CONTROLS)
            train, by = CONTROLS[name]
            folder = Path(FLAGS.runs, f"{by}-{seed}")
            train(Study(seed, by, photos, FLAGS.model, FLAGS.epochs, folder, Path(FLAGS.rows), precision))


if __name__ == "__main__":
    flags.DEFINE_string("photos", None, "a folder with one sub-folder of photos a class", required=True)
    flags.DEFINE_string("model", None, "a tf_keras model, pretrained", required=True)
    flags.DEFINE_list("seeds", ["0", "1", "2", "3", "4"], "the seeds")
    flags.DEFINE_list("controls", list(CONTROLS), "what to train; dense-cyclic and random-rescaled go on from ticket")
    flags.DEFINE_string("runs", "runs/photos", "where unfinished runs and trained weights are kept")
    flags.DEFINE_string("rows", str(HERE / "rows.jsonl"), "the file of results")
    flags.DEFINE_integer("epochs", 6, "epochs a training")
    flags.DEFINE_integer("image_size", 96, "height and width that photos are resized to")
    app.run(main)
