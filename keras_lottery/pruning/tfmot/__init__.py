"""The tf_keras engine: models copied layer by layer, wrapped where a weight is to be pruned."""

import contextlib
import json

import tensorflow as tf

from ...errors import LotteryError
from .legacy import tf_keras
from ..select import head_layers, select
from . import walk
from .compiled import (  # noqa: F401  part of the engine
    build_optimizer,
    check_compiled,
    compile_like,
    compiled,
    finalize_optimizer,
    load_optimizer,
    optimizer_state,
    reset_optimizer,
    steps_taken,
)
from .randomness import keep_randomness, load_random_state, random_state  # noqa: F401  part of the engine
from .float32 import in_float32, is_float32  # noqa: F401  part of the engine
from .gradients import gradients  # noqa: F401  part of the engine
from ..resize import resize  # noqa: F401  part of the engine
from .schedule import LotteryPruningSchedule
from .wrapper import LotteryPrune

keras, nest = tf_keras, tf.nest  # the Keras of this engine, and its nests

# What a model's class may do in its own way.
_OWN = ("call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")


def choose(model, skip=None, include=None, prune_head=False):
    """{path: why it is left dense} for every weight of a plain model; "" if it is to be pruned."""
    _check(model)
    return select(walk, model, skip, include, prune_head)


def wrap_paths(model, paths, scope="global", blocks=None, schedule=None):
    """A copy of `model` in which exactly the weights `paths` have masks, all True."""
    variables = walk.variables(model)
    schedule = schedule and LotteryPruningSchedule.of(schedule)
    return _rebuild(model, {path: tuple(variables[path].shape) for path in paths}, scope, blocks, schedule)


def strip(model):
    """See `keras_lottery.strip`."""
    _check(model)
    return _rebuild(model, {})


def prunable(model):
    """{path: variable} with a mask in a wrapped model, else of what `wrap` would prune."""
    held = {path: variable for path, (variable, _) in _held(model).items()}
    return held or {path: walk.variables(model)[path] for path, reason in select(walk, model).items() if not reason}


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
    blocks = {id(walk.variables(wrapper.layer)[path]): block for wrapper in wrappers for path, block in wrapper.blocks.items()}
    blocks = {path: blocks[id(variable)] for path, variable in walk.variables(model).items() if id(variable) in blocks}
    return wrappers[0].pruning_schedule, {"scope": wrappers[0].scope, "blocks": blocks}


def reasons(model):
    """{path: why it is left dense} for every weight; "" if it is pruned."""
    held = _held(model)
    if not held:
        return select(walk, model)
    return {path: "" if path in held else reason or "left out when wrapped" for path, reason in select(walk, model).items()}


def variables(model):
    """{path: variable} of the whole state but masks."""
    return walk.variables(model)


def heads(model):
    """Paths of the output layers."""
    found = head_layers(walk, model)
    return [path for path, layer in walk.layers(model).items() if any(layer is head for head in found)]


def layers(model):
    """{path: layer} of all layers, wrappers left out."""
    return walk.layers(model)


def _wrappers(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, LotteryPrune)]


def _held(model):
    found = {}
    wrappers = _wrappers(model)
    if wrappers:
        pairs = {id(variable): (variable, mask) for wrapper in wrappers for variable, mask in wrapper.held()}
        found = {path: pairs[id(v)] for path, v in walk.variables(model).items() if id(v) in pairs}
    return found


def _check(model):
    if not walk.is_graph(model):
        kind = type(model).__name__
        if isinstance(model, tf_keras.Sequential):
            raise LotteryError(f"the model {model.name!r} is not built: give it an Input layer, or call it once first.")
        raise LotteryError(
            f"{kind!r} is a subclassed tf_keras model, which cannot be copied layer by layer: build it as a "
            "functional model, tf_keras.Model(inputs, outputs)."
        )
    _check_class(model)


def _check_class(model):
    """Raises LotteryError where a copy would lose what the model's own class does."""
    functional = tf_keras.src.engine.functional
    kind, sequential = type(model), isinstance(model, tf_keras.Sequential)
    plain = tf_keras.Sequential if sequential else functional.Functional
    own = [name for name in _OWN if getattr(kind, name) is not getattr(plain, name)]
    if own and (sequential or not functional.has_functional_like_constructor(kind)):
        raise LotteryError(
            f"{kind.__name__} has its own {own[0]}, which a copy of {model.name!r} would lose: make it a class of "
            "functional models, a tf_keras.Model without a constructor that is called as Model(inputs, outputs)."
        )


def _rebuild(model, shapes, scope="global", blocks=None, schedule=None):
    """A copy of `model`, weights included, with masks on `shapes` alone; wrappers it had are gone."""
    paths = {id(layer): path for path, layer in walk.layers(model).items()}
    copies = {}

    def copy(layer):
        plain = walk.unwrap(layer)
        if id(plain) not in copies:
            if walk.is_graph(plain):
                _check_class(plain)
            copies[id(plain)] = _copy_graph(plain, copy) if walk.is_graph(plain) else copy_layer(plain)
        return copies[id(plain)]

    def copy_layer(layer):
        try:
            new = type(layer).from_config(layer.get_config())
        except (NotImplementedError, TypeError, ValueError) as error:
            raise LotteryError(
                f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied from its config: {_in_a_line(error)}"
            ) from error
        new._name = layer.name  # which not every config holds
        prefix = paths[id(layer)] + "/"
        below, blocked = ({path[len(prefix) :]: value for path, value in of.items() if path.startswith(prefix)} for of in (shapes, blocks or {}))
        return LotteryPrune(new, below, scope, blocked, schedule) if below else new

    try:
        new = _copy_graph(model, copy)
    except LotteryError:
        raise
    except (TypeError, ValueError) as error:
        raise LotteryError(f"{model.name!r} cannot be copied from its layers' configs: {_in_a_line(error)}") from error
    copy_state(model, new)
    below = walk.layers(new)
    for path, layer in walk.layers(model).items():
        below[path]._trainable = layer._trainable  # no config knows it of layers in layers
    return new


def _copy_graph(model, copy):
    with tf_keras.src.saving.serialization_lib.SafeModeScope(safe_mode=False):  # Lambda layers, from this very process
        new = tf_keras.models.clone_model(model, clone_function=copy)
    new._trainable = model._trainable
    return new


def copy_state(source, target):
    """Give every variable of `target` the value of the one at the same path in `source`."""
    given, made = walk.variables(source), walk.variables(target)
    for path in {**given, **made}:
        if path not in given or path not in made or given[path].shape != made[path].shape:
            raise LotteryError(
                f"a copy made from the layers' configs has another {path!r} than {source.name!r}: the get_config of "
                "the layer that owns it must hold every argument of its constructor."
            )
    for path, variable in made.items():  # one copy at a time
        variable.assign(given[path].numpy())
    _finalize(target)


def load_state(model, values):
    """Assign {path: array} to the variables of the same paths."""
    for path, variable in walk.variables(model).items():
        variable.assign(values[path])
    _finalize(model)


def _finalize(model):
    for layer in walk.layers(model).values():
        if hasattr(layer, "finalize_state"):  # Normalization keeps constants made from its weights
            layer.finalize_state()


def architecture(model):
    """The plain model as JSON-able dict; dtypes that follow the global policy are left open."""
    config = json.loads(strip(model).to_json())
    default = json.loads(json.dumps(tf_keras.layers.Layer().get_config()["dtype"]))
    return _without_dtype(config, default)


def _without_dtype(config, default):
    if isinstance(config, dict):
        return {k: _without_dtype(v, default) for k, v in config.items() if not (k == "dtype" and v == default)}
    if isinstance(config, list):
        return [_without_dtype(item, default) for item in config]
    return config


def build(architecture):
    """A new plain model, randomly initialised, in the current global precision policy."""
    try:
        return tf_keras.models.model_from_json(json.dumps(architecture))
    except (ValueError, TypeError) as error:
        raise LotteryError(
            f"the ticket's architecture cannot be built: {_in_a_line(error)}. Check the input shape; register custom "
            "layers with tf_keras.utils.register_keras_serializable before loading."
        ) from error


def _in_a_line(error):
    """The first paragraph of an error's text that says something: Keras wraps it in where it was called."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in str(error).split("\n\n")]
    where = ("Exception encountered", "ValueError: Exception encountered", "in user code", "File ", "Call arguments")
    return next((text for text in paragraphs if text and not text.startswith(where)), paragraphs[0]).rstrip(".")


def values(model):
    """{path: array} copy of the whole state but masks."""
    return {path: variable.numpy() for path, variable in walk.variables(model).items()}


def versions():
    """The packages that made a ticket."""
    from importlib.metadata import version

    return {name: version(name) for name in ("tensorflow", "tf-keras", "tensorflow-model-optimization")}


def set_seed(seed):
    """Seed Python, NumPy and TensorFlow."""
    tf_keras.utils.set_random_seed(seed)


def freeze_all_but(model, paths):
    """Make the layers at `paths` the only ones that train."""
    below = walk.layers(model)
    keep = [below[path] for path in paths]
    for layer in below.values():
        if not any(layer is owner or walk.is_graph(layer) or layer in owner._flatten_layers() for owner in keep):
            layer._trainable = False


def scope(model):
    """The strategy's scope that the model was made in."""
    return model.distribute_strategy.scope()


def unify_replicas(model):
    """Give all replicas the state that a file would hold: BatchNorm's statistics differ by replica, `values` has their means."""
    if model.distribute_strategy.num_replicas_in_sync > 1:
        load_state(model, values(model))


def steps_per_execution(model):
    """Steps that a compiled model takes at a time."""
    every = getattr(model, "_steps_per_execution", None)
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


def inputs(model):
    """The nest of the model's inputs, each with name, shape and dtype; None where it was never built."""
    saved = model.save_spec() if model.built else None
    return None if saved is None else saved[0][0]


@contextlib.contextmanager
def unfused(model):
    """Let LSTMs compute as loops.

    TFLite would fuse them into an operation that keeps its state from one call to the next, so that all answers but
    the first are wrong, and that cannot be sparse.
    """
    fused = [layer for layer in model._flatten_layers()
             if isinstance(layer, tf_keras.layers.LSTM) and layer._could_use_gpu_kernel]
    try:
        for layer in fused:
            layer._could_use_gpu_kernel = False
        yield
    finally:
        for layer in fused:
            layer._could_use_gpu_kernel = True
