"""What a tf_keras model was compiled with: its optimizer's state, and compiling a copy alike."""

import numpy as np
import tensorflow as tf

from ...core.errors import LotteryError
from .. import compiling, slots
from ..compiling import account, arguments_anew, loss  # noqa: F401  part of the engine
from ..configs import remade
from ..private import flat_layers
from ..shifting import schedule_variables
from ..untold import optimizers
from . import private, walk
from .legacy import tf_keras


def check_compiled(model):
    """Raises LotteryError unless the model is compiled, with one optimizer: a rewind would leave another as
    it is."""
    compiling.check_compiled(model)
    others = [name for name, value in _optimizers_in(model) if value is not model.optimizer]
    if others:
        raise LotteryError(
            f"the model {model.name!r} has an optimizer of its own, {others[0]!r}, which no rewind would "
            "start anew: train it with the one that compile takes alone."
        )


def _optimizers_in(item):
    """(name, optimizer) of the optimizers in the attributes of a model, lists and dicts included."""
    for name, value in private.children(item).items():
        if isinstance(value, (tf_keras.optimizers.Optimizer, tf_keras.optimizers.legacy.Optimizer)):
            yield name, value
        elif private.is_structure(value) and not isinstance(value, tf_keras.layers.Layer):
            for below, optimizer in _optimizers_in(value):
                yield f"{name}/{below}", optimizer


def steps_taken(model):
    """How many steps the model's optimizer has taken."""
    return int(model.optimizer.iterations.numpy())


def compile_like(model, other):
    """Compile `model` as `other` was, with a new optimizer and new metrics of the same settings.

    Raises:
      LotteryError: one of them cannot be made anew.
    """
    arguments = arguments_anew(model, other, _anew, walk.variables, tf.nest)
    try:
        model.compile(**arguments)
    except TypeError as error:
        raise LotteryError(
            f"{type(other).__name__}.compile has arguments of its own ({str(error).partition(') ')[2]}): "
            "build the model, wrap it, model = lottery.wrap(model), and call model.compile with them."
        ) from error


def compiled(model):
    """JSON-able account of optimizer, loss and precision, to tell one run from another."""
    return account(
        model,
        tf_keras.utils.serialize_keras_object,
        walk.variables(model),
        tf.nest,
        precision=tf_keras.mixed_precision.global_policy().name,
    )


def _anew(item):
    has_config = isinstance(item, (tf_keras.metrics.Metric, tf_keras.optimizers.Optimizer)) or (
        isinstance(item, tf_keras.optimizers.legacy.Optimizer)
    )
    if not has_config:
        return item
    parts = [type(part) for part in vars(item).values()]
    own = {kind.__name__: kind for kind in parts if not kind.__module__.startswith(("tf_keras.", "builtins"))}

    def remake(config):
        with tf_keras.utils.custom_object_scope(own):
            return type(item).from_config(config)

    return remade(item, remake)


def build_optimizer(model):
    """Make the slots of the model's optimizer, if they are not there yet.

    Raises:
      LotteryError: no optimizer, or one that cannot hold zeros.
    """
    check_compiled(model)
    optimizer = model.optimizer
    if not isinstance(optimizer, tf_keras.optimizers.legacy.Optimizer):
        optimizer.build(model.trainable_variables)
        return
    for layer in flat_layers(model):
        if isinstance(layer, tf_keras.layers.Embedding) and layer.embeddings.constraint is not None:
            raise LotteryError(
                "legacy optimizers cannot hold pruned embeddings: use tf_keras.optimizers, not .legacy."
            )
    private.make_slots(optimizer, model.trainable_variables)


def build_metrics(model, train):
    """Make the metrics' variables, which Keras would make in the first step, so that TensorFlow has to trace
    it twice."""
    given, outputs = getattr(train, "element_spec", None), model.output
    own = any(
        getattr(type(model), name) is not getattr(tf_keras.Model, name)
        for name in ("train_step", "compute_loss", "compute_metrics")
    )
    if own or given is None or model.run_eagerly or model.distribute_strategy.num_replicas_in_sync > 1:
        return
    if any(output.shape.rank is None or None in output.shape[1:] for output in tf.nest.flatten(outputs)):
        return  # what "accuracy" means is told by the sides of a batch
    _, labels, _ = tf_keras.utils.unpack_x_y_sample_weight(given)
    if any(part.shape.rank is None for part in tf.nest.flatten(labels)):
        return
    if not model.compiled_loss.built:
        model.compiled_loss.build(outputs)
    if not model.compiled_metrics.built:
        model.compiled_metrics.build(outputs, private.like_outputs(model, outputs, labels))


def optimizer_state(model):
    """Arrays of everything the optimizer keeps: slots, iterations, learning rate, loss scale, and what its
    schedules hold."""
    return [variable.numpy() for variable in optimizer_variables(model)]


def weight_copies(model):
    """[(slot, weight)] of the slots that begin as copies of the weights; asked before the first step."""
    return [
        pair
        for inner in optimizers(model.optimizer)
        for pair in slots.weight_copies(inner, model.trainable_variables, np.asarray)
    ]


def reset_optimizer(model, start, copies=()):
    """Put the optimizer back to `start`, as `optimizer_state` gave it, but for `copies`, which become those
    of the present weights."""
    load_optimizer(model, start)
    for slot, weight in copies:
        slot.assign(weight)


def load_optimizer(model, arrays):
    """Assign arrays as `optimizer_state` gave them."""
    for variable, value in zip(optimizer_variables(model), arrays, strict=True):
        variable.assign(value)
    for inner in optimizers(model.optimizer):
        if model.run_eagerly:
            private.recount_products(inner)


def finalize_optimizer(model):
    """What fit does at its end: write averaged weights into the model, where the optimizer averages."""
    if not isinstance(model.optimizer, tf_keras.optimizers.legacy.Optimizer):
        model.optimizer.finalize_variable_values(model.trainable_variables)


def optimizer_variables(model):
    """The variables of everything the optimizer keeps, in the order of `optimizer_state`."""
    listed = [
        v
        for o in optimizers(model.optimizer)
        for v in (o.variables() if callable(o.variables) else o.variables)
    ]
    listed += schedule_variables(model.optimizer, tf.Variable)
    found = {id(variable): variable for variable in listed}
    stack = [model.optimizer]
    seen = set()
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, tf.Variable):
            found.setdefault(id(item), item)
        else:
            stack.extend(reversed(list(private.children(item).values())))
    return list(found.values())
