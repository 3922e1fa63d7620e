"""What rules ask of a call of a layer."""

import numpy as np

from .graph import array

# Functions of each number by itself.
ELEMENTWISE = set(
    """celu elu exponential gelu hard_sigmoid hard_silu hard_swish leaky_relu linear log_sigmoid mish relu
    relu6 selu sigmoid silu softplus softsign swish tanh""".split()
)


def channel_axis(call):
    """The axis that the layer takes for the channels, whatever comes in."""
    return 1 if is_channels_first(call) else len(call.inputs[0].shape) - 1


def is_channels_first(call):
    return call.config.get("data_format") == "channels_first"


def is_unpadded(call):
    """Whether every output position of a convolution sees as many inputs."""
    return call.config["padding"] == "valid" or set(call.config["kernel_size"]) == {1}


def has_only(call, *names):
    """Whether a layer's weights are these: one that is quantized or has adapters has others."""
    return set(call.weights) <= set(names) and all(value.dtype.kind == "f" for value in call.weights.values())


def is_elementwise(call):
    """Whether a layer's activation takes each number by itself."""
    function = getattr(call.layer, "activation", None)
    if function is None:
        return True
    module, name = (str(getattr(function, key, "")) for key in ("__module__", "__name__"))
    return module.split(".")[0] in ("keras", "tf_keras", "tensorflow") and name in ELEMENTWISE


def apply(function, constants):
    """A function of each number by itself, as the model would compute it."""
    known = ~np.isnan(constants)
    if function is None or not known.any():
        return constants
    values, made = constants[None, known], np.full(len(constants), np.nan)
    if not function.__module__.startswith(
        "keras."
    ):  # functions of TensorFlow and tf_keras ask what only a tensor has
        import tensorflow as tf

        values = tf.constant(values)
    made[known] = array(function(values))[0]
    return made
