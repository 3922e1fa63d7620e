"""Random graphs of all kinds of layers as files: they load, answer as the model does, and have its zeros."""

from collections import Counter

import numpy as np
import pytest
import tf_keras
from graphs import drawn, graphs
from hypothesis import given

import keras_lottery as lottery
from keras_lottery.tflite import encoding, flatbuffer


def constants(path):
    """The float32 tensors that a file holds, the sparse-encoded ones in full."""
    model = flatbuffer.read(path.read_bytes())
    for tensor in model.subgraphs[0].tensors:
        values = (
            flatbuffer.constant(model, tensor, "<f4")
            if tensor.type == flatbuffer.schema.TensorType.FLOAT32
            else None
        )
        if values is not None:
            yield encoding.decode(values, tuple(tensor.shape), tensor.sparsity)


def kernels(model):
    """Those of convolutions and of Dense on flat inputs, output channels first."""
    for layer in model._flatten_layers():
        ranks = {tf_keras.layers.Conv2D: 4, tf_keras.layers.Dense: 2}
        if len(getattr(layer, "input_shape", ())) == ranks.get(type(layer), -1):
            yield np.moveaxis(layer.kernel.numpy(), -1, 0)


@pytest.mark.matrix
@drawn(4)
@given(graphs())
def test_random_graph(tmp_path_factory, model):
    path = tmp_path_factory.mktemp("random") / "model.tflite"
    record = lottery.export(model, path, formats="float32")
    dense = record.variants[0]
    assert (
        dense.problem is None
        and dense.relative_difference < 1e-5
        and record.chosen.relative_difference < 1e-5
    )
    kept, others = {}, Counter(tuple(sorted(weight.shape)) for weight in model.weights)
    for kernel in kernels(model):
        kept.setdefault(kernel.shape, []).append(kernel != 0)
        others[tuple(sorted(kernel.shape))] -= 1
    for held in constants(path):  # a BatchNormalization that scales a channel by 0 may make more zeros
        if held.shape in kept and not others[tuple(sorted(held.shape))]:  # else it may be another layer's
            assert any(not held[~mask].any() for mask in kept[held.shape]), held.shape
