"""Docstrings are written to be read as they stand; this makes reStructuredText of them.

Stars and bars are themselves, arXiv numbers are links, hanging entries are lists, indented code is code.
"""

import itertools
import re

from docutils import nodes

_PAPER = re.compile(r"(?:arXiv )?\b(\d{4}\.\d{5})\b")
_LITERAL = re.compile(r"(``.*?``|`[^`]*`)")
_SECTION = re.compile(r"(Args|Returns|Raises|Attributes|Example): *$")


def rewritten(lines):
    """The lines of a docstring as reStructuredText, before napoleon reads them."""
    found = []
    for blank, paragraph in itertools.groupby(lines, key=lambda line: not line.strip()):
        if blank:
            found.append("")
            continue
        paragraph = list(paragraph)
        said = next((line for line in reversed(found) if line), "")
        if any(line.lstrip().startswith(">>>") for line in paragraph[:2]):
            found += paragraph
        elif paragraph[0].startswith("Source:"):
            found.append("**Source:** " + _plain(" ".join(paragraph).partition(":")[2]).strip())
        elif paragraph[0].startswith(" ") and _is_prose(said) and said.endswith(":"):
            found[max(place for place, line in enumerate(found) if line)] += ":"  # "::" begins code
            found += paragraph
        elif _is_prose(paragraph[0]):
            found += _prose(paragraph)
        else:
            found += map(_plain, paragraph)
    return found


def _is_prose(line):
    """Whether a line is of no section such as Args."""
    return line[:1].strip() and not _SECTION.match(line)


def _prose(paragraph):
    """A paragraph, in which entries with hanging indents, or indented ones after a colon, become lists."""
    depths = [len(line) - len(line.lstrip()) for line in paragraph]
    lines = [_plain(line.strip()) for line in paragraph]
    if not any(depths) or lines[0].startswith(("- ", "1. ")):
        return list(map(_plain, paragraph))
    hanging = not lines[depths.index(next(filter(None, depths))) - 1].endswith(":")
    found = []
    for depth, line in zip(depths, lines):
        if hanging:
            found.append(f"  {line}" if depth else f"- {line}")
        else:
            if found and bool(depth) != found[-1].startswith("- "):
                found.append("")
            found.append(f"- {line}" if depth else line)
    return found


def _plain(line):
    """A line of prose with its stars and bars escaped, and its papers as links."""
    parts = _LITERAL.split(line)
    for place, part in enumerate(parts):
        if place % 2:
            follows = parts[place + 1][:1]
            parts[place] = part + "\\ " * follows.isalnum()
        else:
            text = re.sub(r"([*|])", r"\\\1", part)
            parts[place] = _PAPER.sub(r"`arXiv \1 <https://arxiv.org/abs/\1>`__", text)
    return "".join(parts)


def _rewrite(app, what, name, obj, options, lines):
    lines[:] = rewritten(lines)


def _separate(app, doctree):
    """A colon between an argument and what is said of it, where Sphinx has two hyphens."""
    for text in list(doctree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(": "))


def setup(app):
    app.connect("doctree-read", _separate)
    app.connect("autodoc-process-docstring", _rewrite, priority=400)  # napoleon has 500
    return {"parallel_read_safe": True}
