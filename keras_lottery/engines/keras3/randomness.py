"""The state of random layers (Dropout and the like)."""

import keras
import numpy as np

from ..private import flat_layers
from . import private, walk
from .state import synchronise

_SHARED = "random/shared"


def keep_randomness(model):
    """Make the seed that layers share which name none of their own; others keep theirs where a backup finds
    it."""
    private.global_seed_generator()


def random_state(model):
    """{name: array} of the seeds of random layers, of the one that layers share which name none, and of
    PyTorch's generators, from which its Dropout draws."""
    synchronise(model)
    seeds = {name: np.array(keras.ops.convert_to_numpy(seed.state)) for name, seed in _seeds(model).items()}
    return {**seeds, **{name: generator.get_state().numpy() for name, generator in _generators().items()}}


def load_random_state(model, arrays):
    """Put back what `random_state` gave; in files of earlier versions the shared seed is missing."""
    for name, seed in _seeds(model).items():
        if name != _SHARED or name in arrays:
            seed.state.assign(arrays[name])
    for name, generator in _generators().items():
        if name in arrays:  # a run may go on with other devices
            generator.set_state(keras.ops.convert_to_tensor(arrays[name]).cpu())


def _seeds(model):
    """{name: SeedGenerator}."""
    below = flat_layers(walk.unwrap(model))
    own = {id(seed): seed for layer in below for seed in private.seed_generators(layer)}.values()
    return {
        **{f"random/{n:05d}": seed for n, seed in enumerate(own)},
        _SHARED: private.global_seed_generator(),
    }


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
