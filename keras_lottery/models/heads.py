"""A new head for a trained model: other classes, the same body with its weights."""

from .. import engines, wrapping
from ..core.checks import whole
from ..core.errors import LotteryError


def new_head(model, num_classes: int):
    """A copy of `model` that ends in `num_classes` new logits, with all other weights kept.

    The last Dense layer or convolution is replaced by one with so many outputs and no activation. A network without a head,
    such as one of keras.applications with include_top=False, gets average pooling, where it gives feature maps, and a
    Dense layer.

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
    engine = engines.engine(plain)
    if not engine.walk.is_graph(plain):
        raise LotteryError(
            f"{model.name!r} is no functional or Sequential model: its head cannot be replaced."
        )
    if len(plain.outputs) != 1:
        raise LotteryError(f"{model.name!r} has {len(plain.outputs)} outputs: a new head needs exactly one.")
    head = _head(engine, plain)
    if head is None:
        return _added(engine.keras, plain, num_classes)
    try:
        changed = engine.resize(_with_logits(engine.architecture(plain), head), [head], num_classes)
        made = engine.build(changed)
    except LotteryError as error:
        raise LotteryError(str(error).replace("the ticket's model", repr(model.name))) from error
    kept = {path: value for path, value in engine.values(plain).items() if not path.startswith(f"{head}/")}
    engine.load_state(made, {**engine.values(made), **kept})
    return made


def _head(engine, model):
    """The path of the layer that gives the classes; None where features come out."""
    heads, layers = engine.heads(model), list(engine.layers(model).items())
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
