"""Where the files of an export go; each appears whole or not at all."""

import os
import pathlib

from ..core import checks
from ..core.errors import LotteryError
from ..core.files import new_file
from .convert import ENCODINGS


def checked_path(path, overwrite):
    """The path of a .tflite file to write, a `Path`.

    Raises:
      LotteryError: it has another ending, is there, or cannot be written.
    """
    if not isinstance(path, (str, os.PathLike)) or pathlib.Path(path).suffix != ".tflite":
        raise LotteryError(f"{str(path)!r} cannot be written: expected a file name that ends in .tflite.")
    path = checks.path(path, "a file name that ends in .tflite")
    try:
        if path.exists() and not overwrite:
            raise LotteryError(f"{path} exists: choose another path, or pass overwrite=True.")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
    except OSError as error:
        raise LotteryError(f"cannot write {path}: {error.strerror}.") from error
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "it is a folder" if path.is_dir() else f"{folder} is not a folder that you may write in"
        raise LotteryError(f"cannot write {path}: {what}.")
    return path


def places_of(variants_dir, formats, path, overwrite):
    """{(format, encoding): the file to keep that variant in}; {} where none are kept."""
    if variants_dir is None:
        return {}
    folder = pathlib.Path(checks.path(variants_dir, "a folder's name"))
    kept = {
        (form, encoding): checked_path(folder / f"{form}-{encoding}.tflite", overwrite)
        for form in formats
        for encoding in ENCODINGS
    }
    if path.resolve() in {place.resolve() for place in kept.values()}:
        raise LotteryError(f"{path} is where variants_dir keeps one of the variants: choose another path.")
    return kept


def write_kept(variants, kept, files):
    """Keep the variants without a problem; the file of another, from an export before, goes."""
    for variant in variants if kept else ():
        place = kept[variant.format, variant.encoding]
        if variant.problem is None:
            write(place, files[variant.format, variant.encoding])
        else:
            place.unlink(missing_ok=True)


def write(path, content):
    """Write a file, and make its folder; raises LotteryError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LotteryError(f"cannot write {path}: {error.strerror}.") from error
    with new_file(path) as aside:
        aside.write_bytes(content)
