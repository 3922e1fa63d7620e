"""Test images corrupted on the fly: noise, blur, contrast and brightness as in CIFAR-10-C and ImageNet-C."""

import itertools

import numpy as np
from scipy.ndimage import gaussian_filter

from ..core.checks import known
from ..core.pixels import Pixels
from . import metrics

IMAGES = 2000  # the first of the test split
SEVERITIES = (1, 3, 5)
CONSTANTS = {  # at each severity: of CIFAR-10-C, of ImageNet-C
    "gaussian_noise": ((0.04, 0.08, 0.10), (0.08, 0.18, 0.38)),  # standard deviation
    "gaussian_blur": ((0.4, 0.7, 1.0), (1, 3, 6)),  # standard deviation in pixels
    "contrast": ((0.75, 0.4, 0.15), (0.4, 0.2, 0.05)),  # factor of what differs from the image's mean
    "brightness": ((0.05, 0.15, 0.3), (0.1, 0.3, 0.5)),  # added to the value in HSV
}
SMALL = 64  # pixels of the shorter side, up to which images get the constants of CIFAR-10-C


def corrupt(images, corruption, severity):
    """A corrupted copy of images, the same at every call.

    The constants are those of CIFAR-10-C for images with a shorter side of at most 64 pixels, and those of
    ImageNet-C for larger ones. Gaussian blur is one of the source's extra corruptions. Where images do not
    have three channels, brightness is added to each channel.

    Args:
      images: uint8 (images, height, width, channels).
      corruption: a name in `CONSTANTS`.
      severity: one of `SEVERITIES`.

    Returns:
      uint8 of the same shape, rounded.

    Raises:
      LotteryError: an unknown name or severity.

    Source: Hendrycks & Dietterich 2019 (arXiv 1903.12261), section 3 and appendix B; the constants are from
    the authors' code, make_cifar_c.py and make_imagenet_c.py of github.com/hendrycks/robustness.

    Example:
      >>> corrupt(np.full((1, 8, 8, 1), 100, "uint8"), "brightness", 1)[0, 0, 0].tolist()
      [113]
    """
    known("corruption", corruption, CONSTANTS)
    known("severity", severity, SEVERITIES)
    return np.concatenate(list(_batches(images, corruption, severity, len(images))))


def accuracies(model, loaded):
    """Accuracy of a compiled classifier on corrupted test images, the first 2,000 or all there are.

    Args:
      loaded: the `data.Data` that it was trained on.

    Returns:
      {corruption: [accuracy, 0..1, at each of `SEVERITIES`]}.
    """
    from ..data import generated  # which needs TensorFlow

    size, pixels = loaded.settings["batch_size"], Pixels(loaded.mean, loaded.std)
    count = min(IMAGES, loaded.sizes["test"])
    batches = itertools.islice(loaded.test, -(-count // size))
    parts = zip(*[(pixels.restore(x.numpy()), y.numpy()) for x, y in batches])
    images, labels = (np.concatenate(part)[:count] for part in parts)
    variants = list(itertools.product(CONSTANTS, SEVERITIES))

    def served():
        for variant in variants:
            for number, batch in enumerate(_batches(images, *variant, size)):
                yield pixels.normalise(batch.astype("float32")), labels[number * size : (number + 1) * size]

    outputs = metrics.predictions(model, generated(served, batches_of(loaded), loaded.test))
    right = metrics.right(outputs.reshape(len(CONSTANTS), len(SEVERITIES), count, -1), labels)
    return dict(zip(CONSTANTS, right.mean(-1).tolist()))


def batches_of(loaded):
    """How many batches `accuracies` tests."""
    count = min(IMAGES, loaded.sizes["test"])
    return len(CONSTANTS) * len(SEVERITIES) * -(-count // loaded.settings["batch_size"])


def _batches(images, corruption, severity, size):
    """Batches of so many corrupted images; their number changes nothing."""
    constants = CONSTANTS[corruption][min(images.shape[1:3]) > SMALL]
    amount, rng = constants[SEVERITIES.index(severity)], np.random.default_rng(0)
    for start in range(0, len(images), size):
        worse = _MAKERS[corruption](images[start : start + size].astype("float32") / 255, amount, rng)
        yield np.rint(255 * np.clip(worse, 0, 1)).astype("uint8")


def _noise(pixels, deviation, rng):
    return pixels + deviation * rng.standard_normal(pixels.shape, "float32")


def _blur(pixels, sigma, rng):
    return gaussian_filter(pixels, (0, sigma, sigma, 0), mode="nearest")


def _contrast(pixels, factor, rng):
    means = pixels.mean((1, 2), keepdims=True)
    return (pixels - means) * factor + means


def _brightness(pixels, more, rng):
    if pixels.shape[-1] != 3:
        return pixels + more
    import tensorflow as tf

    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(pixels), axis=-1)
    return tf.image.hsv_to_rgb(tf.stack([hue, saturation, tf.minimum(value + more, 1)], axis=-1)).numpy()


_MAKERS = {"gaussian_noise": _noise, "gaussian_blur": _blur, "contrast": _contrast, "brightness": _brightness}
