"""Models that a user brings: of keras.applications, saved by either Keras, with layers of their own, with
other classes."""

import doctest
import os
import socket

import numpy as np
import pytest
from world import KERAS3, KIND, array, keras, skip_unless

import keras_lottery as lottery
from keras_lottery import models
from keras_lottery.core.errors import LotteryError
from keras_lottery.models import applications, code, heads, preprocessing, saved

L = keras.layers
SMALL = "MobileNet"  # the application that Keras makes fastest
# On JAX Keras compiles every layer anew, for half a minute.
BUILDS = skip_unless("tf_keras", "tensorflow", reason="Keras compiles each layer on JAX, for half a minute")


def values(model):
    return [array(weight) for weight in model.weights]


def same(one, two):
    return len(one) == len(two) and all(np.array_equal(a, b) for a, b in zip(one, two))


def body(classes=5, **head):
    return keras.Sequential(
        [
            L.Input((8, 8, 3)),
            L.Conv2D(4, 3, name="conv"),
            L.BatchNormalization(name="bn"),
            L.ReLU(),
            L.GlobalAveragePooling2D(),
            L.Dense(classes, name="head", **head),
        ]
    )


# keras.applications


def momenta(model):
    """Of the BatchNorms."""
    return {layer.momentum for layer in model.layers if isinstance(layer, L.BatchNormalization)}


@BUILDS
def test_an_application_is_built_by_its_name():
    model = models.build(SMALL, (32, 40, 3), 7, keras=KIND)
    assert model.input_shape == (None, 32, 40, 3) and model.output_shape == (None, 7)
    assert model.layers[-1].name == "logits" and model.layers[-1].activation is keras.activations.linear
    assert preprocessing.known_of(model) == "minus1to1" and momenta(model) == {0.9}
    assert lottery.sparsity(lottery.wrap(model, verbose=False)) == 0
    by_builder = saved.builder(SMALL, keras=KIND)((32, 40, 3), 7)
    assert [tuple(w.shape) for w in by_builder.weights] == [tuple(w.shape) for w in model.weights]


@pytest.mark.matrix
@BUILDS
@pytest.mark.quick(".weights.h5")
@pytest.mark.parametrize("form", [".weights.h5", ".h5"])
def test_weights_of_a_file_are_taken_with_and_without_a_head(tmp_path, form):
    if KERAS3 and form == ".h5":
        pytest.skip("Keras 3 writes no such file")
    make, size = getattr(keras.applications, SMALL), (32, 32, 3)

    def saved_by(model, name):
        model.save_weights(str(tmp_path / name) + form)
        return str(tmp_path / name) + form

    mine = models.build(SMALL, size, 4, keras=KIND)
    file = saved_by(mine, "mine")
    assert same(values(models.build(SMALL, (64, 32, 3), 4, keras=KIND, weights=file)), values(mine))
    other = models.build(SMALL, size, 6, keras=KIND, weights=file)  # a head of other classes is new
    assert same(values(other)[:-2], values(mine)[:-2]) and other.output_shape == (None, 6)
    bare = make(weights=None, include_top=False, input_shape=size)
    made = models.build(SMALL, size, 4, keras=KIND, weights=saved_by(bare, "bare"))
    assert same(values(made)[:-2], values(bare)) and momenta(made) == momenta(bare) == {0.99}
    whole = make(weights=None, classes=11, input_shape=size)
    made = models.build(SMALL, size, 4, keras=KIND, weights=saved_by(whole, "whole"))
    assert same(values(made)[:-2], values(whole)[: len(bare.weights)])


@BUILDS
def test_a_file_of_other_weights_is_refused_in_one_line(tmp_path):
    file = str(tmp_path / "net.weights.h5")
    body().save_weights(file)
    (tmp_path / "none.h5").write_bytes(b"no")
    for given, said in (
        (file, f"are not those of {SMALL} in {keras.__name__}: .*Expected what save_weights writes"),
        (str(tmp_path / "none.h5"), "is no whole file of weights"),
        (str(tmp_path / "gone.h5"), "there is no such file; give None, 'imagenet' or an .h5 file"),
        (__file__, "expected an .h5 file written by save_weights"),
        ("imagnet", "there is no such file"),
        (5, "is no path: give None, 'imagenet' or the name"),
    ):
        with pytest.raises(LotteryError, match=said) as caught:
            models.build(SMALL, (32, 32, 3), 4, keras=KIND, weights=given)
        assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_fetched_are_told_in_one_line(monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setenv("HOME", str(tmp_path))  # without what may be in the cache
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    with pytest.raises(
        LotteryError, match="not in Keras' cache and cannot be fetched .*storage.googleapis.com"
    ) as told:
        models.build(SMALL, (32, 32, 3), 4, keras=KIND, weights="imagenet")
    assert "\n" not in str(told.value) and "weights=FILE.h5" in str(told.value)


@pytest.mark.parametrize(
    "given, said",
    [
        (
            dict(name="mobilenetv2"),
            "no model is called 'mobilenetv2'; did you mean MobileNetV2 of keras.applications?",
        ),
        (dict(name="EfficientNet-B0"), "did you mean EfficientNetB0 of keras.applications?"),
        (dict(name=SMALL, input_shape=(8, 8, 3)), "MobileNet cannot be made for images of 8x8x3: "),
        (dict(name=SMALL, input_shape=(32, 32)), "expected (height, width, channels)"),
        (dict(name=SMALL, num_classes=1), "num_classes is 1"),
        (dict(name=SMALL, width=0.5), "width=0.5 is for lenet, "),
        (
            dict(name=SMALL, input_shape=(32, 32, 1), weights="imagenet"),
            "take images of 3 channels, and these have 1",
        ),
        (
            dict(name="lenet", weights="imagenet"),
            "weights='imagenet' is for the networks of keras.applications",
        ),
    ],
)
def test_bad_input_gets_one_line(given, said):
    with pytest.raises(LotteryError) as caught:
        models.build(**{"input_shape": (32, 32, 3), "num_classes": 4, "keras": KIND, **given})
    assert said in str(caught.value) and "\n" not in str(caught.value)


# A new head


@pytest.mark.parametrize("head", [{}, {"activation": "softmax"}, {"activation": "sigmoid"}])
def test_a_new_head_keeps_the_body(head):
    model = body(**head)
    before = values(model)
    made = heads.new_head(model, 9)
    assert (
        made.output_shape == (None, 9)
        and same(values(made)[:-2], before[:-2])
        and same(values(model), before)
    )
    assert made.layers[-1].activation is keras.activations.linear and made.layers[-1].name == "head"
    assert heads.new_head(lottery.wrap(model, verbose=False), 3).output_shape == (None, 3)


def test_a_head_in_a_model_in_a_model_is_replaced():
    image = L.Input((8, 8, 3))
    model = keras.Model(image, body()(L.Rescaling(2.0)(image)))
    made = heads.new_head(model, 9)
    assert made.output_shape == (None, 9) and same(values(made)[:-2], values(model)[:-2])


def pooled(pool):
    image = L.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", name="conv")(image)
    x = L.Activation("relu")(L.BatchNormalization()(x))
    return keras.Model(image, L.GlobalAveragePooling2D()(x) if pool else x)


@pytest.mark.parametrize("pool", [False, True])
def test_a_body_without_a_head_gets_one(pool):
    model = pooled(pool)
    made = heads.new_head(model, 3)
    assert made.output_shape == (None, 3) and same(values(made)[:-2], values(model))
    assert made.layers[-1].name == "logits" and made.get_layer("conv") is not model.get_layer("conv")


def test_what_has_no_single_head_is_refused():
    image = L.Input((8, 8, 3))
    x = L.Flatten()(image)
    with pytest.raises(LotteryError, match="has 2 outputs: a new head needs exactly one"):
        heads.new_head(keras.Model(image, [L.Dense(2)(x), L.Dense(3)(x)]), 5)
    with pytest.raises(LotteryError, match="num_classes=1 is impossible"):
        heads.new_head(body(), 1)


# Saved by either Keras


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_which_keras_saved_a_model_is_read_from_its_file(tmp_path, ending):
    file = str(tmp_path / f"net{ending}")
    model = body()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.save(file)
    assert saved.keras_of(file) == KIND
    loaded = saved.builder(file, keras=KIND)((8, 8, 3), 5)
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(array(loaded(images)), array(model(images)), rtol=1e-5, atol=1e-6)
    with pytest.raises(LotteryError, match="weights='imagenet' is for names: the saved model"):
        saved.builder(file, keras=KIND, weights="imagenet")


@skip_unless("tf_keras", reason="both Kerases are installed there")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_model_of_the_other_keras_is_told_by_what_to_give(tmp_path, ending):
    import keras as keras3

    file = str(tmp_path / f"net{ending}")
    keras3.Sequential([keras3.layers.Input((4,)), keras3.layers.Dense(2)]).save(file)
    assert saved.keras_of(file) == "keras"
    with pytest.raises(
        LotteryError, match=r"was saved by Keras 3\.[\d.]+: give backend='tensorflow', or jax or torch"
    ):
        saved.builder(file, keras="tf_keras")
    assert saved.builder(file, keras="keras")((4,), 2).count_params() == 10


def test_what_does_not_say_which_keras_it_is_of(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no")
    assert saved.keras_of(tmp_path / "a.h5") is None
    with pytest.raises(LotteryError, match="there is no such file"):
        saved.keras_of(tmp_path / "b.keras")


# Layers of one's own

LAYERS = f"""
import {keras.__name__} as keras


class Doubled(keras.layers.Layer):
    def call(self, x):
        return x * 2


@keras.saving.register_keras_serializable("mine")
class Registered(keras.layers.Layer):
    def call(self, x):
        return x + 1


def squared(x):
    return x * x


def relu(x):
    return -x
"""


@pytest.fixture
def forget():
    """Leaves what is registered as it was."""
    before = dict(keras.saving.get_custom_objects())
    yield
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update(before)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_model_of_ones_own_layers_loads_once_their_file_is_named(tmp_path, forget, ending):
    (tmp_path / "layers.py").write_text(LAYERS)
    assert set(code.register(tmp_path / "layers.py")) == {"Doubled", "Registered", "squared", "relu"}
    known = keras.saving.get_custom_objects()
    own = keras.saving.get_registered_object("mine>Registered")
    assert keras.activations.get("relu") is keras.activations.relu
    # tf_keras itself cannot read a function back from an .h5 file.
    activation = known["squared"] if KERAS3 or ending == ".keras" else None
    model = keras.Sequential(
        [L.Input((4,)), L.Dense(3, activation=activation), known["Doubled"](), own(), L.Dense(2)]
    )
    file = str(tmp_path / f"net{ending}")
    model.save(file)
    for name in ("Doubled", "squared", "mine>Registered"):
        known.pop(name, None)
    with pytest.raises(LotteryError, match="which neither Keras has nor this process has registered"):
        saved.builder(file, keras=KIND)
    code.register(tmp_path / "layers.py")
    loaded = saved.builder(file, keras=KIND)((4,), 2)
    x = np.ones((2, 4), "float32")
    np.testing.assert_allclose(array(loaded(x)), array(model(x)))


@pytest.mark.parametrize(
    "text, said",
    [
        ("x = 1\n1 / 0\n", "stops in line 2: ZeroDivisionError: division by zero"),
        ("def f(:\n", "stops: SyntaxError: "),
        ("import nothing_such\n", "stops in line 1: ModuleNotFoundError: No module named 'nothing_such'"),
        ("x = 1\n", "defines no layer: expected classes of keras.layers.Layer"),
    ],
)
def test_code_that_cannot_be_used_gets_one_line(tmp_path, text, said):
    (tmp_path / "layers.py").write_text(text)
    with pytest.raises(LotteryError, match=said) as caught:
        code.register(tmp_path / "layers.py")
    assert "\n" not in str(caught.value)
    for name in ("gone.py", "."):
        with pytest.raises(LotteryError, match="expected a Python file"):
            code.register(tmp_path / name)


@skip_unless("tf_keras", reason="the examples are of tf_keras")
def test_the_examples_in_the_docstrings_run():
    for module in (applications, heads):
        results = doctest.testmod(module)
        assert results.attempted and not results.failed
