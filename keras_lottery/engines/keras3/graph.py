"""The calls in a functional or Sequential model of Keras 3."""

from ..private import nodes_in_order
from . import private


def calls(model):
    """(layer, arguments, named arguments, outputs) of each call in a graph, inputs left out, in order."""
    for node in nodes_in_order(private.functional(model)):
        yield node.operation, node.arguments.args, node.arguments.kwargs, node.outputs


def ends(model):
    """The nests of a graph's inputs and of its outputs."""
    return private.ends(private.functional(model))


def operation(layer):
    """The name of an operation on tensors; "" for a layer."""
    return type(layer).__name__ if private.is_operation(layer) else ""
