"""Which layers sparse kernels can run, and the padding that they ask for."""

import numpy as np
import pytest
import tf_keras
from ai_edge_litert.interpreter import Interpreter

from keras_lottery import models
from keras_lottery.tflite import conversion, flatbuffer, padding, sparse_kernels

L = tf_keras.layers


def net(size=16, padding="explicit", channels=3, zeros=0.9, tail="mean"):
    """A stem, two pairs of a depthwise and a 1x1 convolution, the second with stride 2."""
    tf_keras.utils.set_random_seed(0)
    first = L.Input((size, size, channels), name="image")

    def stride2(layer, x, name):
        x = L.ZeroPadding2D(1)(x) if padding == "explicit" else x
        return layer(strides=2, padding="same" if padding == "same" else "valid", name=name)(x)

    x = L.ReLU(6.0)(stride2(lambda **how: L.Conv2D(8, 3, **how), first, "stem"))
    x = L.ReLU()(
        L.Conv2D(16, 1, name="pointwise1")(L.DepthwiseConv2D(3, padding="same", name="depthwise1")(x))
    )
    x = L.ReLU()(
        L.Conv2D(16, 1, name="pointwise2")(
            stride2(lambda **how: L.DepthwiseConv2D(3, **how), x, "depthwise2")
        )
    )
    x = {"mean": L.GlobalAveragePooling2D, "flat": L.Flatten}[tail]()(x)
    model = tf_keras.Model(first, L.Dense(5, name="logits")(x))
    for name in ("pointwise1", "pointwise2"):
        kernel = model.get_layer(name).kernel
        kernel.assign(kernel * (np.random.default_rng(0).random(kernel.shape) >= zeros))
    return model


def file(model, encoding="sparse"):
    return flatbuffer.read(conversion.to_tflite(model, ["float32"])["float32", encoding])


def said(parts):
    """{the layer's kind and first sides: why sparse kernels cannot run it, or None}, of 1x1 convolutions."""
    return [
        row.why
        for row in sparse_kernels.rows(parts)
        if row.operation == "CONV_2D" and row.shape[1:3] == (1, 1)
    ]


def test_a_mobilenet_runs_sparse_where_it_is_sparse_encoded():
    rows = sparse_kernels.rows(file(net()))
    assert [row.sparse for row in rows] == [False, False, True, False, True, False]
    assert [row.shape for row in rows if row.sparse] == [(16, 1, 1, 8), (16, 1, 1, 16)] and all(
        0.8 < row.zeros < 1 for row in rows if row.sparse
    )
    assert [why for why in said(file(net(), "dense"))] == [
        "is dense-encoded: sparse kernels are for sparse-encoded files"
    ] * 2


@pytest.mark.quick("change0-less than 2/3 zeros", "change2-needs explicit padding of 1")
@pytest.mark.parametrize(
    "change, words",
    [
        (dict(zeros=0.5), "less than 2/3 zeros"),
        (dict(channels=1), "comes after an operation that is a 3x3 convolution with stride 2"),
        (dict(padding="valid"), "needs explicit padding of 1"),
        (dict(padding="same"), "needs explicit padding of 1"),
        (dict(tail="flat"), "comes before an operation that is"),
    ],
)
def test_other_forms_have_their_reason(change, words):
    assert all(words in why for why in said(file(net(**change))))


@pytest.mark.matrix
def test_the_builder_is_born_in_that_form():
    model = models.build("mobilenet", (32, 32, 3), 10, width=0.25)
    for layer in model.layers:
        if "pointwise" in layer.name and isinstance(layer, L.Conv2D):
            layer.kernel.assign(layer.kernel * (np.random.default_rng(0).random(layer.kernel.shape) >= 0.9))
    assert said(file(model)) == [None] * 13


@pytest.mark.parametrize("size, runs", [(15, True), (17, True), (16, False)])
def test_same_padding_becomes_symmetric_where_that_is_the_same_function(size, runs):
    """16 halves to 8 and 4, of which 'same' pads one side; 15 to 8, whose depthwise convolution spoils it; 17
    to 9 and 5."""
    model, parts = net(size, "same"), file(net(size, "same"))
    before = flatbuffer.write(parts)
    padding.pad_symmetrically(parts)
    after = flatbuffer.write(parts)
    runs = runs and size == 17
    assert said(parts) == [None] * 2 if runs else all(said(parts)) and before == after
    image = np.random.default_rng(1).normal(size=(1, size, size, 3)).astype("float32")
    (found,) = Interpreter(model_content=after).get_signature_runner()(image=image).values()
    assert np.abs(found - model(image).numpy()).max() < 1e-5


def test_fully_connected_layers_run_sparse_in_blocks_alone():
    rows = sparse_kernels.rows(file(models.build("lenet", (8, 8, 1), 3)))
    assert {row.why for row in rows} == {"has no blocks of zeros, which its sparse kernels need"}
