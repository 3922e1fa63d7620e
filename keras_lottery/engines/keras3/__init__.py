"""The Keras 3 engine, on each of Keras' backends: a model held, with its masks, in a LotteryModel."""

import contextlib
import json

import keras

from ...core.errors import LotteryError
from ..bytecode import with_canonical_code
from ..own import own_methods
from ..precision import without_dtype
from ..private import copy_trainable, flat_layers, has_mask, maker
from ..resize import resize
from ..rest import rest
from ..select import FROZEN, head_paths, select
from . import walk
from .batches import Batches
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
    steps_per_execution,
    steps_taken,
    weight_copies,
)
from .copying import check, copy, current, load_state, not_called, values, variables, wrap_inside
from .float32 import in_float32, inputs, is_float32, unfused
from .gradients import gradient, gradients
from .graph import calls, ends, operation
from .learning_rate import load_rates, make_shiftable, rates, shift_rate
from .model import LotteryModel, holds, without_wrappers, wrappers
from .randomness import keep_randomness, load_random_state, random_state
from .said import in_a_line
from .state import array, synchronise
from .stateless import hold_stateless, stateless_variables
from .walk import custom_objects, is_graph, layers, owned_variables, unwrap
from .walk import last as last_layer
from .walk import variables as layer_variables

nest = keras.tree  # with `keras` itself, the engine's Keras and its nests


def choose(model, skip=None, include=None, prune_head=False):
    """{path: why it is left dense} for every weight of a plain model; "" if it is to be pruned."""
    plain = walk.unwrap(model)
    if own := own_methods(plain, keras.Model):
        raise not_called(plain, own)
    check(model)
    return select(walk, model, skip, include, prune_head)


def wrap_paths(model, paths, scope="global", blocks=None, schedule=None):
    """A copy of `model` in which exactly the weights `paths` have masks, all True.

    A model whose class has a fit of its own and the like is wrapped inside: the model that it is made from.
    """
    new = copy(model)
    if own := own_methods(new, keras.Model):
        return wrap_inside(new, own, paths, scope=scope, blocks=dict(blocks or {}), schedule=schedule)
    return LotteryModel(new, paths, scope, blocks, schedule)


def strip(model):
    """See `keras_lottery.strip`."""
    check(model)
    return copy(model)


def prunable(model):
    """{path: variable} with a mask in a wrapped model, else of what `wrap` would prune."""
    synchronise(model)
    if held := holds(model):
        return {path: hold.variable for path, hold in held.items()}
    return {path: walk.variables(model)[path] for path, reason in select(walk, model).items() if not reason}


def kernels(model):
    """{path: array} of the weights with a mask or, in a plain model, of those that could get one, also
    frozen.

    They are those that the layers compute with: quantized ones, and the sum where LoRA adds to them.
    """
    synchronise(model)
    if held := holds(model):
        return {path: array(hold.variable) for path, hold in held.items()}
    reasons = select(walk, model)
    return {
        path: _computed_with(owners[-1], name, variable)
        for path, variable, name, owners in walk.owned_variables(model)
        if reasons[path] in ("", FROZEN)
    }


def masks(model):
    """{path: bool array}, True = kept; empty for a model that is not wrapped."""
    synchronise(model)
    return {path: array(hold.mask).astype(bool) for path, hold in holds(model).items()}


def set_masks(model, new):
    """Set the masks in place and zero what they drop."""
    synchronise(model)
    for path, hold in holds(model).items():
        hold.mask.assign(new[path])
        hold.assign(array(hold.variable))


def settings(model):
    """(schedule, {scope, blocks}) that the wrapped model has."""
    wrapper = wrappers(model)[0]
    paths = {id(hold): path for path, hold in holds(model).items()}
    held = zip(wrapper.paths, wrapper.holds)
    blocks = {paths[id(hold)]: wrapper.blocks[path] for path, hold in held if path in wrapper.blocks}
    return wrapper.schedule, {"scope": wrapper.scope, "blocks": blocks}


def reasons(model):
    """{path: why it is left dense} for every weight; "" if it is pruned."""
    found, held = select(walk, model), holds(model)
    if not held:
        return found
    return {path: "" if path in held else reason or "left out when wrapped" for path, reason in found.items()}


def heads(model):
    """Paths of the output layers."""
    return head_paths(walk, model)


def architecture(model):
    """The plain model as JSON-able dict; dtypes that follow the global policy are left open."""
    try:
        config = without_wrappers(
            walk.tell_names(walk.unwrap(model), json.loads(walk.unwrap(model).to_json()))
        )
    except (TypeError, ValueError, NotImplementedError, OSError) as error:
        raise LotteryError(f"{model.name!r} cannot be written as JSON: {in_a_line(error)}") from error
    default = json.loads(json.dumps(keras.saving.serialize_keras_object(keras.config.dtype_policy())))
    return without_dtype(with_canonical_code(config), default)


def versions():
    """The packages that made a ticket."""
    from importlib.metadata import version

    backend = keras.backend.backend()
    return {name: version(name) for name in ("keras", backend)}


def set_seed(seed):
    """Seed Python, NumPy and the backend."""
    keras.utils.set_random_seed(seed)


def freeze_all_but(model, paths):
    """Make the layers at `paths` the only ones that train."""
    below = walk.layers(model)
    keep = {id(layer) for path in paths for layer in flat_layers(below[path])}
    for layer in below.values():
        if id(layer) not in keep and not any(id(child) in keep for child in flat_layers(layer)):
            layer.trainable = False


def strategy_scope(model):
    """The tf.distribute strategy's scope that the model was made in, on TensorFlow."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy is not None else contextlib.nullcontext()


def unify_replicas(model):
    """Give all replicas the state that a file would hold."""
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        load_state(model, values(model))


def batches(*arrays, batch_size, seed):
    """(x, y[, sample_weight]) in batches whose order is a function of seed and epoch."""
    return Batches(*arrays, batch_size=batch_size, seed=seed)


def set_epoch(train, epoch):
    """Make the next pass over `train` be that epoch, where its order is ours to set."""
    if isinstance(train, Batches):
        train.epoch = epoch
    elif hasattr(train, "element_spec"):
        from ...data import set_epoch as set_it

        set_it(train, epoch)


def from_batch(train, first):
    """What fit takes for the rest of an epoch: `train` without its first batches."""
    return rest(train, first, keras.utils.PyDataset)


def of_length(train, batches):
    """`train` as it is: of unknown length, each epoch counts a step past its end, not the first alone."""
    return train


def _computed_with(layer, name, variable):
    """The array of a weight that a layer computes with, 0 where that is 0; quantized values keep their
    scale."""
    value = array(getattr(layer, name, variable))
    if name == "kernel" and hasattr(layer, "kernel_zero") and layer.quantization_mode == "int4":
        zeros = array(layer.kernel_zero)[
            array(layer.g_idx).astype(int)
        ]  # what means 0, in each group of inputs
        value = value.reshape(zeros.shape) - zeros
    return value
