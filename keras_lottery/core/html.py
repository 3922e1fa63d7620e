"""A table as notebooks show it."""

from html import escape


def table(caption, header, rows) -> str:
    """An HTML table; all that it is given is text of people, not HTML.

    >>> table("one <net>", ["weight"], [["a/kernel"]])
    '<table><caption>one &lt;net&gt;</caption><tr><th>weight</th></tr><tr><td>a/kernel</td></tr></table>'
    """

    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><caption>{escape(caption)}</caption>{line(header, 'th')}{body}</table>"
