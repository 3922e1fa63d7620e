"""Files of a run: every name, and writing so that a file or folder appears whole or not at all."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .errors import LotteryError

CONFIG = "config.json"
INITIAL = "initial.safetensors"
REWIND = "rewind.safetensors"
BACKUP = "epoch.safetensors"
RESULT = "result.json"


def round_folder(run_dir, number):
    """The ticket folder of a finished round; it is there only once the round is finished."""
    return Path(run_dir) / f"round_{number:02d}"


def finished_rounds(run_dir):
    """How many rounds of the run are finished, the dense round 0 included."""
    number = 0
    while round_folder(run_dir, number).is_dir():
        number += 1
    return number


def open_run(run_dir, config):
    """Make or reopen the folder of the run that `config` (JSON-able) describes.

    Raises:
      LotteryError: the folder holds another run (the difference is shown), something
        that is no run, or cannot be written.
    """
    run_dir = Path(run_dir)
    config = json.loads(json.dumps(config))
    check_writable(run_dir)
    if (run_dir / CONFIG).exists():
        there = read_json(run_dir / CONFIG)
        if there != config:
            raise LotteryError(
                f"{run_dir} holds a run with another configuration: {'; '.join(differences(there, config))}. "
                "Give another run_dir, or the same configuration to go on."
            )
    elif any(not path.name.startswith(".") for path in run_dir.iterdir()):
        raise LotteryError(f"{run_dir} is not empty and holds no run of this kind: give another run_dir.")
    else:
        write_json(run_dir / CONFIG, config)
    for leftover in run_dir.glob(".writing-*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return run_dir


def check_writable(folder):
    """Make `folder` and its parents; raises LotteryError if files cannot be made in it."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LotteryError(f"cannot write to {str(folder)!r}: {error.strerror}. Give a folder you may write to.") from error


def differences(old, new, name=""):
    """Lines that name the entries in which two JSON-able values differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for key in sorted({*old, *new})
            for line in differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if old == new else [f"{name} was {_short(old)}, now {_short(new)}"]


@contextlib.contextmanager
def new_file(path):
    """A path to write to; it becomes `path` when the block ends without an error."""
    path = Path(path)
    aside = path.with_name(f".writing-{path.name}.{os.getpid()}")
    try:
        yield aside
        os.replace(aside, path)
    except OSError as error:
        raise LotteryError(f"cannot write {str(path)!r}: {error.strerror or error}.") from error
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path, overwrite=False):
    """A folder to fill; it becomes `path` when the block ends without an error.

    Raises:
      LotteryError: `path` exists and overwrite is False, or it cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise LotteryError(f"{str(path)!r} exists already: give another path, or overwrite=True (--overwrite).")
    check_writable(path.parent)
    aside = path.with_name(f".writing-{path.name}.{os.getpid()}")
    try:
        aside.mkdir()
        yield aside
        if path.exists():
            old = path.with_name(f".writing-{path.name}.{os.getpid()}.old")
            os.replace(path, old)
            os.replace(aside, path)
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        else:
            os.replace(aside, path)
    except OSError as error:
        raise LotteryError(f"cannot write {str(path)!r}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_json(path, value):
    with new_file(path) as aside:
        aside.write_text(json.dumps(value, indent=1) + "\n")


def read_json(path):
    """Raises LotteryError if the file is cut or altered so that it is no JSON."""
    try:
        return json.loads(Path(path).read_text())
    except ValueError as error:
        raise LotteryError(f"{str(path)!r} is damaged: {error}. Delete it or restore it from a copy.") from error


def write_arrays(path, arrays, **notes):
    """{name: array} and JSON-able notes in one safetensors file."""
    arrays = {name: np.array(value, order="C") for name, value in arrays.items()}
    with new_file(path) as aside:
        aside.write_bytes(save(arrays, metadata={"notes": json.dumps(notes)}))


def read_arrays(path):
    """({name: array}, notes) of `write_arrays`; raises LotteryError for a damaged file."""
    data = Path(path).read_bytes()
    try:
        arrays = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return arrays, json.loads(header.get("__metadata__", {}).get("notes", "{}"))
    except (SafetensorError, ValueError) as error:
        raise LotteryError(f"{str(path)!r} is cut or altered: {error}. Restore it from a copy.") from error


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({hashlib.sha256(text.encode()).hexdigest()[:8]})"
