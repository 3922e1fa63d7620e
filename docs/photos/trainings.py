"""One training of the photo study at a time: its net, its folder, its row."""

import base64
import dataclasses
import json
import subprocess
from pathlib import Path

import numpy as np
import tf_keras
from people import BATCH, Photos, served, split

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.core import files
from keras_lottery.core.jsonable import plain
from keras_lottery.experiments import optimizers
from keras_lottery.tickets.ticket import Ticket, from_model
from keras_lottery.training import resumable, run_folder

RATE = 1e-3


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
            body.set_weights(source.get_weights()[: len(body.get_weights())])
        head = tf_keras.layers.Dense(len(self.photos.classes), dtype="float32", name="head")
        return tf_keras.Model(body.inputs, head(body.output))

    def compiled(self, model, epochs=None):
        """The model with an optimizer whose learning rate falls from RATE to 0 over a training."""
        steps = len(self.train) * (epochs or self.epochs)
        optimizers.compile_classifier(model, optimizers.make_optimizer("adam", RATE, "cosine", steps=steps))
        return model

    def done(self):
        """What the rows hold of this seed and split: {(control, sparsity, trainings)}."""
        if not self.rows.exists():
            return set()
        found = map(json.loads, self.rows.read_text().splitlines())
        return {
            (row["control"], row["sparsity"], row["trainings"])
            for row in found
            if (row["seed"], row["split"]) == (self.seed, self.by)
        }


def search(study: Study, control: str, rewind: str, sparsities: list, structured: bool = False) -> list:
    """The tickets of a search, the dense net first. Its run folder is `study.folder`/`control`."""
    folder = study.folder / control
    if run_folder.finished_rounds(folder) <= len(sparsities):
        model = study.compiled(lottery.wrap(study.net()))
        lottery.find_ticket(
            model,
            study.train,
            study.validation,
            epochs=study.epochs,
            rewind=rewind,
            rate=0.5,
            final_sparsity=sparsities,
            structured=structured,
            seed=study.seed,
            run_dir=folder,
            verbose=2,
        )
    return [
        lottery.load_ticket(run_folder.round_folder(folder, number)) for number in range(len(sparsities) + 1)
    ]


def trained(study: Study, start: Ticket, name: str, epochs: int, number: int = 0, callbacks=()) -> Ticket:
    """Train the trained weights of `start` on, with an optimizer and a rate that start anew; a Ticket.

    name, number: of the control, and of the training among its trainings. They name the folder of the result,
    and the file from which a training that was stopped goes on.
    """
    folder = study.folder / name / f"training_{number}"
    if not folder.exists():
        tf_keras.backend.clear_session()
        model = study.compiled(start.model("trained"), epochs)
        handle = engines.of(model)
        handle.set_seed(1000 * study.seed + number)  # so that Dropout differs from training to training
        handle.keep_randomness()
        begun = handle.values()
        folder.parent.mkdir(parents=True, exist_ok=True)
        backup = folder.with_suffix(".safetensors")
        print(f"{folder}: {epochs} epochs", flush=True)
        history = resumable.fit(
            model,
            study.train,
            study.validation,
            epochs=epochs,
            kept=resumable.Kept(backup),
            callbacks=callbacks,
            verbose=2,
        )
        from_model(model, begun, [], {"history": history}).save(folder)
        files.remove(backup)
    return lottery.load_ticket(folder)


def untrained(net) -> Ticket:
    """A Ticket of a plain net as it is, every weight kept."""
    model = lottery.wrap(net)
    return from_model(model, engines.of(model).values(), [])


def random_rescaled(before: Ticket, like: Ticket, seed: int) -> Ticket:
    """`before` with random masks: subsets of its own, with as many weights in each tensor as `like` keeps.

    Kernels are divided by the square root of the share of their weights that stays, which keeps the variance
    of the outputs.
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


def tested(
    study: Study, ticket: Ticket, control: str, sparsity: float, trainings: int, epochs: int, searched: int
) -> None:
    """Add the row of a Ticket's trained weights, unless it is there.

    trainings, epochs: that its weights have had; searched: the epochs that finding it took, those included.
    """
    if (control, sparsity, trainings) in study.done():
        return
    tf_keras.backend.clear_session()
    model = ticket.model("trained")
    total = sum(mask.size for mask in ticket.masks.values())
    kept = sum(np.count_nonzero(mask) for mask in ticket.masks.values())
    values = engines.of(model).values()
    revived = any(values[path][~mask].any() for path, mask in ticket.masks.items())
    if abs(ticket.sparsity - sparsity) * total > 1 or revived:
        raise SystemExit(f"{study.folder}: {control} has {ticket.sparsity:.4%} zeros, not {sparsity:.1%}")
    right = {part: _right(study, model, part) for part in ("validation", "test")}
    steps, size = len(study.train), study.photos.images.shape[1]
    row = {
        "seed": study.seed,
        "split": study.by,
        "control": control,
        "sparsity": sparsity,
        "kept": kept,
        "prunable": total,
        "trainings": trainings,
        "steps": steps * epochs,
        "search_steps": steps * searched,
        "test_accuracy": right["test"].mean(),
        "validation_accuracy": right["validation"].mean(),
        "test_images": right["test"].size,
        "correct": base64.b64encode(np.packbits(right["test"]).tobytes()).decode(),
        "images": {part: rows.size for part, rows in study.parts.items()},
        "recipe": {
            "optimizer": "adam",
            "learning_rate": RATE,
            "schedule": "cosine",
            "batch_size": BATCH,
            "epochs": study.epochs,
            "image_size": size,
        },
        "model": Path(study.model).name,
        "precision": study.precision,
        **engines.of(model).versions(),
        "commit": _commit(),
    }
    with study.rows.open("a") as file:
        file.write(json.dumps(plain(row)) + "\n")
    print(f"seed {study.seed}, {control}, {sparsity:.1%} zeros: {row['test_accuracy']:.2%}", flush=True)


def _right(study, model, part):
    """Which images of a part the model gets right: a bool array, in the order of the file numbers."""
    scores = model.predict(getattr(study, part), verbose=0)
    return scores.argmax(-1) == study.photos.labels[study.parts[part]]


def _commit():
    of = {"cwd": Path(__file__).parent, "capture_output": True, "text": True}
    return subprocess.run(["git", "rev-parse", "HEAD"], **of).stdout.strip()
