"""The Keras 3 engine, on each of Keras' backends: a model held, with its masks, in a LotteryModel."""

import contextlib
import json

import keras
import numpy as np
from keras.src.saving.serialization_lib import SafeModeScope

from ...errors import LotteryError
from ..adapted import check_none_adapted
from ..configs import check_copied, given_a_lambda
from ..own import own_methods, way_out
from ..resize import resize  # noqa: F401  part of the engine
from ..select import FROZEN, head_layers, select
from . import walk
from .batches import Batches
from .building import NAMES, build, shapes  # noqa: F401  part of the engine
from .compiled import (  # noqa: F401  part of the engine
    build_metrics,
    build_optimizer,
    check_compiled,
    compile_like,
    compiled,
    finalize_optimizer,
    load_optimizer,
    loss,
    optimizer_state,
    reset_optimizer,
    steps_per_execution,
    steps_taken,
    synchronise,
    weight_copies,
)
from .float32 import in_float32, inputs, is_float32, unfused  # noqa: F401  part of the engine
from .gradients import gradients  # noqa: F401  part of the engine
from .lambdas import with_functions_of
from .model import LotteryModel
from .randomness import keep_randomness, load_random_state, random_state  # noqa: F401  part of the engine
from .said import in_a_line

nest = keras.tree  # with `keras` itself, the engine's Keras and its nests


def choose(model, skip=None, include=None, prune_head=False):
    """{path: why it is left dense} for every weight of a plain model; "" if it is to be pruned."""
    plain = walk.unwrap(model)
    if own := own_methods(plain, keras.Model):
        raise LotteryError(f"{type(plain).__name__} has its own {own}, which a wrapped model would not call: {way_out(plain, keras)}.")
    _check(model)
    return select(walk, model, skip, include, prune_head)


def wrap_paths(model, paths, scope="global", blocks=None, schedule=None):
    """A copy of `model` in which exactly the weights `paths` have masks, all True."""
    return LotteryModel(_copy(model), paths, scope, blocks, schedule)


def strip(model):
    """See `keras_lottery.strip`."""
    _check(model)
    return _copy(model)


def prunable(model):
    """{path: variable} with a mask in a wrapped model, else of what `wrap` would prune."""
    synchronise(model)
    if isinstance(model, LotteryModel):
        return {path: hold.variable for path, hold in _holds(model).items()}
    return {path: walk.variables(model)[path] for path, reason in select(walk, model).items() if not reason}


def kernels(model):
    """{path: array} of the weights with a mask or, in a plain model, of those that could get one, frozen ones too.

    They are those that the layers compute with: quantized ones, and the sum where LoRA adds to them.
    """
    synchronise(model)
    if isinstance(model, LotteryModel):
        return {path: _array(hold.variable) for path, hold in _holds(model).items()}
    reasons = select(walk, model)
    return {path: _computed_with(owners[-1], name, variable)
            for path, variable, name, owners in walk.owned_variables(model) if reasons[path] in ("", FROZEN)}


def masks(model):
    """{path: bool array}, True = kept; empty for a model that is not wrapped."""
    synchronise(model)
    return {path: _array(hold.mask).astype(bool) for path, hold in _holds(model).items()}


def set_masks(model, new):
    """Set the masks in place and zero what they drop."""
    synchronise(model)
    for path, hold in _holds(model).items():
        hold.mask.assign(new[path])
        hold.assign(_array(hold.variable))


def settings(model):
    """(schedule, {scope, blocks}) that the wrapped model has."""
    return model.schedule, {"scope": model.scope, "blocks": model.blocks}


def reasons(model):
    """{path: why it is left dense} for every weight; "" if it is pruned."""
    found = select(walk, model)
    if not isinstance(model, LotteryModel):
        return found
    return {path: "" if path in model.paths else reason or "left out when wrapped" for path, reason in found.items()}


def variables(model):
    """{path: variable} of the whole state but masks."""
    synchronise(model)
    return walk.variables(model)


def heads(model):
    """Paths of the output layers."""
    found = head_layers(walk, model)
    return [path for path, layer in walk.layers(model).items() if any(layer is head for head in found)]


def layers(model):
    """{path: layer} of all layers, the pruning wrapper left out."""
    return walk.layers(model)


def values(model):
    """{path: array} copy of the whole state but masks."""
    return {path: _array(variable) for path, variable in variables(model).items()}


def load_state(model, values):
    """Assign {path: array} to the variables of the same paths."""
    for path, variable in variables(model).items():
        variable.assign(values[path])
    walk.finalize(model)


def architecture(model):
    """The plain model as JSON-able dict; dtypes that follow the global policy are left open."""
    try:
        config = walk.tell_names(walk.unwrap(model), json.loads(walk.unwrap(model).to_json()))
    except (TypeError, ValueError, NotImplementedError, OSError) as error:
        raise LotteryError(f"{model.name!r} cannot be written as JSON: {in_a_line(error)}") from error
    default = json.loads(json.dumps(keras.saving.serialize_keras_object(keras.config.dtype_policy())))
    return _without_dtype(config, default)


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
    keep = {id(layer) for path in paths for layer in below[path]._flatten_layers()}
    for layer in below.values():
        if id(layer) not in keep and not any(id(child) in keep for child in layer._flatten_layers()):
            layer.trainable = False


def scope(model):
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


def _holds(model):
    return dict(zip(model.paths, model.holds)) if isinstance(model, LotteryModel) else {}


def _computed_with(layer, name, variable):
    """The array of a weight that a layer computes with, 0 where that is 0; quantized values keep their scale."""
    value = _array(getattr(layer, name, variable))
    if name == "kernel" and hasattr(layer, "kernel_zero") and layer.quantization_mode == "int4":
        zeros = _array(layer.kernel_zero)[_array(layer.g_idx).astype(int)]  # which number means 0, in each group of inputs
        value = value.reshape(zeros.shape) - zeros
    return value


def _array(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def _check(model):
    check_none_adapted(walk.unwrap(model))
    # Of layers made of layers Keras itself forgets, on loading, that they are built.
    layers = walk.unwrap(model)._flatten_layers()
    inside = [getattr(layer, "_lookup_layer", None) for layer in layers]  # TextVectorization's, which works unbuilt
    leaves = [layer for layer in layers if not layer._layers and not any(layer is one for one in inside)]
    unbuilt = [layer.name for layer in leaves if not layer.built]
    if not leaves or unbuilt:
        where = f" (its layers {', '.join(unbuilt[:3])})" if 0 < len(unbuilt) < len(leaves) else ""
        raise LotteryError(
            f"the model {model.name!r} is not built{where}: give it an Input layer, or call it on a batch first; a layer "
            "that no call reaches must go."
        )


def _copy(model):
    """A new plain model with the same layers, weights and settings."""
    plain = walk.unwrap(model)
    given = values(model)
    own = walk.custom_objects(plain)
    try:
        with keras.saving.custom_object_scope(own), SafeModeScope(safe_mode=False), with_functions_of(plain):
            new = _from_config(plain)
            if walk.is_graph(plain) and _shapes(new).keys() != given.keys():
                # A layer shared between models below this one, or one that leaves its name out of its config:
                # configs forget that, a clone layer by layer does not.
                new = keras.models.clone_model(plain, clone_function=_from_config, recursive=True)
    except (NotImplementedError, TypeError, ValueError, AttributeError, NameError, OSError) as error:
        said = given_a_lambda(plain._flatten_layers()) or in_a_line(error)
        raise LotteryError(f"{model.name!r} cannot be copied from its layers' configs: {said}") from error
    made = _shapes(new)
    for path in {**given, **made}:
        if path not in given or path not in made or given[path].shape != made[path]:
            raise LotteryError(
                f"a copy made from the layers' configs has another {path!r} than {model.name!r}: the get_config of the "
                "layer that owns it must hold every argument of its constructor, and it be built by a call on symbolic "
                "tensors, or by a build() of its own; a layer inside another must not be called by itself as well."
            )
    below = walk.layers(new)
    for path, layer in {"": plain, **walk.layers(plain)}.items():
        check_copied(path, layer, below.get(path, new))
    load_state(new, given)
    new._trainable = plain._trainable
    for path, layer in walk.layers(plain).items():
        if path in below:  # a clone names its inputs anew
            below[path]._trainable = layer._trainable
    return new


def _shapes(model):
    return {path: tuple(variable.shape) for path, variable in walk.variables(model).items()}


def _from_config(layer):
    new = type(layer).from_config(layer.get_config())
    new.name = layer.name
    if not new.built:
        new.build_from_config(walk.build_config(layer))
    return new


def _without_dtype(config, default):
    if isinstance(config, dict):
        return {k: _without_dtype(v, default) for k, v in config.items() if not (k == "dtype" and v == default)}
    if isinstance(config, list):
        return [_without_dtype(item, default) for item in config]
    return config
