"""The parts of a Markdown file that a command writes."""

import re
from pathlib import Path


def put(path, name, lines):
    """Write lines of text between the marks <!-- name --> and <!-- /name --> of a file, in the place of what
    is there."""
    text = "\n".join([f"<!-- {name} -->", *lines, f"<!-- /{name} -->"])
    path = Path(path)
    path.write_text(
        re.sub(f"<!-- {name} -->.*?<!-- /{name} -->", lambda _: text, path.read_text(), flags=re.S)
    )
