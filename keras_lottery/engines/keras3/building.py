"""Keras 3 models made from the JSON of a file, which is checked first, and what weights they would have."""

import contextlib
import json
import re

import keras

from ..building import Builder
from ..exported import names
from ..private import flat_layers, nodes
from ..sizes import Tensors, check_statistics, dtype_name
from . import private, walk
from .operations import OPERATIONS
from .said import in_a_line

NAMES = names(keras, {"keras.src.models.functional": ["Functional"], **OPERATIONS})


def _tensors(model):
    """(operation's name, shape, bytes per value) of each tensor in the graphs of a model."""
    for graph in flat_layers(model):
        for operation in getattr(graph, "operations", graph.layers) if walk.is_graph(graph) else ():
            for node in nodes(operation):
                for tensor in node.output_tensors:
                    yield operation.name, tuple(tensor.shape), _bytes(tensor.dtype)


def _made(checked):
    with private.from_file():
        if "module" in checked:
            return walk.take_names(
                keras.saving.deserialize_keras_object(json.loads(json.dumps(checked))), checked
            )
        # A whole .h5 file.
        kind = NAMES.registered(checked["class_name"]) or {"Sequential": keras.Sequential}.get(
            checked["class_name"], keras.Model
        )
        return kind.from_config(json.loads(json.dumps(checked["config"])))


@contextlib.contextmanager
def _counted(budget, symbolic):
    """In the block, each weight that a layer adds is taken from the budget before it is made; tensors are
    counted.

    With `symbolic` none is made.
    """
    add, make, build = keras.Layer.add_weight, keras.KerasTensor.__init__, keras.layers.Normalization.build
    tensors = Tensors()

    def add_weight(layer, shape=None, initializer=None, dtype=None, *others, **named):
        budget.take(shape or (), _bytes(dtype or layer.variable_dtype))
        return add(layer, shape, initializer, dtype, *others, **named)

    def make_tensor(tensor, *given, **named):
        tensors.take()
        make(tensor, *given, **named)

    def build_normalization(layer, input_shape):
        check_statistics(layer, input_shape)
        build(layer, input_shape)

    keras.Layer.add_weight, keras.KerasTensor.__init__ = add_weight, make_tensor
    keras.layers.Normalization.build = build_normalization
    try:
        with private.symbolic() if symbolic else contextlib.nullcontext():
            yield
    finally:
        keras.Layer.add_weight, keras.KerasTensor.__init__ = add, make
        keras.layers.Normalization.build = build


def _bytes(dtype):
    """Of a value; of what is not told by its name, as of a string, four."""
    bits = re.search(r"\d+", dtype_name(dtype))
    return 1 if dtype_name(dtype) == "bool" else max(1, int(bits[0]) // 8) if bits else 4


_builder = Builder(NAMES, _made, _counted, _tensors, walk.variables, in_a_line)
build, shapes = _builder.build, _builder.shapes
