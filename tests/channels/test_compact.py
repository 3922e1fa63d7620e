"""Compacted models compute what they did, with fewer channels: every kind of layer, any graph."""

import numpy as np
import pytest
import world
import zoo
from graphs import BLOCKS, FLAT, IMAGE, SEQUENCE, draw_weights, drawn, graphs
from hypothesis import given
from world import BACKEND, KERAS3, KIND, array, keras
from zoo import Input, L, Model, MyConv

import keras_lottery as lottery
from keras_lottery import models


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
@pytest.mark.matrix
@pytest.mark.quick("lenet", "resnet8", "mobilenet")
@pytest.mark.parametrize(
    "name",
    ["lenet", "conv4", "resnet8"]
    if KERAS3
    else sorted({*models.names()} - {"resnet14", "resnet32", "resnet56"}),
)  # as resnet20, only longer
def test_builder(name):
    width = 0.1 if name == "vgg19" else 0.25
    model = models.build(name, (8, 8, 1), 3, width=width, keras=KIND)
    model = draw_weights(model, np.random.default_rng(0), sparsity=0.95 if name == "lenet" else 0.8)
    assert channels(compacted(model)) < channels(model)


# Random graphs.
@pytest.mark.matrix
@drawn(8 if BACKEND == "jax" else 20)
@given(graphs())
def test_random_graph(model):
    new = compacted(model)
    assert channels(new) <= channels(model)


@pytest.mark.quick(
    "4-conv_strided",
    "4-conv_bn",
    "4-grouped",
    "4-separable",
    "4-depthwise_valid",
    "4-transpose",
    "4-residual",
    "4-projected",
    "4-branches",
    "4-padded",
    "4-nested",
    "4-shared",
    "3-conv_same",
    "3-flat",
)
@pytest.mark.parametrize("rank, name", [(rank, name) for rank in BLOCKS for name in BLOCKS[rank]])
def test_block(rank, name):
    """One block between sparse layers with dead channels, so that each rule is met whatever the random graphs
    draw."""
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


OTHERS = """conv1d conv3d_transpose locally2d cells time_distributed_model norms_and_noise
    mask_into_lstm lstm_given_states
    cross_attention vit shared_with_nested nested_used_twice two_inputs_two_outputs lambda_and_tf_ops
    lambda_and_keras_ops sequential_without_input sequential_of_first_layer losses_added custom_kept
    call_arguments config_without_names dots_in_names subclassed subclassed_in_a_graph""".split()


@pytest.mark.quick("vit", "nested_used_twice", "call_arguments", "lambda_and_tf_ops", "shared_with_nested")
@pytest.mark.parametrize(
    "name",
    [name for name in OTHERS if name in zoo.CASES and (BACKEND != "jax" or "graph" in name or "vit" in name)],
)
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
    "concatenate": (
        5,
        lambda x: L.Conv2D(4, 3)(L.Concatenate()([x, L.MaxPooling2D(2, 1, padding="same")(x)])),
    ),
    "concatenate, then same": (
        6,
        lambda x: L.Conv2D(4, 3, padding="same")(L.Concatenate()([x, L.ReLU()(x)])),
    ),
    "padded": (8, lambda x: L.Conv2D(4, 3)(L.ZeroPadding2D(1)(x))),
    "separable": (5, lambda x: L.SeparableConv2D(4, 3)(x)),
    "separable, same": (8, lambda x: L.SeparableConv2D(4, 3, padding="same")(x)),
    "depthwise": (5, lambda x: L.Conv2D(4, 3)(L.DepthwiseConv2D(2, use_bias=False)(x))),
    "softmax": (8, lambda x: L.Conv2D(4, 3)(L.Softmax()(x))),
    "two": (6, lambda x: L.Add()([L.Conv2D(4, 3, padding="same")(x), L.Conv2D(4, 1)(x)])),
}


@pytest.mark.quick(
    "same",
    "transposed",
    "dense after flatten",
    "add with constant",
    "concatenate, then same",
    "separable, same",
    "two",
)
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
    model = draw_weights(
        Model(x, L.Dense(2)(L.GlobalMaxPooling2D()(L.Add()([a, b])))), np.random.default_rng(0), 0.0, 0.0
    )
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
@pytest.mark.parametrize(
    "make",
    [
        L.LayerNormalization,
        L.Softmax,
        lambda: MyConv(3),
        lambda: L.Lambda(lambda t: t[..., ::-1]),
        lambda: L.Activation("softmax"),
        lambda: L.GroupNormalization(2),
        lambda: L.Reshape((5, 5, 4, 2)),
    ],
)
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
    model = draw_weights(
        Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y))), np.random.default_rng(0), 0.0, 0.0
    )
    compacted(make_constant(model, "first", 0, 1))


@world.skip_unless("keras", reason="TensorFlow's convolutions on a processor take channels last")
def test_channels_first():
    settings = {"data_format": "channels_first", "activation": "relu"}
    model = image_net(
        L.Conv2D(8, 3, padding="same", name="first", **settings),
        L.BatchNormalization(axis=1),
        L.Conv2D(6, 3, padding="same", **settings),
        L.MaxPooling2D(2, data_format="channels_first"),
        L.Flatten(data_format="channels_first"),
        L.Dense(4, "relu"),
        L.Reshape((4, 1, 1)),
        L.Flatten(),
        L.Dense(2),
        shape=(2, 5, 5),
    )
    assert widths(compacted(make_constant(model, "first", 1, 4, 6)))["first"] < 8


# What comes of a compacted model.
def ticket_net(**settings):
    model = image_net(
        first,
        L.BatchNormalization(),
        L.ReLU(),
        L.Conv2D(6, 3, padding="same", activation="relu", **settings),
        L.GlobalAveragePooling2D(),
        L.Dense(5, "relu"),
        L.Dense(3, name="head"),
    )
    return make_constant(model, "first", 0, 3)


def test_a_reshape_of_two_shapes_and_a_model_called_in_two_ways():
    images = Input((8, 8, 3))
    large = L.Conv2D(6, 3, padding="same", activation="relu")(images)
    small = L.Conv2D(6, 3, 2, padding="same", activation="relu")(large)
    rows, dense = L.Reshape((-1, 6)), L.Dense(4)
    both = [L.GlobalAveragePooling1D()(dense(rows(x))) for x in (large, small)]
    compacted(draw_weights(Model(images, L.Add()(both)), np.random.default_rng(0)))
    inner = Input((8, 8, 6))
    body = Model(inner, L.Conv2D(5, 3, activation="relu")(L.Dropout(0.0)(inner)))
    x, y = (L.Conv2D(6, 3, padding="same", activation="relu")(images) for _ in range(2))
    both = L.Add()([body(x), body(y, training=True)])
    compacted(
        draw_weights(Model(images, L.Dense(2)(L.GlobalAveragePooling2D()(both))), np.random.default_rng(0))
    )


def test_a_reshape_to_whatever_is_left_of_two_widths():
    """As of two blocks of squeeze and excitation that share it."""
    images, flat = Input((4, 4, 3)), L.Reshape((1, 1, -1))
    x = images
    for width in (6, 8):
        x = L.Conv2D(width, 1)(x)
        x = L.Multiply()([x, flat(L.Dense(width, "sigmoid")(L.GlobalAveragePooling2D()(x)))])
    model = Model(images, L.Conv2D(3, 1)(x))
    compacted(draw_weights(model, np.random.default_rng(0)))
    for seed in range(3):
        compacted(draw_weights(model, np.random.default_rng(seed), 0.5, 0.8))


def test_a_prelu_along_two_axes():
    images, slopes = Input((4, 4, 3)), L.PReLU()
    x = L.Conv2D(4, 1, name="first")(images)
    turned = L.Permute((3, 2, 1))(slopes(L.Permute((3, 2, 1))(x)))
    model = draw_weights(
        Model(images, L.Dense(2)(L.Concatenate()([slopes(x), turned]))), np.random.default_rng(0), 0.0, 0.0
    )
    compacted(make_constant(model, "first", 0, 1))


@pytest.mark.parametrize("activation", ["hard_sigmoid", "sigmoid", "elu", "gelu", "swish", "softplus"])
def test_constants_go_through_the_activation_of_a_layer(activation):
    x = Input((4,))
    model = draw_weights(
        Model(x, L.Dense(2)(L.Dense(8, activation, name="first")(x))), np.random.default_rng(0), 0.0, 0.0
    )
    assert widths(compacted(make_constant(model, "first", 0, 1)))["first"] < 8


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
    model = keras.Sequential(
        [Input((6,)), L.Dense(8, "relu", name="first"), L.Dropout(0.5), L.Dense(2)], name="net"
    )
    new = compacted(make_constant(draw_weights(model, np.random.default_rng(0), 0.0, 0.0), "first", 2, 3))
    assert type(new) is type(model) and [layer.name for layer in new.layers] == [
        layer.name for layer in model.layers
    ]
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


@pytest.mark.parametrize(
    "make, shape, expected",
    [
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
    ],
)
def test_costs(make, shape, expected):
    found = row(make(), shape)
    assert (found["channels"], found["parameters"], found["multiply_adds"]) == expected


@world.skip_unless("tf_keras", reason="Keras 3 has no such layers")
def test_costs_of_weights_that_each_position_has_for_itself():
    assert row(L.LocallyConnected2D(3, 3), (6, 6, 2))["multiply_adds"] == 16 * 9 * 2 * 3


def test_costs_of_each_call_and_of_models_inside():
    inner = keras.Sequential([Input((4,)), L.Dense(4, name="dense")], name="inner")
    x = Input((4,))
    assert lottery.costs(Model(x, inner(inner(x)))) == [
        {"path": "inner/dense", "channels": 4, "parameters": 20, "multiply_adds": 32}
    ]


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


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: 3, "expected a Keras model, got int"),
        (lambda: keras.Sequential([L.Dense(2)]), "is not built"),
        (lambda: zoo.called(Sub(), (4,)), "functional"),
    ],
)
@pytest.mark.parametrize("function", [lottery.compact, lottery.costs])
def test_errors(make, match, function):
    with pytest.raises(lottery.LotteryError, match=match) as error:
        function(make())
    assert "\n" not in str(error.value)
