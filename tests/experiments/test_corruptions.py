"""Corrupted test images: those of Hendrycks & Dietterich, the same each time, as a camera would give them."""

import itertools

import matplotlib.colors
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small import L
from world import KIND, keras

from keras_lottery import data
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.pixels import Pixels
from keras_lottery.experiments import corruptions, metrics, optimizers
from keras_lottery.experiments.corruptions import CONSTANTS, SEVERITIES, accuracies, corrupt

ALL = list(itertools.product(CONSTANTS, SEVERITIES))


def images(count=6, shape=(8, 8, 3)):
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype("uint8")


def one_by_one(image, corruption, amount):
    """The definition, for one image of numbers 0..1, as the source's code has it."""
    if corruption == "contrast":
        means = image.mean((0, 1), keepdims=True)
        return (image - means) * amount + means
    if image.shape[-1] != 3:
        return image + amount
    hsv = matplotlib.colors.rgb_to_hsv(image)
    hsv[..., 2] = np.clip(hsv[..., 2] + amount, 0, 1)
    return matplotlib.colors.hsv_to_rgb(hsv)


@pytest.mark.parametrize("corruption", ["contrast", "brightness"])
@pytest.mark.parametrize(
    "shape, column", [((8, 8, 3), 0), ((28, 28, 1), 0), ((64, 90, 3), 0), ((65, 70, 3), 1)]
)
def test_contrast_and_brightness_are_those_of_the_source(corruption, shape, column):
    given = images(2, shape)
    for severity, amount in zip(SEVERITIES, CONSTANTS[corruption][column]):
        expected = [np.clip(255 * one_by_one(image / 255, corruption, amount), 0, 255) for image in given]
        assert np.abs(corrupt(given, corruption, severity) - np.array(expected)).max() <= 0.501


def test_noise_has_its_deviation_and_blur_its_spread():
    grey = np.full((40, 16, 16, 3), 128, "uint8")
    dot = np.zeros((1, 15, 15, 1), "uint8")
    dot[0, 7, 7] = 255
    for column, (severity, sigma) in enumerate(zip(SEVERITIES, CONSTANTS["gaussian_blur"][0])):
        noise = corrupt(grey, "gaussian_noise", severity) / 255
        assert noise.std() == pytest.approx(CONSTANTS["gaussian_noise"][0][column], rel=0.03)
        spread = corrupt(dot, "gaussian_blur", severity)[0, :, :, 0] / 255
        steps = np.exp(-(np.arange(-7, 8) ** 2) / (2 * sigma**2))
        assert np.abs(spread - np.outer(steps, steps) / steps.sum() ** 2).max() < 0.003
        assert (corrupt(grey, "gaussian_blur", severity) == grey).all()  # borders too


@pytest.mark.parametrize("corruption, severity", ALL)
def test_the_same_whatever_else_is_corrupted_and_the_images_stay(corruption, severity):
    given = images()
    first = corrupt(given, corruption, severity)
    assert (corrupt(given, corruption, severity) == first).all() and (given == images()).all()
    assert (np.concatenate(list(corruptions._batches(given, corruption, severity, 4))) == first).all()
    assert (corrupt(given[:4], corruption, severity) == first[:4]).all()
    assert first.dtype == "uint8" and (first != given).any()


@settings(deadline=None, max_examples=20)
@given(arrays("uint8", (2, 5, 6, 3)), st.sampled_from(ALL))
def test_worse_at_each_severity_and_never_out_of_range(given, of):
    corruption, severity = of
    made = corrupt(given, corruption, severity)
    assert made.shape == given.shape
    if corruption == "contrast":
        assert (made.max((1, 2)) <= given.max((1, 2))).all() and (made.min((1, 2)) >= given.min((1, 2))).all()
    if corruption == "brightness":
        assert (made.max(-1) >= given.max(-1)).all()


def test_accuracies_are_of_the_first_test_images_normalised_after(monkeypatch):
    loaded = data.load("digits", classes=[0, 1, 2, 3, 4], batch_size=32, train_split="train[:20%]")
    monkeypatch.setattr(corruptions, "IMAGES", 50)  # of 180: two batches, the last one cut
    model = keras.Sequential([L.Input((8, 8, 1)), L.Flatten(), L.Dense(16, "relu"), L.Dense(5)])
    optimizers.compile_classifier(model, optimizers.make_optimizer("adam", 0.01, keras=KIND))
    model.fit(loaded.train, epochs=4, verbose=0)
    found = accuracies(model, loaded)
    assert found.keys() == CONSTANTS.keys() and all(len(of) == len(SEVERITIES) for of in found.values())
    x, y = (np.concatenate(part)[:50] for part in zip(*[(x.numpy(), y.numpy()) for x, y in loaded.test]))
    pixels = Pixels(loaded.mean, loaded.std)
    for corruption, severity in (("gaussian_noise", 5), ("contrast", 5), ("gaussian_blur", 5)):
        worse = pixels.normalise(corrupt(pixels.restore(x), corruption, severity).astype("float32"))
        right = metrics.predictions(model, worse).argmax(-1) == y
        assert found[corruption][2] == right.mean()
    assert found == accuracies(model, loaded)
    assert found["contrast"][0] > 0.5


@pytest.mark.parametrize(
    "of, said",
    [(("gaussian_nose", 1), "Did you mean 'gaussian_noise'"), (("contrast", 2), "severity=2 is unknown")],
)
def test_unknown_ones_are_told(of, said):
    with pytest.raises(LotteryError, match=said):
        corrupt(images(), *of)
