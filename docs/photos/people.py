"""Photos in a folder for each class, and splits of them in which no person is on two sides."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_lottery import data

PIXELS = dict(mean=[127 / 255] * 3, std=[128 / 255] * 3)  # so that the net sees (x - 127) / 128
BATCH = 32
SHARES = {"test": 0.2, "validation": 0.1}  # of the people, or of the photos; the rest trains


@dataclasses.dataclass(frozen=True)
class Photos:
    """All photos of a folder, sorted by the number in the file's name.

    Attributes:
      numbers, labels: int arrays (photos,).
      images: uint8 (photos, size, size, 3).
      people: int array (photos,), the group that each photo belongs to; see `groups`.
      classes: the folders' names.
    """

    numbers: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    people: np.ndarray
    classes: tuple


def read(folder: str, size: int) -> Photos:
    """Read the photos of a folder, resized to `size` x `size` (bilinear, antialiased)."""
    classes = tuple(sorted(path.name for path in Path(folder).iterdir() if path.is_dir()))
    files = sorted(
        (int(re.findall(r"\d+", path.stem)[-1]), label, path)
        for label, name in enumerate(classes)
        for path in Path(folder, name).iterdir()
    )
    numbers, labels, paths = zip(*files)
    images = np.stack([_image(path, size) for path in paths])
    return Photos(np.array(numbers), np.array(labels), images, groups(labels, len(classes)), classes)


def groups(labels: list, classes: int) -> np.ndarray:
    """The group of each photo: one person, or a few who cannot be told apart.

    Args:
      labels: of the photos, sorted by their numbers.
      classes: how many classes there are.

    Each person showed the classes in rising order, so a label that does not rise begins a new run.
    Consecutive runs that lack a class may be one person's photos out of order, so they form one group. Two
    people in one group do no harm.

    >>> groups([0, 1, 2, 0, 1, 2, 1, 0, 2, 0, 1, 2], 3).tolist()
    [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    """
    starts = [n for n, label in enumerate(labels) if n == 0 or label <= labels[n - 1]]
    group = np.zeros(len(labels), int)
    number, partial = -1, False
    for start, stop in zip(starts, [*starts[1:], len(labels)]):
        number += not (partial and stop - start < classes)
        partial = stop - start < classes
        group[start:stop] = number
    return group


def split(photos: Photos, seed: int, by: str) -> dict:
    """{"train", "validation", "test": rows of the photos, in the order of their numbers}, drawn by `seed`.

    by: "person" for whole groups; "photo" for each photo by itself, which puts people on all sides.
    """
    unit = photos.people if by == "person" else np.arange(len(photos.labels))
    units = np.random.default_rng(seed).permutation(np.unique(unit))
    parts, taken = {}, 0
    for part, share in SHARES.items():
        count = round(share * len(units))
        parts[part] = np.flatnonzero(np.isin(unit, units[taken : taken + count]))
        taken += count
    return {"train": np.flatnonzero(np.isin(unit, units[taken:])), **parts}


def served(photos: Photos, rows: np.ndarray, seed: int, train: bool) -> tf.data.Dataset:
    """Batches of photos as the net sees them; to train on, in an order set by seed and epoch."""
    images, labels = photos.images[rows], photos.labels[rows]
    return data.batches(images, labels, batch_size=BATCH, seed=seed, shuffle=train, **PIXELS)


def _image(path, size):
    image = tf.io.decode_image(tf.io.read_file(str(path)), channels=3, expand_animations=False)
    if image.shape[:2] != (size, size):
        image = tf.image.resize(image, (size, size), antialias=True)
    return np.rint(np.clip(image, 0, 255)).astype("uint8")
