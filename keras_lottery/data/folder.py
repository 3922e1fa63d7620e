"""Images in a folder with one sub-folder a class."""

import os
import stat
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_lottery.core.errors import LotteryError
from keras_lottery.data import photos
from keras_lottery.data.sources import Form, allocate, fixed_order, held_out, rows_of

SPLITS = {"train": ("train",), "test": ("test",), "validation": ("validation", "val", "valid")}
SHOWN = 20  # files that a message names for each thing that is wrong
_IGNORED = ("thumbs.db", "desktop.ini", "@eadir", "__macosx")  # of Windows, Synology's disks, Macs' zip files


def from_folder(name: str, form: Form, skip_bad: bool = False):
    """A source: a folder with one sub-folder of images a class, or with such folders for each split.

    All that file names and headers tell is checked here, before an image is decoded.

    Args:
      name: the folder. Its splits, where it has them, are train/, test/ and validation/ (or val/, valid/).
        Without test/, a fifth of each class of train/ is held out.
      form: the size and channels to bring the images to.
      skip_bad: leave out files that cannot be read, with a warning, instead of refusing the folder.

    Raises:
      LotteryError: no folder of that kind, files that cannot be used, sizes that differ without one to bring
        them to.
    """
    root = os.path.expanduser(name)
    if not os.path.isdir(root):
        raise LotteryError(f"{name}: no such folder; expected one with a sub-folder of images for each class")
    tops = _tops(name, root)
    class_names = _class_names(name, next(iter(tops.values())))
    for text in (name, *class_names):
        if text.encode(errors="ignore").decode() != text:  # a run's files, which are UTF-8, name them
            raise LotteryError(f"the folder name {text!r} is not UTF-8; rename it")
    spoilt, listed = {}, {}
    for split, top in tops.items():
        for file, label in _listing(top, class_names, spoilt):
            listed[file] = split, label
    headers = _readable(photos.header, list(listed), spoilt)
    if not headers and not spoilt:
        raise LotteryError(
            f"{name}: no images; expected {', '.join(photos.EXTENSIONS)} files in each class's sub-folder"
        )
    if spoilt and not skip_bad:
        _readable(lambda file: photos.pixels(file, form) is None, list(headers), spoilt)
        raise LotteryError(f"{name}: {_told(root, spoilt)}. skip_bad=True leaves them out")
    if not headers:
        raise LotteryError(f"{name}: no image can be read: {_told(root, spoilt)}")
    if len(class_names) == 1:
        raise LotteryError(
            f"{name}: 1 class to tell apart, {class_names[0]}; expected 2 or more, each with a sub-folder of "
            "images"
        )
    shape = _shape(name, form, headers)
    return Folder(
        name, root, form, shape, [(file, *listed[file]) for file in headers], class_names, spoilt, skip_bad
    )


class Folder:
    """A source, as `sources.Arrays`, whose images are decoded when they are asked for."""

    def __init__(self, name, root, form, shape, listed, class_names, spoilt, skip_bad):
        self.name, self.root, self.shape, self.class_names = name, root, shape, tuple(class_names)
        self.channels = shape[-1]
        self.form = Form(form.size, shape[-1], form.crop)
        self.files, splits, labels = zip(*listed)
        self.labels = np.array(labels, np.int64)
        self.splits = _split(name, np.array(splits), self.labels)
        self.spoilt, self.skip_bad = spoilt, skip_bad

    def read(self, train_split, test_split):
        """labels, {part: rows}, and a function that decodes the images: (images, which of them could be
        read)."""
        return self.labels, rows_of(self.name, self.splits, train_split, test_split), self._images

    def _images(self):
        images = allocate(self.name, len(self.files), self.shape)
        row, spoilt = {file: n for n, file in enumerate(self.files)}, dict(self.spoilt)

        def decode(file):
            images[row[file]] = photos.pixels(file, self.form)

        read = _readable(decode, self.files, spoilt)
        if spoilt and not self.skip_bad:
            raise LotteryError(f"{self.name}: {_told(self.root, spoilt)}. skip_bad=True leaves them out")
        if spoilt:
            warnings.warn(f"left out of {self.name}: {_told(self.root, spoilt)}", stacklevel=3)
        good = np.array([file in read for file in self.files])
        images[~good] = 0
        return images, good


def _class_names(name, top):
    """The names of the folders in a folder of classes."""
    found = _folders(top)
    if not found:
        what = "files and no sub-folders" if _entries(top) else "an empty folder"
        raise LotteryError(f"{name}: {what}; expected a sub-folder of images for each class")
    inner = os.path.join(top, found[0])
    if len(found) == 1 and 0 < len(_folders(inner)) == len(_entries(inner)):
        raise LotteryError(f"{name} holds one folder, {found[0]}, which holds folders alone: give {inner}")
    return found


def _tops(name, root):
    """{split: its folder}, "" for a folder of classes."""
    inner = _folders(root)
    named = {
        split: [n for n in names if n in inner and _folders(os.path.join(root, n))]
        for split, names in SPLITS.items()
    }
    found = {split: names for split, names in named.items() if names}
    if not found:
        return {"": root}
    twice = next((names for names in found.values() if len(names) > 1), None)
    if twice:
        raise LotteryError(f"{name} holds {'/ and '.join(twice)}/: expected one of them")
    others = [n for n in inner if n not in sum(found.values(), [])]
    if "train" not in found or others and "test" not in found:
        there = [f"{n}/" for n in sum(found.values(), []) + others[:1]]
        raise LotteryError(
            f"{name} holds {', '.join(there)}: expected a sub-folder for each class, or train/ and, if "
            "there are such, validation/ and test/ with a sub-folder for each class"
        )
    return {split: os.path.join(root, *names) for split, names in found.items()}


def _split(name, splits, labels):
    """{split: rows}, each in a fixed order that mixes the classes, so that a slice of a split holds every
    class."""
    rows = {split: np.flatnonzero(splits == split) for split in dict.fromkeys(splits)}
    if "test" not in rows:
        whole = rows.pop("train", rows.pop("", None))
        held = held_out(labels[whole])
        if not len(held["train"]):
            raise LotteryError(
                f"{name}: one image a class, which is held out for test; expected several, of which a fifth "
                "is held out"
            )
        rows.update({split: whole[those] for split, those in held.items()})
    return {split: those[fixed_order(len(those))] for split, those in rows.items()}


def _readable(read, files, spoilt):
    """{file: what `read` gives of it}, on several threads; files that it cannot read go to `spoilt`, {why:
    files}."""

    def one(file):
        try:
            return read(file), None
        except photos.Unreadable as error:
            return None, str(error)
        except MemoryError as error:
            raise LotteryError(
                f"{file} and the images read beside it need more memory than is free; give a smaller "
                "image_size, or make them smaller"
            ) from error

    found = {}
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        warnings.simplefilter(
            "ignore"
        )  # Pillow's, of sizes that are not too large yet and of broken metadata
        for file, (value, why) in zip(files, pool.map(one, files)):
            if why:
                spoilt.setdefault(why, []).append(file)
            else:
                found[file] = value
    return found


def _shape(name, form, headers):
    """(height, width, channels) of all images: grey only if every file is, unless the form says which."""
    channels = form.channels or (1 if all(header.grey for header in headers.values()) else 3)
    if form.size:
        return *form.size, channels
    (first, one), *others = headers.items()
    for file, other in others:
        if other[:2] != one[:2]:
            raise LotteryError(
                f"{name}: images of differing sizes, {one.height}x{one.width} ({first}) and "
                f"{other.height}x{other.width} ({file}); give image_size, such as image_size=32"
            )
    return one.height, one.width, channels


def _folders(root):
    """The names of the folders in a folder, without hidden ones and what systems put there."""
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
        return sorted(
            entry for entry in os.listdir(folder) if entry[0] != "." and entry.lower() not in _IGNORED
        )
    except OSError as error:
        raise LotteryError(f"{folder} cannot be read: {error.strerror}") from error


def _kind(path):
    """(what kind of file it is, where links are followed; "" or why it cannot be told)."""
    try:
        return os.stat(path).st_mode, ""
    except OSError as error:  # a link to nothing or to itself
        return 0, f"cannot be read: {error.strerror}; take it out"


def _listing(top, class_names, spoilt):
    """(file, label) of the images in a folder of classes; files that cannot be images go to `spoilt`, {why:
    files}."""
    new = sorted(set(_folders(top)) - set(class_names))
    if new:
        raise LotteryError(
            f"{top} holds the class {new[0]!r}, which train/ does not; expected {', '.join(class_names)}"
        )
    for label, class_name in enumerate(class_names):
        folder = os.path.join(top, class_name)
        for entry in _entries(folder) if os.path.isdir(folder) else ():
            path = os.path.join(folder, entry)
            kind, why = _kind(path)
            within = "cannot be used, being a folder in the folder of a class: move its images up or take out"
            why = within if stat.S_ISDIR(kind) else photos.usable(entry) or why
            if not why and not stat.S_ISREG(kind):
                why = "cannot be read as an image, being no regular file: take out"
            if why:
                spoilt.setdefault(why, []).append(path)
            else:
                yield path, label


def _told(root, spoilt):
    """Each reason with the files that it is about, by their places in the folder."""
    return "; ".join(f"{_named(root, files)} {why}" for why, files in spoilt.items())


def _named(root, files):
    shown = ", ".join(os.path.relpath(file, root) for file in files[:SHOWN])
    return f"{shown} and {len(files) - SHOWN} more ({len(files)} in all)" if len(files) > SHOWN else shown
