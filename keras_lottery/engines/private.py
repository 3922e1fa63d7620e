"""What tf_keras and Keras 3 keep private and code for both of them needs.

`tests/engines/test_private_names.py` tries each name.

What one engine alone needs is in its own `private`.
"""


def flat_layers(layer):
    """A model or layer and all layers below it."""
    return list(layer._flatten_layers())


def copy_trainable(layer, other):
    """Make `other` as trainable as `layer`, and leave the layers below it as they are."""
    other._trainable = layer._trainable


def freeze(layer):
    """Make a layer not trainable, and leave the layers below it as they are."""
    layer._trainable = False


def history(tensor):
    """(layer, number of its call, number of the output) that made a symbolic tensor."""
    return tensor._keras_history


def maker(tensor):
    """The layer that a symbolic tensor is an output of."""
    return history(tensor)[0]


def has_mask(tensor):
    """Whether a Keras mask goes along with a symbolic tensor."""
    return getattr(tensor, "_keras_mask", None) is not None


def nodes(layer):
    """The calls of a layer in graphs."""
    return layer._inbound_nodes


def nodes_in_order(graph):
    """The calls in a functional model, inputs left out, in an order in which they can be computed."""
    by_depth = graph._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]


def compile_arguments(model):
    """{name: value}: what compile was called with."""
    return model._compile_config.config


def lookup(layer):
    """The layer with the vocabulary of a TextVectorization; any other layer is its own."""
    return getattr(layer, "_lookup_layer", layer)


def rate(optimizer):
    """The learning rate as an optimizer holds it: a variable, a schedule or a function; None if it has
    none."""
    return vars(optimizer).get("_learning_rate")


def decays(optimizer):
    """A function that says whether an optimizer decays a variable; None where it has no weight decay."""
    return getattr(optimizer, "_use_weight_decay", None)


def settings(optimizer):
    """{name: value}: what a legacy optimizer keeps its numbers in; None of any other."""
    return vars(optimizer).get("_hyper")


def optimizer_of_each(optimizer):
    """What says which optimizer trains which weight, of a MultiOptimizer; None of any other."""
    return getattr(optimizer, "_optimizer_map", None)


def optimizers_of(optimizer):
    """The optimizers in a MultiOptimizer; none in any other."""
    return getattr(optimizer, "_inner_optimizers", ())
