"""The .tflite files that are compared: read, named, and weighed as they are and as a download."""

import gzip
import os
from collections.abc import Iterable

import zstandard

from ...core.checks import path as checked_path
from ...core.checks import shown
from ...core.errors import LotteryError

ZSTD_LEVEL = 19  # what a store's server takes the time for, once


def read(files):
    """{name: content} of {name: bytes or path}, or of a list of paths, which are names too.

    Raises:
      LotteryError: there is none, one is not there, cannot be read, is given twice, or is no .tflite file.
    """
    if isinstance(files, (str, bytes, os.PathLike)):
        files = [files]
    if not isinstance(files, Iterable):
        raise LotteryError(f"files is {shown(files)}: give .tflite files, the one to compare with first.")
    if not isinstance(files, dict):
        paths = list(files)
        unnamed = [path for path in paths if isinstance(path, (bytes, bytearray))]
        if unnamed:
            raise LotteryError("contents need names: give {name: bytes}.")
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise LotteryError(f"{str(twice)!r} is given twice: give each file once.")
        files = {str(path): path for path in paths}
    if not files:
        raise LotteryError("no file given: give .tflite files, the one to compare with first.")
    return {str(name): _content(str(name), file) for name, file in files.items()}


def sizes(content):
    """(bytes, bytes with gzip -9, bytes with zstd -19)."""
    return (
        len(content),
        len(gzip.compress(content, 9, mtime=0)),
        len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(content)),
    )


def _content(name, file):
    if not isinstance(file, (bytes, bytearray)):
        try:
            file = checked_path(file, ".tflite files").read_bytes()
        except (OSError, ValueError) as error:
            why = {FileNotFoundError: "there is no such file", IsADirectoryError: "it is a folder"}.get(
                type(error)
            )
            raise LotteryError(
                f"cannot read {name!r}: {why or getattr(error, 'strerror', None) or error}. "
                "Give .tflite files."
            ) from error
    if bytes(file[4:8]) != b"TFL3":  # the schema's file_identifier
        what = f"{len(file):,} bytes without TFLite's mark 'TFL3'" if file else "empty"
        raise LotteryError(
            f"{name!r} is no .tflite file ({what}): give files that lottery-export or TFLite's converter "
            "wrote."
        )
    return bytes(file)
