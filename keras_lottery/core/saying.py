"""Lines that the package prints, in the words of who reads them: arguments in Python, flags in a command."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from .visible import visible

_words: list[Callable] = [str]  # the last one counts


def say(line: object) -> None:
    """Print a line at once.

    >>> with in_words(str.upper):
    ...     say("epochs=3")
    EPOCHS=3
    """
    print(visible(_words[-1](str(line))), flush=True)


def is_drawn() -> bool:
    """Whether bars can be drawn where things are printed: on a terminal or in a notebook, not in a file."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules


@contextlib.contextmanager
def in_words(translated: Callable[[str], str]) -> Iterator[None]:
    """In this block, what is said is said as `translated` gives it."""
    _words.append(translated)
    try:
        yield
    finally:
        _words.pop()
