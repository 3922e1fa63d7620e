"""How images become a model's input, and back: (x / 255 - mean) / std, a mean and deviation for each channel."""

import dataclasses

import numpy as np


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
