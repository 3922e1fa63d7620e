"""The images themselves: digits, and folders; and what every source has in common."""

import contextlib
import dataclasses
import difflib
import math
import os

import numpy as np
import tensorflow as tf

from keras_lottery import memory
from keras_lottery.data.pipeline import aligned
from keras_lottery.errors import LotteryError

TEST_SHARE = 0.2
EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
_IGNORED = ("thumbs.db", "desktop.ini")


@dataclasses.dataclass(frozen=True)
class Form:
    """The size (height, width) and channels to bring images to; None: as they are."""

    size: tuple | None
    channels: int | None

    def __call__(self, image):
        """One uint8 image, or several of one shape, -> the same in this form."""
        if self.channels is not None:
            grey = tf.shape(image)[-1] < 3
            # By index, since a branch that takes three channels cannot be traced for an image known to have one.
            image = tf.gather(image, tf.where(grey, [0, 0, 0], [0, 1, 2]), axis=-1)
            if self.channels == 1:
                image = tf.cond(grey, lambda: image[..., :1], lambda: tf.image.rgb_to_grayscale(image))
        if self.size is not None:
            image = tf.image.resize(tf.cast(image, tf.float32), self.size, "bilinear", antialias=True)
            image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
        return image


@dataclasses.dataclass(frozen=True)
class Arrays:
    """A source that is in memory: images (n, h, w, c) uint8, labels (n,) int64, and the rows of each split."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    splits: dict
    class_names: tuple

    def read(self, train_split, test_split):
        """images, labels, {"train": rows, "test": rows}, and {"validation": rows} where the source has them to spare."""
        infos = _split_infos({k: len(rows) for k, rows in self.splits.items()})
        train, test = slices(self.name, infos, train_split, test_split)
        parts = {
            "train": np.concatenate([self.splits[s][a:b] for s, a, b in train]),
            "test": np.concatenate([self.splits[s][a:b] for s, a, b in test]),
        }
        if "validation" in self.splits and all(split != "validation" for split, _, _ in train + test):
            parts["validation"] = self.splits["validation"]
        return self.images, self.labels, parts


def from_digits(form):
    """scikit-learn's 1,797 digits of 8x8 pixels, their 17 grey levels spread over 0..255."""
    from sklearn.datasets import load_digits
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    formed = allocate("digits", len(images), (*(form.size or (8, 8)), form.channels or 1))
    for at in range(0, len(images), 256):  # resizing takes four bytes a pixel
        formed[at:at + 256] = form(tf.constant(images[at:at + 256]))
    return Arrays("digits", formed, labels, _held_out(labels), tuple("0123456789"))


def from_folder(name, form):
    """A folder with one sub-folder of images a class, or with such folders named train, test and validation."""
    root = os.path.expanduser(name)
    if not os.path.isdir(root):
        raise LotteryError(f"{name}: no such folder; expected one with a sub-folder of images for each class")
    inner = _folders(root)
    split_names = [s for s in ("train", "test", "validation") if s in inner and _folders(os.path.join(root, s))]
    if split_names and not {"train", "test"} <= set(split_names):
        raise LotteryError(f"{name} holds {'/, '.join(split_names)}/: expected both train/ and test/, "
                           "each with a sub-folder of images for each class")
    tops = [os.path.join(root, s) for s in split_names] or [root]
    class_names = _folders(tops[0])
    if not class_names:
        raise LotteryError(f"{name}: an empty folder; expected a sub-folder of images for each class")
    for text in (name, *class_names):
        if text.encode(errors="ignore").decode() != text:  # a run's files, which are UTF-8, name them
            raise LotteryError(f"the folder name {text!r} is not UTF-8; rename it")
    files, labels, counts = [], [], []
    for top in tops:
        more_files, more_labels = _listing(top, class_names)
        files += more_files
        labels += more_labels
        counts.append(len(more_files))
    if not files:
        raise LotteryError(f"{name}: no images; expected {', '.join(EXTENSIONS)} files in each class's sub-folder")
    labels = np.array(labels, np.int64)
    if split_names:
        ends = np.cumsum(counts)
        splits = {s: np.arange(end - n, end) for s, n, end in zip(split_names, counts, ends)}
    else:
        splits = _held_out(labels)
    # Files come class by class: mixed, so that a slice of a split holds every class.
    splits = {s: rows[fixed_order(len(rows))] for s, rows in splits.items()}
    return Arrays(name, _decode(name, files, form), labels, splits, tuple(class_names))


def slices(name, infos, train_split, test_split):
    """Each split's TFDS notation -> [(split, first, end), ...]; both hold something, and nothing in common."""
    train, test = [_absolute(name, infos, *arg) for arg in (("train_split", train_split), ("test_split", test_split))]
    shared = sum(max(0, min(b, d) - max(a, c)) for s, a, b in train for t, c, d in test if s == t)
    if shared:
        raise LotteryError(f"{name}: test_split={test_split!r} and train_split={train_split!r} share {shared} images; "
                           "expected none, as in train[:80%] and train[80%:]")
    return train, test


def allocate(name, count, shape):
    """An empty uint8 array for count images, if there is memory for it."""
    if None in shape:
        raise LotteryError(f"{name}: images of differing sizes; give image_size, such as image_size=32")
    memory.check(f"{name}: {count} images of {' x '.join(map(str, shape))}", count * math.prod(shape),
                 "give a smaller image_size or a slice of the split")
    return aligned((count, *shape), np.uint8)


def near(word, words):
    """"; did you mean ...?" where something is near, else nothing."""
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
        found = [(i.splitname, i.from_ or 0, infos[i.splitname].num_examples if i.to is None else i.to) for i in found]
    except (ValueError, AssertionError, KeyError, TypeError, AttributeError) as error:
        raise LotteryError(f"{argument}={spec!r} is not in {name}: expected a split or a slice of one, such as "
                           f"train[:80%], of {there}") from error
    if any(a >= b for _, a, b in found):
        raise LotteryError(f"{argument}={spec!r} of {name} holds no images; expected a slice of {there}")
    return found


def _split_infos(sizes):
    import tensorflow_datasets as tfds
    return {s: tfds.core.SplitInfo(name=s, shard_lengths=[n], num_bytes=0, filename_template=None)
            for s, n in sizes.items()}


def _held_out(labels):
    """A fixed fifth of each class for test, at least one image of it, the rest for train."""
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        test[rows[fixed_order(len(rows))[:max(1, round(TEST_SHARE * len(rows)))]]] = True
    return {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}


def _folders(root):
    return sorted(e.name for e in os.scandir(root) if e.is_dir() and not e.name.startswith("."))


def _listing(top, class_names):
    new = sorted(set(_folders(top)) - set(class_names))
    if new:
        raise LotteryError(f"{top} holds the class {new[0]!r}, which train/ does not; "
                           f"expected {', '.join(class_names)}")
    files, labels = [], []
    for label, class_name in enumerate(class_names):
        folder = os.path.join(top, class_name)
        for entry in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if entry.startswith(".") or entry.lower() in _IGNORED:
                continue
            if not entry.lower().endswith(EXTENSIONS):
                raise LotteryError(f"{os.path.join(folder, entry)} is not one of {', '.join(EXTENSIONS)}; "
                                   "convert it or take it out")
            files.append(os.path.join(folder, entry))
            labels.append(label)
    return files, labels


def _decode(name, files, form):
    """All files as one array; grey only if every file is, unless the form says which."""
    def one(path):
        image = tf.io.decode_image(tf.io.read_file(path), expand_animations=False)
        stored = tf.shape(image)[-1]
        image.set_shape([None, None, None])
        return Form(form.size, form.channels or 3)(image), stored

    images, stored, count, grey = None, None, 0, True
    if form.size:
        images = allocate(name, len(files), (*form.size, form.channels or 3))
    dataset = tf.data.Dataset.from_tensor_slices([os.fsencode(f) for f in files]).map(one, num_parallel_calls=tf.data.AUTOTUNE)
    try:
        for image, stored in dataset.as_numpy_iterator():
            if images is None:
                images = allocate(name, len(files), image.shape)
            if image.shape != images.shape[1:]:
                raise LotteryError(f"{name}: images of differing sizes, {_by(images.shape[1:])} ({files[0]}) and "
                                   f"{_by(image.shape)} ({files[count]}); give image_size, such as image_size=32")
            if stored < 3:
                _no_palette(files[count])
            images[count] = image
            grey &= stored < 3
            count += 1
    except tf.errors.ResourceExhaustedError as error:
        raise LotteryError(f"{files[count]} and the images read beside it need more memory than is free; give a smaller image_size, "
                           "or make them smaller") from error
    except tf.errors.OpError as error:  # images come in order, so it is the next one
        _no_palette(files[count])
        raise LotteryError(f"{files[count]} cannot be read as an image; expected a whole PNG, JPEG, BMP or GIF: "
                           "replace it or take it out") from error
    return np.ascontiguousarray(images[..., :1]) if grey and form.channels is None else images


def _no_palette(file):
    """Refuse a BMP of a palette's indices, which TensorFlow takes for grey levels, unless they are."""
    with contextlib.suppress(OSError), open(file, "rb") as opened:
        head = opened.read(2048)
        bits, header, colours = [int.from_bytes(head[a:b], "little") for a, b in ((28, 30), (14, 18), (46, 50))]
        colours = colours or 256
        palette = head[14 + header:][:4 * colours]
        ramp = bits == 8 and all(palette[c::4] == bytes(range(256))[:colours] for c in range(3))
        if head[:2] == b"BM" and 0 < bits <= 8 and not ramp:
            raise LotteryError(f"{file} is a BMP with a palette, which cannot be read; save it as PNG")


def _by(shape):
    return f"{shape[0]}x{shape[1]}"
