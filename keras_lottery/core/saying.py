"""Lines that the package prints, in the words of who reads them: arguments in Python, flags in a command."""

import contextlib
from collections.abc import Callable, Iterator

_words: list[Callable] = [str]  # the last one counts


def say(line: object) -> None:
    """Print a line at once.

    >>> with in_words(str.upper):
    ...     say("epochs=3")
    EPOCHS=3
    """
    print(_words[-1](str(line)), flush=True)


@contextlib.contextmanager
def in_words(translated: Callable[[str], str]) -> Iterator[None]:
    """In this block, what is said is said as `translated` gives it."""
    _words.append(translated)
    try:
        yield
    finally:
        _words.pop()
