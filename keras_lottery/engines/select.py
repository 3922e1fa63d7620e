"""Which weights of a model are pruned, and why the others are not.

It sees a model through its engine's `walk` module, which names the weights and knows the
classes of layers (KERNELS, ON_REQUEST) and which layers make the outputs.
"""

from ..core.checks import takes
from ..core.errors import LotteryError

FROZEN = "frozen (trainable is False)"


def kernels(layers, *plain):
    """The weights worth pruning, {names: classes of layers that own them, subclasses included}.

    Args:
      layers: the Keras' module of layers.
      plain: its classes with a kernel and nothing else to prune.
    """
    cells = layers.SimpleRNNCell, layers.GRUCell, layers.LSTMCell, type(layers.ConvLSTM2D(1, 1).cell)
    return {
        ("kernel",): plain,
        ("kernel", "recurrent_kernel"): cells,
        ("pointwise_kernel",): (layers.SeparableConv1D, layers.SeparableConv2D),
    }


def on_request(layers):
    """The same of few weights that do much, or rows looked up one at a time: pruned only when asked for."""
    depthwise = layers.DepthwiseConv1D, layers.DepthwiseConv2D, layers.SeparableConv1D, layers.SeparableConv2D
    return {"depthwise_kernel": depthwise, "embeddings": (layers.Embedding,)}


def select(walk, model, skip=None, include=None, prune_head=False):
    """{path: reason} for every variable of `model`, in order; reason "" means: prune it.

    skip, include: a layer's name or path, a weight's path, a layer class, a predicate on
      the layer, or a list of these. They reach everything below the layer; `skip` wins.
    """
    skip, include = _matcher("skip", skip), _matcher("include", include)
    heads = [] if prune_head else head_layers(walk, model)
    reasons = {}
    for path, variable, name, owners in walk.owned_variables(model):
        reason = _reason(walk, variable, name, owners, include(path, owners))
        if not reason:
            if skip(path, owners):
                reason = "skipped as asked"
            elif any(layer is head for layer in owners for head in heads):
                reason = "output layer (prune_head=True prunes it)"
            elif not (variable.trainable and all(layer.trainable for layer in owners)):
                reason = FROZEN
        reasons[path] = reason
    skip.check()
    include.check()
    return reasons


def head_layers(walk, model):
    """The layers that make the model's outputs: the last one with a kernel before each output.

    Empty where a merge of several branches comes after the last kernel.
    """
    return walk.last_layers(model, lambda layer: has_kernel(walk, layer))


def head_paths(walk, model):
    """Paths of the output layers."""
    found = head_layers(walk, model)
    return [path for path, layer in walk.layers(model).items() if any(layer is head for head in found)]


def has_kernel(walk, layer):
    """Whether `layer`, or one below it, owns a weight that pruning knows."""
    return any(
        not _reason(walk, variable, name, (layer, *owners), asked=True)
        for _, variable, name, owners in walk.owned_variables(layer)
    )


def _reason(walk, variable, name, owners, asked):
    """Why this weight is not one that pruning takes; "" if it is."""
    layer = owners[-1]
    for owner in owners:
        if callable(getattr(type(owner), "get_prunable_weights", None)):
            if any(variable is weight for weight in owner.get_prunable_weights()):
                return ""
            return f"not named by {type(owner).__name__}.get_prunable_weights()"
    if any(name in names and isinstance(layer, classes) for names, classes in walk.KERNELS.items()):
        return ""
    if isinstance(layer, walk.ON_REQUEST.get(name, ())):
        return "" if asked else f"dense unless include={type(layer).__name__} asks for it"
    if not variable.trainable:
        return "state, not trained"
    if len(variable.shape) < 2 or any(isinstance(layer, classes) for classes in walk.KERNELS.values()):
        return "bias, scale or shift"
    return f"no kernel that is known, and {type(layer).__name__} has no get_prunable_weights() to name it"


class _matcher:
    """Whether a weight is meant by a name, class, predicate or list of these."""

    def __init__(self, argument, given):
        self.argument = argument
        self.given = (
            list(given) if isinstance(given, (list, tuple, set)) else [] if given is None else [given]
        )
        self.unused = {item for item in self.given if isinstance(item, str)}
        for item in self.given:
            if not (isinstance(item, (str, type)) or callable(item)):
                raise LotteryError(
                    f"{argument}={item!r} is not understood: give layer names, layer classes or a function "
                    "of the layer."
                )
            if not isinstance(item, (str, type)):
                takes(argument, item, ("layer",), "True or False")

    def __call__(self, path, owners):
        return any([self._matches(item, path, owners) for item in self.given])

    def _matches(self, item, path, owners):
        if isinstance(item, type):
            return any(isinstance(layer, item) for layer in owners)
        if isinstance(item, str):
            found = path == item or path.startswith(item + "/") or any(layer.name == item for layer in owners)
            if found:
                self.unused.discard(item)
            return found
        return any(item(layer) for layer in owners)

    def check(self):
        """Raises LotteryError for a name that no weight answered to."""
        for name in sorted(self.unused):
            raise LotteryError(
                f"{self.argument}={name!r} names no layer with weights: see lottery.summary(model)."
            )
