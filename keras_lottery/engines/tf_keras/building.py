"""tf_keras models made from the JSON of a file, which is checked first, and what weights they would have."""

import contextlib
import json
import math

import tensorflow as tf

from ...architecture.entries import below
from ...architecture.tables import APPLICATIONS
from ...core.errors import LotteryError
from ..building import Builder
from ..exported import names
from ..private import flat_layers, nodes
from ..sizes import MOST_PARTS, Tensors, check_statistics
from . import private, walk
from .copying import in_a_line
from .legacy import tf_keras
from .operations import MORE, SYMBOLS

NAMES = names(tf_keras, MORE, SYMBOLS)
_PASSES = 1000  # more than the layers of any model wait for one another
_PARTS = ("num_split", "num", "num_partitions")  # attributes of operations that make several tensors
_SMALL = 2**16  # values; layers may read what is no larger while they are built


def _tensors(model):
    """(layer's name, shape, bytes per value) of each tensor in the graphs of a model."""
    for layer in flat_layers(model):
        for node in nodes(layer):
            for tensor in tf.nest.flatten(node.outputs):
                if (
                    getattr(getattr(tensor, "shape", None), "rank", None) is not None
                    and tensor.dtype != tf.string
                ):
                    yield layer.name, tuple(tensor.shape), tensor.dtype.size


def _creator(budget, symbolic):
    def create(next_creator, **arguments):
        shape, dtype = arguments.get("shape"), arguments.get("dtype")
        if shape is None or dtype is None:  # a scalar, or what is given its value, which the JSON holds
            return next_creator(**arguments)
        size = budget.take(shape, tf.as_dtype(dtype).size)
        if not symbolic or size <= _SMALL:
            return next_creator(**arguments)
        return private.valueless_variable(
            trainable=arguments.get("trainable", True), name=arguments.get("name"), shape=shape, dtype=dtype
        )

    return create


@contextlib.contextmanager
def _counted(budget, symbolic):
    """In the block, weights are taken from the budget before they are made, and the tensors of graphs are
    counted.

    With `symbolic` large ones are not made.
    """
    conv, normalization, tensors = private.conv_utils, tf_keras.layers.Normalization, Tensors()
    places, build = conv.conv_kernel_idxs, normalization.build

    def check_operation(inputs, attrs):
        tensors.take()
        parts = max(len(inputs), *(attrs[name].i for name in _PARTS if name in attrs), 0)
        if parts > MOST_PARTS:
            raise LotteryError(f"it splits a tensor into {parts:,} parts, or joins so many")

    def kernel_places(**told):  # of a locally connected layer, one a weight
        shape = conv.conv_output_shape(
            *(told[name] for name in ("input_shape", "kernel_shape", "strides", "padding"))
        )
        if 4 * math.prod(shape) * told["filters_in"] * told["filters_out"] > budget.left:
            raise LotteryError("a locally connected layer in it has more weights than the file holds")
        return places(**told)

    def build_normalization(layer, input_shape):
        check_statistics(layer, tf.TensorShape(input_shape).as_list())
        build(layer, input_shape)

    conv.conv_kernel_idxs, normalization.build = kernel_places, build_normalization
    try:
        with (
            private.on_each_operation(check_operation),
            tf.variable_creator_scope(_creator(budget, symbolic)),
        ):
            yield
    finally:
        conv.conv_kernel_idxs, normalization.build = places, build


def _made(checked):
    text = json.dumps(checked)
    with contextlib.ExitStack() as scopes:
        scopes.enter_context(tf_keras.utils.custom_object_scope(_of_applications(checked)))
        scopes.enter_context(private.from_file())
        # What model_from_json does, but for the lists of layers.
        config = private.decoded(text)
        return tf_keras.layers.deserialize(_ended(config))


def _of_applications(architecture):
    """The classes of stock applications in it, which tf_keras does not know by name."""
    used = APPLICATIONS.keys() & {entry["class_name"] for entry in below(architecture)}
    return {name: private.application(APPLICATIONS[name][0], name) for name in used}


def _ended(value):
    """JSON whose lists of layers end the loop in which tf_keras waits for tensors that no call makes."""
    if isinstance(value, dict):
        new = {key: _ended(item) for key, item in value.items()}
        if "input_layers" in new and isinstance(new.get("layers"), list):
            new["layers"] = _Layers(new["layers"])
        return new
    return type(value)(map(_ended, value)) if type(value) in (list, tuple) else value


class _Layers(list):
    passes = 0

    def __iter__(self):
        self.passes += 1
        if self.passes > min(len(self) * 2, _PASSES) + 8:
            raise LotteryError("a layer in it takes a tensor that no call makes")
        return super().__iter__()


_builder = Builder(NAMES, _made, _counted, _tensors, walk.variables, in_a_line)
build, shapes = _builder.build, _builder.shapes
