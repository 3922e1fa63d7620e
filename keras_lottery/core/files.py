"""Files of a run: every name, and writing so that a file or folder appears whole or not at all."""

import contextlib
import gzip
import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import zlib
from pathlib import Path

import ml_dtypes  # noqa: F401  which makes bfloat16 a dtype of NumPy, for safetensors
from safetensors import SafetensorError, safe_open

from . import checks, team, tensors
from .errors import LotteryError
from .jsonable import plain, text


def cache_folder(name):
    """The folder of that name that this package keeps for the user between runs; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras_lottery" / name


def check_writable(folder):
    """Raises LotteryError if `folder` cannot be made or files cannot be made in it; leaves nothing there."""
    folder = checks.path(folder, "a folder's name")
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryDirectory(dir=there, prefix=".writing-"):
            pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise LotteryError(
            f"cannot write to {str(folder)!r}: {why}. Give a folder you may write to."
        ) from error


@contextlib.contextmanager
def new_file(path):
    """A path to write to; it becomes `path` when the block ends without an error. Of a team the chief alone
    writes."""
    if not team.is_chief():
        with tempfile.TemporaryDirectory() as nowhere:
            yield Path(nowhere, "file")
        return
    path = checks.path(path)
    aside = _aside(path)
    with writing(path):
        try:
            yield aside
            os.replace(aside, path)
        finally:
            delete(aside)


@contextlib.contextmanager
def new_folder(path, overwrite=False):
    """A folder to fill; it becomes `path` when the block ends without an error. Of a team the chief alone
    writes.

    Raises:
      LotteryError: `path` exists and overwrite is False, or it cannot be written.
    """
    if not team.is_chief():
        with tempfile.TemporaryDirectory() as nowhere:
            yield Path(nowhere)
        return
    path = checks.path(path, "a folder's name")
    if os.path.exists(path) and not overwrite:
        raise LotteryError(f"{str(path)!r} exists already: give another path, or overwrite=True.")
    check_writable(path.parent)
    aside = _aside(path)
    with writing(path):
        try:
            aside.mkdir(parents=True)
            yield aside
            if overwrite and path.exists():
                old = aside.with_name(aside.name + ".old")
                os.replace(path, old)
                os.replace(aside, path)
                delete(old)
            else:
                os.replace(aside, path)
        finally:
            delete(aside)


def write_json(path, value):
    with new_file(path) as aside:
        aside.write_text(text(plain(value)) + "\n")


def read_json(path):
    """Raises LotteryError if the file cannot be read, or is cut or altered so that it is no JSON."""
    try:
        return json.loads(Path(path).read_text(), parse_int=_whole)
    except OSError as error:
        raise LotteryError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise LotteryError(
            f"{str(path)!r} is damaged: {error}. Delete it or restore it from a copy."
        ) from error


def _whole(digits):
    """A whole number in JSON, of a size that a float can have."""
    number = int(digits)
    if abs(number) > sys.float_info.max:
        raise ValueError(f"a number in it has {len(digits)} digits")
    return number


def write_arrays(path, arrays, **notes):
    """{name: array} and JSON-able notes in one safetensors file; compressed if the name ends in .gz.

    A Mapping such as `lazily.Lazily` may make each array when it is asked for: one at a time is held.
    """
    with new_file(path) as aside, open(aside, "wb") as file:
        packed = Path(path).suffix == ".gz"  # mtime=0: equal content is equal files
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) if packed else file as opened:
            tensors.write(opened, arrays, {"notes": json.dumps(notes)})


def read_arrays(path, below="", most=None):
    """({name: array}, notes) of `write_arrays`, of the names that begin with `below`.

    most: bytes that a compressed file may unpack to.

    Raises:
      LotteryError: the file is missing, cut or altered, or unpacks to more.
    """
    try:
        with (
            _unpacked(Path(path), most) as plain,
            safe_open(plain, "numpy", backend="pread") as file,
        ):  # read, not mapped: whoever cuts the file meanwhile would kill this process
            arrays = {name: file.get_tensor(name) for name in file.keys() if name.startswith(below)}
            return arrays, json.loads((file.metadata() or {}).get("notes", "{}"))
    except (
        OSError,
        SafetensorError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        if isinstance(error, LotteryError):
            raise
        said = " ".join(str(error).split())[:200]
        raise LotteryError(
            f"{str(path)!r} is missing, cut or altered: {said}. Restore it from a copy."
        ) from error


def decompressed(path, most=None):
    """The content of a .gz file.

    Raises:
      LotteryError: it is cut or altered, or unpacks to more than `most` bytes.
    """
    try:
        with gzip.open(path) as file:
            content = file.read(-1 if most is None else most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LotteryError(
            f"{str(path)!r} is missing, cut or altered: {error}. Restore it from a copy."
        ) from error
    if most is not None and len(content) > most:
        raise LotteryError(
            f"{str(path)!r} unpacks to more than the {most:,} bytes that it can have. Restore it from a copy."
        )
    return content


@contextlib.contextmanager
def _unpacked(path, most):
    """The path of a file, or of its content if the name ends in .gz."""
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        content = Path(folder, "content")
        content.write_bytes(decompressed(path, most))
        yield content


def remove(path):
    """Delete a file that may be there."""
    if team.is_chief():
        Path(path).unlink(missing_ok=True)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def delete(path):
    """Delete a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _aside(path):
    """A name that no other process takes, on whatever machine, and that is no longer than files' may be."""
    return path.with_name(f".writing-{secrets.token_hex(8)}")


@contextlib.contextmanager
def writing(path):
    """Within it, what the system or safetensors' format has against writing to `path` is a LotteryError."""
    try:
        yield
    except OSError as error:
        raise LotteryError(f"cannot write {str(path)!r}: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise LotteryError(f"cannot write {str(path)!r}: {error}.") from error
