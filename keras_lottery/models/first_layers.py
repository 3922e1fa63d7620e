"""The first layers of a model of either Keras: what they do to images, in which order they take the
channels."""

import dataclasses
from collections.abc import Callable

import numpy as np

from .. import engines, wrapping
from ..core.errors import LotteryError


@dataclasses.dataclass(frozen=True)
class First:
    """The first layers of a kind in a model, all in one graph: the model itself or one in it.

    Attributes:
      layers: those layers, in the order in which the model computes.
      before: the layers from the input on that come before them.
      taken: a function of images (n, height, width, channels) that gives what each of the layers takes of
        them, arrays.
    """

    layers: list
    before: list
    taken: Callable


def first(model, wanted: Callable, most: int = 1) -> First | None:
    """The first layers of `model` for which wanted(layer), at most `most` of them, models in it looked into.

    None if there is none, and for a model that is no graph of layers with images as its one input.

    >>> import tf_keras
    >>> L = tf_keras.layers
    >>> net = tf_keras.Sequential([L.Input((4, 4, 1)), L.Rescaling(2.0), L.Conv2D(2, 3, name="c")])
    >>> found = first(net, lambda layer: layer.name == "c")
    >>> float(found.taken(np.ones((1, 4, 4, 1), "float32"))[0].max())
    2.0
    """
    handle = engines.of(model)
    if not _takes_images(handle):
        return None
    handle = handle.on(handle.strip()) if handle.masks() else handle
    graph = handle.model
    handle.variables()  # on JAX this brings the state of a training into the layers
    before, models = [], []
    while graph is not None:
        layers, inner = _ahead(handle, graph, wanted, before)
        if not layers:
            return None
        layers = [layer for layer in graph.layers if wanted(layer)][:most] if inner is None else layers
        models.append(handle.keras.Model(graph.inputs, [_taken_by(handle, layer, graph) for layer in layers]))
        graph = inner

    def taken(images):
        for model in models:
            out = model([images], training=False)
            out = out if isinstance(out, (list, tuple)) else [out]
            images = out[0]
        return [as_array(one) for one in out]

    return First(layers, before, taken)


def takes_images(model) -> bool:
    """Whether a model is a graph of layers with one input, images of known channels."""
    return _takes_images(engines.of(model))


def _takes_images(handle):
    shape = getattr(handle.model, "input_shape", None)
    images = isinstance(shape, tuple) and len(shape) == 4 and isinstance(shape[-1], int)
    return images and bool(handle.is_graph(handle.unwrap(handle.model)))


def takes_rgb(model):
    """A copy of a model made for images with blue first, which computes the same of images with red first.

    The channels of the first convolution's kernel are reversed.

    Raises:
      LotteryError: the first layer with weights is no convolution of three channels.
    """
    changed = wrapping.strip(model)
    handle, found = engines.of(changed), first(changed, has_weights)
    layer = found and found.layers[0]
    path = next((path for path, one in handle.layers().items() if one is layer), None)
    values = handle.values()
    kernel = values.get(f"{path}/kernel")
    if type(layer).__name__ != "Conv2D" or kernel is None or kernel.shape[2] != 3:
        raise LotteryError(
            f"{model.name!r} does not begin with a convolution of three channels, whose order could be "
            "reversed for preprocessing='caffe': give it images with blue first, less their mean, in a "
            "loop of your own."
        )
    handle.load_state({**values, f"{path}/kernel": kernel[:, :, ::-1]})
    return changed


def has_weights(layer) -> bool:
    """Whether a layer has weights that training changes or learns; Normalization, which is adapted before,
    has none."""
    kind = type(layer).__name__
    return bool(layer.weights) and kind != "Normalization" and not kind.startswith("Random")


def _ahead(handle, graph, wanted, before):
    """([the first wanted layer, or model with such layers in it], that model or None); those passed go to
    `before`."""
    for layer in graph.layers:
        below = handle.on(layer).layers().values() if handle.is_graph(layer) else ()
        if any(map(wanted, below)):
            return [layer], layer
        if not below and wanted(layer):
            return [layer], None
        before += [layer, *below]
    return [], None


def _taken_by(handle, layer, graph):
    """The symbolic tensor that a layer of a graph takes where the graph calls it first."""
    arguments = next(given for called, given, *_ in handle.calls(graph) if called is layer)
    return handle.nest.flatten(arguments)[0]


def as_array(tensor) -> np.ndarray:
    """A tensor or variable of either Keras, on any backend, as an array."""
    tensor = getattr(tensor, "value", tensor) if hasattr(tensor, "path") else tensor
    return np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)
