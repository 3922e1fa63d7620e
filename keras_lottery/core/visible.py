"""Text of others as it may be shown: on a terminal without moving it, in Markdown without breaking it."""

import re

_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # controls but tab and newline, surrogates


def visible(text: str) -> str:
    """`text`, in which what moves a terminal's cursor, or what no file can hold, is written as an escape.

    >>> print(visible("\\x1b[2J, naïve"))
    \\x1b[2J, naïve
    """
    return _ODD.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def cell(value: object) -> str:
    """A value as one cell of a table in Markdown, as text: no HTML, no link, no picture.

    >>> print(cell("a|b <img src=x> ![c](d)"))
    a\\|b &lt;img src=x> ![c]\\(d)
    """
    text = visible(" ".join(str(value).split()))
    return text.replace("|", "\\|").replace("<", "&lt;").replace("](", "]\\(")
