"""The Keras that the tests run on: tf_keras, or Keras 3 on each of its backends.

    python -m pytest tests                                            # tf_keras
    LOTTERY_KERAS=keras KERAS_BACKEND=jax python -m pytest tests      # Keras 3 on JAX; the others alike

Tests take `keras` from here and import TensorFlow only where their world has it, so that Keras 3 on JAX and
PyTorch is tested where TensorFlow is not installed.
"""

import importlib
import os

import numpy as np
import pytest

KIND = os.environ.get("LOTTERY_KERAS", "tf_keras")  # what pruning.engine_of takes
if KIND not in ("tf_keras", "keras"):
    raise ValueError(f"LOTTERY_KERAS={KIND!r} is unknown: 'tf_keras' or 'keras'")
keras = importlib.import_module(KIND)
KERAS3 = KIND == "keras"
BACKEND = keras.backend.backend()
WORLD = BACKEND if KERAS3 else "tf_keras"  # "tf_keras", "tensorflow", "jax" or "torch"
tree = keras.tree if KERAS3 else importlib.import_module("tensorflow").nest
EAGER = BACKEND != "jax"  # for run_eagerly: what costs less time for the few steps that a test takes


def skip_unless(*worlds, reason):
    """A mark: the test is for these worlds alone; "keras" means Keras 3 on any backend."""
    return pytest.mark.skipif(not runs_on(*worlds), reason=f"{' and '.join(worlds)} only: {reason}")


def matrix_on(*worlds):
    """A mark: in these worlds the test is for make test-all, since make test runs it in another."""
    return pytest.mark.matrix if runs_on(*worlds) else lambda test: test


def runs_on(*worlds):
    """Whether the tests run in one of these worlds: "tf_keras", "tensorflow", "jax", "torch", or "keras" for
    the last three."""
    return WORLD in worlds or KIND in worlds


def array(tensor):
    """A NumPy copy of a tensor or variable of any backend."""
    if KERAS3:
        return np.array(keras.ops.convert_to_numpy(tensor))
    return np.array(
        tensor.numpy() if hasattr(tensor, "numpy") else tensor
    )  # a mirrored variable has no __array__


def tensor(value):
    """The backend's tensor of a NumPy array."""
    return (
        keras.ops.convert_to_tensor(value)
        if KERAS3
        else importlib.import_module("tensorflow").constant(value)
    )


def set_policy(name):
    """Set the global precision policy; it is float32 again after each test."""
    (keras.config.set_dtype_policy if KERAS3 else keras.mixed_precision.set_global_policy)(name)


def policy():
    """The name of the global precision policy."""
    return (keras.config.dtype_policy if KERAS3 else keras.mixed_precision.global_policy)().name


def register(thing):
    """Register a class or function of the tests, so that files which name it can be loaded."""
    return keras.saving.register_keras_serializable("tests")(thing)


def load_model(path, **arguments):
    """keras.saving.load_model."""
    return keras.saving.load_model(path, **arguments)
