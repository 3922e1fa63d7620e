"""The calls in a functional or Sequential model of tf_keras."""

from ...architecture.tables import FUNCTIONS
from ..private import nodes_in_order
from .private import ends  # noqa: F401  part of the engine


def calls(model):
    """(layer, arguments, named arguments, outputs) of each call in a graph, inputs left out, in order."""
    for node in nodes_in_order(model):
        yield node.layer, node.call_args, node.call_kwargs, node.outputs


def operation(layer):
    """The name, in Keras 3, of an operation on tensors; "" for a layer."""
    return FUNCTIONS.get(getattr(layer, "symbol", None), "")
