"""Precisions that models compute in, and models of another as the float32 models they stand for."""

import contextlib

from ..core.errors import LotteryError
from .private import flat_layers


def is_other(dtype):
    """Whether a dtype, policy or the config of one is of 16 or 64 bits, which files do not compute in.

    >>> is_other("mixed_bfloat16"), is_other("float32")
    (True, False)
    """
    return any(kind in str(dtype) for kind in ("float16", "float64"))


def is_float32(model):
    """Whether no layer computes in 16 or 64 bits."""
    return not any(is_other(layer.compute_dtype) for layer in flat_layers(model))


@contextlib.contextmanager
def rebuilding(keras, model):
    """In the block float32 is the policy for layers whose config names no dtype.

    Raises:
      LotteryError: for whatever error the block ends with: the model cannot be rebuilt from its config.
    """
    policy = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    except Exception as error:
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise LotteryError(
            f"{model.name!r} does not compute in float32 and cannot be rebuilt in float32: {first}."
        ) from error
    finally:
        keras.mixed_precision.set_global_policy(policy)


def float32_config(config):
    """A copy of a config, those in it included, with float32 for every dtype or policy of 16 or 64 bits.

    >>> float32_config({"dtype": "float16", "layers": [{"dtype": "int32"}]})
    {'dtype': 'float32', 'layers': [{'dtype': 'int32'}]}
    """
    if isinstance(config, dict):
        return {
            key: "float32" if key == "dtype" and is_other(value) else float32_config(value)
            for key, value in config.items()
        }
    return type(config)(map(float32_config, config)) if isinstance(config, (list, tuple)) else config


def without_dtype(config, default):
    """A copy of the JSON of a model that leaves open each dtype which is `default`, that of the global
    policy."""
    if isinstance(config, dict):
        return {  # a call's dtype is what a cast is given
            key: value if key == "inbound_nodes" else without_dtype(value, default)
            for key, value in config.items()
            if not (key == "dtype" and value == default)
        }
    return [without_dtype(item, default) for item in config] if isinstance(config, list) else config
