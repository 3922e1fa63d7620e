"""The built site stands alone: every local link leads somewhere, and no page fetches anything."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {  # tag -> the attribute that a browser fetches by itself
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
}


class Page(HTMLParser):
    """What a page links to, what it fetches and which anchors it has."""

    def __init__(self, text):
        super().__init__()
        self.links, self.fetched, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get(FETCHED.get(tag)):
            self.fetched.append(given[FETCHED[tag]])


def problems(folder):
    """Lines on what is wrong with the site in a folder."""
    files = [path for path in Path(folder).rglob("*.html") if "_static" not in path.parts]  # the theme's own
    pages = {path: Page(path.read_text()) for path in files}
    return [
        f"{path.relative_to(folder)}: {problem}"
        for path, page in pages.items()
        for problem in (*_fetches(page), *_lost(path, page, pages))
    ]


def _fetches(page):
    return [f"fetches {address}" for address in page.fetched if urlsplit(address).netloc]


def _lost(path, page, pages):
    for link in (*page.links, *page.fetched):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if not target.is_file():
            yield f"links to {link}, which is not there"
        elif anchor and target in pages and anchor not in pages[target].anchors:
            yield f"links to {link}, and that page has no such place"


def _check(app, exception):
    if exception is None and app.builder.name == "html":
        found = problems(Path(app.outdir).resolve())
        if found:
            from sphinx.errors import ExtensionError

            raise ExtensionError("the site does not stand alone:\n  " + "\n  ".join(found))


def setup(app):
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
