"""What to say after a training that went badly: one line, with what to try."""

import math
import warnings

import numpy as np

# Steps: of BatchNorm statistics a third, at Keras' momentum of 0.99, is then still what they began as.
FEW = 100


def say(rows, loaded):
    """Warn of what `remark` finds in the trainings of some rows of a result."""
    for row in rows:
        line = remark(row["history"], loaded)
        if line:
            warnings.warn(f"{row['control']}: {line}", stacklevel=2)


def remark(history, loaded) -> str | None:
    """A line about a training of too few steps, at chance, or whose first epoch learned nothing; else None.

    Args:
      history: the logs of its epochs, as `resumable.fit` gives them.
      loaded: the `data.Data` that it was trained on.
    """
    if not history or "accuracy" not in history[-1]:
        return None
    first, last = history[0], history[-1]
    guessed, images = _guessed(loaded)
    right, begun, trained = last.get("val_accuracy", last["accuracy"]), first["accuracy"], last["accuracy"]
    steps = last.get("stop", FEW)  # which earlier versions did not write down
    at_chance = not _above(right, guessed, images)
    if steps < FEW:
        if right > (1 + guessed) / 2:  # it has learned all the same
            return None
        epochs = math.ceil(len(history) * FEW / steps)
        how = f", no better than guessing ({guessed:.1%})" if at_chance else ""
        return (
            f"{steps} steps are few for a training: {right:.1%} right{how}. Give "
            f"epochs={epochs} or more, or a smaller batch_size."
        )
    chance = f"{right:.1%} right is no better than guessing ({guessed:.1%})"
    if at_chance and trained > 3 * guessed:
        return (
            f"{chance}, though {trained:.1%} were right in training: BatchNorm statistics take more steps. "
            "Give more epochs, or a smaller batch_size."
        )
    if at_chance:
        return f"{chance}. Give a tenth of the learning_rate, or more epochs."
    by_class = 1 / loaded.num_classes
    if len(history) > 1 and not _above(begun, by_class, loaded.sizes["train"]):
        return (
            f"the first epoch learned nothing: {begun:.1%} right in training, {by_class:.1%} by guessing. "
            "Give a third of the learning_rate, or a longer warm-up, such as warmup=0.2."
        )
    return None


def _guessed(loaded):
    """(the share of the largest class among the images that accuracy is taken on, how many they are)."""
    if loaded.validation is None:
        return 1 / loaded.num_classes, loaded.sizes["train"]
    labels = np.concatenate([y.numpy() for _, y in loaded.validation])
    return np.bincount(labels).max() / len(labels), len(labels)


def _above(accuracy, guessed, images):
    """Whether an accuracy is above that of guessing by more than two standard errors."""
    return accuracy > guessed + 2 * math.sqrt(guessed * (1 - guessed) / images)
