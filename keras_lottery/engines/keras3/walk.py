"""Stable names for the layers and weights of a Keras 3 model: the same paths as tf_keras models have.

A path is the names of the layers from the model down, then the attributes below the
last of them: "backbone/conv1/kernel", "mha/_query_dense/kernel", "rnn/cell/cells/0/kernel".
Wrapped and plain models have the same paths; a shared layer has the first one it is met at.
"""

import json

import keras
from keras import tree
from keras.src.models.functional import Functional

from ...core.errors import LotteryError
from ..configs import own_parts

_L = keras.layers

# Weights worth pruning, by the class (subclasses included) of the layer that owns them.
KERNELS = {
    ("kernel",): (
        _L.Dense,
        _L.EinsumDense,
        _L.Conv1D,
        _L.Conv2D,
        _L.Conv3D,
        _L.Conv1DTranspose,
        _L.Conv2DTranspose,
        _L.Conv3DTranspose,
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
# What tf_keras calls otherwise.
_RENAMED = {
    (_L.DepthwiseConv1D, "kernel"): "depthwise_kernel",
    (_L.DepthwiseConv2D, "kernel"): "depthwise_kernel",
    (_L.Normalization, "adapt_mean"): "mean",
    (_L.Normalization, "adapt_variance"): "variance",
    (_L.Normalization, "count"): None,  # what adapt has counted: no part of what a model computes
}


def is_graph(layer):
    """Whether this is a built Sequential or functional model, whose layers have names of their own."""
    return isinstance(layer, Functional) or (isinstance(layer, keras.Sequential) and layer.built)


def layers(model):
    """{path: layer} of every layer below `model`, the pruning wrapper left out, each layer once."""
    return {path: owners[-1] for path, item, owners in _walk(model) if path and item is owners[-1]}


def variables(layer):
    """{path: variable} of all state of a model or layer but masks and seeds: weights, BatchNorm statistics."""
    return {path: item for path, item, owners in _walk(layer) if item is not owners[-1]}


def owned_variables(model):
    """(path, variable, name in its layer, layers from the top one below `model` down to its own)."""
    for path, item, owners in _walk(model):
        if item is not owners[-1]:
            name = next(name for name, child in _contents(owners[-1]) if child is item)
            yield path, item, name, owners[1:] or owners


def finalize(model):
    """Make anew what layers keep that follows from their weights, as Normalization does."""
    for layer in layers(model).values():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def custom_objects(model):
    """{registered name: class or function} of layers, and of what they were given, that is not Keras' own, for a copy made in this process.

    Raises:
      LotteryError: two of them have one name.
    """
    named = {}
    layers = list(model._flatten_layers())
    for own in {type(layer) for layer in layers} | {part for layer in layers for part in own_parts(layer)}:
        name = keras.saving.get_registered_name(own)  # Keras itself has names twice
        if (
            not own.__module__.startswith("keras.")
            and name != "<lambda>"
            and named.setdefault(name, own) is not own
        ):
            raise LotteryError(
                f"two classes or functions in {model.name!r} are called {name!r}, and a copy goes by their names: rename one."
            )
    return named


def build_config(layer):
    """What a layer was built with, in dicts and lists as a file has them: JAX takes no dict that Keras tracks."""
    return json.loads(json.dumps(layer.get_build_config() or {}))


def tell_names(model, entry):
    """`entry`, what `model` is serialized as, with the name of each layer, which not every layer's own config holds."""
    for layer, below in _entries(model, entry):
        below["name"] = layer.name
    return entry


def take_names(model, entry):
    """`model`, made from `entry`, with the names that `tell_names` put there."""
    for layer, below in _entries(model, entry):
        layer.name = below.get("name", layer.name)
    return model


def _entries(model, entry):
    """(layer, its entry) of a graph and the models in it; Keras, too, finds a layer's weights in a file by its position."""
    if is_graph(model) and "layers" in entry["config"]:
        listed = model._layers if isinstance(model, keras.Sequential) else model.operations
        for layer, below in zip(listed, entry["config"]["layers"]):
            yield layer, below
            yield from _entries(layer, below)


def taken_by(layer, graph):
    """The symbolic tensors that a layer of a model takes where the model calls it first."""
    graph = getattr(graph, "_functional", graph)  # of a Sequential
    calls = (node for nodes in graph._nodes_by_depth.values() for node in nodes)
    return next(node.input_tensors for node in calls if node.operation is layer)


def last_layers(model, has_kernel):
    """Before each output of a model, the last layer for which has_kernel(layer); none where branches merge after it."""
    model = unwrap(model)
    if not is_graph(model):
        return _last_of(model, model, has_kernel)
    return [layer for tensor in tree.flatten(model.outputs) for layer in _last(tensor, has_kernel)]


def unwrap(layer):
    """The model under its pruning wrapper, or the layer itself."""
    from .model import LotteryModel

    return layer.inner if isinstance(layer, LotteryModel) else layer


def last(layer):
    """The layer that computes a model's output; linear activations, which only cast, are passed over."""
    layer = unwrap(layer)
    if is_graph(layer):
        return last(tree.flatten(layer.outputs)[0]._keras_history.operation)
    if type(layer) is _L.Activation and layer.activation is keras.activations.linear:
        return last(layer._inbound_nodes[0].input_tensors[0]._keras_history.operation)
    return layer


def _last(tensor, has_kernel):
    layer, node, index = tensor._keras_history
    if is_graph(layer):
        return _last(tree.flatten(layer.outputs)[index], has_kernel)
    if isinstance(layer, keras.Layer) and has_kernel(layer):
        inputs = [t for t in tree.flatten(layer._inbound_nodes[node].arguments.keras_tensors)]
        return _last_of(layer, None, has_kernel, inputs)
    inputs = layer._inbound_nodes[node].input_tensors
    return _last(inputs[0], has_kernel) if len(inputs) == 1 else []


def _last_of(layer, root, has_kernel, inputs=None):
    """As `_last`, inside a layer made of layers, whose call is followed on symbolic inputs; else the layer itself."""
    below = [child for _, child in _contents(layer) if isinstance(child, keras.Layer) and has_kernel(child)]
    known = tuple(kind for kinds in KERNELS.values() for kind in kinds) + (
        _L.RNN,
        _L.Bidirectional,
        _L.TimeDistributed,
        _L.MultiHeadAttention,
    )
    if not below or isinstance(layer, known):
        return [layer]
    if len(below) == 1:
        return _last_of(below[0], root, has_kernel)
    found = _follow(layer, has_kernel, inputs)
    return [below[-1]] if found is None else found


def _follow(layer, has_kernel, inputs):
    """The layers that make the outputs of a layer made of layers; None where its call cannot be followed."""
    try:
        shape = build_config(layer).get("input_shape")
        given = (
            inputs[0]
            if inputs
            else tree.map_shape_structure(lambda s: keras.KerasTensor((None, *s[1:])), shape)
        )
        outputs = layer.call(given)
        return [found for tensor in tree.flatten(outputs) for found in _last(tensor, has_kernel)]
    except Exception:  # whatever a call of the user's says about symbolic inputs
        return None


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
                is_layer = isinstance(child, keras.Layer)
                stack.append((f"{path}/{name}" if path else name, child, owners + (child,) * is_layer))


def _contents(layer):
    """(name, layer or variable) directly below a layer, in the order in which Keras met them, layers first."""
    if is_graph(layer):
        return [(child.name, child) for child in layer.layers]
    below = (*layer._layers, *layer._trainable_variables, *layer._non_trainable_variables)
    names = {
        id(item): f"{'layer' if isinstance(item, keras.Layer) else 'weight'}_{n}"
        for n, item in enumerate(below)
    }
    for name, value in reversed(_attributes(layer)):
        for path, item in _items(value, _public(layer, name, value)):
            names[id(item)] = next(
                (new for (kind, old), new in _RENAMED.items() if old == path and isinstance(layer, kind)),
                path,
            )
    return [
        (names[id(item)], item) for item in {id(item): item for item in below}.values() if names[id(item)]
    ]


def _attributes(layer):
    """(name, value), what may hold layers or weights last: the first name counts, on each backend the same."""
    # PyTorch keeps a module's modules apart from its other attributes.
    found = {**vars(layer), **vars(layer).get("_modules", {})}
    kept = [
        (name, value)
        for name, value in found.items()
        if name not in _LISTS and not name.startswith(("_self_", "_obj_"))
    ]
    return sorted(kept, key=lambda item: not isinstance(item[1], (keras.Layer, keras.Variable)))


# Where Keras, TensorFlow ("_self_", "_obj_") or PyTorch lists what other attributes hold.
_LISTS = {
    "_layers",
    "_trainable_variables",
    "_non_trainable_variables",
    "_metrics",
    "_seed_generators",
    "_losses",
    "_tracker",
    "_parameters",
    "_modules",
    "_buffers",
    "_torch_params",
    "_functional",
}


def _public(layer, name, value):
    """The property under which a layer shows a private attribute, such as Dense's kernel; else the attribute's name."""
    shown = name.lstrip("_")
    is_property = shown != name and isinstance(getattr(type(layer), shown, None), property)
    return shown if is_property and isinstance(value, keras.Variable) else name


def _items(value, path):
    """(path, layer or variable) in an attribute, lists and dicts included."""
    if isinstance(value, (keras.Layer, keras.Variable)):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _items(item, f"{path}/{name}")
    elif isinstance(value, (list, tuple)):
        for n, item in enumerate(value):
            yield from _items(item, f"{path}/{n}")
