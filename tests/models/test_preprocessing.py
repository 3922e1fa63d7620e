"""How a model takes images: said by a word, seen in its first layers, known of keras.applications, or
measured."""

import doctest
import re

import numpy as np
import pytest
from world import KERAS3, array, keras, register, skip_unless

import keras_lottery as lottery
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.pixels import Pixels
from keras_lottery.models import first_layers, measuring, preprocessing
from keras_lottery.models.preprocessing import Scaling, of_word

L = keras.layers
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photographs(n=64, side=12, seed=0):
    """uint8 images of smooth colours, with the means and deviations of photos: each channel's other than the
    next."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 3, 3, 3)).repeat(side // 3, 1).repeat(side // 3, 2)
    noise = rng.normal(size=(n, side, side, 3))
    return np.uint8(np.clip((0.48, 0.45, 0.38) + 0.2 * base + 0.05 * noise, 0, 1) * 255)


def net(*first, classes=3, side=12, channels=3, batch_norm=True):
    norm = [L.BatchNormalization(momentum=0.0, name="bn")] if batch_norm else []
    return keras.Sequential(
        [
            L.Input((side, side, channels)),
            *first,
            L.Conv2D(8, 3, name="conv"),
            *norm,
            L.ReLU(),
            L.GlobalAveragePooling2D(),
            L.Dense(classes, name="head"),
        ]
    )


def seen(model, images):
    """The model, with the BatchNorm statistics of these images."""
    model(images, training=True)
    return model


# Words


def test_words_are_what_keras_applications_do():
    images = photographs(4)
    for word, mode in (("minus1to1", "tf"), ("imagenet", "torch"), ("caffe", "caffe")):
        module = {"tf": "mobilenet_v2", "torch": "densenet", "caffe": "resnet50"}[mode]
        expected = getattr(keras.applications, module).preprocess_input(images.astype("float32"))
        np.testing.assert_allclose(of_word(word)(images), expected, atol=1e-4)
    for word, most in (("none", 255), ("own", 255), ("0to1", 1)):
        np.testing.assert_allclose(of_word(word)(images), images / 255 * most, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: of_word("tensorflow"), "preprocessing='tensorflow' is unknown: choose 'none', 'own'"),
        (lambda: of_word("imagnet"), "Did you mean 'imagenet'"),
        (lambda: of_word("caffe", 1), "for images of 3 channels, and these have 1"),
        (lambda: of_word("imagenet", 1), "for images of 3 channels, and these have 1"),
    ],
)
def test_a_bad_word_gets_one_line(call, said):
    with pytest.raises(LotteryError, match=said):
        call()
    assert of_word("minus1to1", 1).pixels == Pixels((0.5,), (0.5,))


def test_a_net_made_for_blue_first_computes_the_same_of_red_first():
    model, images = net(), photographs(4)
    other = first_layers.takes_rgb(model)
    caffe = of_word("caffe")
    np.testing.assert_allclose(
        array(other(caffe.pixels.normalise(images.astype("float32")))),
        array(model(caffe(images))),
        rtol=1e-3,
        atol=1e-3,
    )
    with pytest.raises(LotteryError, match="does not begin with a convolution of three channels"):
        first_layers.takes_rgb(net(channels=1))


# What the first layers do


def normalization(mean, variance):
    return L.Normalization(mean=mean, variance=variance, name="norm")


@pytest.mark.parametrize(
    "first, layers, takes",
    [
        ([], (), None),
        ([("Rescaling", 1 / 255)], ("scale",), "own"),
        ([("Rescaling", 1 / 127.5, -1)], ("scale",), "own"),
        ([("Rescaling", 2.0, -1)], ("scale",), "0to1"),
        ([("Normalization", [120.0] * 3, [60.0**2] * 3)], ("norm",), "own"),
        ([("Normalization", [0.5] * 3, [0.25**2] * 3)], ("norm",), "0to1"),
        (
            [("Rescaling", 1 / 255), ("Normalization", IMAGENET[0], np.square(IMAGENET[1]))],
            ("scale", "norm"),
            "own",
        ),
        ([("ZeroPadding2D",), ("RandomFlip",)], (), None),
        ([("RandomFlip",), ("Rescaling", 1 / 255), ("ZeroPadding2D",)], ("scale",), "own"),
    ],
)
def test_the_scaling_inside_a_model_is_seen(first, layers, takes):
    def made(kind, *given):
        if kind == "Normalization":
            return normalization(*map(list, given))
        return getattr(L, kind)(*given, **({"name": "scale"} if kind == "Rescaling" else {}))

    model = net(*[made(*one) for one in first])
    assert preprocessing.inside(model) == (layers, takes, None)
    image = L.Input((12, 12, 3))
    nested = keras.Model(image, L.Dense(2)(model(L.RandomFlip()(image))))
    assert preprocessing.inside(nested) == (layers, takes, None)
    assert preprocessing.inside(lottery.wrap(model, verbose=False)) == (layers, takes, None)


def test_the_resizing_inside_a_model_is_told():
    image = L.Input((None, None, 3))
    x = L.Rescaling(1 / 255, name="scale")(L.Resizing(10, 14, name="size")(image))
    model = keras.Model(image, L.GlobalAveragePooling2D()(L.Conv2D(2, 3)(x)))
    assert preprocessing.inside(model) == (("size", "scale"), "own", (10, 14))


def test_operations_in_a_model_are_seen_as_layers_are():
    image = L.Input((12, 12, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(image)
    model = keras.Model(image, net()(scaled))
    assert preprocessing.inside(model) == ((), "own", None)
    assert "one of its first operations" in preprocessing.scaled_twice(
        model, of_word("imagenet")(photographs())
    )


@pytest.mark.skipif(not KERAS3, reason="tf_keras models of a class of their own are not wrapped")
def test_what_cannot_be_seen_is_not_told():
    @register
    class Own(keras.Model):
        def call(self, x):
            return x

    assert preprocessing.inside(Own()) == ((), None, None)
    assert preprocessing.inside(keras.Sequential([L.Input((4,)), L.Dense(2)])) == ((), None, None)


def test_images_that_are_scaled_twice_are_told():
    images = photographs()
    scaling = net(L.Rescaling(1 / 255, name="scale"))
    for word in ("minus1to1", "0to1", "imagenet"):
        said = preprocessing.scaled_twice(scaling, of_word(word)(images))
        assert re.match(
            r"images are scaled twice: '\w+' scales 0..255 itself \(its layer 'scale'\), and is given "
            ".*preprocessing=own",
            said,
        )
    assert "\n" not in said
    assert preprocessing.scaled_twice(scaling, images) == ""
    assert preprocessing.scaled_twice(net(), of_word("imagenet")(images)) == ""
    fraction = net(L.Rescaling(2.0, -1, name="scale"))
    assert preprocessing.scaled_twice(fraction, of_word("0to1")(images)) == ""
    assert "scales 0..1 itself" in preprocessing.scaled_twice(fraction, of_word("imagenet")(images))


# What is known


@skip_unless("tf_keras", "tensorflow", reason="Keras compiles each layer on JAX, for a minute")
@pytest.mark.quick("MobileNetV2-mobilenet_v2-minus1to1", "VGG16-vgg16-caffe")
@pytest.mark.parametrize(
    "name, module, word",
    [
        ("MobileNet", "mobilenet", "minus1to1"),
        ("MobileNetV2", "mobilenet_v2", "minus1to1"),
        ("MobileNetV3Small", "mobilenet_v3", "own"),
        ("EfficientNetB0", "efficientnet", "own"),
        ("ResNet50", "resnet50", "caffe"),
        ("VGG16", "vgg16", "caffe"),
        ("Xception", "xception", "minus1to1"),
    ],
)
def test_what_an_application_takes_is_known(name, module, word):
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(71, 71, 3))
    assert preprocessing.known_of(model) == word
    images = photographs(1)
    expected = getattr(keras.applications, module).preprocess_input(images.astype("float32"))
    np.testing.assert_allclose(of_word(word)(images), expected, atol=1e-4)
    image = L.Input((71, 71, 3))
    mine = keras.Model(image, L.Dense(2)(L.GlobalAveragePooling2D()(model(image))))
    assert preprocessing.known_of(mine) == word
    scaled = keras.Model(image, L.GlobalAveragePooling2D()(model(L.Rescaling(1 / 127.5, -1)(image))))
    assert preprocessing.known_of(scaled) == "own"


def test_nothing_is_known_of_other_models():
    kind = "keras" if KERAS3 else "tf_keras"
    assert preprocessing.known_of(net()) is None
    for name in ("vgg19", "resnet20"):
        ours = lottery.models.build(name, (8, 8, 3), 3, width=0.1, keras=kind)
        assert preprocessing.known_of(ours) is None


# What is measured


@pytest.mark.parametrize("word", measuring.CANDIDATES)
def test_the_scaling_that_a_net_was_trained_with_is_measured(word):
    model = seen(net(), of_word(word)(photographs(seed=1)))
    best, second = measuring.measure(model, photographs(seed=2))
    assert best.scaling.name == word and best.divergence < 0.1 < second.divergence
    assert best.accuracy is None and str(best).startswith(f"{word} (BatchNorm 0.")


def test_a_mean_and_deviation_of_ones_own_can_be_a_candidate_and_models_in_models_are_measured():
    own = Scaling("photos", Pixels((0.2, 0.3, 0.4), (0.05, 0.1, 0.1)))
    inner = seen(net(), own(photographs(seed=1)))
    image = L.Input((12, 12, 3))
    model = keras.Model(image, L.Dense(2)(inner(L.ZeroPadding2D(0)(image))))
    best, _ = measuring.measure(model, photographs(seed=2), candidates=[*measuring.CANDIDATES, own])
    assert best.scaling is own


def test_images_of_another_size_are_refused_in_one_line():
    with pytest.raises(
        LotteryError, match=r"takes images of \(12, 12, 3\), and these are \(9, 9, 3\): resize them"
    ):
        measuring.measure(net(), photographs(side=9))


def test_grey_images_are_measured_without_the_words_for_colour():
    model = seen(net(channels=1), of_word("minus1to1", 1)(photographs(seed=1)[..., :1]))
    best, second = measuring.measure(model, photographs(seed=2)[..., :1])
    assert best.scaling.name == "minus1to1" and second.scaling.name in ("none", "0to1")


def test_without_batch_norm_the_head_tells():
    """A net that takes the darkest images of -1..1 for class 0, those in the middle for 1, and the brightest
    for 2."""
    model = net(batch_norm=False)
    weights = [np.zeros(array(w).shape, "float32") for w in model.weights]
    weights[0][1, 1, :, 0], weights[0][1, 1, :, 1] = 1 / 3, -1 / 3
    weights[2][0], weights[2][1] = (0, 0, 1), (1, 0, 0)  # the head: bright and dark
    weights[3][1] = 0.4
    model.set_weights(weights)
    images = np.concatenate([np.full((20, 12, 12, 3), level, np.uint8) for level in (20, 128, 235)])
    labels = np.repeat([0, 1, 2], 20)
    best, second = measuring.measure(model, images, labels, candidates=("none", "minus1to1", "0to1"))
    assert best.scaling.name == "minus1to1" and best.accuracy == 1 and second.accuracy < 0.7
    assert str(best) == "minus1to1 (100.0% right)"
    with pytest.raises(
        LotteryError, match="has no BatchNorm, and no output for each class.*preprocessing=none, minus1to1"
    ):
        measuring.measure(model, images)


def test_a_tie_is_refused_with_both_figures():
    model = seen(net(), of_word("minus1to1")(photographs(seed=1)))
    middle = [
        Scaling(name, Pixels((0.5,) * 3, (std,) * 3)) for name, std in (("a", 0.5 * 1.4), ("b", 0.5 / 1.3))
    ]
    with pytest.raises(
        LotteryError, match=r"may take images as [ab] \(BatchNorm .* nats off\) or as [ab] .*preprocessing="
    ):
        measuring.measure(model, photographs(seed=2), candidates=middle)
    alike = [Scaling(name, Pixels((0.5,) * 3, (std,) * 3)) for name, std in (("a", 0.5), ("b", 0.501))]
    best, second = measuring.measure(model, photographs(seed=2), candidates=alike)
    assert {best.scaling.name, second.scaling.name} == {"a", "b"}


def test_a_net_that_was_never_trained_is_told():
    assert measuring.trained(net()) is False
    assert measuring.trained(seen(net(), of_word("none")(photographs(4)))) is True
    assert measuring.trained(lottery.wrap(net(), verbose=False)) is False
    plain = net(batch_norm=False)
    assert measuring.trained(plain) is False
    plain.get_layer("conv").bias.assign(np.ones(8, "float32"))
    assert measuring.trained(plain) is True
    bare = keras.Sequential([L.Input((12, 12, 3)), L.Flatten(), L.Dense(3, use_bias=False)])
    assert measuring.trained(bare) is None


@skip_unless("tf_keras", reason="the examples are of tf_keras")
def test_the_examples_in_the_docstrings_run():
    for module in (preprocessing, measuring, first_layers):
        results = doctest.testmod(module)
        assert results.attempted and not results.failed
