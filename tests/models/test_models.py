"""The builders: sizes as in the literature, stable names, float32 logits, one clear line for bad input."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from keras_lottery import models
from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments.precision import set_precision

SMALL = dict(input_shape=(8, 8, 1), num_classes=3, width=0.25)

# Trainable parameters at 10 classes. - lenet: 266 k on MNIST, Frankle & Carbin 2019, figure 2 (266,200
# weights and 410 biases). - conv2, 4, 6: 4,300,992, 2,425,024 and 2,261,184 kernel weights on CIFAR-10 are
# what figure 2's "4.3 M" and "2.4 M" come to (Zhou et al. 2019, arXiv 1905.01067, table 1); its "1.7 M" for
# Conv-6 does not follow from its layers. - resnet: He et al. 2016, table 6, says 0.27, 0.46 and 0.85 M for
# 20, 32 and 56 with parameter-free shortcuts; each of
#   the two projections adds its kernel and BatchNorm, as in OpenLTH: 2,752 in all.
# - mobilenet: 4.2 M with 1,000 classes, Howard et al. 2017, table 8; here with 10. - resnet18 and vgg19:
# 11.17 M and 20.04 M, Mehta 2019; to the weight the CIFAR nets of kuangliu/pytorch-cifar.
PARAMETERS = {
    "lenet": ((28, 28, 1), 266_200 + 410),
    "conv2": ((32, 32, 3), 4_300_992 + 650),
    "conv4": ((32, 32, 3), 2_425_024 + 906),
    "conv6": ((32, 32, 3), 2_261_184 + 1_418),
    "resnet8": ((32, 32, 3), 75_290 + 2_752),
    "resnet14": ((32, 32, 3), 172_506 + 2_752),
    "resnet20": ((32, 32, 3), 269_722 + 2_752),
    "resnet32": ((32, 32, 3), 464_154 + 2_752),
    "resnet56": ((32, 32, 3), 853_018 + 2_752),
    "resnet18": ((32, 32, 3), 11_173_962),
    "vgg19": ((32, 32, 3), 20_040_522),
    "mobilenet": ((224, 224, 3), 4_231_976 - 1_025_000 + 10_250),
}


@pytest.mark.quick("lenet", "conv2", "conv4", "conv6", "resnet20", "resnet18", "vgg19", "mobilenet")
@pytest.mark.parametrize("name", models.names())
def test_size_is_the_literatures(name):
    shape, expected = PARAMETERS[name]
    model = models.build(name, shape, 10)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == expected


@pytest.mark.quick("lenet", "conv2", "conv6", "resnet20", "resnet18", "vgg19", "mobilenet")
@pytest.mark.parametrize("name", models.names())
def test_weights_are_counted_before_they_are_made(name, monkeypatch):
    counted = []
    monkeypatch.setattr(
        models, "_count", lambda *given, count=models._count: counted.append(count(*given)) or counted[-1]
    )
    assert models.build(name, (28, 45, 3), 4, width=0.3).count_params() == counted[-1]


@pytest.mark.quick("lenet", "conv4", "resnet8", "vgg19", "mobilenet")
@pytest.mark.parametrize("name", models.names())
def test_gives_finite_logits_on_the_smallest_image(name):
    model = models.build(name, **SMALL)
    logits = model(np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype("float32")).numpy()
    assert logits.shape == (5, 3) and np.isfinite(logits).all()
    assert not np.allclose(logits.sum(axis=-1), 1), "logits, not probabilities"


@pytest.mark.matrix
@pytest.mark.quick("lenet", "mobilenet")
@pytest.mark.parametrize(
    "name", ["lenet", "conv6", "resnet20", "resnet18", "vgg19", "mobilenet"]
)  # one of each family
def test_same_seed_same_weights_and_names_do_not_depend_on_what_was_built_before(name):
    def build(seed):
        tf_keras.utils.set_random_seed(seed)
        return models.build(name, **SMALL)

    first, second, other = build(1), build(1), build(2)
    assert [w.name for w in first.weights] == [w.name for w in second.weights]
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    assert len({w.name for w in first.weights}) == len(first.weights)
    assert first.name == name and first.layers[-1].name == "logits"
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights()))
    kernels = [i for i, w in enumerate(first.weights) if "kernel" in w.name]
    assert all((first.get_weights()[i] != other.get_weights()[i]).any() for i in kernels)


@pytest.mark.matrix
def test_odd_sizes_and_other_channel_counts_build_and_train():
    for name in ("lenet", "conv6", "resnet8", "vgg19"):
        model = models.build(name, (9, 13, 2), num_classes=2, width=0.1)
        model.compile("sgd", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        loss = model.fit(np.ones((4, 9, 13, 2)), np.array([0, 1, 0, 1]), verbose=0).history["loss"]
        assert np.isfinite(loss).all()


@pytest.mark.parametrize(
    "name, width, layer, count",
    [
        ("lenet", 0.5, "dense1", 150),
        ("conv4", 2, "conv2_1", 256),
        ("conv2", 0.25, "dense2", 64),
        ("resnet20", 4, "stack3_block2_conv1", 256),
        ("resnet8", 2.5, "stem", 40),
        ("vgg19", 0.01, "conv1_1", 1),
    ],
)
def test_width_scales_hidden_layers_only(name, width, layer, count):
    model = models.build(name, (8, 8, 1), 7, width=width)
    assert model.get_layer(layer).output_shape[-1] == count
    assert model.output_shape == (None, 7)


def test_logits_stay_float32_under_mixed_precision():
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = models.build("resnet8", **SMALL)
        assert model.get_layer("stem").compute_dtype == "bfloat16"
        assert model.output.dtype == "float32"
        assert all(w.dtype == "float32" for w in model.weights)
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


@pytest.mark.parametrize(
    "gpus, strategy, fastest",
    [
        ([(8, 0)], "none", "mixed_float16"),
        ([(7, 0), (9, 0)], "mirrored", "mixed_float16"),
        ([(7, 5), (6, 1)], "mirrored", "float32"),
        ([None], "none", "float32"),  # its maker does not say
        ([], "tpu", "mixed_bfloat16"),
    ],
)
def test_accelerators_train_in_the_precision_that_their_makers_name(monkeypatch, gpus, strategy, fastest):
    details = {n: {} if of is None else {"compute_capability": of} for n, of in enumerate(gpus)}
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: list(details))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
    before = tf_keras.mixed_precision.global_policy()
    try:
        assert (
            set_precision("auto", strategy=strategy)
            == tf_keras.mixed_precision.global_policy().name
            == fastest
        )
        assert set_precision("auto", "jax", strategy) == "float32"
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(name="ResNet-20"), "'ResNet-20'; did you mean resnet20? Known: lenet"),
        (dict(name="vgg16"), "did you mean VGG16 of keras.applications?"),
        (dict(name="vgg"), "did you mean vgg19"),
        (dict(name="xxxxxxxx"), "no model is called 'xxxxxxxx'. Known"),
        (dict(name=None), "no model is called None"),
        (dict(input_shape=(28, 28)), "expected (height, width, channels)"),
        (dict(input_shape=28), "expected (height, width, channels)"),
        (dict(input_shape=(None, None, 3)), "expected (height, width, channels)"),
        (dict(input_shape=(1, 28, 28, 3)), "without the batch size"),
        (dict(input_shape=(28, 28, 0)), "expected (height, width, channels)"),
        (dict(input_shape=(7, 32, 3)), "at least 8x8"),
        (dict(num_classes=1), "num_classes is 1"),
        (dict(num_classes="10"), "num_classes is '10'"),
        (dict(width=0), "width=0 is impossible"),
        (dict(width=-1.0), "width=-1.0 is"),
        (dict(width=float("nan")), "width=nan is"),
        (dict(width="wide"), "width='wide' is"),
        (dict(width=1e39), "width=1e+39 is"),
        (
            dict(width=1e6),
            "width=1e+06: the 3e+16 weights of lenet for images of 28x28x1, in training, need ",
        ),
        (dict(num_classes=10**12), "GB are free: give smaller images, or another net"),
    ],
)
def test_bad_input_gets_one_line_that_names_it(change, words):
    with pytest.raises(LotteryError) as error:
        models.build(**{"name": "lenet", "input_shape": (28, 28, 1), "num_classes": 10, **change})
    assert words in str(error.value) and "\n" not in str(error.value)
