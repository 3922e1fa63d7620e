"""The images themselves: what every source has in common, and digits."""

import dataclasses
import difflib
import math

import numpy as np
import tensorflow as tf

from keras_lottery.core import memory
from keras_lottery.core.errors import LotteryError
from keras_lottery.data.pipeline import aligned

TEST_SHARE = 0.2


@dataclasses.dataclass(frozen=True)
class Form:
    """The size (height, width) and channels to bring images to; None: as they are.

    crop: cut the edges off that are too much for the size's shape, instead of squeezing the image into it.
    """

    size: tuple | None
    channels: int | None
    crop: bool = False

    def __call__(self, image):
        """One uint8 image, or several of one shape, -> the same in this form."""
        if self.channels is not None:
            grey = tf.shape(image)[-1] < 3
            # By index, since a branch that takes three channels cannot be traced for an image known to have
            # one.
            image = tf.gather(image, tf.where(grey, [0, 0, 0], [0, 1, 2]), axis=-1)
            if self.channels == 1:
                image = tf.cond(grey, lambda: image[..., :1], lambda: tf.image.rgb_to_grayscale(image))
        if self.size is not None:
            image = _centre(image, *self.size) if self.crop else image
            image = tf.image.resize(tf.cast(image, tf.float32), self.size, "bilinear", antialias=True)
            image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
        return image


@dataclasses.dataclass(frozen=True)
class Arrays:
    """A source that is in memory: images (n, h, w, c) uint8, labels (n,) int64, and the rows of each
    split."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    splits: dict
    class_names: tuple

    @property
    def channels(self):
        return self.images.shape[-1]

    def read(self, train_split, test_split):
        """labels, {part: rows}, and a function that gives the images: (images, which of them could be
        read)."""
        parts = rows_of(self.name, self.splits, train_split, test_split)
        return self.labels, parts, lambda: (self.images, np.ones(len(self.labels), bool))


def rows_of(name, splits, train_split, test_split):
    """{"train": rows, "test": rows}, and {"validation": rows} where the splits have them to spare.

    splits: {split: rows} of a source; train_split, test_split: in TFDS's notation.
    """
    infos = _split_infos({k: len(rows) for k, rows in splits.items()})
    train, test = slices(name, infos, train_split, test_split)
    parts = {
        "train": np.concatenate([splits[s][a:b] for s, a, b in train]),
        "test": np.concatenate([splits[s][a:b] for s, a, b in test]),
    }
    if "validation" in splits and all(split != "validation" for split, _, _ in train + test):
        parts["validation"] = splits["validation"]
    return parts


def from_digits(form):
    """scikit-learn's 1,797 digits of 8x8 pixels, their 17 grey levels spread over 0..255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    formed = allocate("digits", len(images), (*(form.size or (8, 8)), form.channels or 1))
    for at in range(0, len(images), 256):  # resizing takes four bytes a pixel
        formed[at : at + 256] = form(tf.constant(images[at : at + 256]))
    return Arrays("digits", formed, labels, held_out(labels), tuple("0123456789"))


def slices(name, infos, train_split, test_split):
    """Each split's TFDS notation -> [(split, first, end), ...]; both hold something, and nothing in
    common."""
    train, test = [
        _absolute(name, infos, *arg) for arg in (("train_split", train_split), ("test_split", test_split))
    ]
    shared = sum(max(0, min(b, d) - max(a, c)) for s, a, b in train for t, c, d in test if s == t)
    if shared:
        raise LotteryError(
            f"{name}: test_split={test_split!r} and train_split={train_split!r} share {shared} images; "
            "expected none, as in train[:80%] and train[80%:]"
        )
    return train, test


def allocate(name, count, shape):
    """An empty uint8 array for count images, if there is memory for it."""
    if None in shape:
        raise LotteryError(f"{name}: images of differing sizes; give image_size, such as image_size=32")
    memory.check(
        f"{name}: {count} images of {' x '.join(map(str, shape))}",
        count * math.prod(shape),
        "give a smaller image_size or a slice of the split",
    )
    return aligned((count, *shape), np.uint8)


def _centre(image, height, width):
    """The largest part of an image, or of several, that has the shape of height x width, from its middle."""
    has = tf.shape(image)[-3:-1]
    scale = tf.reduce_min(tf.cast(has, tf.float64) / [height, width])
    keep = tf.clip_by_value(tf.cast(tf.round(scale * [height, width]), tf.int32), 1, has)
    (top, left), (down, right) = tf.unstack((has - keep) // 2), tf.unstack(keep)
    return image[..., top : top + down, left : left + right, :]


def near(word, words):
    """ "; did you mean ...?" where something is near, else nothing."""
    lower = {w.lower(): w for w in words}
    found = [lower[w] for w in difflib.get_close_matches(str(word).lower(), lower, n=3)]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def fixed_order(count):
    """A shuffle of range(count) that no seed changes: RandomState's stream is frozen, Generator's is not."""
    return np.random.RandomState(count % 2**32).permutation(count)


def _absolute(name, infos, argument, spec):
    import tensorflow_datasets as tfds

    there = ", ".join(f"{s} ({info.num_examples})" for s, info in infos.items())
    try:
        found = tfds.core.ReadInstruction.from_spec(spec).to_absolute(infos)
        found = [
            (i.splitname, i.from_ or 0, infos[i.splitname].num_examples if i.to is None else i.to)
            for i in found
        ]
    except (ValueError, AssertionError, KeyError, TypeError, AttributeError) as error:
        raise LotteryError(
            f"{argument}={spec!r} is not in {name}: expected a split or a slice of one, such as "
            f"train[:80%], of {there}"
        ) from error
    if any(a >= b for _, a, b in found):
        raise LotteryError(f"{argument}={spec!r} of {name} holds no images; expected a slice of {there}")
    return found


def _split_infos(sizes):
    import tensorflow_datasets as tfds

    return {
        s: tfds.core.SplitInfo(name=s, shard_lengths=[n], num_bytes=0, filename_template=None)
        for s, n in sizes.items()
    }


def held_out(labels):
    """A fixed fifth of each class for test, at least one image of it, the rest for train."""
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        test[rows[fixed_order(len(rows))[: max(1, round(TEST_SHARE * len(rows)))]]] = True
    return {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
