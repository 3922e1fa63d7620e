"""Stable names for the layers and weights of a tf_keras model.

A path is the names of the layers from the model down, then the attributes below the
last of them: "backbone/conv1/kernel", "mha/_query_dense/kernel", "rnn/cell/cells/0/kernel".
Wrapped and plain models have the same paths; a shared layer has the first one it is met at.
"""

import tensorflow as tf

from .legacy import PruneLowMagnitude, tf_keras

_L = tf_keras.layers

# Weights worth pruning, by the class (subclasses included) of the layer that owns them.
KERNELS = {
    ("kernel",): (
        _L.Dense,
        _L.EinsumDense,
        _L.Conv1D,  # and the transposes, which are subclasses
        _L.Conv2D,
        _L.Conv3D,
        _L.LocallyConnected1D,
        _L.LocallyConnected2D,
    ),
    ("kernel", "recurrent_kernel"): (
        _L.SimpleRNNCell,
        _L.GRUCell,
        _L.LSTMCell,
        type(_L.ConvLSTM2D(1, 1).cell),
    ),
    ("pointwise_kernel",): (_L.SeparableConv1D, _L.SeparableConv2D),
}
# Few weights that do much, or rows looked up one at a time: only when asked for.
ON_REQUEST = {
    "depthwise_kernel": (_L.DepthwiseConv1D, _L.DepthwiseConv2D, _L.SeparableConv1D, _L.SeparableConv2D),
    "embeddings": (_L.Embedding,),
}


def unwrap(layer):
    """The layer under its pruning wrapper, or the layer itself."""
    return layer.layer if isinstance(layer, PruneLowMagnitude) else layer


def is_graph(layer):
    """Whether this is a Sequential or functional model, whose layers have names of their own."""
    return isinstance(layer, tf_keras.Model) and bool(getattr(layer, "_is_graph_network", False))


def layers(model):
    """{path: layer} of every layer below `model`, wrappers left out, each layer once."""
    return {path: owners[-1] for path, item, owners in _walk(model) if path and item is owners[-1]}


def variables(layer):
    """{path: variable} of all state of a model or layer but masks: weights, BatchNorm statistics, seeds."""
    return {path: item for path, item, owners in _walk(layer) if item is not owners[-1]}


def owned_variables(model):
    """(path, variable, name in its layer, layers from the top one below `model` down to its own)."""
    for path, item, owners in _walk(model):
        if item is not owners[-1]:
            name = next(name for name, child in _contents(owners[-1]) if child is item)
            yield path, item, name, owners[1:]


def taken_by(layer, graph):
    """The symbolic tensors that a layer of a model takes where the model calls it first."""
    calls = (n for n in range(len(layer._inbound_nodes)) if f"{layer.name}_ib-{n}" in graph._network_nodes)
    return tf.nest.flatten(layer._inbound_nodes[next(calls)].input_tensors)


def last_layers(model, has_kernel):
    """Before each output of a model, the last layer for which has_kernel(layer); none where branches merge after it."""
    found = [_last(tensor, has_kernel) for tensor in tf.nest.flatten(model.outputs)]
    return [layer for layer in found if layer is not None]


def last(layer):
    """The layer that computes a model's output; linear activations, which only cast, are passed over."""
    layer = unwrap(layer)
    if is_graph(layer):
        return last(layer.outputs[0]._keras_history.layer)
    if type(layer) is tf_keras.layers.Activation and layer.activation is tf_keras.activations.linear:
        return last(layer._inbound_nodes[0].inbound_layers)
    return layer


def _last(tensor, has_kernel):
    layer, node, index = tensor._keras_history
    plain = unwrap(layer)
    if is_graph(plain):
        return _last(tf.nest.flatten(plain.outputs)[index], has_kernel)
    if has_kernel(plain):
        return plain
    inputs = tf.nest.flatten(layer._inbound_nodes[node].keras_inputs)
    return _last(inputs[0], has_kernel) if len(inputs) == 1 else None


def _walk(root):
    """(path, layer or variable, the layers from the root down to it), each once, parents first."""
    seen = set()
    root = unwrap(root)
    stack = [("", root, (root,))]
    while stack:
        path, item, owners = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield path, item, owners
        if item is owners[-1]:
            for name, child in reversed([(name, unwrap(child)) for name, child in _contents(item)]):
                is_layer = isinstance(child, tf_keras.layers.Layer)
                stack.append((f"{path}/{name}" if path else name, child, owners + (child,) * is_layer))


def _contents(layer):
    """(name, layer or variable) directly below a layer, in a fixed order."""
    if is_graph(layer):
        return [(child.name, child) for child in layer.layers]
    tracked = list(_tracked(layer))
    known = {id(item) for _, item in tracked}
    # Made by add_weight but kept under no attribute.
    loose = [v for v in layer._trainable_weights + layer._non_trainable_weights if id(v) not in known]
    found = [(name, child) for name, child in tracked if not _is_bookkeeping(layer, name)]
    return found + [(f"weight_{n}", variable) for n, variable in enumerate(loose)]


def _is_bookkeeping(layer, name):
    """Seeds, which `randomness` knows, and what `adapt` has counted: no part of what a model computes, nor in Keras 3."""
    return name.startswith("_random_generator/") or (
        isinstance(layer, tf_keras.layers.Normalization) and name == "count"
    )


def _tracked(item, prefix=""):
    for name, child in item._trackable_children().items():
        if isinstance(child, (tf_keras.layers.Layer, tf.Variable)):
            yield prefix + name, child
        elif isinstance(
            child, (tf.__internal__.tracking.TrackableDataStructure, tf.__internal__.tracking.AutoTrackable)
        ):
            yield from _tracked(child, f"{prefix}{name}/")
