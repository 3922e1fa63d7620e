"""Images as a camera gives them: uint8, normalised inside the file."""

import dataclasses

import numpy as np

from ..errors import LotteryError


@dataclasses.dataclass(frozen=True)
class Pixels:
    """What a model expects of uint8 images: (x / 255 - mean) / std.

    mean, std: one float for each channel, as `data.load` gives them.
    """
    mean: tuple
    std: tuple

    def normalise(self, images):
        """Float32 of an array or tensor of pixels, to the bit as `data.load` computes it."""
        mean, std = np.asarray(self.mean, "float64"), np.asarray(self.std, "float64")
        scale, shift = np.float32(1 / (255 * std)), np.float32(-mean / std)
        return (images.astype("float32") if isinstance(images, np.ndarray) else images) * scale + shift

    def to_dict(self):
        return {"mean": [float(value) for value in self.mean], "std": [float(value) for value in self.std]}


def checked(normalization, specs):
    """`Pixels` of (mean, std), or None.

    Raises:
      LotteryError: it does not fit the model's input.
    """
    if normalization is None:
        return None
    try:
        mean, std = (np.atleast_1d(np.asarray(part, "float64")) for part in normalization)
    except (TypeError, ValueError):
        raise LotteryError(f"normalization is {normalization!r}: expected (mean, std), each one number a channel.") from None
    shape = specs[0].shape
    if len(specs) > 1 or len(shape) != 4 or specs[0].dtype != "float32":
        raise LotteryError("normalization is for a model of one input of images, (height, width, channels) of float32; "
                           f"this one takes {', '.join(str(spec.shape[1:]) for spec in specs)}.")
    if mean.shape != std.shape or mean.size not in (1, shape[-1]) or not (np.isfinite(mean).all() and (std > 0).all() and np.isfinite(std).all()):
        raise LotteryError(f"normalization is {normalization!r}: expected (mean, std) of {shape[-1]} numbers each, std above 0.")
    return Pixels(tuple(np.broadcast_to(mean, shape[-1]).tolist()), tuple(np.broadcast_to(std, shape[-1]).tolist()))


def extremes(images):
    """uint8 images of which one has the values 0 and 255, so that a range taken from them is that of all pixels."""
    first = images[:1].copy()
    first[0, 0, 0], first[0, -1, -1] = 0, 255
    return np.concatenate([images, first])
