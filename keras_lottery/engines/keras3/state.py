"""Values of variables, wherever the backend keeps them."""

import keras
import numpy as np


def synchronise(model):
    """Bring the state of a JAX training that is under way back into the model's variables."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def array(tensor):
    """A NumPy copy of a variable or tensor."""
    return np.array(keras.ops.convert_to_numpy(tensor))


def plain(optimizer):
    """The optimizer below loss scaling."""
    return getattr(optimizer, "inner_optimizer", optimizer)
