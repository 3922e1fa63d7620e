"""A ticket's folder in a zip file, read as data: its own files alone are unpacked, under names of ours."""

import io
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ..architecture.trust import line
from ..core.errors import LotteryError
from .ticket_file import FILES, TICKET

LARGEST = 2**32  # bytes; the largest network of keras.applications makes a ticket of 2.8 GB
_TIMES, _MORE = 100, 2**20  # a ticket unpacks to at most so many times its zip's bytes, and so many more
_PIECE = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others let the file say how much memory they take
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of the ticket in a zip file into a folder. Other files in it are left packed.

    The ticket lies at the top of the zip file or in a folder of it.

    Raises:
      LotteryError: it is no zip file, is damaged, holds no ticket or several, a link or a name that leads out
        of it, or unpacks to more than a ticket does.
    """
    try:
        with _InPieces(archive) as file, zipfile.ZipFile(file) as opened:
            members = _members(opened.infolist())
            _check_size(members.values(), archive.stat().st_size)
            for name, member in members.items():
                with opened.open(member) as packed, open(folder / name, "wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, _PIECE)
    except LotteryError:
        raise
    except _DAMAGED as error:
        raise LotteryError(f"it is no zip file, or a damaged one: {line(str(error))}") from error


class _InPieces(io.FileIO):
    """A file whose parts are all short, as those of a ticket's zip are; its list of files is one of them."""

    def read(self, size=-1):
        content = super().read(_PIECE + 1 if size is None or size < 0 else min(size, _PIECE + 1))
        if len(content) > _PIECE:
            raise LotteryError("it lists more files than any ticket has")
        return content


def _members(entries):
    """{name of a file of the ticket: its entry in the zip file}."""
    for entry in entries:
        _check_name(entry)
    tickets = [entry for entry in entries if entry.filename.rpartition("/")[2] == TICKET]
    if len(tickets) != 1:
        raise LotteryError(f"it holds {len(tickets)} files {TICKET}: make a zip file of one ticket's folder")
    top = tickets[0].filename.removesuffix(TICKET)
    found = {}
    for entry in entries:
        name = entry.filename.removeprefix(top)
        if entry.filename.startswith(top) and name in FILES:
            if name in found:
                raise LotteryError(f"it holds {name} twice")
            found[name] = entry
    return found


def _check_name(entry):
    name = entry.filename
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
        raise LotteryError(f"it holds a file called {line(name)}, which leads out of its folder")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise LotteryError(f"it holds {line(name)}, which is a link")


def _check_size(members, packed):
    for member in members:
        if member.compress_type not in _METHODS:
            raise LotteryError(f"{line(member.filename)} is packed in a way that is not deflate")
    size = sum(member.file_size for member in members)
    if size > min(LARGEST, _TIMES * packed + _MORE):
        raise LotteryError(f"its {packed:,} bytes unpack to {size:,}, more than those of a ticket do")
