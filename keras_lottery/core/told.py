"""What Keras and its backend find wrong with data, as one line."""

import contextlib
import re
import sys
import traceback

from .errors import LotteryError

_THEIRS = ("tensorflow", "tf_keras", "keras", "jax", "jaxlib", "torch")  # packages
_REFUSED = (
    "InvalidArgument",
    "FailedPrecondition",
    "OutOfRange",
    "Unimplemented",
    "Unknown",
)  # TensorFlow's errors
_AROUND = (
    "[[",
    "File ",
    "Detected at ",
    "Traceback ",
    "in user code",
    "Graph execution error",
    "Call arguments",
    "Arguments received",
    "Stack trace",
    "•",
    "^",
    "The above exception",
)  # how lines begin that say where, not what
_CURES = {  # by what TensorFlow says
    "Input dataset was expected to contain": "Give assert_cardinality the number of batches that there "
    "are, or leave it out.",
    "outside the valid range": "Give as labels the numbers of the model's outputs, from 0.",
    " is not in [0, ": "Give as labels the numbers of the model's outputs, from 0, and to an Embedding "
    "numbers below its input_dim.",
}


@contextlib.contextmanager
def told_in_one_line(name="the data"):
    """In this block, what Keras or its backend refuses becomes a LotteryError of one line; errors of other
    code stay what they are."""
    tf = sys.modules.get("tensorflow")
    refused = [getattr(tf.errors, f"{name}Error") for name in _REFUSED] if tf else []
    try:
        yield
    except LotteryError:
        raise
    except (ValueError, TypeError, *refused) as error:
        frames = traceback.extract_tb(error.__traceback__)
        places = (*(f"/{package}/" for package in _THEIRS), "__autograph_generated_file")
        if not any(place in frames[-1].filename.replace("\\", "/") for place in places):
            raise
        said = _line(error)
        cure = next(
            (cure for mark, cure in _CURES.items() if mark in said),
            "Look at what the model was made for, and at the shapes and types of the data.",
        )
        raise LotteryError(f"{name} cannot be used: {said}. {cure}") from error


def _line(error):
    """The line of an error's message that says what is wrong, which is the last one, without the places
    around it."""
    lines = [
        re.sub(r"^{{.*?}} *", "", line.strip()) for line in str(getattr(error, "message", error)).splitlines()
    ]
    said = next(
        (line for line in reversed(lines) if line and not line.startswith(_AROUND)), type(error).__name__
    )
    said = said.partition(" [Op:")[0].removeprefix(f"{type(error).__name__}: ")
    return said.rstrip(". ") if len(said) <= 300 else f"{said[:300]}..."
