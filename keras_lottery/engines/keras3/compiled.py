"""What a Keras 3 model was compiled with: its optimizer's state, and compiling a copy alike."""

import contextlib
import inspect
import json

import keras
from keras import tree

from ...core.errors import LotteryError
from .. import slots
from ..configs import keep_from_decay, optimizers, remade, told
from ..shifting import unshifted
from ..untold import untold
from . import walk
from .state import array, plain, synchronise


def check_compiled(model):
    """Raises LotteryError unless the model is compiled."""
    if getattr(model, "optimizer", None) is None:
        raise LotteryError(
            f"the model {model.name!r} is not compiled: call model.compile(optimizer, loss) first."
        )


def steps_taken(model):
    """How many batches the model's optimizer has seen, those whose gradients still wait to be applied included."""
    return int(array(plain(model.optimizer)._iterations))


def steps_per_execution(model):
    """Steps that a compiled model takes at a time."""
    return int(getattr(model, "steps_per_execution", 1) or 1)


def compile_like(model, other):
    """Compile `model` as `other` was, with a new optimizer and new metrics of the same settings.

    Raises:
      LotteryError: one of them cannot be made anew.
    """
    arguments = dict(other._compile_config.config)
    with unshifted(other.optimizer):
        arguments["optimizer"] = _anew(other.optimizer)
    keep_from_decay(other.optimizer, arguments["optimizer"], walk.variables(other), walk.variables(model))
    for name in ("metrics", "weighted_metrics"):
        arguments[name] = tree.map_structure(_anew, arguments.get(name))
    model.compile(
        **arguments, auto_scale_loss=isinstance(other.optimizer, keras.optimizers.LossScaleOptimizer)
    )


def compiled(model):
    """JSON-able account of optimizer, loss and precision, to tell one run from another."""
    given = model._compile_config.config
    with unshifted(model.optimizer):
        optimizer = _nameless(told(model.optimizer, keras.saving.serialize_keras_object))
    account = {
        "optimizer": optimizer,
        "loss": given.get("loss"),
        "loss_weights": given.get("loss_weights"),
        "precision": keras.config.dtype_policy().name,
        "backend": keras.backend.backend(),
        **untold(model.optimizer, tree.flatten(given.get("loss")), walk.variables(model)),
    }
    return json.loads(json.dumps(account, default=_told))


def loss(model):
    """The loss as it was given to compile."""
    return model._compile_config.config.get("loss")


def build_optimizer(model):
    """Make the slots of the model's optimizer, if they are not there yet.

    Raises:
      LotteryError: no optimizer.
    """
    check_compiled(model)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def build_metrics(model, train):
    """Make the metrics' variables. JAX would draw a batch for them, of several workers one that then comes last."""
    if keras.backend.backend() != "tensorflow" and getattr(train, "workers", 1) > 1:
        batch = train[0]
        model._symbolic_build(data_batch=tuple(batch) if isinstance(batch, list) else batch)


def optimizer_state(model):
    """Arrays of everything the optimizer keeps: slots, iterations, learning rate, loss scale."""
    synchronise(model)
    return [array(variable) for variable in model.optimizer.variables]


def load_optimizer(model, arrays):
    """Assign arrays as `optimizer_state` gave them."""
    synchronise(model)
    for variable, value in zip(model.optimizer.variables, arrays, strict=True):
        variable.assign(value)


def weight_copies(model):
    """[(slot, weight)] of the slots that begin as copies of the weights, and of averages; asked before the first step."""
    averages = getattr(plain(model.optimizer), "_model_variables_moving_average", None) or ()
    found = [
        (average, weight)
        for average, weight in zip(averages, model.trainable_variables)
        if average is not None
    ]
    for optimizer in optimizers(model.optimizer):
        found += slots.weight_copies(optimizer, optimizer._trainable_variables, array)
    return found


def reset_optimizer(model, start, copies=()):
    """Put the optimizer back to `start`, as `optimizer_state` gave it, but for `copies`, which become those of the present weights."""
    load_optimizer(model, start)
    for slot, weight in copies:
        slot.assign(array(weight))  # a copy: JAX gives each buffer away once


def finalize_optimizer(model):
    """What fit does at its end: write averaged weights into the model, where the optimizer averages."""
    synchronise(model)
    if plain(model.optimizer).use_ema:
        model.optimizer.finalize_variable_values(model.trainable_variables)
        for variable in model.trainable_variables:
            variable.assign(array(variable))  # a copy, as above


def _anew(item):
    """A new metric or optimizer of the same settings, with the very functions that are in it; else the item."""
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


def _told(value):
    with contextlib.suppress(AttributeError, NotImplementedError, TypeError, ValueError):
        return [type(value).__name__, value.get_config()]
    if hasattr(value, "item"):
        return value.item()
    return getattr(value, "__name__", type(value).__name__)
