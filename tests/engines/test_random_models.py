"""Random models of all kinds of layers: wrapped, trained, tightened, saved, stripped, the zeros always
hold."""

import tempfile

import numpy as np
import pytest
import world
import zoo
from graphs import drawn
from hypothesis import given
from hypothesis import strategies as st
from world import KERAS3
from zoo import Composite, Input, L, Model, MyConv, MyLSTM, Named

import keras_lottery as lottery
from keras_lottery import engines

pytestmark = pytest.mark.engine

IMAGE, SEQUENCE, FLAT = 4, 3, 2  # ranks, batch included

# What may follow a tensor of a rank: functions of the tensor, each with new layers.
BLOCKS = {
    IMAGE: {
        "conv": lambda x: L.Conv2D(4, 3, padding="same", activation="relu")(x),
        "own_conv": lambda x: MyConv(3, padding="same")(x),
        "norm": lambda x: L.ReLU()(L.BatchNormalization()(x)),
        "separable": lambda x: L.SeparableConv2D(4, 3, padding="same")(x),
        "depthwise": lambda x: L.DepthwiseConv2D(2, padding="same")(x),
        "transpose": lambda x: L.Conv2DTranspose(2, 2, padding="same")(x),
        "residual": lambda x: L.Add()([x, L.Conv2D(x.shape[-1], 1)(x)]),
        **({} if KERAS3 else {"locally": lambda x: L.LocallyConnected2D(2, 1)(x)}),
        "op": lambda x: x * 2.0 - 1.0,
        "nested": lambda x: _nested(x, lambda y: L.BatchNormalization()(L.Conv2D(3, 2, padding="same")(y))),
        "recurrent": lambda x: L.ConvLSTM2D(2, 2, padding="same")(L.Reshape((1, *x.shape[1:]))(x)),
        "sequence": lambda x: L.Reshape((-1, x.shape[3]))(L.MaxPooling2D(2, padding="same")(x)),
        "pool": lambda x: L.GlobalAveragePooling2D()(x),
    },
    SEQUENCE: {
        "lstm": lambda x: L.LSTM(3, return_sequences=True)(x),
        "own_lstm": lambda x: MyLSTM(2)(x),
        "cells": lambda x: L.RNN([L.GRUCell(3), L.SimpleRNNCell(2)])(x),
        "both_ways": lambda x: L.Bidirectional(L.GRU(2, return_sequences=True))(x),
        "attention": lambda x: L.Add()([x, L.MultiHeadAttention(2, 2)(x, x)]),
        "cross": lambda x: L.MultiHeadAttention(1, 2)(query=x, value=L.Dense(3)(x)),
        "einsum": lambda x: L.EinsumDense("abc,cd->abd", (x.shape[1], 4), bias_axes="d")(x),
        "conv": lambda x: L.Conv1D(4, 2, padding="causal")(x),
        "separable": lambda x: L.SeparableConv1D(3, 2, padding="same")(x),
        "each": lambda x: L.TimeDistributed(L.Dense(4, "tanh"))(x),
        "norm": lambda x: L.LayerNormalization()(x),
        "flat": lambda x: L.Flatten()(x),
    },
    FLAT: {
        "dense": lambda x: L.Dense(5, "relu", kernel_constraint="max_norm", kernel_regularizer="l2")(x),
        "named": lambda x: Named()(x),
        "composite": lambda x: Composite(3)(x, scale=2.0),
        "shared": lambda x: _twice(L.Dense(x.shape[-1]), x),
        "twin": lambda x: _twice(_tower(x), x),
        "nested": lambda x: _nested(x, lambda y: _nested(y, lambda z: L.Dense(4)(z))),
        "dropout": lambda x: L.Dropout(0.3)(x),
        "lambda": lambda x: L.Lambda(lambda t: t * 0.5 - 1.0)(x),
        "image": lambda x: L.Reshape((2, 2, 2))(L.Dense(8)(x)),
    },
}


def _nested(x, body):
    inner = Input(x.shape[1:])
    return Model(inner, body(inner))(x)


def _tower(x):
    inner = Input(x.shape[1:])
    return Model(inner, L.Dense(3, "relu")(inner))


def _twice(layer, x):
    return L.Concatenate()([layer(x), layer(-x)])


@st.composite
def models(draw):
    world.keras.utils.set_random_seed(0)  # each example is the same wherever it comes
    first = Input(draw(st.sampled_from([(4, 4, 2), (4, 3), (5,)])))
    x = L.Dense(3)(first)  # something to prune whatever follows
    for _ in range(draw(st.integers(1, 6))):
        x = BLOCKS[len(x.shape)][draw(st.sampled_from(sorted(BLOCKS[len(x.shape)])))](x)
    return Model(first, L.Dense(2)(x if len(x.shape) == 2 else L.Flatten()(x)))


@pytest.mark.matrix
@drawn(8 if world.EAGER else 4)
@given(
    models(), st.sampled_from(["adam", "sgd", "rmsprop"]), st.sampled_from(["global", "layer"]), st.booleans()
)
def test_random_model(model, optimizer, scope, depthwise):
    include = [L.DepthwiseConv2D, L.SeparableConv2D, L.SeparableConv1D] if depthwise else None
    x, y = zoo.data(model)
    expected, weights = zoo.outputs(model, x), model.get_weights()
    wrapped = lottery.wrap(model, include=include)
    assert zoo.same(zoo.outputs(wrapped, x), expected)

    wrapped.compile(optimizer, "mse", run_eagerly=world.EAGER)
    wrapped.train_on_batch(x, y)
    for sparsity in (0.4, 0.8):
        zoo.tighten(wrapped, sparsity, scope)
        for _ in range(2):
            wrapped.train_on_batch(x, y)
            assert zoo.drift(wrapped) == 0
    held = zoo.outputs(wrapped, x)
    assert np.isfinite(held[0]).all()

    with tempfile.TemporaryDirectory() as folder:
        wrapped.save(folder + "/m.keras")
        loaded = world.load_model(folder + "/m.keras", safe_mode=False)
    for copy in (loaded, lottery.strip(wrapped), lottery.strip(loaded)):
        assert zoo.same(zoo.outputs(copy, x), held)
        assert lottery.sparsity(copy) == lottery.sparsity(wrapped) or depthwise
    loaded.train_on_batch(x, y)
    assert zoo.drift(loaded) == 0
    assert zoo.same(model.get_weights(), weights)
    tell = engines.of(model).engine.architecture
    assert tell(wrapped) == tell(lottery.strip(wrapped))
