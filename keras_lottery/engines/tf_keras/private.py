"""What tf_keras, TF-MOT and TensorFlow keep private and this engine needs.

`tests/engines/test_private_names.py` tries each name.
"""

import contextlib
import importlib

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.ops.resource_variable_ops import UninitializedVariable

from .legacy import tf_keras

_tfmot = "tensorflow_model_optimization.python.core.sparsity.keras"
PruneLowMagnitude = importlib.import_module(f"{_tfmot}.pruning_wrapper").PruneLowMagnitude  # after `legacy`
conv_utils = tf_keras.src.utils.conv_utils
_functional, _serialization = tf_keras.src.engine.functional, tf_keras.src.saving.serialization_lib
_TRACKED = tf.__internal__.tracking.TrackableDataStructure, tf.__internal__.tracking.AutoTrackable


def from_file():
    """Within it, what Keras makes of a config runs no code that the config holds."""
    return _serialization.SafeModeScope(safe_mode=True)


def from_this_process():
    """Within it, Keras makes Lambda layers of configs."""
    return _serialization.SafeModeScope(safe_mode=False)


def decoded(text):
    """The JSON of a model, as model_from_json reads it."""
    return tf_keras.src.saving.legacy.saved_model.json_utils.decode(text)


def application(file, name):
    """A class that a stock application defines for itself."""
    return getattr(importlib.import_module(f"tf_keras.src.applications.{file}"), name)


def functional_class(kind):
    """(the class of functional models, whether `kind` is made as one is: Model(inputs, outputs))."""
    return _functional.Functional, _functional.has_functional_like_constructor(kind)


def valueless_variable(**arguments):
    """A variable with a shape and a dtype and no value."""
    return UninitializedVariable(**arguments)


@contextlib.contextmanager
def on_each_operation(check):
    """In the block, check(inputs, attributes) is called before an operation of a graph is made."""
    create = FuncGraph._create_op_internal

    def create_op(graph, op_type, inputs, *others, **named):
        check(inputs, named.get("attrs") or {})
        return create(graph, op_type, inputs, *others, **named)

    FuncGraph._create_op_internal = create_op
    try:
        yield
    finally:
        FuncGraph._create_op_internal = create


def is_graph_network(model):
    """Whether this is a functional model, or a built Sequential."""
    return bool(getattr(model, "_is_graph_network", False))


def ends(model):
    """The nests of a functional model's inputs and outputs."""
    return model._nested_inputs, model._nested_outputs


def set_name(layer, name):
    """Rename a layer."""
    layer._name = name


def own_weights(layer):
    """The variables that a layer itself made by add_weight."""
    return layer._trainable_weights + layer._non_trainable_weights


def children(item):
    """{name: what checkpoints find there} directly below a layer, an optimizer or a structure of these."""
    return item._trackable_children()


def is_structure(item):
    """Whether this is a list, dict or object in which TensorFlow looks for variables."""
    return isinstance(item, _TRACKED)


def fuses(layer):
    """Whether an LSTM may compute by one fused operation."""
    return layer._could_use_gpu_kernel


def set_fuses(layer, fused):
    layer._could_use_gpu_kernel = fused


def steps_per_execution(model):
    """The variable that holds how many steps a compiled model takes at a time; None where it has none."""
    return getattr(model, "_steps_per_execution", None)


def like_outputs(model, outputs, labels):
    """Labels in the nest of the outputs, as a model's metrics take them."""
    return model.compiled_metrics._conform_to_outputs(outputs, labels)


def make_slots(optimizer, variables):
    """Make the slots of a legacy optimizer."""
    optimizer._create_all_weights(variables)


def decay(optimizer):
    """The decay of a legacy optimizer's learning rate, 0 for none."""
    return getattr(optimizer, "_initial_decay", 0.0)


def show_rate(optimizer, rate):
    """Set what `optimizer.learning_rate` shows until the next step."""
    if hasattr(optimizer, "_current_learning_rate"):
        optimizer._current_learning_rate.assign(rate)


def recount_products(optimizer):
    """Bring Nadam's own count of eager steps, which a traced step holds in itself, to its iterations."""
    if hasattr(optimizer, "_u_product_counter"):
        optimizer._u_product_counter = int(optimizer.iterations) + 1


def constraint(variable):
    """A variable's constraint, None if it has none."""
    return getattr(variable, "_constraint", None)


def set_constraint(variable, constraint):
    variable._constraint = constraint


def inner(variable):
    """The variables that one is made of: what is cast in use, one a replica."""
    if hasattr(variable, "_variable"):  # AutoCastVariable
        yield variable._variable
    yield from getattr(variable, "_values", ())  # DistributedVariable


def is_random_source(name):
    """Whether this path below a layer leads into what it draws from."""
    return name.startswith("_random_generator/")


def random_source(layer):
    """What a random layer draws from; None for any other layer."""
    source = vars(layer).get("_random_generator")
    return source if hasattr(source, "_rng_type") else None


def generator(source):
    """The tf.random.Generator of a random layer; None where it draws from operations that keep their
    state."""
    return getattr(source, "_generator", None)


def draw_from_generator(source):
    """Let a random layer draw from a tf.random.Generator."""
    if source._rng_type == source.RNG_LEGACY_STATEFUL:
        source._rng_type, source._built = source.RNG_STATEFUL, False
    source._maybe_init()


def become(wrapper, layer):
    """Give a wrapper the name and the casting of the layer in it."""
    wrapper._name, wrapper._autocast = layer.name, layer._autocast


def policy(layer):
    """A layer's precision."""
    return layer._dtype_policy


def take_arguments(wrapper, layer):
    """Make a wrapper's call take what its layer's does."""
    wrapper._call_spec = layer._call_spec


def argument_names(layer):
    """The names of the arguments of a layer's call."""
    return layer._call_spec.arg_names
