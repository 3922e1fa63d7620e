"""What an error of Keras 3 says, in a line."""

import re


def in_a_line(error):
    """The first paragraph of an error's text that says something: Keras puts the class, its config and the
    call before it."""
    text = re.sub("\x1b\\[[0-9;]*m", "", str(error)).rpartition("Error encountered during deserialization:")[
        2
    ]
    said = [" ".join(part.split()).removeprefix("Exception encountered: ") for part in text.split("\n\n")]
    where = (
        "<",
        "config=",
        "Error when deserializing class",
        "Exception encountered when calling",
        "Arguments received by",
    )
    return next((part for part in said if part and not part.startswith(where)), type(error).__name__)[:300]
