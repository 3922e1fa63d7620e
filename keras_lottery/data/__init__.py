"""A data set's name -> seeded tf.data.Datasets of normalised images and labels."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_lottery.config import DataConfig, dataset_name, label
from keras_lottery.core.checks import SEED, true_or_false, whole
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.pixels import Pixels
from keras_lottery.core.types import PathLike
from keras_lottery.data import sources
from keras_lottery.data.class_names import chosen, relabel
from keras_lottery.data.folder import from_folder
from keras_lottery.data.pipeline import batches, from_batch, generated, hold, set_epoch, stream

__all__ = ["Data", "batches", "from_batch", "label", "load", "set_epoch"]


@dataclasses.dataclass(frozen=True)
class Data:
    """What `load` returns.

    `train`, `validation` (None where there is none) and `test` are tf.data.Datasets of (float32 images of
    (batch, height, width, channels), int64 labels of (batch,)). `mean` and `std`, one float a channel of
    pixels / 255, are what they were normalised by. `sizes` counts the examples of each part.
    """

    name: str
    train: tf.data.Dataset
    validation: tf.data.Dataset | None
    test: tf.data.Dataset
    input_shape: tuple
    num_classes: int
    class_names: tuple
    mean: tuple
    std: tuple
    sizes: dict
    settings: dict  # the arguments of `load` that made it

    def pixels(self, part: str, most: int | None = None) -> tuple:
        """(the first images of a part as uint8 again, their labels): `most` of them, None for all.

        Args:
            part: "train", in the order of its first epoch, "validation" or "test".
        """
        taken, count = [], 0
        for images, labels in getattr(self, part):
            taken.append((images.numpy(), labels.numpy()))
            count += len(labels)
            if most is not None and count >= most:
                break
        images, labels = (np.concatenate(each)[:most] for each in zip(*taken))
        return Pixels(self.mean, self.std).restore(images), labels

    def describe(self) -> dict:
        """Everything needed to load the same data again and to read a result made with it, ready for JSON."""
        return {
            "name": self.name,
            **{k: self.settings[k] for k in ("label",) if self.settings[k] != self.name},
            **{k: self.settings[k] for k in ("crop",) if k in self.settings},
            "splits": {k: self.settings[f"{k}_split"] for k in ("train", "test")},
            "classes": list(self.class_names),
            "sizes": dict(self.sizes),
            "input_shape": list(self.input_shape),
            "mean": list(self.mean),
            "std": list(self.std),
            **{
                k: self.settings[k]
                for k in ("validation", "image_size", "channels", "augment", "batch_size", "seed")
            },
        }


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
    pixels = normalization is not None and Pixels.of(normalization, source.channels)
    images, labels, parts, class_names = _read(asked, source)
    asked = dataclasses.replace(asked, batch_size=asked.images_a_step(len(parts["train"])))
    pixels = pixels or Pixels(*_moments(images, parts["train"]))
    tensors = hold(images), hold(labels)
    del images

    def serve(part, **how):
        how |= {"batch_size": asked.batch_size, "seed": seed, "mean": pixels.mean, "std": pixels.std}
        return stream(tensors, parts[part], **how)

    return Data(
        name=asked.dataset,
        train=serve("train", shuffle=True, augment=augment),
        validation=serve("validation", shuffle=False) if len(parts["validation"]) else None,
        test=serve("test", shuffle=False),
        input_shape=tuple(int(n) for n in tensors[0].shape[1:]),
        num_classes=len(class_names),
        class_names=class_names,
        mean=pixels.mean,
        std=pixels.std,
        sizes={k: len(parts[k]) for k in ("train", "validation", "test")},
        settings=_settings(asked, seed),
    )


def _source(asked, download):
    """Where the images come from; nothing is decoded yet."""
    form = sources.Form(_size(asked), asked.channels, asked.crop)
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


def _size(asked):
    """(height, width) that images are brought to, or None."""
    size = asked.image_size
    return (size, size) if isinstance(size, int) else size


def _settings(asked, seed):
    """The arguments that made the data, as `Data.describe` tells them."""
    size = _size(asked)
    return {
        "label": asked.label,
        "train_split": asked.train_split,
        "test_split": asked.test_split,
        "validation": asked.validation,
        "image_size": list(size) if size else None,
        **({"crop": True} if asked.crop else {}),
        "channels": asked.channels,
        "augment": asked.augment,
        "batch_size": asked.batch_size,
        "seed": int(seed),
    }


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


def _moments(images, rows):
    """Exact mean and deviation of each channel, from its histogram."""
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(rows), 1024):
        chunk = images[rows[start : start + 1024]]
        for c in range(channels):
            counts[c] += np.bincount(chunk[..., c].ravel(), minlength=256)
    moments = []
    for count in counts.tolist():  # whole numbers: the same on every machine
        n, s1, s2 = (sum(c * v**k for v, c in enumerate(count)) for k in range(3))
        moments.append((s1 / (255 * n), (n * s2 - s1 * s1) ** 0.5 / (255 * n)))
    mean, std = zip(*moments)
    return mean, tuple(s or 1.0 for s in std)  # a constant channel becomes 0, not NaN
