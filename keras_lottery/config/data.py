"""Which images are trained and tested on."""

import dataclasses
import os

import numpy as np

from ..core.checks import shown, whole
from ..core.errors import LotteryError
from ..core.options import Config, option

FEWEST_A_STEP, MOST_A_STEP, STEPS = 16, 128, 40  # images, images, steps an epoch


def dataset_name(name, value) -> str:
    """`value` as what a data set is called; raises LotteryError, which calls it `name`, unless it is text or
    a path."""
    if not isinstance(value, (str, os.PathLike)):
        raise LotteryError(
            f"{name}={shown(value)}: expected text: digits, a TFDS name or a folder of images (./NAME)"
        )
    return os.fsdecode(value)


def _classes(name, value):
    if isinstance(value, (str, bytes)) or not np.iterable(value):
        raise LotteryError(
            f"{name}={shown(value)}: expected a list of labels or names, such as [0, 1], or None for all"
        )
    return tuple(value)


def _held_out(name, value):
    try:
        fits = bool(0 <= value < 1)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise LotteryError(f"{name}={shown(value)}: expected the share of train to hold out, 0 <= share < 1")
    return value


def _batch_size(name, value):
    try:
        return whole(name, value, most=2**63 - 1)
    except LotteryError:
        raise LotteryError(f"{name}={shown(value)}: expected a whole number, 1 or more") from None


def _image_size(name, value):
    try:
        height, width = (value,) * 2 if np.ndim(value) == 0 else value
        size = whole("height", height), whole("width", width)
        return size[0] if np.ndim(value) == 0 else size
    except (TypeError, ValueError):  # LotteryError is one
        raise LotteryError(
            f"{name}={shown(value)}: expected a positive whole number below 2**31 or (height, width) of such"
        ) from None


def _channels(name, value):
    if isinstance(value, bool) or not np.isscalar(value) or value not in (1, 3):
        raise LotteryError(f"{name}={shown(value)}: expected 1 (grey), 3 (colour) or None (as stored)")
    return int(value)


@dataclasses.dataclass(frozen=True)
class DataConfig(Config):
    """Which images are trained and tested on; what `data.load` takes.

    Example:
      >>> DataConfig("cifar10", classes=(0, 1, 2)).label
      'cifar10[0-2]'
    """

    dataset: str = option(
        "digits", "a TFDS name, a folder with one sub-folder of images a class, or digits", dataset_name
    )
    data_dir: str | None = option(None, "where TFDS data are (default: TFDS's own place)")
    train_split: str = option("train", "split or slice to train on, such as train[:50%]")
    test_split: str = option("test", "split or slice to test on")
    classes: tuple | None = option(None, "labels or names of the classes to keep (default: all)", _classes)
    validation: float = option(0.1, "share of the training split held out for validation", _held_out)
    image_size: int | tuple | None = option(None, "resize images to this height and width", _image_size)
    channels: int | None = option(None, "1 makes images grey, 3 makes them RGB", _channels)
    crop: bool = option(
        False, "cut images to the shape of --image_size, instead of squeezing them", apart=True, was=False
    )
    skip_bad: bool = option(False, "leave out files that cannot be read, and list them", was=False)
    augment: bool = option(False, "random flip and pad-4 crop of training images", apart=True)
    batch_size: int | None = option(
        None,
        f"images a step (default: {MOST_A_STEP}, or fewer down to {FEWEST_A_STEP} where an epoch would have "
        f"fewer than {STEPS} steps)",
        _batch_size,
        apart=True,
        was=MOST_A_STEP,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.crop and self.image_size is None:
            raise LotteryError(
                "crop=True cuts images to the shape of image_size: give that too, such as image_size=96"
            )

    @property
    def label(self) -> str:
        """What the data set, or these classes of it, is called in rows and tables."""
        return label(self.dataset, self.classes)

    def arguments(self) -> dict:
        """What `data.load` is called with, but for the seed."""
        own = {**self.told(), "batch_size": self.batch_size}
        return {"name": own.pop("dataset"), **own}

    def images_a_step(self, images: int) -> int:
        """The batch size that was given; if none was, one for this number of training images.

        That is the largest power of two from 16 to 128 that leaves 40 steps an epoch. Fewer steps cost
        accuracy in a training of few epochs; smaller batches cost time.

        Source: up to some batch size, the steps to a goal fall in proportion to it, Shallue et al. 2019
        (arXiv 1811.03600), so that a smaller one takes no more images; small batches serve well,
        Masters and Luschi 2018 (arXiv 1804.07612).

        >>> [DataConfig().images_a_step(images) for images in (300, 1_650, 4_500, 54_000)]
        [16, 32, 64, 128]
        """
        if self.batch_size is not None:
            return self.batch_size
        fitting = 2 ** (max(images // STEPS, 1).bit_length() - 1)
        return min(max(fitting, FEWEST_A_STEP), MOST_A_STEP)


def label(name, classes=None) -> str:
    """What a data set, or these classes of it, is called in rows and tables.

    >>> label("mnist"), label("cifar10", [5, 6, "7", 8, 9]), label("cifar10", ["cat", 0, 1])
    ('mnist', 'cifar10[5-9]', 'cifar10[cat,0-1]')
    """
    if classes is None:
        return os.fsdecode(name)
    runs = []  # (first, last) of labels that rise one by one
    for kept in map(str, classes):
        if runs and kept.isdecimal() and runs[-1][1].isdecimal() and int(kept) == int(runs[-1][1]) + 1:
            runs[-1] = runs[-1][0], kept
        else:
            runs.append((kept, kept))
    kept = ",".join(first if first == last else f"{first}-{last}" for first, last in runs)
    return f"{os.fsdecode(name)}[{kept}]"
