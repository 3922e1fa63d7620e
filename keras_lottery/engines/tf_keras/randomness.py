"""The state of random layers (Dropout and the like), which tf_keras leaves out of a layer's variables."""

from ..private import flat_layers
from . import private


def keep_randomness(model):
    """Let random layers draw from generators whose state a backup can hold.

    By default they use operations that keep their state to themselves. Call it in the
    model's strategy scope, before the model is trained for the first time.
    """
    for source in _random_sources(model):
        private.draw_from_generator(source)


def random_state(model):
    """{name: array} of the generators of random layers (Dropout and the like)."""
    return {f"random/{n:05d}": generator.state.numpy() for n, generator in enumerate(_generators(model))}


def load_random_state(model, arrays):
    """Put back what `random_state` gave."""
    for n, generator in enumerate(_generators(model)):
        generator.reset(arrays[f"random/{n:05d}"])


def _generators(model):
    found = [private.generator(source) for source in _random_sources(model)]
    return [generator for generator in found if generator is not None]


def _random_sources(model):
    found = [private.random_source(layer) for layer in flat_layers(model)]
    return list({id(source): source for source in found if source is not None}.values())
