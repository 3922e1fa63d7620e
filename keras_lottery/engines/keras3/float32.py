"""A Keras 3 model of another precision as the float32 model it stands for, and what a conversion asks of a
model."""

import contextlib

import keras
from keras import tree

from ..precision import float32_config, is_float32, rebuilding
from ..private import maker
from . import private, walk
from .lambdas import with_functions_of


def in_float32(model):
    """`model` itself if it is float32, else a plain copy that is, with the same weights.

    Raises:
      LotteryError: the model cannot be rebuilt from its config.
    """
    if is_float32(model):
        return model
    plain = walk.unwrap(model)
    with (
        rebuilding(keras, model),
        keras.saving.custom_object_scope(walk.custom_objects(plain)),
        private.from_this_process(),
        with_functions_of(plain),
    ):
        new = type(plain).from_config(float32_config(plain.get_config()))
        if not new.built:
            new.build_from_config(walk.build_config(plain))
        values = walk.variables(plain)
        for path, variable in walk.variables(new).items():
            variable.assign(keras.ops.cast(keras.ops.convert_to_tensor(values[path]), variable.dtype))
        walk.finalize(new)
    return new


def inputs(model):
    """The nest of the model's inputs, each with name, shape and dtype; None where it was never built."""
    plain = walk.unwrap(model)
    if walk.is_graph(plain) and plain.inputs:
        return tree.map_structure(
            _named_by_layer, plain.inputs[0] if isinstance(plain, keras.Sequential) else plain.input
        )
    shape = walk.build_config(plain).get("input_shape")
    if shape is None:
        return None
    if isinstance(shape, dict):
        return {name: keras.KerasTensor(sides, name=name) for name, sides in shape.items()}
    return tree.map_shape_structure(lambda sides: keras.KerasTensor(sides, name="input"), shape)


def _named_by_layer(tensor):
    """Copies have layers of the same names, and tensors of others."""
    return keras.KerasTensor(tensor.shape, tensor.dtype, name=maker(tensor).name)


@contextlib.contextmanager
def unfused(model):
    """Recurrent layers of Keras 3 trace as loops on a processor; nothing to do."""
    yield
