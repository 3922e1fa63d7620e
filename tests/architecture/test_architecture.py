"""A net in the notation of the other Keras computes the same, or is refused."""

import copy
import json

import numpy as np
import pytest

tf_keras = pytest.importorskip("tf_keras")
keras = pytest.importorskip("keras")

from keras_lottery import engines
from keras_lottery.architecture import KINDS, kind, translate
from keras_lottery.core.errors import LotteryError

KERAS = {"tf_keras": tf_keras, "keras": keras}
OTHER = {"tf_keras": "keras", "keras": "tf_keras"}
NETS = {}


def net(build):
    """Keeps a function that makes a model of the Keras it is given."""
    NETS[build.__name__] = build
    return build


def stack(name, shape, layers, dtype="float32"):
    """A net of one layer after the other."""

    def build(k):
        tensor = first = k.Input(shape, dtype=dtype)
        for layer in layers(k.layers):
            tensor = layer(tensor)
        return k.Model(first, tensor)

    NETS[name] = build


@pytest.fixture(autouse=True)
def fresh_names():
    for k in KERAS.values():
        k.backend.clear_session()


def built(architecture, to):
    return KERAS[to].models.model_from_json(json.dumps(architecture))


def state(model):
    """{path: variable} but seeds; Normalization has no count in Keras 3 and may show its mean as
    adapt_mean."""
    found = {
        path.replace("/adapt_", "/"): variable for path, variable in engines.of(model).variables().items()
    }
    return {
        path: v for path, v in found.items() if "random_generator" not in path and not path.endswith("/count")
    }


def array(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor) if keras.ops.is_tensor(tensor) else tensor)


def carry(source, target):
    """Give a model the weights of another, which must be at the same paths and of the same shapes."""
    given, taken = state(source), state(target)
    assert {path: tuple(v.shape) for path, v in given.items()} == {
        path: tuple(v.shape) for path, v in taken.items()
    }
    for path, variable in taken.items():
        variable.assign(array(given[path]))
    for layer in target.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def randomize(model):
    rng = np.random.default_rng(0)
    for path, variable in state(model).items():
        values = rng.normal(size=variable.shape) * 0.4
        variable.assign(np.abs(values) + 0.1 if "variance" in path else values)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def example(model):
    """A random batch of two."""
    rng = np.random.default_rng(1)

    def draw(tensor):
        shape, dtype = (
            (tensor.shape[0] or 2, *tensor.shape[1:]),
            str(getattr(tensor.dtype, "name", tensor.dtype)),
        )
        if dtype.startswith(("int", "bool")):
            return np.concatenate([np.zeros((1, *shape[1:])), rng.integers(0, 4, shape)[1:]]).astype(dtype)
        return (2 * rng.normal(size=shape)).astype(dtype)

    given = model.inputs[0] if type(model).__name__ == "Sequential" else model.input
    return engines.of(model).nest.map_structure(draw, given)


def outputs(model, x):
    """A flat list, of a dict in the order of its keys."""
    nest = engines.of(model).nest
    ready = tf_keras.backend.constant if isinstance(model, tf_keras.Model) else keras.ops.convert_to_tensor
    x = nest.map_structure(lambda a: ready(a, dtype=a.dtype.name), x)
    return [array(tensor).astype("float64") for tensor in nest.flatten(model(x, training=False))]


def dilates():
    """Whether TensorFlow computes dilated transposed convolutions here: oneDNN does, its own kernels do
    not."""
    import tensorflow as tf

    try:
        tf.nn.conv2d_transpose(
            tf.zeros((1, 3, 3, 1)), tf.zeros((2, 2, 1, 1)), (1, 5, 5, 1), 1, "VALID", dilations=2
        )
    except tf.errors.InvalidArgumentError:
        return False
    return True


def assert_same(first, second, tolerance=1e-5):
    assert [a.shape for a in first] == [a.shape for a in second]
    for a, b in zip(first, second):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(a).max(), 1e-3))


def check(model, source, back=True, tolerance=1e-5):
    """A model goes over and back, the architecture it was given stays as it was."""
    randomize(model)
    given = json.loads(model.to_json())
    before = copy.deepcopy(given)
    there = translate(given, OTHER[source])
    assert given == before and (kind(given), kind(there)) == (source, OTHER[source])
    made = built(there, OTHER[source])
    carry(model, made)
    x = example(model)
    expected = outputs(model, x)
    assert_same(expected, outputs(made, x), tolerance)
    for again in [there, json.loads(made.to_json())] if back else []:
        returned = built(translate(again, source), source)
        carry(made, returned)
        assert_same(expected, outputs(returned, x))


IMAGE = (6, 5, 4)

stack(
    "conv1d",
    (9, 4),
    lambda L: [
        L.Conv1D(4, 2, padding="causal", dilation_rate=2),
        L.SeparableConv1D(4, 2, depth_multiplier=2),
        L.DepthwiseConv1D(2),
        L.Conv1DTranspose(3, 2, strides=2, output_padding=1),
        L.ZeroPadding1D((1, 2)),
        L.Cropping1D((0, 1)),
        L.UpSampling1D(2),
        L.MaxPooling1D(2, padding="same"),
        L.AveragePooling1D(2, strides=1),
        L.SpatialDropout1D(0.2),
    ],
)
stack(
    "conv2d",
    IMAGE,
    lambda L: [
        L.Conv2D(4, 2, groups=2, padding="same", activation="relu"),
        L.SeparableConv2D(4, 2, depthwise_regularizer="l2"),
        L.DepthwiseConv2D(2, strides=2, padding="same", use_bias=False),
        L.Conv2DTranspose(4, 3),
        L.Conv2D(
            3,
            2,
            strides=2,
            kernel_initializer="he_normal",
            kernel_constraint="max_norm",
            activity_regularizer="l1",
        ),
    ],
)
stack("dilated", IMAGE, lambda L: [L.Conv2DTranspose(4, 3, dilation_rate=2), L.Conv2D(3, 2)])
stack(
    "conv3d",
    (5, 4, 3, 2),
    lambda L: [
        L.Conv3D(3, 2, dilation_rate=(2, 1, 1)),
        L.Conv3DTranspose(2, 2),
        L.ZeroPadding3D(1),
        L.Cropping3D(1),
        L.UpSampling3D(2),
        L.MaxPooling3D(2),
        L.AveragePooling3D(2, padding="same"),
        L.SpatialDropout3D(0.2),
    ],
)
stack(
    "images",
    IMAGE,
    lambda L: [
        L.Rescaling(0.5, 0.1),
        L.Rescaling([1.0, 2.0, 3.0, 4.0]),
        L.Resizing(8, 7),
        L.CenterCrop(5, 6),
        L.RandomFlip("horizontal"),
        L.RandomRotation(0.2),
        L.RandomZoom((-0.1, 0.2), fill_mode="constant"),
        L.RandomTranslation(0.1, (-0.1, 0.2)),
        L.RandomContrast(0.2),
        L.RandomBrightness(0.2, value_range=(0, 1)),
        L.UpSampling2D(2, interpolation="bilinear"),
        L.ZeroPadding2D(((1, 2), (0, 1))),
        L.Cropping2D(((1, 0), (0, 1))),
        L.SpatialDropout2D(0.1),
        L.MaxPooling2D(2),
        L.AveragePooling2D(2, padding="same"),
    ],
)
stack(
    "normalizations",
    IMAGE,
    lambda L: [
        L.Normalization(),
        L.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 2, 3, 4]),
        L.Normalization(axis=None, mean=1, variance=2, invert=True),
        L.BatchNormalization(),
        L.BatchNormalization(axis=1, momentum=0.9, epsilon=0.1, scale=False),
        L.LayerNormalization(),
        L.LayerNormalization(axis=[2, 3], center=False),
        L.GroupNormalization(2),
        L.GroupNormalization(3, axis=1),
        L.UnitNormalization(axis=[1, 2]),
    ],
)
stack(
    "activations",
    (9,),
    lambda L: [
        layer
        for activation in [
            L.ReLU(6.0),
            L.ReLU(2.0, 0.1, 0.5),
            L.LeakyReLU(0.15),
            L.ELU(0.7),
            L.PReLU(),
            L.Softmax(),
            *map(
                L.Activation,
                "elu exponential gelu mish selu silu swish softplus softsign log_softmax relu6 leaky_relu "
                "tanh".split(),
            ),
        ]
        for layer in (activation, L.Dense(9, "linear"))
    ],
)
stack(
    "dense",
    (4,),
    lambda L: [
        L.Dense(5, "gelu", kernel_regularizer="l2", bias_constraint="non_neg"),
        L.Dense(4, activation=L.LeakyReLU(0.1)),
        L.Dense(4, "swish", kernel_initializer="orthogonal", bias_initializer="ones", trainable=False),
        L.Dropout(0.5, seed=3),
        L.AlphaDropout(0.3),
        L.GaussianNoise(0.1),
        L.GaussianDropout(0.2),
        L.ActivityRegularization(0.1),
        L.Identity(),
    ],
)
stack(
    "shapes",
    (4, 6),
    lambda L: [
        L.Dropout(0.5, noise_shape=[None, 1, 6]),
        L.Permute((2, 1)),
        L.Reshape((3, -1)),
        L.EinsumDense("abc,cd->abd", (3, 5), bias_axes="d"),
        L.Softmax(axis=[1, 2]),
        L.PReLU(shared_axes=[1]),
        L.Flatten(),
        L.RepeatVector(3),
    ],
)
stack("embedding", (4,), lambda L: [L.Embedding(7, 3, embeddings_regularizer="l2"), L.Dense(2)], "int32")
stack("categories", (4,), lambda L: [L.CategoryEncoding(5, output_mode="multi_hot")], "int32")
stack("bins", (4,), lambda L: [L.Discretization([0.0, 1.5])])
stack(
    "lstm",
    (3, 2),
    lambda L: [
        L.LSTM(3, return_sequences=True, go_backwards=True, dropout=0.1, recurrent_dropout=0.2),
        L.LSTM(3, use_bias=False, unroll=True),
    ],
)
stack(
    "gru",
    (3, 2),
    lambda L: [
        L.GRU(3, return_sequences=True),
        L.GRU(3, reset_after=False, return_sequences=True),
        L.SimpleRNN(2, activation="relu"),
    ],
)
stack(
    "cells",
    (3, 2),
    lambda L: [
        L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True),
        L.RNN(L.StackedRNNCells([L.LSTMCell(3), L.SimpleRNNCell(2)])),
    ],
)
stack(
    "bidirectional",
    (3, 2),
    lambda L: [
        L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum"),
        L.Bidirectional(L.LSTM(2), backward_layer=L.LSTM(2, go_backwards=True, activation="relu")),
    ],
)
stack("conv_lstm", (2, 5, 4, 2), lambda L: [L.ConvLSTM2D(2, 2, recurrent_activation="sigmoid")])
stack(
    "mixed",
    (4,),
    lambda L: [
        L.Dense(4, dtype="float64"),
        L.Dense(
            4,
            "relu",
            dtype=tf_keras.mixed_precision.Policy("mixed_bfloat16")
            if L is tf_keras.layers
            else "mixed_bfloat16",
        ),
        L.Dense(2, dtype="float32"),
    ],
)


@net
def time_distributed(k):
    inner = k.Sequential(
        [
            k.Input((5, 4, 1)),
            k.layers.Conv2D(3, 2, name="conv"),
            k.layers.BatchNormalization(),
            k.layers.Flatten(),
        ]
    )
    x = k.Input((2, 5, 4, 1))
    return k.Model(x, k.layers.TimeDistributed(k.layers.Dense(3))(k.layers.TimeDistributed(inner)(x)))


@net
def global_pooling(k):
    pools = [
        getattr(k.layers, f"Global{what}Pooling{n}D")(keepdims=keep)
        for n in (1, 2, 3)
        for what in ("Max", "Average")
        for keep in (False, True)
    ]
    inputs = [k.Input((4,) * n + (2,)) for n in (1, 2, 3)]
    return k.Model(inputs, [pool(inputs[n // 4]) for n, pool in enumerate(pools)])


@net
def merges(k):
    L, a, b = k.layers, k.Input((4,), name="b"), k.Input((4,), name="a")
    shared = L.Dense(4, "relu", name="shared")
    c, d = shared(a), shared(b)
    merged = [
        L.Add()([a, b]),
        L.Subtract()([c, d]),
        L.Multiply()([a, d]),
        L.Average()([a, b]),
        L.Maximum()([c, b]),
    ]
    return k.Model(
        [a, b], [*merged, L.Minimum()([a, b]), L.Concatenate()([a, b, c]), L.Dot(1, normalize=True)([c, d])]
    )


@net
def nested(k):
    L, x, y = k.layers, k.Input((4,), name="x"), k.Input((4,))
    sequential = k.Sequential([k.Input((4,)), L.Dense(4, name="e")], name="sequential")
    functional = k.Model(y, L.Dense(4, "tanh", name="f")(y), name="functional")
    late = k.Sequential([L.Dense(4, name="e")], name="late")
    deep = functional(late(sequential(sequential(functional(x)))))
    return k.Model(x, [deep, sequential(x), L.Dense(2, name="head")(functional(x))], name="nested")


@net
def many_ends(k):
    L, a, b, x = k.layers, k.Input((4,), name="a"), k.Input((3,), name="b"), k.Input((4,), name="x")
    inner = k.Model(
        {"b": b, "a": a}, {"u": L.Dense(2, name="u")(a), "c": L.Dense(3, name="v")(b)}, name="inner"
    )
    out = inner({"a": x, "b": L.Dense(3, name="d")(x)})
    return k.Model({"x": x}, {"o": out["u"], "p": [out["c"], x]})


@net
def model_in_sequential(k):
    y = k.Input((4,))
    inner = k.Model(y, k.layers.Dense(3)(y))
    return k.Sequential(
        [k.Input((4,)), inner, k.Sequential([k.layers.Dense(2), k.layers.BatchNormalization()])]
    )


@net
def sequential_built_late(k):
    model = k.Sequential([k.layers.Dense(3, name="a"), k.layers.Dense(2, name="b")])
    model.build((None, 4))
    return model


@net
def attention(k):
    L, q, v, key = k.layers, k.Input((3, 4)), k.Input((2, 4)), k.Input((2, 4))
    heads = [
        L.MultiHeadAttention(2, 3, value_dim=5, dropout=0.1)(
            q, value=v, key=key, return_attention_scores=True
        ),
        L.MultiHeadAttention(2, 3, use_bias=False, output_shape=7)(q, v),
        L.MultiHeadAttention(2, 3)(q, q, use_causal_mask=True),
    ]
    dots = [
        L.Attention(use_scale=True)([q, v, key]),
        L.Attention(score_mode="concat")([q, v]),
        L.AdditiveAttention()([q, v]),
    ]
    return k.Model([q, v, key], [*heads[0], *heads[1:], *dots])


@net
def attention_over_axes(k):
    x = k.Input((3, 2, 4))
    return k.Model(x, k.layers.MultiHeadAttention(2, 3, attention_axes=(1,))(x, x))


@net
def states(k):
    L, x, h, c = k.layers, k.Input((3, 4)), k.Input((2,)), k.Input((2,))
    y, *last = L.LSTM(2, return_state=True, return_sequences=True)(x, initial_state=[h, c])
    ends = [
        L.LSTM(2)(y, initial_state=last),
        L.SimpleRNN(2)(x, initial_state=h),
        L.Bidirectional(L.SimpleRNN(2))(x, initial_state=[h, c]),
    ]
    return k.Model([x, h, c], [*ends, L.RNN(L.LSTMCell(2))(x, initial_state=[h, c])])


@net
def mask_given(k):
    x, mask = k.Input((3, 4)), k.Input((3,), dtype="bool")
    return k.Model(
        [x, mask],
        [k.layers.SimpleRNN(2)(x, mask=mask), k.layers.Bidirectional(k.layers.SimpleRNN(2))(x, mask=mask)],
    )


@net
def operators(k):
    x = k.Input((4,))
    y = k.layers.Dense(4)(x)
    return k.Model(
        x, [1.0 - y, y - 1.0, y * 2.0, 2.0 / (y * y + 1.0), y**2, y + x, y * x, -y, abs(y), y * (1 / 6)]
    )


@net
def functions(k):
    x = k.Input((4,))
    if k is keras:
        o = keras.ops
        return k.Model(
            x,
            [
                o.relu(x),
                o.relu6(x),
                o.sigmoid(x),
                o.gelu(x, approximate=False),
                o.softmax(x),
                o.mean(x, 1),
                o.sum(x, axis=-1, keepdims=True),
                o.reshape(x, (-1, 2, 2)),
                o.concatenate([x, x], 1),
                o.maximum(x, 0.0),
            ],
        )
    tf = tf_keras.src.engine.functional.tf
    return k.Model(
        x,
        [
            tf.nn.relu(x),
            tf.nn.relu6(x),
            tf.sigmoid(x),
            tf.nn.gelu(x),
            tf.nn.softmax(x),
            tf.reduce_mean(x, 1),
            tf.reduce_sum(x, axis=-1, keepdims=True),
            tf.reshape(x, (-1, 2, 2)),
            tf.concat([x, x], 1),
            tf.maximum(x, 0.0),
        ],
    )


@pytest.mark.quick(
    "conv1d-keras",
    "conv2d-tf_keras",
    "images-tf_keras",
    "normalizations-keras",
    "dense-keras",
    "shapes-tf_keras",
    "embedding-keras",
    "lstm-tf_keras",
    "mixed-keras",
    "merges-tf_keras",
    "nested-keras",
    "nested-tf_keras",
    "many_ends-tf_keras",
    "mask_given-keras",
    "operators-keras",
    "functions-tf_keras",
)
@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("name", NETS)
def test_computes_the_same(name, source):
    if name == "dilated" and not dilates():
        pytest.skip("TensorFlow computes no dilated transposed convolutions on this processor")
    check(NETS[name](KERAS[source]), source, tolerance=1e-2 if name == "mixed" else 1e-5)


@pytest.mark.parametrize("source", KINDS)
def test_precision_left_open(source):
    """As tickets have it: where an entry follows the global policy, it is left out."""

    def left(value, default):
        if isinstance(value, dict):
            return {k: left(v, default) for k, v in value.items() if not (k == "dtype" and v == default)}
        return [left(item, default) for item in value] if isinstance(value, list) else value

    model = NETS["nested"](KERAS[source])
    given = json.loads(model.to_json())
    open_ = left(
        given,
        next(one["config"]["dtype"] for one in given["config"]["layers"] if one["class_name"] == "Dense"),
    )
    there = translate(open_, OTHER[source])
    assert "DTypePolicy" not in json.dumps(there)
    carry(model, built(there, OTHER[source]))


def test_masks_of_tf_keras_go_over():
    x = tf_keras.Input((5,), dtype="int32")
    y = tf_keras.layers.Dense(4)(tf_keras.layers.Embedding(4, 3, mask_zero=True)(x))
    y = tf_keras.layers.Bidirectional(tf_keras.layers.SimpleRNN(3, return_sequences=True))(y)
    ends = [tf_keras.layers.SimpleRNN(2)(y), tf_keras.layers.SimpleRNN(2)(tf_keras.layers.Masking(0.5)(y))]
    check(tf_keras.Model(x, ends), "tf_keras", back=False)


@pytest.mark.parametrize("source", KINDS)
def test_layers_of_ones_own(source):
    for k in KERAS.values():
        register = k.saving.register_keras_serializable("architecture")

        @register
        class Scaled(k.layers.Dense):
            def call(self, x, scale=1.0, other=None):
                return super().call(x) * scale + (0.0 if other is None else other)

        @register
        class Tower(k.Model):
            pass

        @register
        def squared(x):
            return x * x

        @register
        class Ones(k.initializers.Ones):
            pass

        if k is KERAS[source]:
            x, y = k.Input((4,)), k.Input((3,))
            tower = Tower(y, k.layers.Dense(3, kernel_initializer=Ones(), name="inside")(y), name="tower")
            model = k.Model([x, y], tower(Scaled(3, activation=squared, name="own")(x, scale=3.0, other=y)))
    check(model, source)


def test_a_copy_where_nothing_is_to_be_done():
    given = json.loads(NETS["merges"](tf_keras).to_json())
    same = translate(given, "tf_keras")
    assert same == given and same["config"] is not given["config"]


def test_settings_arrive():
    made = translate(json.loads(NETS["dense"](tf_keras).to_json()), "keras")
    model = built(made, "keras")
    assert [layer.name for layer in model.layers] == [
        layer["config"]["name"] for layer in made["config"]["layers"]
    ]
    first, third = model.layers[1], model.layers[3]
    assert (
        isinstance(first.kernel_regularizer, keras.regularizers.L2)
        and first.bias_constraint
        and not third.trainable
    )
    mixed = built(translate(json.loads(NETS["mixed"](keras).to_json()), "tf_keras"), "tf_keras")
    assert [layer.dtype_policy.name for layer in mixed.layers[1:]] == ["float64", "mixed_bfloat16", "float32"]


def test_contrast_has_the_same_range():
    """A single number means both bounds in tf_keras, the upper one in Keras 3."""
    made = translate(
        json.loads(
            tf_keras.Sequential([tf_keras.Input((4, 4, 3)), tf_keras.layers.RandomContrast(0.3)]).to_json()
        ),
        "keras",
    )
    assert tuple(built(made, "keras").layers[0].factor) == (0.3, 0.3)


# What cannot go: (source, layers after an input, input shape, words of the message).
REFUSED = {
    "hard_sigmoid": ("tf_keras", lambda L: [L.Dense(2, "hard_sigmoid")], (4,), "activation='hard_sigmoid'"),
    "hard_silu": ("keras", lambda L: [L.Activation("hard_silu")], (4,), "activation='hard_silu'"),
    "conv_lstm": ("tf_keras", lambda L: [L.ConvLSTM1D(2, 2)], (2, 5, 2), "recurrent_activation"),
    "slash": ("tf_keras", lambda L: [L.Dense(2, name="a/b")], (4,), "no '/'"),
    "lambda": ("tf_keras", lambda L: [L.Lambda(lambda x: 2 * x)], (4,), "its code is not carried"),
    "locally": ("tf_keras", lambda L: [L.LocallyConnected1D(2, 2)], (4, 2), "no layer there"),
    "random_crop": ("keras", lambda L: [L.RandomCrop(2, 2)], (4, 4, 1), "no layer there"),
    "rms": ("keras", lambda L: [L.RMSNormalization()], (4,), "no layer there"),
    "renorm": ("keras", lambda L: [L.BatchNormalization(renorm=True)], (4,), "renorm=True"),
    "gate": (
        "keras",
        lambda L: [lambda x: L.MultiHeadAttention(1, 2, use_gate=True)(x, x)],
        (3, 4),
        "use_gate=True",
    ),
    "dilation": (
        "keras",
        lambda L: [L.Conv3DTranspose(1, 2, dilation_rate=2)],
        (4, 4, 4, 1),
        "dilation_rate=",
    ),
    "range": ("keras", lambda L: [L.RandomContrast(0.1, value_range=(0, 1))], (4, 4, 1), "value_range="),
    "time_major": ("tf_keras", lambda L: [L.LSTM(2, time_major=True)], (3, 4), "time_major=True"),
    "axes": ("tf_keras", lambda L: [L.BatchNormalization(axis=[1, 2])], (3, 4), "axis=[1, 2]"),
    "training": ("tf_keras", lambda L: [lambda x: L.Dropout(0.5)(x, training=True)], (4,), "trainable=False"),
    "slice": ("tf_keras", lambda L: [lambda x: x[:, 1:]], (4,), "getitem is not carried"),
    "slice_3": ("keras", lambda L: [lambda x: x[:, 1:]], (4,), "GetItem is not carried"),
    "array": ("tf_keras", lambda L: [lambda x: x + np.ones(4, "float32")], (4,), "only tensors and numbers"),
    "mask": ("keras", lambda L: [L.Masking(), L.LSTM(2)], (3, 4), "its mask"),
    "mask_merged": (
        "tf_keras",
        lambda L: [lambda x: L.LSTM(2)(L.Add()([L.Masking()(x), x]))],
        (3, 4),
        "treats the mask",
    ),
    "mask_rescaled": (
        "tf_keras",
        lambda L: [L.Masking(), L.Rescaling(2.0), L.LSTM(2)],
        (3, 4),
        "treats the mask",
    ),
    "attention_mask": (
        "tf_keras",
        lambda L: [lambda x: L.MultiHeadAttention(1, 2)(x, x, attention_mask=x[:, :, :3])],
        (3, 4),
        "getitem",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    source, layers, shape, words = REFUSED[name]
    stack("refused", shape, layers)
    given = json.loads(NETS.pop("refused")(KERAS[source]).to_json())
    with pytest.raises(LotteryError) as caught:
        translate(given, OTHER[source])
    message = str(caught.value)
    assert words in message and "\n" not in message
    assert message.startswith("layer '") and message.endswith(
        f"The ticket can be used with {source}, which it was found with."
    )


@pytest.mark.parametrize("source", KINDS)
def test_a_class_nobody_registered(source):
    k = KERAS[source]

    class Mine(k.layers.Layer):
        def call(self, x):
            return x

    x = k.Input((3,))
    with pytest.raises(LotteryError, match="'mine' .Mine. .* register it in both"):
        translate(json.loads(k.Model(x, Mine()(x)).to_json()), OTHER[source])


@pytest.mark.parametrize("key", ["quantization_config", "lora_rank"])
def test_a_setting_of_keras_3_alone(key):
    given = json.loads(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="d")]).to_json())
    given["config"]["layers"][1]["config"][key] = 4
    with pytest.raises(
        LotteryError, match=f"layer 'd' .Dense. .* {key}=4 does not exist there, only .None. does"
    ):
        translate(given, "tf_keras")


def test_a_layer_shared_by_models_in_the_model():
    given = json.loads(NETS["nested"](keras).to_json())
    for layer in [
        given["config"]["layers"][1]["config"]["layers"][1],
        given["config"]["layers"][2]["config"]["layers"][1],
    ]:
        layer["shared_object_id"] = 7
    with pytest.raises(LotteryError, match="share it"):
        translate(given, "tf_keras")


@pytest.mark.parametrize("bad", [None, [], {}, {"config": 3}, {"config": {}, "class_name": "Dense"}])
def test_no_architecture(bad):
    with pytest.raises(LotteryError, match="is no architecture: give the JSON"):
        translate(bad, "keras")


def test_an_unknown_kind():
    with pytest.raises(LotteryError, match="to='jax': expected one of tf_keras, keras"):
        translate({"config": {}, "module": "keras"}, "jax")
