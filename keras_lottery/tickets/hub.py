"""Tickets on the Hugging Face Hub: hf://user/name, downloaded and published by huggingface_hub."""

import contextlib
import re
from pathlib import Path

from ..core.errors import LotteryError
from .reaching import reason
from .ticket_file import FILES

_ADDRESS = re.compile(r"hf://(?!.*\.\.)(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)


def downloaded(address: str) -> Path:
    """The folder, in the cache of huggingface_hub, of the ticket in a repository.

    Only the files that a ticket has are fetched; without the internet it is what was fetched before.

    Args:
      address: "hf://user/name", or "hf://user/name@revision": a branch, a tag or a commit.

    Raises:
      LotteryError: no such repository or revision, or huggingface_hub is not installed.
    """
    repo, revision = _parts(address)
    hub = _hub()
    with _in_a_line(hub, address):
        folder = hub.snapshot_download(repo, revision=revision, allow_patterns=list(FILES), **_us())
    return Path(folder)


def repository(address: str) -> str:
    """The "user/name" of an address to publish at.

    Raises:
      LotteryError: it is no such address, or names a revision.
    """
    repo, revision = _parts(address)
    if revision:
        raise LotteryError(f"{address!r} names a revision, which the hub makes itself: give 'hf://{repo}'.")
    return repo


def published(folder: Path, address: str) -> str:
    """Put a ticket's folder into a repository, which is made if it is not there, as one commit.

    Returns:
      The address of that commit, "hf://user/name@commit".

    Raises:
      LotteryError: you may not write there, or huggingface_hub is not installed.
    """
    repo, hub = repository(address), _hub()
    with _in_a_line(hub, address):
        api = hub.HfApi(**_us())
        api.create_repo(repo, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            commit_message="Ticket of keras_lottery",
            delete_patterns=list(FILES),  # of a ticket that had more of them
        )
    return f"hf://{repo}@{commit.oid}"


def _parts(address):
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise LotteryError(
            f"{address!r} is no address on the Hugging Face Hub: give hf://user/name, or "
            "hf://user/name@revision."
        )
    return found["repo"], found["revision"]


def _us():
    from .. import __version__

    return {"library_name": "keras_lottery", "library_version": __version__}


def _hub():
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise LotteryError(
            "addresses on the Hugging Face Hub need huggingface_hub: pip install 'keras_lottery[hub]'."
        ) from error
    return huggingface_hub


@contextlib.contextmanager
def _in_a_line(hub, address):
    """What the hub, or the way to it, has against something, as a LotteryError of one line."""
    try:
        yield
    except hub.errors.RepositoryNotFoundError as error:
        raise LotteryError(
            f"{address!r}: there is no such repository, or you may not use it. Look at its name; for one of "
            "your own log in with: hf auth login."
        ) from error
    except hub.errors.RevisionNotFoundError as error:
        raise LotteryError(
            f"{address!r}: the repository has no branch, tag or commit of that name."
        ) from error
    except (OSError, ValueError, RuntimeError, hub.errors.HTTPError) as error:
        raise LotteryError(
            f"{address!r}: the Hugging Face Hub cannot be used: {reason(error)}. Look at the network and try "
            "again; a ticket that was fetched before, or a folder with one, needs no network."
        ) from error
