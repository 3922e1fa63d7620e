"""Text of others: on a terminal it is text alone."""

import doctest

from rich.table import Table

from keras_lottery.core import visible
from keras_lottery.core.saying import say
from keras_lottery.core.screen import Screen

NAME = "\x1b]0;title\x07\x1b[31m\ud800\r[b]:cat: \x9b2J é"
SHOWN = r"\x1b]0;title\x07\x1b[31m\ud800\r[b]:cat: \x9b2J é"


def test_what_is_printed_moves_no_cursor(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    say(f"{NAME}\tmore\nlines")
    table = Table(NAME, title=NAME, caption=NAME)
    table.add_row(NAME)
    Screen().print(table)
    Screen().print(NAME)
    printed = capsys.readouterr().out
    assert printed.startswith(f"{SHOWN}\tmore\nlines\n") and printed.count(SHOWN) == 6
    assert not {"\x1b", "\x07", "\r", "\ud800", "\x9b"} & set(printed)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(visible) == (0, 2)
