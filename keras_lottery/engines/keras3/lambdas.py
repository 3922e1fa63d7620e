"""Lambda layers of a copy: Keras 3 makes their functions anew from their code, which then has no globals."""

import contextlib

import keras

from ..bytecode import canonical
from ..private import flat_layers
from . import private


@contextlib.contextmanager
def with_functions_of(model):
    """In the block, Lambda layers that are made from the configs of those in `model` have the very same
    functions."""
    known = {
        (layer.name, _code(layer.get_config())): layer
        for layer in flat_layers(model)
        if isinstance(layer, keras.layers.Lambda)
    }
    make = keras.layers.Lambda.from_config

    def from_config(kind, config, *others, **named):
        old = known.get((config["name"], _code(config)))
        if old is None:
            return make.__func__(kind, config, *others, **named)
        own = {name: config[name] for name in ("name", "trainable", "dtype") if name in config}
        return kind(
            old.function,
            output_shape=private.lambda_shape(old),
            mask=old.mask,
            arguments=old.arguments,
            **own,
        )

    keras.layers.Lambda.from_config = classmethod(from_config)
    try:
        yield
    finally:
        keras.layers.Lambda.from_config = make


def _code(config):
    """What a config says of the function, without what it closes over."""
    function = config["function"]
    if isinstance(function, dict) and function.get("class_name") == "__lambda__":
        return canonical(function["config"]["code"])
    return str(function)
