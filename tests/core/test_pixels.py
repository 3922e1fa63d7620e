"""uint8 images and what a net takes of them."""

import numpy as np
import pytest

from keras_lottery.core.pixels import Pixels

IMAGES = np.arange(256, dtype="uint8").reshape(1, 16, 16, 1)


@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.5, 0.25), ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))])
def test_normalised_and_restored(mean, std):
    channels = np.size(mean)
    images = np.repeat(IMAGES, channels, axis=-1)
    pixels = Pixels.of((mean, std), channels)
    normalised = pixels.normalise(images.astype("float32"))
    np.testing.assert_allclose(normalised, (images / 255 - mean) / std, atol=1e-5)
    np.testing.assert_array_equal(pixels.restore(normalised), images)
