"""Keras 3 models made from the JSON of a file, which is checked first, and what weights they would have."""

import contextlib
import json
import math
import re

import keras
from keras.src.backend.common import global_state
from keras.src.saving.serialization_lib import SafeModeScope

from ...architecture.trust import trusted
from ...core.errors import LotteryError
from ..exported import names
from ..sizes import Budget, Tensors, built, check_constants, check_statistics, dtype_name
from . import walk
from .operations import OPERATIONS
from .said import in_a_line

NAMES = names(keras, {"keras.src.models.functional": ["Functional"], **OPERATIONS})


def build(architecture):
    """A new plain model, randomly initialised in the current precision policy. The JSON may be a file's.

    Raises:
      LotteryError: it holds what is not allowed, see `architecture.trust`, or cannot be built.
    """
    return built(lambda: _made(trusted(architecture, NAMES)), in_a_line, NAMES.register)


def shapes(architecture, most=math.inf):
    """{path: (shape, dtype)} of the weights that `build` would make, at most `most` bytes, none of them made.

    Raises:
      LotteryError: as `build`, or they would take more.
    """
    return built(lambda: _shapes(trusted(architecture, NAMES), most), in_a_line, NAMES.register)


def _shapes(checked, most):
    def make(scope):
        with _counted(Budget(most)), scope:
            model = _made(checked)
            found = {
                path: (tuple(variable.shape), dtype_name(variable.dtype))
                for path, variable in walk.variables(model).items()
            }
            check_constants(
                _tensors(model), [tuple(one.shape) for one in getattr(model, "inputs", None) or ()], found
            )
            return found

    try:
        return make(_symbolic())
    except LotteryError:
        raise
    except (
        Exception
    ):  # of layers that want their values at once; what is made for them is within the same bytes
        return make(contextlib.nullcontext())


def _tensors(model):
    """(operation's name, shape, bytes per value) of each tensor in the graphs of a model."""
    for graph in model._flatten_layers():
        for operation in getattr(graph, "operations", graph.layers) if walk.is_graph(graph) else ():
            for node in operation._inbound_nodes:
                for tensor in node.output_tensors:
                    yield operation.name, tuple(tensor.shape), _bytes(tensor.dtype)


def _made(checked):
    with SafeModeScope(safe_mode=True):
        if "module" in checked:
            return walk.take_names(
                keras.saving.deserialize_keras_object(json.loads(json.dumps(checked))), checked
            )
        # A whole .h5 file.
        kind = NAMES.registered(checked["class_name"]) or {"Sequential": keras.Sequential}.get(
            checked["class_name"], keras.Model
        )
        return kind.from_config(json.loads(json.dumps(checked["config"])))


@contextlib.contextmanager
def _symbolic():
    """In the block, variables have shapes and no values, and get none at its end."""
    before = global_state.get_global_attribute("uninitialized_variables")
    global_state.set_global_attribute("uninitialized_variables", [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute("uninitialized_variables", before)


@contextlib.contextmanager
def _counted(budget):
    """In the block, each weight that a layer adds is taken from the budget before it is made; tensors are counted."""
    add, make, build = keras.Layer.add_weight, keras.KerasTensor.__init__, keras.layers.Normalization.build
    tensors = Tensors()

    def add_weight(layer, shape=None, initializer=None, dtype=None, *others, **named):
        budget.take(shape or (), _bytes(dtype or layer.variable_dtype))
        return add(layer, shape, initializer, dtype, *others, **named)

    def make_tensor(tensor, *given, **named):
        tensors.take()
        make(tensor, *given, **named)

    def build_normalization(layer, input_shape):
        check_statistics(layer, input_shape)
        build(layer, input_shape)

    keras.Layer.add_weight, keras.KerasTensor.__init__ = add_weight, make_tensor
    keras.layers.Normalization.build = build_normalization
    try:
        yield
    finally:
        keras.Layer.add_weight, keras.KerasTensor.__init__ = add, make
        keras.layers.Normalization.build = build


def _bytes(dtype):
    """Of a value; of what is not told by its name, as of a string, four."""
    bits = re.search(r"\d+", dtype_name(dtype))
    return 1 if dtype_name(dtype) == "bool" else max(1, int(bits[0]) // 8) if bits else 4
