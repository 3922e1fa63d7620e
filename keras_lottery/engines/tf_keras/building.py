"""tf_keras models made from the JSON of a file, which is checked first, and what weights they would have."""

import contextlib
import importlib
import json
import math

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.ops.resource_variable_ops import UninitializedVariable

from ...architecture.entries import below
from ...architecture.tables import APPLICATIONS
from ...architecture.trust import trusted
from ...core.errors import LotteryError
from ..exported import names
from ..sizes import MOST_PARTS, Budget, Tensors, built, check_constants, check_statistics, dtype_name
from . import walk
from .copying import in_a_line
from .legacy import tf_keras
from .operations import MORE, SYMBOLS

NAMES = names(tf_keras, MORE, SYMBOLS)
_PASSES = 1000  # more than the layers of any model wait for one another
_PARTS = ("num_split", "num", "num_partitions")  # attributes of operations that make several tensors
_SMALL = 2**16  # values; layers may read what is no larger while they are built


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
    def make(symbolic):
        budget = Budget(most)
        with _counted_tensors(budget), tf.variable_creator_scope(_creator(budget, symbolic)):
            model = _made(checked)
        found = {
            path: (tuple(variable.shape), dtype_name(variable.dtype))
            for path, variable in walk.variables(model).items()
            if hasattr(variable, "shape")
        }  # no lookup table has one
        check_constants(
            _tensors(model), [tuple(one.shape) for one in getattr(model, "inputs", None) or ()], found
        )
        return found

    try:
        return make(symbolic=True)
    except LotteryError:
        raise
    except (
        Exception
    ):  # of layers that read what they have just made; what is made for them is within the same bytes
        return make(symbolic=False)


def _tensors(model):
    """(layer's name, shape, bytes per value) of each tensor in the graphs of a model."""
    for layer in model._flatten_layers():
        for node in layer._inbound_nodes:
            for tensor in tf.nest.flatten(node.outputs):
                if (
                    getattr(getattr(tensor, "shape", None), "rank", None) is not None
                    and tensor.dtype != tf.string
                ):
                    yield layer.name, tuple(tensor.shape), tensor.dtype.size


def _creator(budget, symbolic):
    def create(next_creator, **arguments):
        shape, dtype = arguments.get("shape"), arguments.get("dtype")
        if shape is None or dtype is None:  # a scalar, or what is given its value, which the JSON holds
            return next_creator(**arguments)
        size = budget.take(shape, tf.as_dtype(dtype).size)
        if not symbolic or size <= _SMALL:
            return next_creator(**arguments)
        return UninitializedVariable(
            trainable=arguments.get("trainable", True), name=arguments.get("name"), shape=shape, dtype=dtype
        )

    return create


@contextlib.contextmanager
def _counted_tensors(budget):
    """In the block, the tensors of graphs are counted, and what layers make that is no weight."""
    conv, normalization, tensors = tf_keras.src.utils.conv_utils, tf_keras.layers.Normalization, Tensors()
    create, places, build = FuncGraph._create_op_internal, conv.conv_kernel_idxs, normalization.build

    def create_op(graph, op_type, inputs, *others, **named):
        tensors.take()
        attrs = named.get("attrs") or {}
        parts = max(len(inputs), *(attrs[name].i for name in _PARTS if name in attrs), 0)
        if parts > MOST_PARTS:
            raise LotteryError(f"it splits a tensor into {parts:,} parts, or joins so many")
        return create(graph, op_type, inputs, *others, **named)

    def kernel_places(**told):  # of a locally connected layer, one a weight
        shape = conv.conv_output_shape(
            *(told[name] for name in ("input_shape", "kernel_shape", "strides", "padding"))
        )
        if 4 * math.prod(shape) * told["filters_in"] * told["filters_out"] > budget.left:
            raise LotteryError("a locally connected layer in it has more weights than the file holds")
        return places(**told)

    def build_normalization(layer, input_shape):
        check_statistics(layer, tf.TensorShape(input_shape).as_list())
        build(layer, input_shape)

    FuncGraph._create_op_internal, conv.conv_kernel_idxs = create_op, kernel_places
    normalization.build = build_normalization
    try:
        yield
    finally:
        FuncGraph._create_op_internal, conv.conv_kernel_idxs = create, places
        normalization.build = build


def _made(checked):
    text = json.dumps(checked)
    with contextlib.ExitStack() as scopes:
        scopes.enter_context(tf_keras.utils.custom_object_scope(_of_applications(checked)))
        scopes.enter_context(tf_keras.src.saving.serialization_lib.SafeModeScope(safe_mode=True))
        # What model_from_json does, but for the lists of layers.
        config = tf_keras.src.saving.legacy.saved_model.json_utils.decode(text)
        return tf_keras.layers.deserialize(_counted(config))


def _of_applications(architecture):
    """The classes of stock applications in it, which tf_keras does not know by name."""
    used = APPLICATIONS.keys() & {entry["class_name"] for entry in below(architecture)}
    return {
        name: getattr(importlib.import_module(f"tf_keras.src.applications.{APPLICATIONS[name][0]}"), name)
        for name in used
    }


def _counted(value):
    """JSON whose lists of layers end the loop in which tf_keras waits for tensors that no call makes."""
    if isinstance(value, dict):
        new = {key: _counted(item) for key, item in value.items()}
        if "input_layers" in new and isinstance(new.get("layers"), list):
            new["layers"] = _Layers(new["layers"])
        return new
    return type(value)(map(_counted, value)) if type(value) in (list, tuple) else value


class _Layers(list):
    passes = 0

    def __iter__(self):
        self.passes += 1
        if self.passes > min(len(self) * 2, _PASSES) + 8:
            raise LotteryError("a layer in it takes a tensor that no call makes")
        return super().__iter__()
