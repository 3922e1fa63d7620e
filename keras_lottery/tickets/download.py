"""A ticket at an https address: a zip file of its folder, the same each time or refused."""

import contextlib
import filecmp
import hashlib
import os
import re
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from ..core import files
from ..core.checks import shown
from ..core.errors import LotteryError
from .archive import LARGEST, unpack
from .reaching import reason
from .ticket_file import TICKET

_HASH = "#sha256="  # after an address, as pip has it
_SECONDS = 30  # without an answer


def fetched(address: str, sha256: str | None = None) -> Path:
    """The folder, in the user's cache, of the ticket in the zip file at an https address.

    The address is asked each time. A file fetched before serves where it cannot be reached.

    Args:
      address: "https://...", which may end in "#sha256=" and the hash.
      sha256: hash of the zip file; by default the address's, or what the file there had the first time.

    Raises:
      LotteryError: no such file, another one than the hash says, or none that holds a ticket.
    """
    url, _, told = address.partition(_HASH)
    if not url.startswith("https://"):
        raise LotteryError(
            f"{url!r} is no address of a ticket: give https://... of a zip file, or hf://user/name."
        )
    given = told if sha256 is None and _HASH in address else sha256
    wanted = _remembered(url) if given is None else _checked(given, _HASH if given is told else "sha256=")
    cache = files.cache_folder("tickets")
    files.check_writable(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with files.writing(cache), tempfile.TemporaryDirectory(dir=cache, prefix=".writing-") as aside:
        try:
            found = _download(url, Path(aside, "zip"))
        except _Unreachable:
            if wanted and (cache / wanted / TICKET).is_file():
                return cache / wanted
            raise
        if wanted and found != wanted:
            raise LotteryError(
                f"{url!r} is another file than {'the first time' if given is None else 'sha256 says'}: its "
                f"SHA-256 is {found}, not {wanted}. Use it only if its maker says so: give its hash "
                f"after the address, as {_HASH}HASH (or as sha256='HASH')."
            )
        _keep(Path(aside, "zip"), Path(aside, "ticket"), cache / found, url)
    files.write_json(_memory(url), {"address": url, "sha256": found})
    return cache / found


class _Unreachable(LotteryError):
    """Nothing answers at an address."""


def _checked(sha256, name):
    if not re.fullmatch("[0-9a-f]{64}", str(sha256).lower()):
        raise LotteryError(
            f"{name}{shown(sha256)} is no SHA-256: give the 64 digits that sha256sum prints for the file."
        )
    return sha256.lower()


def _memory(url):
    """The file that says what the address gave the first time."""
    return files.cache_folder("tickets") / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"


def _remembered(url):
    return files.read_json(_memory(url)).get("sha256") if _memory(url).is_file() else None


def _keep(archive, made, folder, url):
    """Unpack a ticket, unless the folder has just this already."""
    made.mkdir()
    try:
        unpack(archive, made)
    except LotteryError as error:
        raise LotteryError(f"{url!r} holds no ticket to use: {error}.") from error
    if not _same(made, folder):
        with contextlib.suppress(OSError):  # nothing is there
            os.replace(folder, made.with_name("damaged"))
        with contextlib.suppress(OSError):  # another process has put the same there meanwhile
            os.replace(made, folder)


def _same(made, folder):
    names = os.listdir(made)
    with contextlib.suppress(OSError):
        if sorted(names) == sorted(os.listdir(folder)):
            return all(filecmp.cmp(made / name, folder / name, shallow=False) for name in names)
    return False


def _download(url, path):
    """Write the file at an address; its SHA-256.

    Raises:
      _Unreachable: nothing answers there.
      LotteryError: there is no such file, or it is larger than a ticket.
    """
    import requests

    digest, size = hashlib.sha256(), 0
    try:
        plainly = {"Accept-Encoding": "identity"}
        with (
            requests.get(url, stream=True, timeout=_SECONDS, headers=plainly) as answer,
            open(path, "wb") as file,
        ):
            _check_answer(url, answer)
            for block in answer.iter_content(2**20):
                size += len(block)
                if size > LARGEST:
                    raise LotteryError(f"{url!r} has more than {LARGEST:,} bytes, more than any ticket.")
                digest.update(block)
                file.write(block)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _Unreachable(
            f"{url!r} cannot be reached: {reason(error)}. Look at the address and the network, or fetch the "
            "file by other means, unpack it and give its folder."
        ) from error
    except requests.RequestException as error:
        raise LotteryError(
            f"{url!r} cannot be fetched: {reason(error)}. Look at the address, or ask its maker for another."
        ) from error
    return digest.hexdigest()


def _check_answer(url, answer):
    for step in (*answer.history, answer):
        if urlsplit(step.url).scheme != "https":
            raise LotteryError(f"{url!r} leads to {step.url!r}, which is no https address: give another.")
    answer.raise_for_status()
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise LotteryError(
            f"{url!r} is sent with Content-Encoding {encoding!r}, and only files that are sent unchanged are "
            "accepted: put the zip file on another server."
        )
