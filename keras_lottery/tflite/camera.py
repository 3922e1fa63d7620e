"""Images as a camera gives them: uint8, normalised inside the file."""

import numpy as np

from ..core.errors import LotteryError
from ..core.pixels import Pixels


def checked(normalization, specs):
    """`Pixels` of (mean, std), or None.

    Raises:
      LotteryError: it does not fit the model's input.
    """
    if normalization is None:
        return None
    shape = specs[0].shape
    if len(specs) > 1 or len(shape) != 4 or specs[0].dtype != "float32":
        raise LotteryError(
            "normalization is for a model of one input of images, (height, width, channels) of float32; "
            f"this one takes {', '.join(str(spec.shape[1:]) for spec in specs)}."
        )
    return Pixels.of(normalization, shape[-1])


def extremes(images):
    """uint8 images of which one has the values 0 and 255, so that a range taken from them is that of all
    pixels."""
    first = images[:1].copy()
    first[0, 0, 0], first[0, -1, -1] = 0, 255
    return np.concatenate([images, first])
