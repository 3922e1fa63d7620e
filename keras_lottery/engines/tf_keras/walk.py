"""The layers and weights of a tf_keras model, and their paths; see `engines.paths`."""

import tensorflow as tf

from .. import configs
from ..paths import Paths
from ..private import history, maker, nodes
from ..select import kernels, on_request
from . import private
from .legacy import tf_keras
from .private import PruneLowMagnitude

_L = tf_keras.layers

KERNELS = kernels(
    _L,
    _L.Dense,
    _L.EinsumDense,
    _L.Conv1D,  # and the transposes, which are subclasses
    _L.Conv2D,
    _L.Conv3D,
    _L.LocallyConnected1D,
    _L.LocallyConnected2D,
)
ON_REQUEST = on_request(_L)


def unwrap(layer):
    """The layer under its pruning wrapper, or the layer itself."""
    return layer.layer if isinstance(layer, PruneLowMagnitude) else layer


def is_graph(layer):
    """Whether this is a Sequential or functional model, whose layers have names of their own."""
    return isinstance(layer, tf_keras.Model) and private.is_graph_network(layer)


def custom_objects(model):
    """As `configs.custom_objects`."""
    return configs.custom_objects(tf_keras, model)


def last_layers(model, has_kernel):
    """Before each output of a model, the last layer for which has_kernel(layer); none where branches merge
    after it."""
    found = [_last(tensor, has_kernel) for tensor in tf.nest.flatten(model.outputs)]
    return [layer for layer in found if layer is not None]


def last(layer):
    """The layer that computes a model's output; linear activations, which only cast, are passed over."""
    layer = unwrap(layer)
    if is_graph(layer):
        return last(maker(layer.outputs[0]))
    if type(layer) is tf_keras.layers.Activation and layer.activation is tf_keras.activations.linear:
        return last(nodes(layer)[0].inbound_layers)
    return layer


def _last(tensor, has_kernel):
    layer, node, index = history(tensor)
    plain = unwrap(layer)
    if is_graph(plain):
        return _last(tf.nest.flatten(plain.outputs)[index], has_kernel)
    if has_kernel(plain):
        return plain
    inputs = tf.nest.flatten(nodes(layer)[node].keras_inputs)
    return _last(inputs[0], has_kernel) if len(inputs) == 1 else None


def _contents(layer):
    """(name, layer or variable) directly below a layer, in a fixed order."""
    own = {id(variable): variable for variable in private.own_weights(layer)}
    if is_graph(layer):
        tracked = [(child.name, child) for child in layer.layers]
        tracked += [(name, child) for name, child in _tracked(layer) if id(child) in own] if own else []
    else:
        tracked = list(_tracked(layer))
    known = {id(item) for _, item in tracked}
    # Made by add_weight but kept under no attribute.
    loose = [variable for of, variable in own.items() if of not in known]
    found = [(name, child) for name, child in tracked if not _is_bookkeeping(layer, name)]
    return found + [(f"weight_{n}", variable) for n, variable in enumerate(loose)]


def _is_bookkeeping(layer, name):
    """Seeds, which `randomness` knows, and what `adapt` has counted: no part of what a model computes, nor in
    Keras 3."""
    return private.is_random_source(name) or (
        isinstance(layer, tf_keras.layers.Normalization) and name == "count"
    )


def _tracked(item, prefix=""):
    for name, child in private.children(item).items():
        if isinstance(child, (tf_keras.layers.Layer, tf.Variable)):
            yield prefix + name, child
        elif private.is_structure(child):
            yield from _tracked(child, f"{prefix}{name}/")


_paths = Paths(tf_keras.layers.Layer, unwrap, _contents)
layers, variables, owned_variables = _paths.layers, _paths.variables, _paths.owned_variables
