"""How images become a model's input, and back: (x / 255 - mean) / std, a mean and deviation for each
channel."""

import dataclasses

import numpy as np

from .checks import shown
from .errors import LotteryError


@dataclasses.dataclass(frozen=True)
class Pixels:
    """What a model expects of uint8 images.

    mean, std: one float for each channel, of x / 255.

    >>> pixels = Pixels((0.5,), (0.25,))
    >>> pixels.normalise(np.float32([0, 255])).tolist()
    [-2.0, 2.0]
    """

    mean: tuple
    std: tuple

    @classmethod
    def of(cls, normalization, channels):
        """What a user gives as (mean, std), each one number or one for each channel.

        Raises:
          LotteryError: it is something else, or a deviation that is not above 0.

        >>> Pixels.of((0.5, [0.1, 0.2]), 2)
        Pixels(mean=(0.5, 0.5), std=(0.1, 0.2))
        """
        try:
            mean, std = (np.ravel(np.asarray(part, "float64")) for part in normalization)
            mean, std = np.broadcast_to(mean, channels), np.broadcast_to(std, channels)
            fits = np.isfinite([mean, std]).all() and (np.float32(std) > 0).all()
        except (TypeError, ValueError, OverflowError):
            fits = False
        if not fits:
            raise LotteryError(
                f"normalization is {shown(normalization)}: expected (mean, std) of pixels / 255, each one "
                f"number or one for each of {channels} channels, std above 0."
            )
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def normalise(self, images):
        """Float32 of an array or tensor of pixels in float32, with its channels last."""
        mean, std = self._moments()
        return images * np.float32(1 / (255 * std)) + np.float32(-mean / std)

    def restore(self, images):
        """The uint8 pixels of an array that `normalise` gave."""
        mean, std = self._moments()
        return np.rint(255 * (images * std + mean)).astype("uint8")

    def to_dict(self):
        """The moments as lists, ready for json.dump."""
        return {"mean": [float(value) for value in self.mean], "std": [float(value) for value in self.std]}

    def _moments(self):
        return np.asarray(self.mean, np.float64), np.asarray(self.std, np.float64)
