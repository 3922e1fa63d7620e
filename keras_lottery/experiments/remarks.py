"""What to say after a training that went badly: one line each, with what to try."""

import math
import warnings

import numpy as np

FEW = (
    100  # steps: BatchNorm statistics, at Keras' momentum of 0.99, are then still a third what they began as
)


def say(name, history, loaded):
    """Warn of what `remarks` finds."""
    for line in remarks(name, history, loaded):
        warnings.warn(line, stacklevel=2)


def remarks(name, history, loaded) -> list:
    """Lines about a training at chance, one whose first epoch learned nothing, and one of too few steps.

    Args:
      name: what was trained.
      history: the logs of its epochs, as `resumable.fit` gives them.
      loaded: the `data.Data` that it was trained on.
    """
    first, last = history[0], history[-1]
    if "accuracy" not in last:
        return []
    guessed, images = _guessed(loaded)
    trained = loaded.sizes["train"]
    found = []
    if not _above(right := last.get("val_accuracy", last["accuracy"]), guessed, images):
        found.append(
            f"{right:.1%} right is no better than guessing, {guessed:.1%}"
            + (
                f", though {last['accuracy']:.1%} were right in training: BatchNorm statistics take more "
                "steps. Give more epochs, or a smaller batch_size"
                if last["accuracy"] > 3 * guessed
                else ". Give a tenth of the learning_rate, or more epochs"
            )
        )
    elif len(history) > 1 and not _above(first["accuracy"], guessed, trained):
        found.append(
            f"the first epoch learned nothing ({first['accuracy']:.1%} right in training, {guessed:.1%} by "
            "guessing). Give a third of the learning_rate, or a longer warm-up, such as warmup=0.2"
        )
    if last["stop"] < FEW:
        epochs = math.ceil(len(history) * FEW / last["stop"])
        found.append(
            f"{last['stop']} steps are few for a learning rate to rise and fall. Give epochs={epochs} or "
            "more, or a smaller batch_size"
        )
    return [f"{name}: {line}." for line in found]


def _guessed(loaded):
    """(the share of the largest class among the images that accuracy is taken on, how many they are)."""
    if loaded.validation is None:
        return 1 / loaded.num_classes, loaded.sizes["train"]
    labels = np.concatenate([y.numpy() for _, y in loaded.validation])
    return np.bincount(labels).max() / len(labels), len(labels)


def _above(accuracy, guessed, images):
    """Whether an accuracy is above that of guessing by more than two standard errors."""
    return accuracy > guessed + 2 * math.sqrt(guessed * (1 - guessed) / images)
