"""Random graphs of layers: a strategy, the blocks it draws from, and weights with zeros and dead channels."""

import os

import numpy as np
import world
import zoo
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from world import array, keras
from zoo import Composite, Input, L, Model, MyConv


def drawn(most):
    """Settings of a test of random models: `most` of them, the same each time, or as many new ones as
    RANDOM_MODELS says."""
    return settings(
        max_examples=int(os.environ.get("RANDOM_MODELS", most)),
        deadline=None,
        database=None,
        derandomize="RANDOM_MODELS" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )


def draw_weights(model, rng, sparsity=0.8, dead=0.2):
    """Give a model sparse kernels in which some whole channels are dead, and all else that it holds random
    values."""
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
            value *= (
                (rng.random(shape) > sparsity)
                * (rng.random(shape[-1]) > dead)
                * (rng.random((shape[-2], 1)) > dead)
            )
        else:
            continue
        variable.assign(value.astype("float32"))
    zoo.ENGINE.load_state(model, zoo.ENGINE.values(model))  # layers that keep constants made of their weights
    return model


IMAGE, SEQUENCE, FLAT = 4, 3, 2  # ranks, batch included


def nested(x, body):
    inner = Input(x.shape[1:])
    return Model(inner, body(inner))


def tower(x):
    x = L.Dense(5, "relu")(x)
    return nested(x, lambda y: L.Dense(6, "relu")(y))(x)


def squeeze(x):
    y = L.GlobalAveragePooling2D(keepdims=True)(x)
    return L.Multiply()(
        [x, L.Conv2D(x.shape[-1], 1, activation="sigmoid")(L.Conv2D(2, 1, activation="relu")(y))]
    )


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
        "conv_bn": lambda x: L.ReLU()(
            L.BatchNormalization()(L.Conv2D(6, 3, padding="same", use_bias=False)(x))
        ),
        "pointwise": lambda x: L.Conv2D(6, 1, activation="tanh", padding="same")(x),
        "softmax": lambda x: L.Conv2D(4, 1, activation="softmax")(x),
        "dense": lambda x: L.Dense(5, "relu")(x),
        "norm": lambda x: L.BatchNormalization(scale=False)(x),
        "grouped": lambda x: L.Conv2D(8, 3, groups=4, padding="same", activation="relu")(L.Conv2D(8, 1)(x)),
        "separable": lambda x: L.SeparableConv2D(4, 3, padding="same", depth_multiplier=2, activation="relu")(
            x
        ),
        "separable_valid": lambda x: (
            L.SeparableConv2D(4, 2, use_bias=False)(x) if min(x.shape[1:3]) > 2 else x
        ),
        "depthwise": lambda x: L.DepthwiseConv2D(3, padding="same", use_bias=False)(x),
        "depthwise_valid": lambda x: (
            L.DepthwiseConv2D((1, 2), depth_multiplier=2, activation="relu")(x) if x.shape[2] > 2 else x
        ),
        "transpose": lambda x: L.Conv2DTranspose(4, 3, padding="same")(x),
        "transpose_valid": lambda x: (
            L.Conv2DTranspose(4, 2, strides=2, activation="relu")(x) if x.shape[1] < 5 else x
        ),
        "residual": lambda x: L.Add()([x, like(x, activation="relu")(x)]),
        "projected": lambda x: L.ReLU()(
            L.Add()(
                [L.Conv2D(6, 1)(x), L.Conv2D(6, 3, padding="same", activation="relu")(x), L.Conv2D(6, 1)(x)]
            )
        ),
        "highest": lambda x: L.Maximum()([like(x)(x), like(x)(x)]),
        "lowest": lambda x: L.Minimum()([like(x)(x), x]),
        "difference": lambda x: L.Subtract()([like(x, activation="sigmoid")(x), L.BatchNormalization()(x)]),
        "mean": lambda x: L.Average()([like(x)(x), x]),
        "branches": lambda x: (
            L.Concatenate()([L.Conv2D(3, 1)(x), x, L.MaxPooling2D(2, 1, padding="same")(x)])
            if x.shape[-1] < 9
            else x
        ),
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
        "sequential": lambda x: keras.Sequential(
            [L.Conv2D(4, 2, padding="same"), L.PReLU(), L.Dropout(0.5), L.Conv2D(4, 1, activation="relu")]
        )(x),
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
    x = (L.Conv2D if len(first.shape) == IMAGE else L.Dense)(
        6, *[3] * (len(first.shape) == IMAGE), activation="relu"
    )(first)
    seen = []
    for _ in range(draw(st.integers(2, 6))):
        x = BLOCKS[len(x.shape)][draw(st.sampled_from(sorted(BLOCKS[len(x.shape)])))](x)
        seen.append(x)
    outputs = [L.Dense(2)(x if len(x.shape) == 2 else L.Flatten()(x))]
    if draw(st.integers(0, 3)) == 0:
        outputs.append(draw(st.sampled_from(seen)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return draw_weights(
        Model(first, outputs),
        rng,
        draw(st.sampled_from([0.3, 0.6, 0.9])),
        draw(st.sampled_from([0.0, 0.2, 0.5])),
    )
