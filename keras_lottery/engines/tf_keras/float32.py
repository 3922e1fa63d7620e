"""A tf_keras model of another precision as the float32 model it stands for."""

from ..precision import float32_config, is_float32, is_other, rebuilding
from ..private import flat_layers
from . import private
from .legacy import tf_keras


def in_float32(model):
    """`model` itself if it is float32, else a copy that is, with the same weights.

    Raises:
      LotteryError: the model cannot be rebuilt from its config.
    """
    if is_float32(model):
        return model
    from . import load_state
    from . import values as values_of

    custom = {type(layer).__name__: type(layer) for layer in flat_layers(model)}
    values = {
        path: value.astype("float32") if is_other(value.dtype) else value
        for path, value in values_of(model).items()
    }
    with rebuilding(tf_keras, model), private.from_this_process():
        new = type(model).from_config(float32_config(model.get_config()), custom_objects=custom)
        if set(values_of(new)) != set(values):
            raise ValueError(
                "the copy made from its config has other weights; use tf_keras.Model(inputs, outputs)"
            )
        load_state(new, values)
    return new
