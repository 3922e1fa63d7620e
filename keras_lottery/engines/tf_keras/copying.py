"""Copies of tf_keras models, layer by layer: with wrappers where weights are to be pruned, without those that
were there."""

from ...core.errors import LotteryError
from ..adapted import check_none_adapted
from ..configs import check_copied, given_a_lambda, own_parts
from ..own import METHODS, own_methods, way_out
from ..private import copy_trainable, flat_layers
from . import private, walk
from .legacy import tf_keras
from .private import PruneLowMagnitude
from .wrapper import LotteryPrune


def check(model):
    check_none_adapted(model)
    if not walk.is_graph(model):
        kind = type(model).__name__
        if isinstance(model, tf_keras.Sequential):
            raise LotteryError(
                f"the model {model.name!r} is not built: give it an Input layer, or call it once first."
            )
        raise LotteryError(
            f"{kind!r} is a subclassed tf_keras model, which cannot be copied layer by layer: build it as a "
            "functional model, tf_keras.Model(inputs, outputs)."
        )
    _check_class(model)
    for layer in flat_layers(model):
        if isinstance(layer, PruneLowMagnitude) and not isinstance(layer, LotteryPrune):
            raise LotteryError(
                f"TF-MOT's own wrapper {layer.name!r} prunes a layer of {model.name!r}: take such wrappers "
                "out first, model = tfmot.sparsity.keras.strip_pruning(model)."
            )


def _check_class(model, names=("call", *METHODS)):
    """Raises LotteryError where a copy would lose what the model's own class does."""
    kind, sequential = type(model), isinstance(model, tf_keras.Sequential)
    functional, made_as_one = private.functional_class(kind)
    plain, kept = tf_keras.Sequential if sequential else functional, made_as_one and not sequential
    if own := own_methods(model, kind if kept else plain, names):
        raise LotteryError(
            f"{kind.__name__} has its own {own}, which a copy of {model.name!r} would lose: "
            f"{way_out(model, tf_keras)}, or give it a class without a constructor that is called as "
            "Model(inputs, outputs)."
        )


def rebuild(model, shapes, scope="global", blocks=None, schedule=None):
    """A copy of `model`, weights included, with masks on `shapes` alone; wrappers it had are gone."""
    paths = {id(layer): path for path, layer in walk.layers(model).items()}
    copies = {}

    def copy(layer):
        plain = walk.unwrap(layer)
        if id(plain) not in copies:
            if walk.is_graph(plain):
                _check_class(plain, ("call",))  # the others are those of the model that trains
            copies[id(plain)] = _copy_graph(plain, copy) if walk.is_graph(plain) else copy_layer(plain)
        return copies[id(plain)]

    def copy_layer(layer):
        own = {
            tf_keras.saving.get_registered_name(part): part
            for below in flat_layers(layer)
            for part in own_parts(below)
        }
        try:
            with tf_keras.utils.custom_object_scope(own):
                new = type(layer).from_config(layer.get_config())
        except (NotImplementedError, TypeError, ValueError) as error:
            said = given_a_lambda(flat_layers(layer)) or in_a_line(error)
            raise LotteryError(
                f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied from its config: {said}"
            ) from error
        private.set_name(new, layer.name)  # which not every config holds
        prefix = paths[id(layer)] + "/"
        below, blocked = (
            {path[len(prefix) :]: value for path, value in of.items() if path.startswith(prefix)}
            for of in (shapes, blocks or {})
        )
        return LotteryPrune(new, below, scope, blocked, schedule) if below else new

    try:
        new = _copy_graph(model, copy)
    except LotteryError:
        raise
    except (TypeError, ValueError) as error:
        raise LotteryError(
            f"{model.name!r} cannot be copied from its layers' configs: {in_a_line(error)}"
        ) from error
    copy_state(model, new)
    below = walk.layers(new)
    for path, layer in walk.layers(model).items():
        check_copied(path, layer, below[path])
        copy_trainable(layer, below[path])  # no config knows it of layers in layers
    return new


def _copy_graph(model, copy):
    with private.from_this_process():
        new = tf_keras.models.clone_model(model, clone_function=copy)
    copy_trainable(model, new)
    return new


def copy_state(source, target):
    """Give every variable of `target` the value of the one at the same path in `source`."""
    given, made = walk.variables(source), walk.variables(target)
    for path in {**given, **made}:
        if path not in given or path not in made or given[path].shape != made[path].shape:
            raise LotteryError(
                f"a copy made from the layers' configs has another {path!r} than {source.name!r}. The "
                "get_config of the layer that owns it must hold every argument of its constructor. A layer "
                "inside another one must not also be called by itself."
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


def in_a_line(error):
    """The first paragraph of an error's text that says something: Keras wraps it in where it was called."""
    paragraphs = [
        " ".join(paragraph.split()).removeprefix("Exception encountered: ")
        for paragraph in str(error).split("\n\n")
    ]
    where = (
        "Error when deserializing class",
        "Exception encountered",
        "ValueError: Exception encountered",
        "in user code",
        "File ",
        "Call arguments",
    )
    return next((text for text in paragraphs if text and not text.startswith(where)), paragraphs[0]).rstrip(
        "."
    )
