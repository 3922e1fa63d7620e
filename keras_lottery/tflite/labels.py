"""Class names inside a .tflite file: labels.txt, packed as TFLite's associated files are, a zip at the file's
end."""

import io
import unicodedata
import zipfile

from ..core.checks import shown
from ..core.errors import LotteryError

NAME = "labels.txt"


def checked(class_names):
    """The names as a list of str, or None.

    Raises:
      LotteryError: they are no names.
    """
    if class_names is None:
        return None
    names = [str(name) for name in class_names] if isinstance(class_names, (list, tuple)) else []
    if len(names) < 2 or not all(map(_is_line, names)):
        raise LotteryError(
            f"class_names is {shown(class_names)}: expected one name a class, each a line of text."
        )
    return names


def _is_line(name):
    """Whether a name is a line of text, without what moves a terminal's cursor or no file can hold."""
    return (
        bool(name.strip())
        and name.splitlines() == [name]
        and not any(unicodedata.category(one) in ("Cc", "Cs") for one in name)
    )


def fitting(names, outputs):
    """The names, if there is one for each score of the first output, or two for its only score: what it is
    low for, and what it is high for.

    Raises:
      LotteryError: there are more or fewer.
    """
    count = next(iter(outputs.values())).shape[-1]
    if names is not None and len(names) != max(count, 2):
        raise LotteryError(
            f"class_names holds {len(names)} names: the model's first output has {count} scores."
        )
    return names


def packed(content, names):
    """The file with its labels; as it is without any.

    >>> with zipfile.ZipFile(io.BytesIO(packed(b"the model", ["cat", "dog"]))) as inside:
    ...     inside.read("labels.txt").decode().split()
    ['cat', 'dog']
    """
    if names is None:
        return content
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(NAME), "\n".join(names) + "\n")
    return file.getvalue()
