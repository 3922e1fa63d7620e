"""Images that are scaled already, for a model that scales them itself: told before anything is trained."""

import warnings

import numpy as np

from ..models.preprocessing import may_scale, scaled_twice

LOOKED_AT = 32  # images


def warn_if_scaled_twice(handle, train, seen):
    """Warn, in one line, of images in a scaling that the model's first layers do once more.

    Args:
      handle: that of the model.
      train: as it was given: arrays, batches of `data.load`, or others.
      seen: x of the first batch of others, which no second pass is made over; None where nothing was seen.
    """
    if not may_scale(handle):
        return
    ours = getattr(train, "_lottery_first", None)
    images = train[0] if isinstance(train, (tuple, list)) else ours() if ours else seen
    if getattr(images, "ndim", 0) == 4 and (said := scaled_twice(handle.model, _some(images))):
        warnings.warn(said, stacklevel=4)


def _some(images):
    """The first images as an array, wherever they are."""
    some = images[:LOOKED_AT]
    return np.asarray(some.detach().cpu() if hasattr(some, "detach") else some)
