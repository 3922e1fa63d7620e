"""Compacted models compute what they did, with fewer channels: every kind of layer, any graph."""

import doctest
import importlib
import os

import numpy as np
import pytest
import world
import zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import BACKEND, KERAS3, KIND, array, keras
from zoo import Composite, Input, L, Model, MyConv

import keras_lottery as lottery
from keras_lottery import models


def draw_weights(model, rng, sparsity=0.8, dead=0.2):
    """Give a model sparse kernels in which some whole channels are dead, and all else that it holds random values."""
    for path, variable in zoo.ENGINE.variables(model).items():
        name, value = path.split("/")[-1], array(variable)
        shape = value.shape
        if name.endswith("variance"):
            value = rng.uniform(0.5, 2, shape)
        elif name == "gamma":
            value = rng.uniform(0.5, 1.5, shape) * (rng.random(shape) > 0.1)
        elif name in ("beta", "bias", "moving_mean", "alpha"):
            value = rng.normal(size=shape) * (rng.random(shape) > 0.3) / 2
        elif value.ndim > 1 and value.dtype.kind == "f":
            value = rng.normal(size=shape) / np.sqrt(max(1, np.prod(shape[:-1]) * (1 - sparsity)))
            value *= (rng.random(shape) > sparsity) * (rng.random(shape[-1]) > dead) * (rng.random((shape[-2], 1)) > dead)
        else:
            continue
        variable.assign(value.astype("float32"))
    zoo.ENGINE.load_state(model, zoo.ENGINE.values(model))  # layers that keep constants made of their weights
    return model


def widths(model):
    return {row["path"]: row["channels"] for row in lottery.costs(model) if row["channels"]}


def channels(model):
    return sum(widths(model).values())


def specs(model):
    """Names, shapes and dtypes of what goes in and out."""
    names = getattr(model, "output_names", None), [tensor._keras_history[0].name for tensor in model.inputs]
    return names, [(tuple(tensor.shape), str(tensor.dtype)) for tensor in [*model.inputs, *model.outputs]]


def compacted(model, tolerance=1e-5, same_names=True):
    """lottery.compact(model), checked: the same function, the caller's model as it was."""
    x = zoo.data(model)[0]
    expected, weights = zoo.outputs(model, x), [array(weight) for weight in model.weights]
    new = lottery.compact(model)
    assert zoo.same(weights, [array(weight) for weight in model.weights])
    for was, now in zip(expected, zoo.outputs(new, x), strict=True):
        assert was.dtype == now.dtype and np.isfinite(was).all()
        assert np.abs(was.astype("float64") - now).max() <= tolerance * (np.abs(was).max() or 1)
    assert specs(new) == specs(model if same_names else lottery.strip(model)) and new.name == model.name
    return new


# The builders.
@pytest.mark.parametrize("name", ["lenet", "conv4", "resnet8"] if KERAS3 else sorted({*models.names()} - {"resnet14", "resnet32", "resnet56"}))  # as resnet20, only longer
def test_builder(name):
    width = 0.1 if name == "vgg19" else 0.25
    model = models.build(name, (8, 8, 1), 3, width=width, keras=KIND)
    model = draw_weights(model, np.random.default_rng(0), sparsity=0.95 if name == "lenet" else 0.8)
    assert channels(compacted(model)) < channels(model)


# Random graphs.
IMAGE, SEQUENCE, FLAT = 4, 3, 2  # ranks, batch included


def nested(x, body):
    inner = Input(x.shape[1:])
    return Model(inner, body(inner))


def tower(x):
    x = L.Dense(5, "relu")(x)
    return nested(x, lambda y: L.Dense(6, "relu")(y))(x)


def squeeze(x):
    y = L.GlobalAveragePooling2D(keepdims=True)(x)
    return L.Multiply()([x, L.Conv2D(x.shape[-1], 1, activation="sigmoid")(L.Conv2D(2, 1, activation="relu")(y))])


def flat_squeeze(x):
    y = L.Dense(3, "relu")(L.Reshape((1, 1, x.shape[-1]))(L.GlobalMaxPooling2D()(x)))
    return L.Multiply()([L.Dense(x.shape[-1], "sigmoid")(y), x])


def like(x, **settings):
    return L.Conv2D(x.shape[-1], 3, padding="same", **settings)


def twice(layer, x, merge):
    return merge([layer(x), layer(L.LeakyReLU()(x))])


BLOCKS = {
    IMAGE: {
        "conv": lambda x: L.Conv2D(6, 3, padding="same", activation="relu")(x),
        "conv_valid": lambda x: L.Conv2D(6, 2, use_bias=False)(x) if min(x.shape[1:3]) > 2 else x,
        "conv_strided": lambda x: L.Conv2D(5, (3, 1), strides=2, padding="same", use_bias=False)(x),
        "conv_bn": lambda x: L.ReLU()(L.BatchNormalization()(L.Conv2D(6, 3, padding="same", use_bias=False)(x))),
        "pointwise": lambda x: L.Conv2D(6, 1, activation="tanh", padding="same")(x),
        "softmax": lambda x: L.Conv2D(4, 1, activation="softmax")(x),
        "dense": lambda x: L.Dense(5, "relu")(x),
        "norm": lambda x: L.BatchNormalization(scale=False)(x),
        "grouped": lambda x: L.Conv2D(8, 3, groups=4, padding="same", activation="relu")(L.Conv2D(8, 1)(x)),
        "separable": lambda x: L.SeparableConv2D(4, 3, padding="same", depth_multiplier=2, activation="relu")(x),
        "separable_valid": lambda x: L.SeparableConv2D(4, 2, use_bias=False)(x) if min(x.shape[1:3]) > 2 else x,
        "depthwise": lambda x: L.DepthwiseConv2D(3, padding="same", use_bias=False)(x),
        "depthwise_valid": lambda x: L.DepthwiseConv2D((1, 2), depth_multiplier=2, activation="relu")(x) if x.shape[2] > 2 else x,
        "transpose": lambda x: L.Conv2DTranspose(4, 3, padding="same")(x),
        "transpose_valid": lambda x: L.Conv2DTranspose(4, 2, strides=2, activation="relu")(x) if x.shape[1] < 5 else x,
        "residual": lambda x: L.Add()([x, like(x, activation="relu")(x)]),
        "projected": lambda x: L.ReLU()(L.Add()([L.Conv2D(6, 1)(x), L.Conv2D(6, 3, padding="same", activation="relu")(x), L.Conv2D(6, 1)(x)])),
        "highest": lambda x: L.Maximum()([like(x)(x), like(x)(x)]),
        "lowest": lambda x: L.Minimum()([like(x)(x), x]),
        "difference": lambda x: L.Subtract()([like(x, activation="sigmoid")(x), L.BatchNormalization()(x)]),
        "mean": lambda x: L.Average()([like(x)(x), x]),
        "branches": lambda x: L.Concatenate()([L.Conv2D(3, 1)(x), x, L.MaxPooling2D(2, 1, padding="same")(x)]) if x.shape[-1] < 9 else x,
        "rows": lambda x: L.Concatenate(axis=1)([like(x)(x), x]) if x.shape[1] < 5 else x,
        "one_for_all": lambda x: L.Multiply()([x, L.Conv2D(1, 1, activation="sigmoid")(x)]),
        "squeeze": squeeze,
        "flat_squeeze": flat_squeeze,
        "pool": lambda x: L.AveragePooling2D(2, padding="same")(x),
        "larger": lambda x: L.UpSampling2D(2, interpolation="bilinear")(x) if x.shape[1] < 5 else x,
        "padded": lambda x: L.ZeroPadding2D(((1, 0), (0, 1)))(x),
        "cropped": lambda x: L.Cropping2D(((1, 0), (0, 0)))(x) if x.shape[1] > 2 else x,
        "prelu": lambda x: L.PReLU()(x),
        "prelu_shared": lambda x: L.PReLU(shared_axes=[1, 2])(x),
        "prelu_one": lambda x: L.PReLU(shared_axes=[1, 2, 3])(x),
        "noise": lambda x: L.SpatialDropout2D(0.5)(L.GaussianNoise(0.5)(x)),
        "activations": lambda x: L.ELU()(L.Activation("gelu")(L.ReLU(max_value=1.5, negative_slope=0.1)(x))),
        "rescaled": lambda x: L.Rescaling(2.0, offset=0.5)(x),
        "layer_norm": lambda x: L.LayerNormalization()(x),
        "own": lambda x: MyConv(4, padding="same")(x),
        "op": lambda x: x * 2.0 + 0.5,
        "ops": lambda x: like(x)(x) * like(x)(x) - x + x,
        "nested": lambda x: nested(x, lambda y: L.BatchNormalization()(L.Conv2D(5, 2, padding="same")(y)))(x),
        "nested_bare": lambda x: nested(x, lambda y: L.Concatenate()([y, L.Conv2D(2, 1)(y)]))(x),
        "sequential": lambda x: keras.Sequential([L.Conv2D(4, 2, padding="same"), L.PReLU(), L.Dropout(0.5), L.Conv2D(4, 1, activation="relu")])(x),
        "twin": lambda x: twice(nested(x, lambda y: L.ReLU()(L.Add()([like(y)(y), y]))), x, L.Add()),
        "shared": lambda x: twice(like(x, activation="relu"), x, L.Maximum()),
        "shared_pointwise": lambda x: twice(L.Conv2D(4, 1), x, L.Concatenate()),
        "shared_norm": lambda x: L.Add()([*map(L.BatchNormalization(), (like(x)(x), like(x)(x)))]),
        "permuted": lambda x: L.Permute((2, 1, 3))(x),
        "turned": lambda x: L.Permute((3, 1, 2))(x),
        "sequence": lambda x: L.Reshape((-1, x.shape[3]))(x),
        "columns": lambda x: L.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x),
        "global": lambda x: L.GlobalAveragePooling2D()(x),
    },
    SEQUENCE: {
        "conv": lambda x: L.Conv1D(6, 2, padding="causal", activation="relu")(x),
        "conv_same": lambda x: L.BatchNormalization()(L.Conv1D(5, 3, padding="same", dilation_rate=2)(x)),
        "transpose": lambda x: L.Conv1DTranspose(4, 2)(x),
        "separable": lambda x: L.SeparableConv1D(5, 2, padding="same")(x),
        "dense": lambda x: L.Dense(6, "relu")(x),
        "lstm": lambda x: L.LSTM(4, return_sequences=True)(x),
        "attention": lambda x: L.Add()([x, L.MultiHeadAttention(2, 2)(x, x)]),
        "einsum": lambda x: L.EinsumDense("abc,cd->abd", (x.shape[1], 4), bias_axes="d")(x),
        "each": lambda x: L.TimeDistributed(L.Dense(4, "tanh"))(x),
        "softmax": lambda x: L.Softmax()(L.Dense(4)(x)),
        "pool": lambda x: L.MaxPooling1D(2, padding="same")(L.ZeroPadding1D(1)(x)),
        "image": lambda x: L.Reshape((x.shape[1], 1, x.shape[2]))(x),
        "flat": lambda x: L.Flatten()(x),
        "global": lambda x: L.GlobalAveragePooling1D()(x),
    },
    FLAT: {
        "dense": lambda x: L.Dense(8, "relu", kernel_regularizer="l2")(x),
        "bare": lambda x: L.Dense(7, use_bias=False)(x),
        "norm": lambda x: L.Activation("relu")(L.BatchNormalization()(L.Dense(8, use_bias=False)(x))),
        "softmax": lambda x: L.Dense(5, "softmax")(x),
        "wide": lambda x: L.Concatenate()([x, L.Dense(4, "relu")(x), x]),
        "residual": lambda x: L.Add()([x, L.Dense(x.shape[-1], "relu")(x)]),
        "composite": lambda x: Composite(4)(x),
        "shared": lambda x: twice(L.Dense(6, "relu"), x, L.Concatenate()),
        "nested": lambda x: nested(x, tower)(x),
        "image": lambda x: L.Reshape((2, 2, 4))(L.Dense(16, "relu")(x)),
        "odd_image": lambda x: L.Reshape((1, 1, -1))(L.Dense(6)(x)),
        "repeat": lambda x: L.RepeatVector(3)(x),
    },
}


@st.composite
def graphs(draw):
    world.keras.utils.set_random_seed(0)  # each example is the same wherever it comes
    first = Input(draw(st.sampled_from([(4, 4, 3), (4, 4, 3), (5, 4), (6,)])))
    x = (L.Conv2D if len(first.shape) == IMAGE else L.Dense)(6, *[3] * (len(first.shape) == IMAGE), activation="relu")(first)
    seen = []
    for _ in range(draw(st.integers(2, 6))):
        x = BLOCKS[len(x.shape)][draw(st.sampled_from(sorted(BLOCKS[len(x.shape)])))](x)
        seen.append(x)
    outputs = [L.Dense(2)(x if len(x.shape) == 2 else L.Flatten()(x))]
    if draw(st.integers(0, 3)) == 0:
        outputs.append(draw(st.sampled_from(seen)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return draw_weights(Model(first, outputs), rng, draw(st.sampled_from([0.3, 0.6, 0.9])), draw(st.sampled_from([0.0, 0.2, 0.5])))


EXAMPLES = int(os.environ.get("RANDOM_MODELS", 8 if BACKEND == "jax" else 40))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="RANDOM_MODELS" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(graphs())
def test_random_graph(model):
    new = compacted(model)
    assert channels(new) <= channels(model)


@pytest.mark.parametrize("rank, name", [(rank, name) for rank in BLOCKS for name in BLOCKS[rank]])
def test_block(rank, name):
    """One block between sparse layers with dead channels, so that each rule is met whatever the random graphs draw."""
    if BACKEND == "jax" and name not in ("conv", "depthwise", "residual", "twin", "dense"):
        pytest.skip("compiles for long; the rule is the same on each backend")
    shape = {IMAGE: (4, 4, 3), SEQUENCE: (5, 4), FLAT: (6,)}[rank]
    first = Input(shape)
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 1)(first) if rank == IMAGE else L.Dense(8)(first)))
    x = BLOCKS[rank][name](x)
    x = L.Conv2D(4, 3, padding="same", use_bias=False)(x) if len(x.shape) == IMAGE else L.Dense(4, "relu")(x)
    model = Model(first, L.Dense(2)(x if len(x.shape) == 2 else L.Flatten()(x)))
    new = compacted(draw_weights(model, np.random.default_rng(0), sparsity=0.5, dead=0.3))
    if name in ("conv", "twin", "squeeze", "grouped"):
        assert lottery.costs(lottery.compact(new)) == lottery.costs(new)  # nothing is left to take out


OTHERS = """conv1d conv3d_transpose locally2d cells time_distributed_model norms_and_noise mask_into_lstm lstm_given_states
    cross_attention vit shared_with_nested nested_used_twice two_inputs_two_outputs lambda_and_tf_ops lambda_and_keras_ops
    sequential_without_input sequential_of_first_layer losses_added custom_kept call_arguments config_without_names
    dots_in_names subclassed subclassed_in_a_graph""".split()


@pytest.mark.parametrize("name", [name for name in OTHERS if name in zoo.CASES and (BACKEND != "jax" or "graph" in name or "vit" in name)])
def test_any_layer(name):
    """Layers and graphs of kinds that no block has, known to compact or not."""
    model = zoo.CASES[name].build()
    if name == "subclassed":
        with pytest.raises(lottery.LotteryError, match="functional or Sequential"):
            lottery.compact(model)
    else:
        # A copy of such models of Keras 3 gives their inputs new names.
        renamed = KERAS3 and name in ("shared_with_nested", "config_without_names")
        compacted(draw_weights(model, np.random.default_rng(0), sparsity=0.3), same_names=not renamed)


# What constants do.
def image_net(*blocks, shape=(5, 5, 2)):
    x = first = Input(shape)
    for block in blocks:
        x = block(x)
    return draw_weights(Model(first, x), np.random.default_rng(0), sparsity=0.0, dead=0.0)


def make_constant(model, name, *units, value=0.7):
    """No weight leads to these units any more; their biases make them constants."""
    layer = model.get_layer(name)
    kernel, bias = map(array, (layer.kernel, layer.bias))
    kernel[..., list(units)], bias[list(units)] = 0, value * (1 + np.arange(len(units)))
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    return model


def first(x):
    return L.Conv2D(8, 3, padding="same", activation="relu", name="first")(x)


INTO = {  # how many of 8 channels are left, where 3 are constants that are not 0
    "same": (6, lambda x: L.Conv2D(4, 3, padding="same", use_bias=False)(x)),
    "valid": (5, lambda x: L.Conv2D(4, 3, use_bias=False)(x)),
    "pointwise": (5, lambda x: L.Conv2D(4, 1, padding="same")(x)),
    "transposed": (6, lambda x: L.Conv2DTranspose(4, 3)(x)),
    "dense after flatten": (5, lambda x: L.Dense(3, use_bias=False)(L.Flatten()(x))),
    "dense after pool": (5, lambda x: L.Dense(3)(L.GlobalAveragePooling2D()(L.BatchNormalization()(x)))),
    "add with live": (8, lambda x: L.Conv2D(4, 3)(L.Add()([x, L.Conv2D(8, 1)(x)]))),
    "add with constant": (5, lambda x: L.Conv2D(4, 3)(L.Add()([x, L.BatchNormalization()(x)]))),
    "concatenate": (5, lambda x: L.Conv2D(4, 3)(L.Concatenate()([x, L.MaxPooling2D(2, 1, padding="same")(x)]))),
    "concatenate, then same": (6, lambda x: L.Conv2D(4, 3, padding="same")(L.Concatenate()([x, L.ReLU()(x)]))),
    "padded": (8, lambda x: L.Conv2D(4, 3)(L.ZeroPadding2D(1)(x))),
    "separable": (5, lambda x: L.SeparableConv2D(4, 3)(x)),
    "separable, same": (8, lambda x: L.SeparableConv2D(4, 3, padding="same")(x)),
    "depthwise": (5, lambda x: L.Conv2D(4, 3)(L.DepthwiseConv2D(2, use_bias=False)(x))),
    "softmax": (8, lambda x: L.Conv2D(4, 3)(L.Softmax()(x))),
    "two": (6, lambda x: L.Add()([L.Conv2D(4, 3, padding="same")(x), L.Conv2D(4, 1)(x)])),
}


@pytest.mark.parametrize("where", INTO)
def test_a_constant_goes_on_exactly(where):
    left, block = INTO[where]
    model = make_constant(image_net(first, block), "first", 1, 4, 6)
    assert widths(compacted(model))["first"] == left


def test_zero_constants_go_everywhere():
    for where in ("same", "transposed", "padded", "separable, same"):
        model = make_constant(image_net(first, INTO[where][1]), "first", 1, 4, 6, value=0)
        assert widths(compacted(model))["first"] == 5


def test_a_channel_that_nobody_needs_goes():
    model = image_net(first, INTO["same"][1])
    kernel = array(model.layers[-1].kernel)
    kernel[:, :, 2:] = 0
    model.layers[-1].kernel.assign(kernel)
    assert widths(compacted(model))["first"] == 2


def test_a_chain_dies_from_both_ends():
    def dense(units, name):
        return L.Dense(units, "relu", use_bias=False, name=name)

    model = image_net(*(dense(6, name) for name in "abcdef"), L.Dense(2), shape=(4,))
    for name in "bcde":  # units 0 to 2 and 3 to 5 do not meet
        kernel = array(model.get_layer(name).kernel)
        kernel[:3, 3:] = kernel[3:, :3] = 0
        model.get_layer(name).kernel.assign(kernel)
    kernel = array(model.get_layer("a").kernel)
    kernel[:, :2] = 0  # nothing comes in
    model.get_layer("a").kernel.assign(kernel)
    kernel = array(model.get_layer("f").kernel)
    kernel[3:] = 0  # nothing goes on
    model.get_layer("f").kernel.assign(kernel)
    assert list(widths(compacted(model)).values()) == [1, 3, 3, 3, 3, 6, 2]
    kernel = array(model.get_layer("a").kernel)
    kernel[:, :3] = 0
    model.get_layer("a").kernel.assign(kernel)
    assert list(widths(compacted(model)).values()) == [1] * 6 + [2]


def test_a_dead_layer_keeps_one_channel():
    blocks = [L.Conv2D(6, 3, padding="same", name=name) for name in "abc"]
    model = image_net(*blocks, L.Flatten(), L.Dense(2))
    for name, dead in (("b", slice(None)), ("c", slice(None))):
        layer = model.get_layer(name)
        layer.kernel.assign(array(layer.kernel) * 0)
    new = compacted(model)
    assert list(widths(new).values()) == [1, 1, 1, 2]


def test_a_residual_keeps_the_union():
    x = Input((4, 4, 2))
    a, b = (L.Conv2D(6, 3, padding="same", use_bias=False, name=name)(x) for name in "ab")
    model = draw_weights(Model(x, L.Dense(2)(L.GlobalMaxPooling2D()(L.Add()([a, b])))), np.random.default_rng(0), 0.0, 0.0)
    for name, live in (("a", [0, 1]), ("b", [1, 4])):
        layer = model.get_layer(name)
        layer.kernel.assign(array(layer.kernel) * np.isin(np.arange(6), live))
    new = compacted(model)
    assert widths(new)["a"] == widths(new)["b"] == 3
    assert lottery.sparsity(new) > 0  # zeros stay


def test_outputs_and_inputs_keep_their_width():
    x = Input((6,))
    hidden = L.Dense(5, "relu", name="hidden")(x)
    model = draw_weights(Model(x, [L.Dense(2)(hidden), hidden]), np.random.default_rng(0), 0.0, 0.8)
    assert widths(compacted(model))["hidden"] == 5


# Layers without a rule.
@pytest.mark.parametrize("make", [L.LayerNormalization, L.Softmax, lambda: MyConv(3), lambda: L.Lambda(lambda t: t[..., ::-1]),
                                  lambda: L.Activation("softmax"), lambda: L.GroupNormalization(2), lambda: L.Reshape((5, 5, 4, 2))])
def test_an_unknown_layer_keeps_what_goes_in(make):
    model = image_net(first, lambda x: make()(x), L.Flatten(), L.Dense(2))
    assert widths(compacted(make_constant(model, "first", 0, 1)))["first"] == 8


def test_settings_of_ones_own_keep_a_layer_as_it_is():
    @world.register
    class Half(keras.regularizers.Regularizer):
        def __call__(self, x):
            return 0.5 * keras.ops.sum(x) if KERAS3 else 0.0

        def get_config(self):
            return {}

    for settings, left in (({"kernel_regularizer": Half()}, 6), ({"kernel_regularizer": "l2"}, 4)):
        model = image_net(L.Dense(6, "relu", name="first", **settings), L.Dense(2), shape=(3,))
        assert widths(compacted(make_constant(model, "first", 0, 1)))["first"] == left


def test_batch_statistics_in_a_call_are_not_constants():
    x = Input((4, 4, 2))
    y = L.BatchNormalization(name="norm")(first(x), training=True)
    model = draw_weights(Model(x, L.Dense(2)(L.Flatten()(y))), np.random.default_rng(0), 0.0, 0.0)
    assert widths(compacted(make_constant(model, "first", 0, 1)))["first"] == 8


def test_a_mask_makes_a_mean_of_some_rows():
    x = Input((5,), dtype="int32")
    y = L.Dense(6, "relu", name="first")(L.Embedding(7, 4, mask_zero=True)(x))
    model = draw_weights(Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y))), np.random.default_rng(0), 0.0, 0.0)
    compacted(make_constant(model, "first", 0, 1))


@world.skip_unless("keras", reason="TensorFlow's convolutions on a processor take channels last")
def test_channels_first():
    settings = {"data_format": "channels_first", "activation": "relu"}
    model = image_net(L.Conv2D(8, 3, padding="same", name="first", **settings), L.BatchNormalization(axis=1),
                      L.Conv2D(6, 3, padding="same", **settings), L.MaxPooling2D(2, data_format="channels_first"),
                      L.Flatten(data_format="channels_first"), L.Dense(4, "relu"), L.Reshape((4, 1, 1)), L.Flatten(), L.Dense(2), shape=(2, 5, 5))
    assert widths(compacted(make_constant(model, "first", 1, 4, 6)))["first"] < 8


# What comes of a compacted model.
def ticket_net(**settings):
    model = image_net(first, L.BatchNormalization(), L.ReLU(), L.Conv2D(6, 3, padding="same", activation="relu", **settings),
                      L.GlobalAveragePooling2D(), L.Dense(5, "relu"), L.Dense(3, name="head"))
    return make_constant(model, "first", 0, 3)


def test_the_new_model_is_as_any_other(tmp_path):
    new = compacted(ticket_net())
    assert isinstance(new, Model) and getattr(new, "optimizer", None) is None
    x, y = zoo.data(new)
    new.save(tmp_path / "m.keras")
    assert zoo.same(zoo.outputs(world.load_model(tmp_path / "m.keras"), x), zoo.outputs(new, x))
    wrapped = lottery.wrap(new)
    assert zoo.same(zoo.outputs(wrapped, x), zoo.outputs(new, x))
    wrapped.compile("sgd", "mse", run_eagerly=world.EAGER)
    zoo.tighten(wrapped, 0.9)
    wrapped.train_on_batch(x, y)
    assert zoo.drift(wrapped) == 0
    assert channels(compacted(lottery.strip(wrapped))) < channels(new)


def test_a_wrapped_model_is_stripped():
    wrapped = lottery.wrap(ticket_net())
    zoo.tighten(wrapped, 0.8)
    new = compacted(wrapped)
    assert lottery.costs(new) == lottery.costs(lottery.compact(lottery.strip(wrapped)))
    assert not zoo.ENGINE.masks(new)


def test_a_sequential_model_stays_one():
    model = keras.Sequential([Input((6,)), L.Dense(8, "relu", name="first"), L.Dropout(0.5), L.Dense(2)], name="net")
    new = compacted(make_constant(draw_weights(model, np.random.default_rng(0), 0.0, 0.0), "first", 2, 3))
    assert type(new) is type(model) and [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
    assert widths(new)["first"] == 6


def test_frozen_layers_stay_frozen():
    model = ticket_net()
    model.get_layer("first").trainable = False
    new = compacted(model)
    assert [layer.trainable for layer in new.layers] == [layer.trainable for layer in model.layers]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_precision_policies_are_kept(policy):
    world.set_policy(policy)
    model = ticket_net(dtype="float32")
    world.set_policy("float32")
    new = compacted(model, tolerance=0.05)
    assert channels(new) < channels(model)
    for was, now in list(zip(model.layers, new.layers, strict=True))[1:]:  # the first is the input
        assert (now.compute_dtype, now.variable_dtype) == (was.compute_dtype, was.variable_dtype)
    assert new.get_layer("first").compute_dtype in policy


# What is counted.
def row(layer, shape):
    return lottery.costs(keras.Sequential([Input(shape), layer]))[0]


@pytest.mark.parametrize("make, shape, expected", [
    (lambda: L.Dense(5), (4,), (5, 25, 20)),
    (lambda: L.Dense(5), (3, 4), (5, 25, 60)),
    (lambda: L.Conv2D(8, 3, padding="same"), (6, 6, 2), (8, 152, 36 * 9 * 2 * 8)),
    (lambda: L.Conv2D(8, 3, strides=2, use_bias=False), (7, 7, 2), (8, 144, 9 * 9 * 2 * 8)),
    (lambda: L.Conv2D(8, 3, groups=2, use_bias=False), (5, 5, 4), (8, 144, 9 * 9 * 2 * 8)),
    (lambda: L.Conv1D(4, 3, padding="causal"), (6, 2), (4, 28, 6 * 3 * 2 * 4)),
    (lambda: L.Conv3D(2, 2), (3, 3, 3, 1), (2, 18, 8 * 8 * 2)),
    (lambda: L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), (5, 5, 4), (8, 72, 9 * 9 * 4 * 2)),
    (lambda: L.SeparableConv2D(6, 3, use_bias=False), (5, 5, 4), (6, 60, 9 * (9 * 4 + 4 * 6))),
    (lambda: L.Conv2DTranspose(3, 2, strides=2, use_bias=False), (4, 4, 5), (3, 60, 16 * 4 * 5 * 3)),
    (lambda: L.BatchNormalization(), (4, 4, 5), (None, 20, 0)),
    (lambda: L.Embedding(7, 4), (3,), (None, 28, 0)),
    (lambda: L.LSTM(3), (4, 2), (None, 72, None)),
    (lambda: L.Conv2D(2, 1), (None, None, 3), (2, 8, None)),
])
def test_costs(make, shape, expected):
    found = row(make(), shape)
    assert (found["channels"], found["parameters"], found["multiply_adds"]) == expected


def test_costs_of_each_call_and_of_models_inside():
    inner = keras.Sequential([Input((4,)), L.Dense(4, name="dense")], name="inner")
    x = Input((4,))
    assert lottery.costs(Model(x, inner(inner(x)))) == [{"path": "inner/dense", "channels": 4, "parameters": 20, "multiply_adds": 32}]


def test_it_says_what_was_taken_out(capsys):
    model = ticket_net()
    new = lottery.compact(model)
    out = capsys.readouterr().out
    assert f"{channels(model)} → {channels(new)} channels" in out and f"8 → {widths(new)['first']}" in out


# What cannot be compacted.
class Sub(Model):
    def __init__(self):
        super().__init__()
        self.dense = L.Dense(2)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize("make, match", [
    (lambda: 3, "expected a Keras model, got int"),
    (lambda: keras.Sequential([L.Dense(2)]), "is not built"),
    (lambda: zoo.called(Sub(), (4,)), "functional"),
])
@pytest.mark.parametrize("function", [lottery.compact, lottery.costs])
def test_errors(make, match, function):
    with pytest.raises(lottery.LotteryError, match=match) as error:
        function(make())
    assert "\n" not in str(error.value)


@world.skip_unless("tf_keras", reason="the examples are in tf_keras")
@pytest.mark.parametrize("name", ["compact", "compact.counts"])
def test_examples(name):
    results = doctest.testmod(importlib.import_module(f"keras_lottery.{name}"))
    assert results.attempted and results.failed == 0
