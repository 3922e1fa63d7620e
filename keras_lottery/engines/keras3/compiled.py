"""What a Keras 3 model was compiled with: its optimizer's state, and compiling a copy alike."""

import inspect

import keras
from keras import tree

from .. import slots
from ..compiling import account, arguments_anew, check_compiled, loss  # noqa: F401  part of the engine
from ..configs import optimizers, remade
from ..shifting import schedule_variables
from . import private, walk
from .state import array, plain, synchronise


def steps_taken(model):
    """How many batches the model's optimizer has seen, those whose gradients still wait to be applied
    included."""
    return int(array(private.iterations(plain(model.optimizer))))


def steps_per_execution(model):
    """Steps that a compiled model takes at a time."""
    return int(getattr(model, "steps_per_execution", 1) or 1)


def compile_like(model, other):
    """Compile `model` as `other` was, with a new optimizer and new metrics of the same settings.

    Raises:
      LotteryError: one of them cannot be made anew.
    """
    arguments = arguments_anew(model, other, _anew, walk.variables, tree)
    model.compile(
        **arguments, auto_scale_loss=isinstance(other.optimizer, keras.optimizers.LossScaleOptimizer)
    )


def compiled(model):
    """JSON-able account of optimizer, loss and precision, to tell one run from another."""
    return account(
        model,
        lambda optimizer: _nameless(keras.saving.serialize_keras_object(optimizer)),
        walk.variables(model),
        tree,
        precision=keras.config.dtype_policy().name,
        backend=keras.backend.backend(),
    )


def build_optimizer(model):
    """Make the slots of the model's optimizer, if they are not there yet.

    Raises:
      LotteryError: no optimizer.
    """
    check_compiled(model)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def build_metrics(model, train):
    """Make the metrics' variables. JAX would draw a batch for them, of several workers one that then comes
    last."""
    if keras.backend.backend() != "tensorflow" and getattr(train, "workers", 1) > 1:
        batch = train[0]
        private.symbolic_build(model, tuple(batch) if isinstance(batch, list) else batch)


def optimizer_state(model):
    """Arrays of everything the optimizer keeps: slots, iterations, learning rate, loss scale, and what its
    schedules hold."""
    return [array(variable) for variable in optimizer_variables(model)]


def optimizer_variables(model):
    """The variables of everything the optimizer keeps, in the order of `optimizer_state`."""
    synchronise(model)
    return [*model.optimizer.variables, *schedule_variables(model.optimizer, keras.Variable)]


def load_optimizer(model, arrays):
    """Assign arrays as `optimizer_state` gave them."""
    for variable, value in zip(optimizer_variables(model), arrays, strict=True):
        variable.assign(value)


def weight_copies(model):
    """[(slot, weight)] of the slots that begin as copies of the weights, and of averages; asked before the
    first step."""
    found = []
    for optimizer in optimizers(model.optimizer):
        weights = private.trained_by(optimizer)
        averages = zip(private.averages(optimizer), weights)
        found += [(average, weight) for average, weight in averages if average is not None]
        found += slots.weight_copies(optimizer, weights, array)
    return found


def reset_optimizer(model, start, copies=()):
    """Put the optimizer back to `start`, as `optimizer_state` gave it, but for `copies`, which become those
    of the present weights."""
    load_optimizer(model, start)
    for slot, weight in copies:
        slot.assign(array(weight))  # a copy: JAX gives each buffer away once


def finalize_optimizer(model):
    """What fit does at its end: write averaged weights into the model, where the optimizer averages."""
    synchronise(model)
    if any(optimizer.use_ema for optimizer in optimizers(model.optimizer)):
        model.optimizer.finalize_variable_values(model.trainable_variables)
        for variable in model.trainable_variables:
            variable.assign(array(variable))  # a copy, as above


def _anew(item):
    """A new metric or optimizer of the same settings, with the very functions that are in it; else the
    item."""
    if not isinstance(item, (keras.metrics.Metric, keras.optimizers.Optimizer)):
        return item
    parts = vars(item).values()
    own = {
        type(part).__name__: type(part)
        for part in parts
        if not type(part).__module__.startswith(("keras.", "builtins"))
    }

    def remake(config):
        for function in filter(inspect.isfunction, parts):
            name, text = f"function {len(own)}", keras.saving.serialize_keras_object(function)
            entry = {"class_name": "function", "config": name, "registered_name": name, "module": None}
            own[name] = function
            config = {key: entry if value == text else value for key, value in config.items()}
        with keras.saving.custom_object_scope(own):
            return type(item).from_config(config)

    return remade(item, remake)


def _nameless(config):
    """A config without the names that Keras counts up: "adam", "adam_1"."""
    if isinstance(config, dict):
        return {key: _nameless(value) for key, value in config.items() if key != "name"}
    return config
