"""What Keras 3, and PyTorch below it, keep private and this engine needs.

`tests/engines/test_private_names.py` tries each name.
"""

import contextlib

import keras
from keras.src.backend.common import global_state
from keras.src.backend.common.stateless_scope import get_stateless_scope, in_stateless_scope  # noqa: F401
from keras.src.models.functional import Functional
from keras.src.random.seed_generator import global_seed_generator  # noqa: F401
from keras.src.saving.serialization_lib import SafeModeScope

_UNINITIALIZED = "uninitialized_variables"
# Where Keras, TensorFlow ("_self_", "_obj_") or PyTorch lists what other attributes of a layer hold.
_LISTS = {
    "_layers",
    "_trainable_variables",
    "_non_trainable_variables",
    "_metrics",
    "_seed_generators",
    "_losses",
    "_tracker",
    "_parameters",
    "_modules",
    "_buffers",
    "_torch_params",
    "_functional",
}


def from_file():
    """Within it, what Keras makes of a config runs no code that the config holds."""
    return SafeModeScope(safe_mode=True)


def from_this_process():
    """Within it, Keras makes Lambda layers of configs."""
    return SafeModeScope(safe_mode=False)


@contextlib.contextmanager
def symbolic():
    """In the block, variables have shapes and no values, and get none at its end."""
    before = global_state.get_global_attribute(_UNINITIALIZED)
    global_state.set_global_attribute(_UNINITIALIZED, [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(_UNINITIALIZED, before)


def is_functional(layer):
    """Whether this is a functional model; a Sequential is none."""
    return isinstance(layer, Functional)


def functional(model):
    """The functional model in a built Sequential; a functional one is its own."""
    return getattr(model, "_functional", model)


def ends(graph):
    """The nests of a functional model's inputs and outputs."""
    return graph._inputs_struct, graph._outputs_struct


def is_operation(layer):
    """Whether this is an operation on tensors that Keras keeps in graphs; a layer is none."""
    return type(layer).__module__.startswith("keras.src.ops.")


def sublayers(layer):
    """The layers directly below a layer, those of a Sequential with its inputs."""
    return layer._layers


def contents(layer):
    """The layers and variables directly below a layer, in the order in which Keras met them, layers first."""
    return (*layer._layers, *own_variables(layer))


def own_variables(layer):
    """The variables that a layer itself made."""
    return (*layer._trainable_variables, *layer._non_trainable_variables)


def attributes(layer):
    """{name: value} of the attributes of a layer that may hold layers or variables, each where it was put."""
    found = {**vars(layer), **modules(layer)}
    return {
        name: value
        for name, value in found.items()
        if name not in _LISTS and not name.startswith(("_self_", "_obj_"))
    }


def modules(layer):
    """{name: layer}: PyTorch keeps a module's modules apart from its other attributes; empty on other
    backends."""
    return vars(layer).get("_modules", {})


def seed_generators(layer):
    """What random layers draw from."""
    return layer._seed_generators


def set_policy(layer, policy):
    """Set a layer's precision, whatever it holds."""
    layer._dtype_policy = policy


def takes_training(model):
    """Whether a model's call has the argument `training`."""
    return model._call_has_training_arg


def lambda_shape(layer):
    """The output shape that a Lambda was given."""
    return layer._output_shape


def symbolic_build(model, batch):
    """Make the metrics' variables for batches like this one."""
    model._symbolic_build(data_batch=batch)


def iterations(optimizer):
    """The variable that counts an optimizer's batches, those whose gradients still wait included."""
    return optimizer._iterations


def averages(optimizer):
    """An optimizer's averages of the weights, one a weight; none where it keeps none."""
    return getattr(optimizer, "_model_variables_moving_average", None) or ()


def trained_by(optimizer):
    """The variables that an optimizer was built with."""
    return optimizer._trainable_variables


def take_path(variable, other):
    """Give a variable the path of another, by which optimizers may choose it."""
    variable._path = other.path


def value(variable):
    """A variable's value as it is held, None where JAX has taken it away."""
    return variable._value


def dtype(variable):
    """The dtype that a variable is held in, whatever it is cast to in use."""
    return variable._dtype


def replicas(tensor):
    """TensorFlow's variables in one, one a replica."""
    return getattr(tensor, "_values", [tensor])
