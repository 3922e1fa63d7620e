"""The state of random layers (Dropout and the like)."""

import keras
import numpy as np

from ..private import flat_layers
from . import private, walk
from .state import synchronise


def keep_randomness(model):
    """Nothing to do: random layers keep their state where a backup finds it."""


def random_state(model):
    """{name: array} of the seeds of random layers, and of PyTorch's generators, from which its Dropout
    draws."""
    synchronise(model)
    seeds = {
        f"random/{n:05d}": np.array(keras.ops.convert_to_numpy(seed.state))
        for n, seed in enumerate(_seeds(model))
    }
    return {**seeds, **{name: generator.get_state().numpy() for name, generator in _generators().items()}}


def load_random_state(model, arrays):
    """Put back what `random_state` gave."""
    for n, seed in enumerate(_seeds(model)):
        seed.state.assign(arrays[f"random/{n:05d}"])
    for name, generator in _generators().items():
        if name in arrays:  # a run may go on with other devices
            generator.set_state(keras.ops.convert_to_tensor(arrays[name]).cpu())


def _seeds(model):
    below = flat_layers(walk.unwrap(model))
    return list({id(seed): seed for layer in below for seed in private.seed_generators(layer)}.values())


def _generators():
    """{name: generator} of PyTorch's, one a device; none on other backends."""
    if keras.backend.backend() != "torch":
        return {}
    import torch

    cuda = torch.cuda.default_generators if torch.cuda.is_initialized() else ()
    return {
        "random/cpu": torch.default_generator,
        **{f"random/cuda{n}": generator for n, generator in enumerate(cuda)},
    }
