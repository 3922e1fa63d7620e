"""Notes of a ticket as others may read them: without where files are on their author's machine."""

import contextlib
import re
import shlex
from typing import Any

_START = r"(?:file://)?(?:~[\w.-]*|[A-Za-z]:)?[\\/]{1,2}(?=[^\s\\/])"
_WHOLE = re.compile(_START)
_WITHIN = re.compile(rf"(?<![\w.~\\/-])(?!(?<=:)//){_START}[^\s'\"`<>|,;()\[\]{{}}]+")


def without_paths(notes: Any) -> Any:
    """`notes`, where absolute paths and those from a home folder are their last part alone.

    >>> without_paths({"data": {"name": "/home/ada/photos"}, "model": "~/nets/mine.keras", "epochs": 3})
    {'data': {'name': 'photos'}, 'model': 'mine.keras', 'epochs': 3}
    >>> without_paths("lottery-find '--dataset=/home/ada/my photos' --model=lenet")
    "lottery-find '--dataset=my photos' --model=lenet"
    >>> without_paths(["see /tmp/a/b.txt or https://a.org/b", "hf://user/name", "conv/kernel", "1 / 2"])
    ['see b.txt or https://a.org/b', 'hf://user/name', 'conv/kernel', '1 / 2']
    """
    if isinstance(notes, dict):
        return {key: without_paths(note) for key, note in notes.items()}
    if isinstance(notes, (list, tuple)):
        return [without_paths(note) for note in notes]
    return _of_text(notes) if isinstance(notes, str) else notes


def _of_text(text):
    if text.startswith("lottery-"):
        with contextlib.suppress(ValueError):  # it is no command after all
            return shlex.join(map(_of_word, shlex.split(text)))
    return _of_value(text)


def _of_word(word):
    """A word of a command: --name=value, or another."""
    name, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{name}{equals}{_of_value(value)}"


def _of_value(text):
    if _WHOLE.match(text):
        return _last(text)
    return _WITHIN.sub(lambda found: _last(found[0]), text)


def _last(path):
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]
