"""A new head for a trained model: other classes, the same body with its weights."""

from .. import engines, wrapping
from ..core.checks import whole
from ..core.errors import LotteryError


def new_head(model, num_classes: int):
    """A copy of `model` that ends in `num_classes` new logits, with all other weights kept.

    The last Dense layer or convolution is replaced by one with so many outputs and no activation. A network
    without a head, such as one of keras.applications with include_top=False, gets average pooling, where it
    gives feature maps, and a Dense layer.

    Args:
      model: functional or Sequential, of either Keras.
      num_classes: int >= 2.

    Raises:
      LotteryError: several outputs, or a head that is no Dense layer or convolution that the model lists.

    >>> import tf_keras
    >>> L = tf_keras.layers
    >>> net = tf_keras.Sequential([L.Input((8,)), L.Dense(4, "relu"), L.Dense(1000, "softmax")])
    >>> new_head(net, 5).output_shape
    (None, 5)
    """
    num_classes = whole("num_classes", num_classes, 2)
    plain = wrapping.strip(model)
    handle = engines.of(plain)
    if not handle.is_graph(plain):
        raise LotteryError(
            f"{model.name!r} is no functional or Sequential model: its head cannot be replaced."
        )
    if len(plain.outputs) != 1:
        raise LotteryError(f"{model.name!r} has {len(plain.outputs)} outputs: a new head needs exactly one.")
    head = _head(handle, plain)
    if head is None:
        return _added(handle.keras, plain, num_classes)
    try:
        changed = handle.resize(_with_logits(handle.architecture(), head), [head], num_classes)
        made = handle.build(changed)
    except LotteryError as error:
        raise LotteryError(str(error).replace("the ticket's model", repr(model.name))) from error
    kept = {path: value for path, value in handle.values().items() if not path.startswith(f"{head}/")}
    other = handle.on(made)
    other.load_state({**other.values(), **kept})
    return made


def of_size(model, height: int, width: int):
    """A copy of `model` that takes images of another size, with all its weights.

    Args:
      model: functional or Sequential, of either Keras, one input of (height, width, channels).

    Raises:
      LotteryError: some of its weights are for its own size, such as those of a Dense layer after Flatten.

    >>> import tf_keras
    >>> L = tf_keras.layers
    >>> layers = [L.Input((8, 8, 3)), L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(2)]
    >>> net = tf_keras.Sequential(layers)
    >>> of_size(net, 12, 16).input_shape
    (None, 12, 16, 3)
    """
    plain = wrapping.strip(model)
    handle = engines.of(plain)
    shape = (height, width, plain.input_shape[3])
    heads = handle.heads()
    try:
        made = handle.build(handle.resize(handle.architecture(), heads, plain.output_shape[-1], shape))
    except LotteryError as error:
        raise LotteryError(str(error).replace("the ticket's model", repr(model.name))) from error
    resized = handle.on(made)
    values, now = handle.values(), resized.values()
    unfit = [path for path in values if path not in now or values[path].shape != now[path].shape]
    if unfit:
        raise LotteryError(
            f"{model.name!r} has weights for images of {plain.input_shape[1]}x{plain.input_shape[2]} "
            f"alone, such as {unfit[0]!r}: leave image_size out."
        )
    resized.load_state(values)
    return made


def _head(handle, model):
    """The path of the layer that gives the classes; None where features come out."""
    heads, layers = handle.heads(), list(handle.layers().items())
    if len(heads) != 1 or len(model.outputs[0].shape) != 2:
        return None
    paths = [path for path, _ in layers]
    after = [layer for _, layer in layers[paths.index(heads[0]) :]]
    body = any(
        type(layer).__name__ in ("BatchNormalization", "LayerNormalization", "ReLU")
        or getattr(getattr(layer, "activation", None), "__name__", "")
        in ("relu", "relu6", "silu", "swish", "gelu")
        for layer in after
    )
    return None if body else heads[0]


def _added(keras, model, num_classes):
    features = model.outputs[0]
    if len(features.shape) > 2:
        features = keras.layers.GlobalAveragePooling2D(name="head_pool")(features)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(features)
    return keras.Model(model.inputs, logits, name=model.name)


def _with_logits(architecture, path):
    """The architecture, its head without an activation of its own."""
    for entry in architecture["config"].get("layers", ()):
        name = entry.get("name") or entry["config"].get("name")
        if path == name:
            entry["config"]["activation"] = "linear"
        elif path.startswith(f"{name}/") and "layers" in entry["config"]:
            _with_logits(entry, path[len(name) + 1 :])
    return architecture
