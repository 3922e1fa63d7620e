"""Images in a folder with one sub-folder a class."""

import contextlib
import os
import stat

import numpy as np
import tensorflow as tf

from keras_lottery.core.errors import LotteryError
from keras_lottery.data.sources import Arrays, Form, allocate, fixed_order, held_out

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
SHOWN = 5  # files that a message names for each thing that is wrong
_IGNORED = ("thumbs.db", "desktop.ini")


def from_folder(name, form):
    """A folder with one sub-folder of images a class, or with such folders named train, test and validation."""
    root = os.path.expanduser(name)
    if not os.path.isdir(root):
        raise LotteryError(f"{name}: no such folder; expected one with a sub-folder of images for each class")
    inner = _folders(root)
    split_names = [
        s for s in ("train", "test", "validation") if s in inner and _folders(os.path.join(root, s))
    ]
    if split_names and not {"train", "test"} <= set(split_names):
        raise LotteryError(
            f"{name} holds {'/, '.join(split_names)}/: expected both train/ and test/, "
            "each with a sub-folder of images for each class"
        )
    tops = [os.path.join(root, s) for s in split_names] or [root]
    class_names = _folders(tops[0])
    if not class_names:
        raise LotteryError(f"{name}: an empty folder; expected a sub-folder of images for each class")
    for text in (name, *class_names):
        if text.encode(errors="ignore").decode() != text:  # a run's files, which are UTF-8, name them
            raise LotteryError(f"the folder name {text!r} is not UTF-8; rename it")
    files, labels, counts, spoilt = [], [], [], {}
    for top in tops:
        more_files, more_labels = _listing(top, class_names, spoilt)
        files += more_files
        labels += more_labels
        counts.append(len(more_files))
    if not files and not spoilt:
        raise LotteryError(
            f"{name}: no images; expected {', '.join(EXTENSIONS)} files in each class's sub-folder"
        )
    images = _decode(name, files, form, spoilt)
    if spoilt:
        raise LotteryError(
            f"{name}: " + "; ".join(f"{_named(root, these)} {why}" for why, these in spoilt.items())
        )
    labels = np.array(labels, np.int64)
    if split_names:
        ends = np.cumsum(counts)
        splits = {s: np.arange(end - n, end) for s, n, end in zip(split_names, counts, ends)}
    else:
        splits = held_out(labels)
    # Files come class by class: mixed, so that a slice of a split holds every class.
    splits = {s: rows[fixed_order(len(rows))] for s, rows in splits.items()}
    return Arrays(name, images, labels, splits, tuple(class_names))


def _folders(root):
    """The names of the folders in a folder, the hidden ones left out."""
    found = []
    for entry in _entries(root):
        path = os.path.join(root, entry)
        kind, why = _kind(path)
        if why:
            raise LotteryError(f"{path} {why}")
        if stat.S_ISDIR(kind):
            found.append(entry)
    return found


def _entries(folder):
    try:
        return sorted(entry for entry in os.listdir(folder) if not entry.startswith("."))
    except OSError as error:
        raise LotteryError(f"{folder} cannot be read: {error.strerror}") from error


def _kind(path):
    """(what kind of file it is, where links are followed; "" or why it cannot be told)."""
    try:
        return os.stat(path).st_mode, ""
    except OSError as error:  # a link to nothing or to itself
        return 0, f"cannot be read: {error.strerror}; take it out"


def _listing(top, class_names, spoilt):
    """(files, labels) of the images in a folder of classes; files that cannot be images go to `spoilt`, {why: files}."""
    new = sorted(set(_folders(top)) - set(class_names))
    if new:
        raise LotteryError(
            f"{top} holds the class {new[0]!r}, which train/ does not; expected {', '.join(class_names)}"
        )
    files, labels = [], []
    for label, class_name in enumerate(class_names):
        folder = os.path.join(top, class_name)
        for entry in _entries(folder) if os.path.isdir(folder) else ():
            path = os.path.join(folder, entry)
            if entry.lower() in _IGNORED:
                continue
            kind, why = _kind(path)
            if not entry.lower().endswith(EXTENSIONS):
                why = f"cannot be used, not being {', '.join(EXTENSIONS)}: convert or take out"
            elif not why and not stat.S_ISREG(kind):
                why = "cannot be read as an image, being no regular file: take out"
            if why:
                spoilt.setdefault(why, []).append(path)
            else:
                files.append(path)
                labels.append(label)
    return files, labels


def _decode(name, files, form, spoilt):
    """All files as one array; grey only if every file is, unless the form says which. Broken ones go to `spoilt`."""

    def one(path):
        image = tf.io.decode_image(tf.io.read_file(path), expand_animations=False)
        stored = tf.shape(image)[-1]
        image.set_shape([None, None, None])
        return Form(form.size, form.channels or 3)(image), stored

    images, first, other, grey = None, None, None, True
    if form.size:
        images = allocate(name, len(files), (*form.size, form.channels or 3))
    paths = tf.data.Dataset.from_tensor_slices([os.fsencode(file) for file in files] or [b""])
    decoded = paths.map(one, num_parallel_calls=tf.data.AUTOTUNE).as_numpy_iterator()
    for count, file in enumerate(files):  # in which order they come
        try:
            image, stored = next(decoded)
        except tf.errors.ResourceExhaustedError as error:
            raise LotteryError(
                f"{file} and the images read beside it need more memory than is free; give a smaller image_size, "
                "or make them smaller"
            ) from error
        except tf.errors.OpError:
            why = (
                _palette(file)
                or "cannot be read as an image; expected a whole PNG, JPEG, BMP or GIF: replace or take out"
            )
            spoilt.setdefault(why, []).append(file)
            continue
        why = stored < 3 and _palette(file)
        if why:
            spoilt.setdefault(why, []).append(file)
            continue
        if images is None:
            images = allocate(name, len(files), image.shape)
        first = first or file
        if image.shape == images.shape[1:]:
            images[count] = image
            grey &= stored < 3
        else:
            other = other or (image.shape, file)
    if other and not spoilt:
        raise LotteryError(
            f"{name}: images of differing sizes, {_by(images.shape[1:])} ({first}) and "
            f"{_by(other[0])} ({other[1]}); give image_size, such as image_size=32"
        )
    return (
        images if spoilt or not grey or form.channels is not None else np.ascontiguousarray(images[..., :1])
    )


def _palette(file):
    """Why a BMP of a palette's indices, which TensorFlow takes for grey levels, cannot be read; "" if they are such levels."""
    with contextlib.suppress(OSError), open(file, "rb") as opened:
        head = opened.read(2048)
        bits, header, colours = [
            int.from_bytes(head[a:b], "little") for a, b in ((28, 30), (14, 18), (46, 50))
        ]
        colours = colours or 256
        palette = head[14 + header :][: 4 * colours]
        ramp = bits == 8 and all(palette[c::4] == bytes(range(256))[:colours] for c in range(3))
        if head[:2] == b"BM" and 0 < bits <= 8 and not ramp:
            return "cannot be read, being BMP with a palette: save as PNG"
    return ""


def _named(root, files):
    """The first of some files, by their places in the folder, and how many more there are."""
    shown = ", ".join(os.path.relpath(file, root) for file in files[:SHOWN])
    return f"{shown} and {len(files) - SHOWN} more ({len(files)} in all)" if len(files) > SHOWN else shown


def _by(shape):
    return f"{shape[0]}x{shape[1]}"
