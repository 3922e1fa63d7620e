"""A folder that one process at a time works in."""

import contextlib
import os

from .errors import LotteryError

try:
    import fcntl
except ImportError:  # Windows has no locks of folders
    fcntl = None

_ours = set()  # folders that this process works in


@contextlib.contextmanager
def alone(folder):
    """In the block no other process may enter one for the same folder; what runs inside of it in this process
    may. A process that ends, however it does, leaves its folders free.

    Raises:
      LotteryError: another process works in the folder.
    """
    place = os.path.realpath(folder)
    if fcntl is None or place in _ours:
        yield
        return
    descriptor = os.open(place, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        _ours.add(place)
        yield
    finally:
        _ours.discard(place)
        os.close(descriptor)


def _lock(descriptor, folder):
    with contextlib.suppress(OSError):  # of a file system without locks
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LotteryError(
                f"another process works in {str(folder)!r}: let it end, or give another folder."
            ) from None
