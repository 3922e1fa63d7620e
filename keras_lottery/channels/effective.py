"""Effective sparsity: weights that no image can reach, or that reach no output, count as zeros too."""

import numpy as np

from .. import engines
from ..core.errors import LotteryError
from ..core.masking import sparsity
from . import graph
from .reach import follow


def effective(model):
    """Which prunable weights are effective: not 0, and on a path from an input to an output.

    A path leads from a number of the input to one of the output over weights that are not 0. Biases,
    BatchNorm and activations neither stop a path nor start one. All positions in an image count, so that a
    weight that only ever meets the zeros around an image is not effective. Zeros alone decide, never the size
    or rounding of numbers.

    Args:
      model: a built functional or Sequential model of either Keras. Of a wrapped model the weights with masks
        are told, of a plain one those that `wrap` would prune, frozen ones included.

    Returns:
      {weight path: bool array of the weight's shape}.

    Raises:
      LotteryError: not a built Keras model, or one with layers whose paths are not known, such as attention.

    Source: Vysogorets & Kempe 2021, "Connectivity matters" (arXiv 2107.02306), section 3.

    Example:
      >>> import tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,)), tf_keras.layers.Dense(1)])
      >>> net.layers[1].set_weights([np.array([[1.0], [0.0]]), np.zeros(1)])
      >>> [array.tolist() for array in effective(net).values()]
      [[[True, False], [True, False], [True, False]]]
    """
    handle = engines.of(model)
    if masks := handle.masks():
        return effective_of(handle.on(handle.strip()), masks)
    return effective_of(handle, handle.kernels())


def effective_of(handle, paths):
    """`effective` of the weights at these paths of a plain model, by its handle."""
    found = {}
    graph.check_readable(handle)
    used = _used(graph.read(handle))
    for path, layer in handle.layers().items():
        found |= {f"{path}/{name}": array for name, array in used.get(id(layer), {}).items()}
    unknown = paths.keys() - found.keys()
    if unknown:
        raise LotteryError(f"what the weight {min(unknown)!r} passes on is not known.")
    return {path: found[path] for path in paths}


def effective_sparsity(model):
    """Share, 0..1, of the prunable weights that are not `effective`; at least the share of zeros.

    Args, Raises: as `effective`.
    """
    return sparsity(effective(model))


def _used(read):
    """The weights on a path from an input of the graph to an output: {id of a layer: {name: bool array}}."""
    reached, pulls = {}, []
    for call in read.calls:
        if call.inputs:
            reached[call.outputs[0]], pull = follow(call, [reached[value] for value in call.inputs])
            pulls.append((call, pull))
        else:
            shape = call.outputs[0].shape[1:]
            if None in shape:
                raise LotteryError(f"the input {call.layer.name!r} has an open size, {shape}: fix it.")
            reached[call.outputs[0]] = np.ones(shape, bool)
    needed = {value: np.zeros(array.shape, bool) for value, array in reached.items()}
    for value in read.outputs:
        needed[value] = np.ones(reached[value].shape, bool)
    used = {}
    for call, pull in reversed(pulls):
        needs, of = pull(needed[call.outputs[0]])
        for value, need in zip(call.inputs, needs):
            needed[value] = needed[value] | need
        for name, array in of.items():
            known = used.setdefault(id(call.layer), {})
            known[name] = known.get(name, False) | array
    return used
