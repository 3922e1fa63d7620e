"""Stable names for the layers and weights of a model: the same paths in tf_keras and in Keras 3.

A path is the names of the layers from the model down, then the attributes below the
last of them: "backbone/conv1/kernel", "mha/_query_dense/kernel", "rnn/cell/cells/0/kernel".
Wrapped and plain models have the same paths; a shared layer has the first one it is met at.
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Paths:
    """The paths of one Keras.

    Args:
      layer: its class of layers.
      unwrap: a function from a layer to the one under its pruning wrapper, or itself.
      contents: a function from a layer to (name, layer or variable) directly below it, in a fixed order.
    """

    layer: type
    unwrap: Callable
    contents: Callable

    def layers(self, model):
        """{path: layer} of every layer below `model`, wrappers left out, each layer once."""
        return {path: owners[-1] for path, item, owners in self._walk(model) if path and item is owners[-1]}

    def variables(self, layer):
        """{path: variable} of all state of a model or layer but masks: weights, BatchNorm statistics."""
        return {path: item for path, item, owners in self._walk(layer) if item is not owners[-1]}

    def owned_variables(self, model):
        """(path, variable, name in its layer, layers from the top one below `model` down to its own)."""
        for path, item, owners in self._walk(model):
            if item is not owners[-1]:
                name = next(name for name, child in self.contents(owners[-1]) if child is item)
                yield path, item, name, owners[1:] or owners

    def _walk(self, root):
        """(path, layer or variable, the layers from the root down to it), each once, parents first."""
        seen = set()
        root = self.unwrap(root)
        stack = [("", root, (root,))]
        while stack:
            path, item, owners = stack.pop()
            if id(item) in seen:
                continue
            seen.add(id(item))
            yield path, item, owners
            if item is owners[-1]:
                below = [(name, self.unwrap(child)) for name, child in self.contents(item)]
                for name, child in reversed(below):
                    is_layer = isinstance(child, self.layer)
                    stack.append((f"{path}/{name}" if path else name, child, owners + (child,) * is_layer))
