"""Images that are scaled already, for a model that scales them itself, are told before the first round."""

import warnings

import numpy as np
import pytest
from small import L, compiled, in_order, search
from world import BACKEND, keras, matrix_on

import keras_lottery as lottery

pytestmark = pytest.mark.engine
PIXELS = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1)).astype("float32")
Y = np.arange(32) % 3


def net(*first):
    layers = [L.Input((8, 8, 1)), *first, L.Conv2D(4, 3, name="conv"), L.GlobalAveragePooling2D(), L.Dense(3)]
    return compiled(keras.Sequential(layers, name="net"))


def told(model, train):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search(model, train, epochs=1, rounds=1)
    return [str(one.message) for one in caught if "scaled twice" in str(one.message)]


@matrix_on("tf_keras")
def test_of_arrays_and_of_batches():
    scaled = (PIXELS / 127.5 - 1, Y)
    for train in (scaled, in_order(scaled, 16)):
        [said] = told(net(L.Rescaling(1 / 255, name="scale")), train)
        assert said.startswith("images are scaled twice: 'net' scales 0..255 itself (its layer 'scale')")
    wrapped = lottery.wrap(net(L.Rescaling(1 / 255)), verbose=False)
    assert len(told(compiled(wrapped), scaled)) == 1


def test_nothing_is_told_of_others():
    assert not told(net(L.Rescaling(1 / 255)), (PIXELS, Y))
    assert not told(net(), in_order((PIXELS / 127.5 - 1, Y), 16))


@pytest.mark.matrix
@pytest.mark.skipif(BACKEND != "tensorflow", reason="data.load gives a tf.data.Dataset")
def test_of_a_data_set_that_goes_on_in_its_order():
    digits = lottery.data.load("digits", classes=[0, 1, 2], batch_size=32)
    assert len(told(net(L.Rescaling(1 / 255)), digits.train)) == 1
    raw = digits.scaled((0.0, 1 / 255))
    assert not told(net(L.Rescaling(1 / 255)), raw.train)
    first = digits.train._lottery_first()
    kept = digits.pixels("train", digits.sizes["train"])[0]
    assert first.shape == (32, 8, 8, 1) and {bytes(x) for x in raw.train._lottery_first()} <= {
        bytes(x) for x in kept.astype("float32")
    }
