"""What a model costs: channels, parameters and multiply-adds of each layer."""

import math

import numpy as np

from .. import engines
from ..core.types import Model
from . import graph

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


def costs(model: Model) -> list[dict]:
    """Channels, parameters and multiply-adds of each layer, for one example.

    A layer multiplies each weight of its kernel once at each position: of the output for convolutions,
    depthwise and separable ones, and Dense; of the input for transposed convolutions. So a convolution takes
    output positions x kernel positions x inputs x outputs / groups. A layer that is called more than once
    counts each call. Zeros count like other weights: this is the work of a runtime that does not know of
    them.

    Args:
      model: a built functional or Sequential model of either Keras, wrapped or plain.

    Returns:
      A list of dicts, one a layer with parameters, models in the model included, in the order of the model:
      path; channels, of the output of convolutions and Dense, else None; parameters, all that the layer
      holds, BatchNorm's statistics included; multiply_adds, 0 for layers that only scale or look up, None
      where they are not known (an open image size, recurrent and attention layers, a layer of one's own).

    Raises:
      LotteryError: not a built Keras model, or one whose layers' calls cannot be read.

    Example:
      >>> import tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Conv2D(8, 3, input_shape=(10, 10, 3))])
      >>> lottery.costs(net)
      [{'path': 'conv2d', 'channels': 8, 'parameters': 224, 'multiply_adds': 13824}]
    """
    return costs_of(engines.of(model))


def costs_of(handle):
    """As `costs`, of the handle's model."""
    graph.check_readable(handle)
    plain = handle.on(handle.strip()) if handle.masks() else handle
    paths = {id(layer): path for path, layer in plain.layers().items()}
    rows = {}
    for call in graph.read(plain).calls:
        if getattr(call.layer, "weights", None):
            row = rows.setdefault(
                id(call.layer),
                {
                    "path": paths.get(id(call.layer), call.layer.name),
                    "channels": _channels(call),
                    "parameters": sum(math.prod(weight.shape) for weight in call.layer.weights),
                    "multiply_adds": 0,
                },
            )
            row["multiply_adds"] = _sum(row["multiply_adds"], _multiply_adds(call))
    return list(rows.values())


def multiply_adds_left(model):
    """Multiply-adds for one example in a runtime that skips zeros, a whole number.

    They are those of each layer, as `costs` counts them, times the share of its kernel's weights that are not
    0.

    Args, Raises: as `costs`.

    Returns:
      None where the multiply-adds of a layer are not known.

    Example:
      >>> import numpy as np, tf_keras
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,))])
      >>> net.layers[0].set_weights([np.eye(4, 8), np.zeros(8)])
      >>> multiply_adds_left(net)
      4
    """
    handle, left = engines.of(model), 0.0
    layers = handle.layers()
    for row in costs_of(handle):
        if row["multiply_adds"] is None:
            return None
        if row["multiply_adds"]:
            weights = handle.layer_variables(layers[row["path"]])
            kernels = [graph.array(weights[name]) for name in _KERNELS if name in weights]
            kept = sum(map(np.count_nonzero, kernels)) / sum(kernel.size for kernel in kernels)
            left += row["multiply_adds"] * kept
    return round(left)


def work_of_weights(handle):
    """{path of a kernel: (its shape, multiply-adds that each of its weights takes for one example)}; 1 where
    these are not known."""
    plain, found = handle.on(handle.strip()) if handle.masks() else handle, {}
    layers = plain.layers()
    for row in costs_of(plain):
        weights = plain.layer_variables(layers[row["path"]]) if row["path"] in layers else {}
        shapes = {name: tuple(weights[name].shape) for name in _KERNELS if name in weights}
        size = sum(map(math.prod, shapes.values()))
        for name, shape in shapes.items():
            found[f"{row['path']}/{name}"] = shape, (row["multiply_adds"] or size) / size
    return found


def total(rows, column):
    """The sum over rows of what is known in a column."""
    return sum(row[column] or 0 for row in rows)


def _is_mixing(call):
    return (
        call.kind.endswith(("Dense", "1D", "2D", "3D", "Transpose"))
        and "LSTM" not in call.kind
        and call.kind != "EinsumDense"
    )


def _axis(call):
    return 1 if call.config.get("data_format") == "channels_first" else -1


def _channels(call):
    return call.outputs[0].shape[_axis(call)] if _is_mixing(call) else None


def _multiply_adds(call):
    if not _is_mixing(call):
        known = (
            call.kind == "Embedding"
            or all(len(weight.shape) < 2 for weight in call.layer.weights)
            or call.kind == "PReLU"
        )
        return 0 if known else None
    shape = list((call.inputs if call.kind.endswith("Transpose") else call.outputs)[0].shape)
    del shape[_axis(call)]
    if None in shape[1:]:
        return None
    positions = (
        1 if call.kind.startswith("LocallyConnected") else math.prod(shape[1:])
    )  # which has weights of its own at each
    return positions * sum(
        math.prod(kernel.shape) for name, kernel in call.variables.items() if name in _KERNELS
    )


def _sum(first, second):
    return None if first is None or second is None else first + second
