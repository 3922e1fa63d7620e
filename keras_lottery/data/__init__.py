"""A data set's name -> seeded tf.data.Datasets of normalised images and labels."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_lottery.config import DataConfig, dataset_name, label
from keras_lottery.core.checks import SEED, true_or_false, whole
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.pixels import Pixels
from keras_lottery.core.types import PathLike
from keras_lottery.data import sources
from keras_lottery.data.class_names import chosen, relabel
from keras_lottery.data.folder import from_folder
from keras_lottery.data.pipeline import batches, from_batch, generated, hold, set_epoch
from keras_lottery.data.served import Data, served, size_of

__all__ = ["Data", "batches", "from_batch", "label", "load", "set_epoch"]


def load(
    name: PathLike,
    *,
    data_dir: PathLike | None = None,
    train_split: str = "train",
    test_split: str = "test",
    classes: Sequence | None = None,
    validation: float = 0.1,
    image_size: int | Sequence[int] | None = None,
    crop: bool = False,
    channels: int | None = None,
    normalization: tuple | None = None,
    augment: bool = False,
    batch_size: int | None = None,
    seed: int = 0,
    download: bool = True,
    skip_bad: bool = False,
) -> Data:
    """Load images into memory, once, as uint8, and serve them in batches.

    Args:
        name: "digits" (scikit-learn's, 8x8x1), a TFDS name ("mnist", "cmaterdb/bangla"), or a folder with one
            sub-folder of images a class, or with train/, validation/ (or val/, valid/) and test/ folders of
            that kind. A folder without test/, and digits, get a fixed test split of 20% of each class. Images
            are PNG, JPEG, BMP, GIF or WebP, and are turned upright as their EXIF data say.
        data_dir: where TFDS data are; None for TFDS's own place.
        train_split, test_split: splits or slices of them in TFDS's notation, such as "train[:80%]".
        classes: the labels (ints or names) to keep, relabelled 0, 1, ... in the order given; None for all.
        validation: the share of train to hold out, in [0, 1); the same images for every seed. A validation/
            folder takes its place unless it is 0.
        image_size: an int or (height, width) to resize to, bilinear with antialiasing; None to keep.
        crop: keep the aspect ratio by cropping the centre to the shape of `image_size`, instead of squeezing.
        channels: 1 or 3 to turn colour into grey or grey into colour; None to keep.
        normalization: (mean, std) of pixels / 255 to normalise by, each one number or one a channel, such as
            those of the data that a model was trained on; None for the train part's.
        augment: random flip and pad-4 crop of the train part.
        batch_size: int >= 1; None for 128, or fewer down to 16 where an epoch would have fewer than 40 steps;
            see `DataConfig.images_a_step`.
        seed: int in [0, 2**32), for order and augmentation.
        download: fetch TFDS data that are not there.
        skip_bad: leave out a folder's files that cannot be read, with a warning that lists them, instead of
          an error.

    Returns:
        A `Data`.

    Raises:
        LotteryError: anything about the arguments or the data that does not allow this, TFDS data that are
            not there and cannot be fetched included.

    Example:
        >>> data = load("digits", classes=[0, 1, 2, 3, 4], batch_size=32)
        >>> data.input_shape, data.num_classes
        ((8, 8, 1), 5)
    """
    asked = DataConfig.of({**locals(), "dataset": dataset_name("name", name)})
    whole("seed", seed, **SEED)
    true_or_false(download=download)
    source = _source(asked, download)
    if normalization is not None:
        Pixels.of(normalization, source.channels)
    images, labels, parts, class_names = _read(asked, source)
    asked = dataclasses.replace(asked, batch_size=asked.images_a_step(len(parts["train"])))
    tensors = hold(images), hold(labels)
    del images

    def scaled(normalization):
        return served(asked, seed, tensors, parts, class_names, normalization, scaled)

    return scaled(normalization)


def class_names_of(
    name: PathLike, data_dir: PathLike | None = None, classes: Sequence | None = None, **arguments: Any
) -> tuple:
    """The names of the classes that `load` would tell apart, whatever sizes the images have; none is decoded.

    Args:
        name, data_dir, classes, arguments: as for `load`.

    >>> class_names_of("digits", classes=[3, 5])
    ('3', '5')
    """
    given = {"dataset": dataset_name("name", name), "data_dir": data_dir, "classes": classes, **arguments}
    asked = DataConfig.of({"image_size": 8, **given})
    return chosen(asked.dataset, _source(asked, download=True).class_names, asked.classes)[1]


def _source(asked, download):
    """Where the images come from; nothing is decoded yet."""
    form = sources.Form(size_of(asked), asked.channels, asked.crop)
    if asked.dataset == "digits":
        return sources.from_digits(form)
    if _is_folder(asked.dataset, asked.data_dir):
        return from_folder(asked.dataset, form, asked.skip_bad)
    from keras_lottery.data import tfds_source

    return tfds_source.find(asked.dataset, asked.data_dir, form, download)


def _read(asked, source):
    """(images, labels, {part: rows}, names of the classes); all that can be refused is, before images are
    decoded."""
    name = asked.dataset
    keep, class_names = chosen(name, source.class_names, asked.classes)
    labels, parts, decoded = source.read(asked.train_split, asked.test_split)
    labels = relabel(name, labels, keep, len(source.class_names))
    parts = _parts(name, labels, parts, class_names, asked.validation)
    images, readable = decoded()
    if not readable.all():
        parts = {k: rows[readable[rows]] for k, rows in parts.items()}
        _no_empty_part(name, parts)
        _no_empty_class(name, labels[parts["train"]], class_names, asked.validation)
    return images, labels, parts, class_names


def _is_folder(name, data_dir):
    """A name that says it is a path, or that is one and is not a TFDS set's."""
    if name.startswith((".", "~", os.sep)):
        return True
    if not os.path.isdir(name):
        return False
    from keras_lottery.data import tfds_source

    return not tfds_source.knows(name, data_dir)


def _parts(name, labels, parts, class_names, validation):
    """{"train", "validation", "test": rows of the classes asked for}; every class is in train."""
    parts = {"validation": np.array([], np.int64), **parts}
    parts = {k: rows[labels[rows] >= 0] for k, rows in parts.items()}
    _no_empty_part(name, parts)
    _carve(parts, validation)
    _no_empty_class(name, labels[parts["train"]], class_names, validation)
    return parts


def _no_empty_part(name, parts):
    for part in ("train", "test"):
        if not len(parts[part]):
            raise LotteryError(
                f"{name}: the {part} part holds 0 images of the classes asked for; give a larger {part}_split"
            )


def _carve(parts, validation):
    """Move the validation share from train to validation, whatever the seed of the run."""
    if validation == 0:
        parts["validation"] = parts["validation"][:0]
    elif not len(parts["validation"]):
        rows = parts["train"]
        count = max(1, round(len(rows) * validation))
        order = sources.fixed_order(len(rows))
        parts["validation"] = rows[np.sort(order[:count])]
        parts["train"] = rows[np.sort(order[count:])]


def _no_empty_class(name, labels, class_names, validation):
    counts = np.bincount(labels, minlength=len(class_names))
    empty = [c for c, n in zip(class_names, counts) if not n]
    if empty:
        there = [c for c, n in zip(class_names, counts) if n]
        ways = ["add some", "give a larger train_split"] + [
            f"hold out less than validation={validation:g}"
        ] * (validation > 0)
        ways += [f"name the classes with classes={_some(there)}"] * (len(there) > 1)
        raise LotteryError(
            f"{name}: no image to train on in {_some(empty)}; expected at least one a class: "
            f"{', '.join(ways[:-1])}, or {ways[-1]}"
        )


def _some(names):
    return "[" + ", ".join(names[:40]) + (f", ... {len(names)} in all" if len(names) > 40 else "") + "]"
