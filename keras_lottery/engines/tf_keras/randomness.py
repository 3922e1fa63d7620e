"""The state of random layers (Dropout and the like), which tf_keras leaves out of a layer's variables."""


def keep_randomness(model):
    """Let random layers draw from generators whose state a backup can hold.

    By default they use operations that keep their state to themselves. Call it in the
    model's strategy scope, before the model is trained for the first time.
    """
    for source in _random_sources(model):
        if source._rng_type == source.RNG_LEGACY_STATEFUL:
            source._rng_type, source._built = source.RNG_STATEFUL, False
        source._maybe_init()


def random_state(model):
    """{name: array} of the generators of random layers (Dropout and the like)."""
    return {f"random/{n:05d}": generator.state.numpy() for n, generator in enumerate(_generators(model))}


def load_random_state(model, arrays):
    """Put back what `random_state` gave."""
    for n, generator in enumerate(_generators(model)):
        generator.reset(arrays[f"random/{n:05d}"])


def _generators(model):
    return [
        source._generator
        for source in _random_sources(model)
        if getattr(source, "_generator", None) is not None
    ]


def _random_sources(model):
    found = [vars(layer).get("_random_generator") for layer in model._flatten_layers()]
    return list({id(source): source for source in found if hasattr(source, "_rng_type")}.values())
