"""The tf_keras engine: models copied layer by layer, wrapped where a weight is to be pruned."""

import contextlib
import json

import numpy as np
import tensorflow as tf

from ...core.lazily import Lazily
from ..bytecode import with_canonical_code
from ..precision import without_dtype
from ..private import copy_trainable, flat_layers, freeze, has_mask, maker
from ..resize import resize
from ..rest import of_length, rest
from ..select import FROZEN, head_paths, select
from . import private, walk
from .building import NAMES, build, shapes
from .compiled import (
    build_metrics,
    build_optimizer,
    check_compiled,
    compile_like,
    compiled,
    finalize_optimizer,
    load_optimizer,
    loss,
    optimizer_state,
    optimizer_variables,
    reset_optimizer,
    steps_taken,
    weight_copies,
)
from .copying import check, copy_state, load_state, rebuild
from .float32 import in_float32, is_float32
from .gradients import gradient, gradients
from .graph import calls, ends, operation
from .learning_rate import load_rates, make_shiftable, rates, shift_rate
from .legacy import tf_keras
from .randomness import keep_randomness, load_random_state, random_state
from .schedule import LotteryPruningSchedule
from .stateless import hold_stateless, stateless_variables
from .walk import custom_objects, is_graph, layers, owned_variables, unwrap
from .walk import last as last_layer
from .walk import variables as layer_variables
from .wrapper import LotteryPrune

keras, nest = tf_keras, tf.nest  # the Keras of this engine, and its nests


def choose(model, skip=None, include=None, prune_head=False):
    """{path: why it is left dense} for every weight of a plain model; "" if it is to be pruned."""
    check(model)
    return select(walk, model, skip, include, prune_head)


def wrap_paths(model, paths, scope="global", blocks=None, schedule=None):
    """A copy of `model` in which exactly the weights `paths` have masks, all True."""
    known = walk.variables(model)
    schedule = schedule and LotteryPruningSchedule.of(schedule)
    return rebuild(model, {path: tuple(known[path].shape) for path in paths}, scope, blocks, schedule)


def strip(model):
    """See `keras_lottery.strip`."""
    check(model)
    _held(model)  # which says so where zeros are not held any more
    return rebuild(model, {})


def prunable(model):
    """{path: variable} with a mask in a wrapped model, else of what `wrap` would prune."""
    held = {path: variable for path, (variable, _) in _held(model).items()}
    return held or {
        path: walk.variables(model)[path] for path, reason in select(walk, model).items() if not reason
    }


def kernels(model):
    """{path: array} of the weights with a mask or, in a plain model, of those that could get one, frozen ones
    too."""
    held = {path: variable for path, (variable, _) in _held(model).items()}
    found = held or {
        path: walk.variables(model)[path]
        for path, reason in select(walk, model).items()
        if reason in ("", FROZEN)
    }
    return {path: variable.numpy() for path, variable in found.items()}


def masks(model):
    """{path: bool array}, True = kept; empty for a model that is not wrapped."""
    return {path: mask.numpy() for path, (_, mask) in _held(model).items()}


def set_masks(model, new):
    """Set the masks in place and zero what they drop."""
    for path, (_, mask) in _held(model).items():
        mask.assign(new[path])


def settings(model):
    """(schedule, {scope, blocks}) that the wrapped model has."""
    wrappers = _wrappers(model)
    blocks = {
        id(walk.variables(wrapper.layer)[path]): block
        for wrapper in wrappers
        for path, block in wrapper.blocks.items()
    }
    blocks = {
        path: blocks[id(variable)]
        for path, variable in walk.variables(model).items()
        if id(variable) in blocks
    }
    return wrappers[0].pruning_schedule, {"scope": wrappers[0].scope, "blocks": blocks}


def reasons(model):
    """{path: why it is left dense} for every weight; "" if it is pruned."""
    held = _held(model)
    if not held:
        return select(walk, model)
    return {
        path: "" if path in held else reason or "left out when wrapped"
        for path, reason in select(walk, model).items()
    }


def heads(model):
    """Paths of the output layers."""
    return head_paths(walk, model)


def _wrappers(model):
    return [layer for layer in flat_layers(model) if isinstance(layer, LotteryPrune)]


def _held(model):
    found = {}
    wrappers = _wrappers(model)
    if wrappers:
        pairs = {id(variable): (variable, mask) for wrapper in wrappers for variable, mask in wrapper.held()}
        found = {path: pairs[id(v)] for path, v in walk.variables(model).items() if id(v) in pairs}
    return found


def architecture(model):
    """The plain model as JSON-able dict; dtypes that follow the global policy are left open."""
    config = _without_wrappers(json.loads(model.to_json()))
    config["class_name"] = tf_keras.saving.get_registered_name(type(model))
    default = json.loads(json.dumps(tf_keras.layers.Layer().get_config()["dtype"]))
    return without_dtype(with_canonical_code(config), default)


def _without_wrappers(config):
    """Each wrapper's entry with what it says of its layer in place of what it says of itself."""
    if isinstance(config, dict):
        if config.get("registered_name") == "keras_lottery>LotteryPrune":
            config = {**config, **config["config"]["layer"]}
        return {k: _without_wrappers(v) for k, v in config.items()}
    return [_without_wrappers(item) for item in config] if isinstance(config, list) else config


def variables(model):
    """{path: variable} of the whole state but masks."""
    return walk.variables(model)


def values(model):
    """{path: array} copy of the whole state but masks."""
    return dict(current(model))


def current(model):
    """{path: array} of the same, each a copy that is made when it is asked for."""
    return Lazily(walk.variables(model), array)


def versions():
    """The packages that made a ticket."""
    from importlib.metadata import version

    return {name: version(name) for name in ("tensorflow", "tf-keras", "tensorflow-model-optimization")}


def array(tensor):
    """A NumPy copy of a tensor or variable."""
    return np.array(tensor.numpy())


def set_seed(seed):
    """Seed Python, NumPy and TensorFlow."""
    tf_keras.utils.set_random_seed(seed)


def freeze_all_but(model, paths):
    """Make the layers at `paths` the only ones that train."""
    below = walk.layers(model)
    keep = [below[path] for path in paths]
    for layer in below.values():
        if not any(layer is owner or walk.is_graph(layer) or layer in flat_layers(owner) for owner in keep):
            freeze(layer)


def strategy_scope(model):
    """The strategy's scope that the model was made in."""
    return model.distribute_strategy.scope()


def unify_replicas(model):
    """Give all replicas the state that a file would hold.

    BatchNorm's statistics differ by replica, `values` has their means; random layers have drawn more where
    the batch was larger.
    """
    if model.distribute_strategy.num_replicas_in_sync > 1:
        load_state(model, values(model))
        load_random_state(model, random_state(model))


def steps_per_execution(model):
    """Steps that a compiled model takes at a time."""
    every = private.steps_per_execution(model)
    return 1 if every is None else int(every.numpy())


def batches(*arrays, batch_size, seed):
    """(x, y[, sample_weight]) in batches whose order is a function of seed and epoch."""
    from ...data import batches as make

    return make(*arrays, batch_size=batch_size, seed=seed)


def set_epoch(train, epoch):
    """Make the next pass over `train` be that epoch, where its order is ours to set."""
    if hasattr(train, "element_spec"):
        from ...data import set_epoch as set_it

        set_it(train, epoch)


def from_batch(train, first):
    """What fit takes for the rest of an epoch: `train` without its first batches."""
    return rest(train, first, tf_keras.utils.Sequence)


def inputs(model):
    """The nest of the model's inputs, each with name, shape and dtype; None where it was never built."""
    saved = model.save_spec() if model.built else None
    return None if saved is None else saved[0][0]


@contextlib.contextmanager
def unfused(model):
    """Let LSTMs compute as loops.

    TFLite would fuse them into an operation that keeps its state from one call to the next, so that all
    answers but the first are wrong, and that cannot be sparse.
    """
    fused = [
        layer
        for layer in flat_layers(model)
        if isinstance(layer, tf_keras.layers.LSTM) and private.fuses(layer)
    ]
    try:
        for layer in fused:
            private.set_fuses(layer, False)
        yield
    finally:
        for layer in fused:
            private.set_fuses(layer, True)
