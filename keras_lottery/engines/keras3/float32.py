"""A Keras 3 model of another precision as the float32 model it stands for, and what a conversion asks of a model."""

import contextlib

import keras
from keras import tree
from keras.src.saving.serialization_lib import SafeModeScope

from ...core.errors import LotteryError
from ..precision import is_other
from . import walk
from .lambdas import with_functions_of


def is_float32(model):
    """Whether no layer computes in 16 or 64 bits."""
    return not any(is_other(layer.compute_dtype) for layer in model._flatten_layers())


def in_float32(model):
    """`model` itself if it is float32, else a plain copy that is, with the same weights.

    Raises:
      LotteryError: the model cannot be rebuilt from its config.
    """
    if is_float32(model):
        return model
    plain = walk.unwrap(model)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # for layers whose config names no dtype
    try:
        with (
            keras.saving.custom_object_scope(walk.custom_objects(plain)),
            SafeModeScope(safe_mode=False),
            with_functions_of(plain),
        ):
            new = type(plain).from_config(_float32_config(plain.get_config()))
            if not new.built:
                new.build_from_config(walk.build_config(plain))
        values = walk.variables(plain)
        for path, variable in walk.variables(new).items():
            variable.assign(keras.ops.cast(keras.ops.convert_to_tensor(values[path]), variable.dtype))
        walk.finalize(new)
    except Exception as error:
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise LotteryError(
            f"{model.name!r} does not compute in float32 and cannot be rebuilt in float32: {first}."
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
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
    return keras.KerasTensor(tensor.shape, tensor.dtype, name=tensor._keras_history.operation.name)


@contextlib.contextmanager
def unfused(model):
    """Recurrent layers of Keras 3 trace as loops on a processor; nothing to do."""
    yield


def _float32_config(config):
    """A copy of a model's config with float32 for every dtype or policy of 16 or 64 bits."""
    if isinstance(config, dict):
        return {
            key: "float32" if key == "dtype" and is_other(value) else _float32_config(value)
            for key, value in config.items()
        }
    return type(config)(map(_float32_config, config)) if isinstance(config, (list, tuple)) else config
