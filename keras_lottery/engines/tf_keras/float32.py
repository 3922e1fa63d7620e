"""A tf_keras model of another precision as the float32 model it stands for."""

from ...core.errors import LotteryError
from ..precision import is_other
from .legacy import tf_keras


def is_float32(model):
    """Whether no layer computes in 16 or 64 bits."""
    return not any(is_other(layer.compute_dtype) for layer in model._flatten_layers())


def in_float32(model):
    """`model` itself if it is float32, else a copy that is, with the same weights.

    Raises:
      LotteryError: the model cannot be rebuilt from its config.
    """
    if is_float32(model):
        return model
    from . import load_state
    from . import values as values_of

    custom = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    values = {
        path: value.astype("float32") if is_other(value.dtype) else value
        for path, value in values_of(model).items()
    }
    policy = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("float32")  # for layers whose config names no dtype
    try:
        with tf_keras.src.saving.serialization_lib.SafeModeScope(
            safe_mode=False
        ):  # Lambdas, from this very process
            new = type(model).from_config(_float32_config(model.get_config()), custom_objects=custom)
        if set(values_of(new)) != set(values):
            raise ValueError(
                "the copy made from its config has other weights; use tf_keras.Model(inputs, outputs)"
            )
        load_state(new, values)
    except Exception as error:
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise LotteryError(
            f"{model.name!r} does not compute in float32 and cannot be rebuilt in float32: {first}."
        ) from error
    finally:
        tf_keras.mixed_precision.set_global_policy(policy)
    return new


def _float32_config(config):
    """A copy of a layer's config, wrapped layers included, with float32 for every dtype or policy of 16 or 64 bits."""
    if isinstance(config, dict):
        return {
            key: "float32" if key == "dtype" and is_other(value) else _float32_config(value)
            for key, value in config.items()
        }
    return type(config)(map(_float32_config, config)) if isinstance(config, (list, tuple)) else config
