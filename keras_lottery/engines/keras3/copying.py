"""Copies of Keras 3 models from their configs, with the classes and functions of this process."""

import contextlib

import keras

from ...core.errors import LotteryError
from ...core.lazily import Lazily
from ..adapted import check_none_adapted
from ..configs import check_copied, given_a_lambda
from ..own import way_out
from ..private import copy_trainable, flat_layers, lookup
from . import private, walk
from .lambdas import with_functions_of
from .model import with_wrapper, without_wrappers
from .said import in_a_line
from .state import array, synchronise


def check(model):
    check_none_adapted(walk.unwrap(model))
    # Of layers made of layers Keras itself forgets, on loading, that they are built.
    layers = flat_layers(walk.unwrap(model))
    inside = [lookup(layer) for layer in layers if lookup(layer) is not layer]  # which work unbuilt
    leaves = [
        layer for layer in layers if not private.sublayers(layer) and not any(layer is one for one in inside)
    ]
    unbuilt = [layer.name for layer in leaves if not layer.built]
    if not leaves or unbuilt:
        where = f" (its layers {', '.join(unbuilt[:3])})" if 0 < len(unbuilt) < len(leaves) else ""
        raise LotteryError(
            f"the model {model.name!r} is not built{where}: give it an Input layer, or call it on a batch "
            "first; a layer that no call reaches must go."
        )


def copy(model):
    """A new plain model with the same layers, weights and settings."""
    plain = walk.unwrap(model)
    given = values(model)
    here = _as_here(plain)
    try:
        with here:
            new = _from_config(plain)
            if walk.is_graph(plain) and _shapes(new).keys() != given.keys():
                # A layer shared between models below this one, or one that leaves its name out of its config:
                # configs forget that, a clone layer by layer does not.
                new = keras.models.clone_model(plain, clone_function=_from_config, recursive=True)
    except (NotImplementedError, TypeError, ValueError, AttributeError, NameError, OSError) as error:
        said = given_a_lambda(flat_layers(plain)) or in_a_line(error)
        raise LotteryError(f"{model.name!r} cannot be copied from its layers' configs: {said}") from error
    made = _shapes(new)
    for path in {**given, **made}:
        if path not in given or path not in made or given[path].shape != made[path]:
            raise LotteryError(
                f"a copy made from the layers' configs has another {path!r} than {model.name!r}. The "
                "get_config of the layer that owns it must hold every argument of its constructor. The "
                "layer must be built by a call on symbolic tensors or by a build() of its own. A layer "
                "inside another one must not also be called by itself."
            )
    below = walk.layers(new)
    for path, layer in {"": plain, **walk.layers(plain)}.items():
        check_copied(path, layer, below.get(path, new))
    load_state(new, given)
    called = walk.variables(plain)
    for path, variable in walk.variables(new).items():
        private.take_path(variable, called[path])
    copy_trainable(plain, new)
    for path, layer in walk.layers(plain).items():
        if path in below:  # a clone names its inputs anew
            copy_trainable(layer, below[path])
    return new


def wrap_inside(model, own, paths, *, blocks, **settings):
    """`model`, a copy of the user's, made again from its config with the model wrapped that has all of
    `paths`."""
    inside = [
        (path, layer)
        for path, layer in walk.layers(model).items()
        if isinstance(layer, keras.Model) and all(name.startswith(path + "/") for name in paths)
    ]
    if not inside:
        raise not_called(model, own)
    prefix, layer = inside[0][0] + "/", inside[0][1]
    below = [name.removeprefix(prefix) for name in paths]
    given = {name.removeprefix(prefix): block for name, block in blocks.items()}
    config = with_wrapper(model.get_config(), layer, {"paths": below, "blocks": given, **settings})
    with _as_here(model):
        new = type(model).from_config(config)
    load_state(new, values(model))
    return new


def not_called(plain, own):
    return LotteryError(
        f"{type(plain).__name__} has its own {own}, which a wrapped model would not call: "
        f"{way_out(plain, keras)}."
    )


def variables(model):
    """{path: variable} of the whole state but masks."""
    synchronise(model)
    return walk.variables(model)


def values(model):
    """{path: array} copy of the whole state but masks."""
    return dict(current(model))


def current(model):
    """{path: array} of the same, each a copy that is made when it is asked for."""
    return Lazily(variables(model), array)


def load_state(model, values):
    """Assign {path: array} to the variables of the same paths."""
    for path, variable in variables(model).items():
        variable.assign(values[path])
    walk.finalize(model)


def _as_here(plain):
    """A context in which a config brings back the classes and functions of this very process."""
    own = walk.custom_objects(plain)  # says what is wrong at once

    @contextlib.contextmanager
    def here():
        with keras.saving.custom_object_scope(own), private.from_this_process(), with_functions_of(plain):
            yield

    return here()


def _shapes(model):
    return {path: tuple(variable.shape) for path, variable in walk.variables(model).items()}


def _from_config(layer):
    layer = walk.unwrap(layer)
    new = type(layer).from_config(without_wrappers(layer.get_config()))
    new.name = layer.name
    if not new.built:
        new.build_from_config(walk.build_config(layer))
    return new
