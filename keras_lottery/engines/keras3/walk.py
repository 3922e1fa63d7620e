"""The layers and weights of a Keras 3 model, and their paths; see `engines.paths`."""

import json

import keras
from keras import tree

from .. import configs
from ..paths import Paths
from ..private import history, maker, nodes
from ..select import kernels, on_request
from . import private

_L = keras.layers

KERNELS = kernels(
    _L,
    _L.Dense,
    _L.EinsumDense,
    _L.Conv1D,
    _L.Conv2D,
    _L.Conv3D,
    _L.Conv1DTranspose,
    _L.Conv2DTranspose,
    _L.Conv3DTranspose,
)
ON_REQUEST = on_request(_L)
# What tf_keras calls otherwise.
_RENAMED = {
    (_L.DepthwiseConv1D, "kernel"): "depthwise_kernel",
    (_L.DepthwiseConv2D, "kernel"): "depthwise_kernel",
    (_L.Normalization, "adapt_mean"): "mean",
    (_L.Normalization, "adapt_variance"): "variance",
    (_L.Normalization, "count"): None,  # what adapt has counted: no part of what a model computes
}


def is_graph(layer):
    """Whether this is a built Sequential or functional model, whose layers have names of their own.

    A Sequential with a layer whose outputs' shapes cannot be told is built, and has no graph.
    """
    if isinstance(layer, keras.Sequential):
        return layer.built and private.functional(layer) is not None
    return private.is_functional(layer)


def finalize(model):
    """Make anew what layers keep that follows from their weights, as Normalization does."""
    for layer in layers(model).values():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def custom_objects(model):
    """As `configs.custom_objects`."""
    return configs.custom_objects(keras, model)


def build_config(layer):
    """What a layer was built with, in dicts and lists as a file has them: JAX takes no dict that Keras
    tracks."""
    return json.loads(json.dumps(layer.get_build_config() or {}))


def tell_names(model, entry):
    """`entry`, what `model` is serialized as, with the name of each layer, which not every layer's own config
    holds."""
    for layer, below in _entries(model, entry):
        below["name"] = layer.name
    return entry


def take_names(model, entry):
    """`model`, made from `entry`, with the names that `tell_names` put there."""
    for layer, below in _entries(model, entry):
        layer.name = below.get("name", layer.name)
    return model


def _entries(model, entry):
    """(layer, its entry) of a graph and the models in it; Keras, too, finds a layer's weights in a file by
    its position."""
    if is_graph(model) and "layers" in entry["config"]:
        listed = private.sublayers(model) if isinstance(model, keras.Sequential) else model.operations
        for layer, below in zip(listed, entry["config"]["layers"]):
            yield layer, below
            yield from _entries(layer, below)


def last_layers(model, has_kernel):
    """Before each output of a model, the last layer for which has_kernel(layer); none where branches merge
    after it."""
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
        return last(maker(tree.flatten(layer.outputs)[0]))
    if type(layer) is _L.Activation and layer.activation is keras.activations.linear:
        return last(maker(nodes(layer)[0].input_tensors[0]))
    return layer


def _last(tensor, has_kernel):
    layer, node, index = history(tensor)
    if is_graph(layer):
        return _last(tree.flatten(layer.outputs)[index], has_kernel)
    if isinstance(layer, keras.Layer) and has_kernel(layer):
        inputs = [t for t in tree.flatten(nodes(layer)[node].arguments.keras_tensors)]
        return _last_of(layer, None, has_kernel, inputs)
    inputs = nodes(layer)[node].input_tensors
    return _last(inputs[0], has_kernel) if len(inputs) == 1 else []


def _last_of(layer, root, has_kernel, inputs=None):
    """As `_last`, inside a layer made of layers, whose call is followed on symbolic inputs; else the layer
    itself."""
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


def _contents(layer):
    """(name, layer or variable) directly below a layer, in the order in which Keras met them, layers
    first."""
    below = private.contents(layer)
    has_names = is_graph(layer) or isinstance(layer, keras.Sequential)
    if has_names:
        own = private.own_variables(layer)
        if not own:
            return [(child.name, child) for child in layer.layers]
        below = (*layer.layers, *own)
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
    if has_names:
        names |= {id(child): child.name for child in layer.layers}
    return [
        (names[id(item)], item) for item in {id(item): item for item in below}.values() if names[id(item)]
    ]


def _attributes(layer):
    """(name, value), what may hold layers or weights last: the first name counts, on each backend the
    same."""
    return sorted(
        private.attributes(layer).items(),
        key=lambda item: not isinstance(item[1], (keras.Layer, keras.Variable)),
    )


def _public(layer, name, value):
    """The property under which a layer shows a private attribute, such as Dense's kernel; else the
    attribute's name."""
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


_paths = Paths(keras.Layer, unwrap, _contents)
layers, variables, owned_variables = _paths.layers, _paths.variables, _paths.owned_variables
