"""Small models with every kind of layer, and what the tests ask of a wrapped model."""

import dataclasses
from collections.abc import Callable

import numpy as np
from world import KERAS3, KIND, array, keras, runs_on, tensor, tree

from keras_lottery import engines, wrapping
from keras_lottery.core.masking import prune

L = keras.layers
Model = keras.Model
Input = keras.Input
ENGINE = engines.engine_of(KIND)


def register(thing):
    return keras.saving.register_keras_serializable("zoo")(thing)


@dataclasses.dataclass
class Case:
    """A model, how to wrap it, and the paths that must then have masks."""

    build: Callable
    pruned: set
    wrap: dict = dataclasses.field(default_factory=dict)


CASES = {}


def case(*pruned, name=None, only=("tf_keras", "keras"), **wrap):
    """Keep what builds a model; `only`: the worlds that have what the model is made of, as `world.runs_on`
    takes them."""

    def keep(build):
        if runs_on(*([only] if isinstance(only, str) else only)):
            CASES[name or build.__name__] = Case(build, set(pruned), wrap)
        return build

    return keep


def stack(name, shape, layers, *pruned, **wrap):
    """A case: an input, the layers that `layers()` makes, a Dense head. Layer names: l0, l1, ..., head."""

    def build():
        first = x = Input(shape)
        for number, layer in enumerate(layers()):
            setattr(layer, "name" if KERAS3 else "_name", f"l{number}")
            x = layer(x)
        if len(x.shape) > 2:
            x = L.Flatten()(x)
        return Model(first, L.Dense(3, name="head")(x))

    case(*pruned, name=name, **wrap)(build)


# One kind of layer each.
stack("dense", (4,), lambda: [L.Dense(5, "relu")], "l0/kernel")
stack("conv1d", (6, 2), lambda: [L.Conv1D(3, 3, dilation_rate=2)], "l0/kernel")
stack("conv2d", (5, 5, 4), lambda: [L.Conv2D(4, 3, groups=2), L.BatchNormalization()], "l0/kernel")
stack("conv3d", (4, 4, 4, 1), lambda: [L.Conv3D(2, 2)], "l0/kernel")
stack("conv1d_transpose", (4, 2), lambda: [L.Conv1DTranspose(3, 2)], "l0/kernel")
stack("conv2d_transpose", (3, 3, 2), lambda: [L.Conv2DTranspose(3, 2, strides=2)], "l0/kernel")
stack("conv3d_transpose", (2, 2, 2, 2), lambda: [L.Conv3DTranspose(2, 2)], "l0/kernel")
stack("separable1d", (5, 2), lambda: [L.SeparableConv1D(4, 2)], "l0/pointwise_kernel")
stack("separable2d", (4, 4, 2), lambda: [L.SeparableConv2D(4, 2)], "l0/pointwise_kernel")
stack(
    "separable_asked",
    (4, 4, 2),
    lambda: [L.SeparableConv2D(4, 2)],
    "l0/pointwise_kernel",
    "l0/depthwise_kernel",
    include=L.SeparableConv2D,
)
stack("depthwise_dense", (5, 2), lambda: [L.DepthwiseConv1D(2), L.Conv1D(3, 1)], "l1/kernel")
stack("depthwise1d", (5, 4), lambda: [L.DepthwiseConv1D(2)], "l0/depthwise_kernel", include="l0")
stack(
    "depthwise2d", (4, 4, 4), lambda: [L.DepthwiseConv2D(2)], "l0/depthwise_kernel", include=L.DepthwiseConv2D
)
stack("einsum", (3, 4), lambda: [L.EinsumDense("abc,cd->abd", (3, 5), bias_axes="d")], "l0/kernel")
stack("locally1d", (5, 2), lambda: [L.LocallyConnected1D(2, 3)], "l0/kernel", only="tf_keras")
stack(
    "locally2d",
    (4, 4, 1),
    lambda: [L.LocallyConnected2D(2, 3, implementation=2)],
    "l0/kernel",
    only="tf_keras",
)
stack("simple_rnn", (3, 2), lambda: [L.SimpleRNN(3)], "l0/cell/kernel", "l0/cell/recurrent_kernel")
stack("gru", (3, 2), lambda: [L.GRU(3, return_sequences=True)], "l0/cell/kernel", "l0/cell/recurrent_kernel")
stack("lstm", (3, 2), lambda: [L.LSTM(3)], "l0/cell/kernel", "l0/cell/recurrent_kernel")
stack(
    "cells",
    (3, 2),
    lambda: [L.RNN([L.LSTMCell(3), L.GRUCell(2)])],
    *(f"l0/cell/cells/{n}/{kernel}" for n in (0, 1) for kernel in ("kernel", "recurrent_kernel")),
)
stack("conv_lstm", (2, 4, 4, 1), lambda: [L.ConvLSTM2D(2, 2)], "l0/cell/kernel", "l0/cell/recurrent_kernel")
stack(
    "bidirectional",
    (3, 2),
    lambda: [L.Bidirectional(L.GRU(2), merge_mode="sum")],
    *(
        f"l0/{way}_layer/cell/{kernel}"
        for way in ("forward", "backward")
        for kernel in ("kernel", "recurrent_kernel")
    ),
)
stack("time_distributed", (3, 4), lambda: [L.TimeDistributed(L.Dense(5))], "l0/layer/kernel")
stack(
    "time_distributed_model",
    (2, 5, 5, 1),
    lambda: [
        L.TimeDistributed(
            keras.Sequential(
                [Input((5, 5, 1)), L.Conv2D(3, 3, name="conv"), L.BatchNormalization(), L.Flatten()]
            )
        )
    ],
    "l0/layer/conv/kernel",
)
# Assigns its layer's kernel in its call. That of tf_keras is not found again by its name in a file.
stack("spectral_norm", (4,), lambda: [L.SpectralNormalization(L.Dense(5))], "l0/layer/kernel", only="keras")
stack("embedding_dense", (3,), lambda: [L.ReLU(), L.Embedding(7, 4), L.Dense(4)], "l2/kernel")
stack(
    "norms_and_noise",
    (4, 4, 4),
    lambda: [
        L.Rescaling(0.5),
        L.Normalization(),
        L.RandomFlip(),
        L.Conv2D(4, 2),
        L.LayerNormalization(),
        L.GroupNormalization(2),
        L.PReLU(),
        L.UnitNormalization(),
        L.Dropout(0.5),
        L.GlobalAveragePooling2D(),
    ],
    "l3/kernel",
)


@case("lstm/cell/kernel", "lstm/cell/recurrent_kernel", "embed/embeddings", include="embed")
def mask_into_lstm():
    words = Input((4,), dtype="int32")
    rows = L.Embedding(6, 4, mask_zero=True, name="embed")(words)
    return Model(words, L.Dense(2)(L.LSTM(3, name="lstm")(rows)))


# On PyTorch, Keras 3 changes the states in place that the gradient of a second step needs.
@case("lstm/cell/kernel", "lstm/cell/recurrent_kernel", only=("tf_keras", "tensorflow", "jax"))
def stateful_lstm():
    return keras.Sequential(
        [Input(batch_shape=(4, 3, 2)), L.LSTM(3, stateful=True, name="lstm"), L.Dense(2, name="head")]
    )


@case(
    "first/cell/kernel", "first/cell/recurrent_kernel", "second/cell/kernel", "second/cell/recurrent_kernel"
)
def lstm_given_states():
    x, h, c = Input((3, 2)), Input((3,)), Input((3,))
    out, h2, c2 = L.LSTM(3, return_state=True, return_sequences=True, name="first")(x, initial_state=[h, c])
    last = L.LSTM(3, name="second")(out, initial_state=[h2, c2])
    return Model([x, h, c], L.Dense(2)(last))


ATTENTION = [f"_{part}_dense/kernel" for part in ("query", "key", "value", "output")]


@case(*(f"mha/{kernel}" for kernel in ATTENTION))
def self_attention():
    x = Input((3, 4))
    return Model(x, L.Dense(2)(L.Flatten()(L.MultiHeadAttention(2, 3, name="mha")(x, x))))


@case(*(f"mha/{kernel}" for kernel in ATTENTION))
def cross_attention():
    rows = 3 if KERAS3 else 2  # of other keys than queries, Keras 3 does not know the scores' shape
    query, value, key, mask = (
        Input((3, 4)),
        Input((rows, 5)),
        Input((rows, 6)),
        Input((3, rows), dtype="bool"),
    )
    seen, scores = L.MultiHeadAttention(2, 3, name="mha")(
        query, value=value, key=key, attention_mask=mask, return_attention_scores=True
    )
    outputs = [L.Dense(2)(L.Flatten()(seen)), L.Dense(2)(L.Flatten()(scores))]
    return Model([query, value, key, mask], outputs)


@case("patches/kernel", *(f"mha/{kernel}" for kernel in ATTENTION), "mlp/kernel")
def vit():
    image = Input((8, 8, 1))
    x = L.Reshape((4, 6))(L.Conv2D(6, 4, 4, name="patches")(image))
    x = x + L.Embedding(4, 6, name="positions")(tensor(np.arange(4)))
    normed = L.LayerNormalization()(x)
    x = L.Add()([x, L.MultiHeadAttention(2, 3, name="mha")(normed, normed)])
    x = L.Add()([x, L.Dense(6, "gelu", name="mlp")(L.LayerNormalization()(x))])
    return Model(image, L.Dense(3, "softmax")(L.GlobalAveragePooling1D()(x)))


# Graphs.
@case("body/conv/kernel", "body/inner/dense/kernel")
def nested():
    inner = keras.Sequential([Input((8,)), L.Dense(4, name="dense"), L.BatchNormalization()], name="inner")
    x = Input((4, 4, 1))
    body = Model(x, inner(L.Flatten()(L.Conv2D(2, 3, name="conv")(x))), name="body")
    y = Input((4, 4, 1))
    return Model(y, L.Dense(2)(body(y)))


@case("shared/kernel")
def shared_layer():
    a, b = Input((4,)), Input((4,))
    shared = L.Dense(5, name="shared")
    return Model([a, b], L.Dense(2)(L.Concatenate()([shared(a), shared(b)])))


@case("tower/dense/kernel")
def nested_used_twice():
    x = Input((4,))
    tower = Model(x, L.Dense(3, "tanh", name="dense")(x), name="tower")
    a, b = Input((4,)), Input((4,))
    return Model([a, b], L.Dense(2)(L.Subtract()([tower(a), tower(b)])))


@case("shared/kernel")
def shared_with_nested():
    shared = L.Dense(4, name="shared")
    x = Input((4,))
    inside = Model(x, L.ReLU()(shared(x)), name="inside")
    y = Input((4,))
    return Model(y, L.Dense(2)(shared(inside(shared(y)))))


@case("stem/kernel", "left/kernel")
def two_inputs_two_outputs():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    stem = L.Dense(5, "relu", name="stem")(L.Concatenate()([a, b]))
    left = L.Dense(4, name="left")(stem)
    return Model({"a": a, "b": b}, [L.Dense(2, name="x")(left), L.Dense(3, name="y")(stem)])


@case("d/kernel", only="tf_keras")
def lambda_and_tf_ops():
    import tensorflow as tf

    x = Input((4,))
    y = L.Lambda(lambda t: t * 2)(x)
    y = tf.nn.relu(L.Dense(6, name="d")(y))[:, 1:] / 3.0
    y = tf.concat([y, tf.math.reduce_sum(y, axis=-1, keepdims=True)], axis=-1)
    return Model(x, L.Dense(2)(y))


@case("d/kernel", only="keras")
def lambda_and_keras_ops():
    ops = keras.ops
    x = Input((4,))
    y = L.Lambda(lambda t: t * 2)(x)
    y = ops.relu(L.Dense(6, name="d")(y))[:, 1:] / 3.0
    y = ops.concatenate([y, ops.sum(y, axis=-1, keepdims=True)], axis=-1)
    return Model(x, L.Dense(2)(ops.einsum("ab,ab->ab", y, ops.stop_gradient(y))))


@case("d/kernel")
def sequential_without_input():
    model = keras.Sequential([L.Dense(5, name="d"), L.Dense(2, name="head")])
    model(np.zeros((1, 4), "float32"))
    return model


@case("d/kernel")
def sequential_of_first_layer():
    return keras.Sequential([L.Dense(5, input_shape=(4,), name="d"), L.Dense(2, name="head")])


@case("d/kernel", "e/kernel")
def losses_added():
    x = Input((4,))
    y = L.Dense(5, name="d", kernel_regularizer="l2", activity_regularizer="l1")(x)
    y = L.Dense(5, name="e", kernel_constraint="max_norm")(y)
    if KERAS3:  # a graph of Keras 3 takes losses from its layers alone
        return Model(x, L.Dense(2)(AddsLoss()(y)))
    model = Model(x, L.Dense(2)(y))
    model.add_loss(keras.backend.mean(y))
    return model


# Layers of one's own.
@register
class AddsLoss(L.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x))
        return x


@register
class MyDense(L.Dense):
    pass


@register
class MyConv(L.Conv2D):
    def __init__(self, filters, size=2, padding="valid", **kwargs):
        super().__init__(filters, size, padding=padding, **kwargs)

    def get_config(self):
        return {
            "filters": self.filters,
            "size": self.kernel_size,
            "padding": self.padding,
            **L.Layer.get_config(self),
        }

    def call(self, inputs, training=None):
        return super().call(inputs) * (2.0 if training else 1.0)


@register
class MyLSTM(L.LSTM):
    pass


@register
class Named(L.Layer):
    """Names its prunable weights."""

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], 4))
        self.v = self.add_weight(name="v", shape=(4, 4))

    def get_prunable_weights(self):
        return [self.w]

    def call(self, x):
        return x @ self.w @ self.v


@register
class Kept(L.Layer):
    """Weights in a list, and one under no attribute."""

    def build(self, shape):
        self.pair = [self.add_weight(name="a", shape=(shape[-1], 4)), self.add_weight(name="b", shape=(4, 4))]
        self.add_weight(name="c", shape=(4, 4))
        self.built = True

    def get_prunable_weights(self):
        return [self.pair[0], self.trainable_weights[2]]

    def call(self, x):
        return x @ self.pair[0] @ self.pair[1] @ self.trainable_weights[2]


@register
class Nameless(L.Layer):
    """Has a kernel and does not say so."""

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], 4))

    def call(self, x):
        return x @ self.w


@register
class Composite(L.Layer):
    """Layers in lists and dicts, made when built; arguments of its own."""

    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.steps = [L.Dense(width, "relu"), L.BatchNormalization()]
        self.named = {"a": L.Dense(width), "b": L.Dense(width, use_bias=False)}

    def get_config(self):
        return {"width": self.width, **super().get_config()}

    def call(self, x, scale=1.0, training=None):
        for step in self.steps:
            x = step(x, training=training)
        return self.named["b"](self.named["a"](x)) * scale


stack("subclass_of_dense", (4,), lambda: [MyDense(5)], "l0/kernel")
stack("subclass_of_conv", (4, 4, 2), lambda: [MyConv(3)], "l0/kernel")
stack("subclass_of_lstm", (3, 2), lambda: [MyLSTM(3)], "l0/cell/kernel", "l0/cell/recurrent_kernel")
stack("custom_named", (4,), lambda: [Named()], "l0/w")
stack("custom_kept", (4,), lambda: [Kept()], *(["l0/pair/0", "l0/weight_2"] if KERAS3 else ["l0/a", "l0/c"]))
stack("custom_nameless", (4,), lambda: [Nameless(), L.Dense(4)], "l1/kernel")
stack(
    "custom_composite",
    (4,),
    lambda: [Composite()],
    "l0/steps/0/kernel",
    "l0/named/a/kernel",
    "l0/named/b/kernel",
)


@case("c/steps/0/kernel", "c/named/a/kernel", "c/named/b/kernel")
def call_arguments():
    x, scale = Input((4,)), Input((1,))
    return Model([x, scale], L.Dense(2)(Composite(5, name="c")(x, scale)))


@register
class Unnamed(L.Layer):
    """Its config says all but its name."""

    def __init__(self, units):
        super().__init__()
        self.units = units
        self.dense = L.Dense(units)

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {"units": self.units}


@case("first/dense/kernel", "inner/second/dense/kernel")
def config_without_names():
    layers = Unnamed(4), Unnamed(3)
    for layer, name in zip(layers, ("first", "second")):
        setattr(layer, "name" if KERAS3 else "_name", name)
    x = Input((4,))
    return Model(x, L.Dense(2)(keras.Sequential([Input((4,)), layers[1]], name="inner")(layers[0](x))))


@case("inner_0.35/net/kernel")
def dots_in_names():
    x = Input((4,))
    inner = Model(x, L.Dense(3, name="net")(x), name="inner_0.35")
    x = Input((4,))
    return Model(x, L.Dense(2)(inner(x)))


# Subclassed models.
class Net(Model):
    """Layers in attributes, a list and a layer of layers; the head is not the last that was made."""

    def __init__(self, width=5, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.head = L.Dense(2)
        self.stem = L.Dense(width, "relu")
        self.steps = [L.Dense(4), L.BatchNormalization()]
        self.body = Composite(4)

    def get_config(self):
        return {"width": self.width, **super().get_config()}

    def call(self, x, training=None):
        x = self.stem(x)
        for step in self.steps:
            x = step(x, training=training) if isinstance(step, L.BatchNormalization) else step(x)
        return self.head(self.body(x, training=training))


class Pair(Model):
    """Dicts in and out, a model inside, two heads."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Small(4)
        self.outs = {"x": L.Dense(2), "y": L.Dense(3)}

    def call(self, inputs):
        z = self.inner(inputs["a"]) + inputs["b"]
        return {name: out(z) for name, out in self.outs.items()}


class Small(Model):
    """No arguments of call but x; no get_config where Keras 3 can do without."""

    def __init__(self, width):
        super().__init__()
        self.dense = L.Dense(width, "tanh")

    def call(self, x):
        return self.dense(x)


class Flat(Model):
    """Two layers and no more: which of them is the head, only the call says."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last = L.Dense(2)
        self.first = L.Dense(4)

    def call(self, x):
        return self.last(keras.ops.relu(self.first(x)))


def called(model, *shapes, **named):
    """A subclassed model, built by a call."""
    x = {name: np.zeros((2, *shape), "float32") for name, shape in named.items()} or np.zeros(
        (2, *shapes[0]), "float32"
    )
    model(x)
    return model


if KERAS3:
    Net, Pair, Small, Flat = map(register, (Net, Pair, Small, Flat))


@case(
    "stem/kernel",
    "steps/0/kernel",
    "body/steps/0/kernel",
    "body/named/a/kernel",
    "body/named/b/kernel",
    only="keras",
)
def subclassed():
    return called(Net(), (4,))


@case("inner/dense/kernel", only="keras")
def subclassed_with_dicts():
    return called(Pair(), a=(3,), b=(4,))


@case("first/kernel", only="keras")
def subclassed_flat():
    return called(Flat(), (3,))


@case(
    "net/stem/kernel",
    "net/steps/0/kernel",
    *(f"net/body/{k}/kernel" for k in ("steps/0", "named/a", "named/b")),
    "net/head/kernel",
    only="keras",
)
def subclassed_in_a_graph():
    x = Input((4,))
    return Model(x, L.Dense(2)(Net(name="net")(x)))


# What is asked of them.
def data(model, size=4, seed=0):
    """Random inputs and targets for a model, as `fit` takes them."""
    rng = np.random.default_rng(seed)

    def draw(tensor):
        shape = (size, *(side or 3 for side in tensor.shape[1:]))
        dtype = np.dtype(tensor.dtype if KERAS3 else tensor.dtype.as_numpy_dtype)
        if dtype.kind in "iu":
            return rng.integers(0, 5, shape).astype(dtype)
        if dtype.kind == "b":
            return np.ones(shape, bool)
        return rng.normal(size=shape).astype("float32")

    return tuple(tree.map_structure(draw, spec) for spec in _specs(model))


def _specs(model):
    """Symbolic inputs and outputs of a model."""
    model = ENGINE.walk.unwrap(model)
    if ENGINE.walk.is_graph(model):
        model = getattr(model, "_functional", model)  # of a Sequential
        return model.input, model.output
    shapes = ENGINE.walk.build_config(model)["input_shape"]
    inputs = tree.map_shape_structure(lambda shape: keras.KerasTensor((None, *shape[1:])), shapes)
    return inputs, model.compute_output_spec(inputs)


def outputs(model, x):
    """Flat list of a model's outputs, in inference, without tracing."""
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False):
            (layer.reset_state if KERAS3 else layer.reset_states)()
    return [array(out) for out in tree.flatten(model(tree.map_structure(tensor, x), training=False))]


def same(first, second):
    """Whether two lists of arrays are equal bit for bit."""
    return len(first) == len(second) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(first, second)
    )


def tighten(model, sparsity, scope="global"):
    """Prune by magnitude in place, nothing rewound: optimizer slots are stale afterwards."""
    scores = {path: np.abs(array(variable)) for path, variable in ENGINE.prunable(model).items()}
    ENGINE.set_masks(model, prune(scores, ENGINE.masks(model), sparsity, scope))


def drift(model):
    """How many masked weights are not exactly +0, over every replica's copy."""
    masks = ENGINE.masks(model)
    assert masks, "not wrapped"
    found = 0
    for path, variable in ENGINE.prunable(model).items():
        for part in replicas(variable):
            value = array(part)
            found += int((np.signbit(value) | (value != 0))[~masks[path]].sum())
    return found


def replicas(variable):
    """The copies of a variable on each replica, where it has some, else the variable itself."""
    parts = getattr(variable.value if KERAS3 else variable, "values", None)
    return parts if isinstance(parts, tuple) else [variable]


def masked(model):
    """How many weights are masked."""
    return sum(int((~mask).sum()) for mask in wrapping.masks(model).values())
