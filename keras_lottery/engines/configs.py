"""Optimizers and metrics of either Keras made anew, with what their configs leave out."""

import inspect

import numpy as np

from ..core.errors import LotteryError
from . import private
from .untold import KERAS, NO_CONFIG, is_plain, optimizers, without_decay


def remade(item, remake):
    """What remake(config) gives, a new `item` from its config.

    The config has what get_config() tells, the very schedules and functions that rates follow, and those
    arguments of a user's class that its get_config leaves out. Plain attributes that were set later are
    carried over too.

    Raises:
      LotteryError: the config does not hold what it takes.
    """
    try:
        new = remake(_full_config(item))
    except NO_CONFIG as error:
        if isinstance(error, LotteryError):
            raise
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        kind = type(item).__name__
        raise LotteryError(f"{kind} cannot be made anew from its config: {first}. {_CURE}") from error
    _carry(item, new)
    return new


_CURE = "Wrap the model, then compile the wrapped one."


def own_parts(layer):
    """The functions and classes, of activations, regularizers and the like, that a layer was given and no
    Keras has."""
    given = [
        part for name, part in vars(layer).items() if not hasattr(type(layer), name)
    ]  # no wrapped methods
    parts = [
        part if inspect.isfunction(part) else type(part)
        for part in given
        if inspect.isfunction(part) or hasattr(part, "get_config")
    ]
    return [part for part in parts if not part.__module__.startswith((*KERAS, "builtins", "tensorflow."))]


def custom_objects(keras, model):
    """{registered name: class or function} of layers, and of what they were given, that is not Keras' own,
    for a copy made in this process.

    Raises:
      LotteryError: two of them have one name.
    """
    named = {}
    layers = private.flat_layers(model)
    for own in {type(layer) for layer in layers} | {part for layer in layers for part in own_parts(layer)}:
        name = keras.saving.get_registered_name(own)  # Keras itself has names twice
        if (
            not own.__module__.startswith(f"{keras.__name__}.")
            and name != "<lambda>"
            and named.setdefault(name, own) is not own
        ):
            raise LotteryError(
                f"two classes or functions in {model.name!r} are called {name!r}, and a copy goes by their "
                "names: rename one."
            )
    return named


def given_a_lambda(layers):
    """What to say where a copy fails over a lambda, such as an activation; "" for none."""
    for layer in layers:
        given = [getattr(part, "__name__", "") for part in vars(layer).values()]
        if type(layer).__name__ != "Lambda" and "<lambda>" in given:
            return (
                f"{layer.name!r} was given a lambda, which no config can name: give it a function that "
                "has a name"
            )
    return ""


def check_copied(path, old, new):
    """Raises LotteryError if a copy lacks an argument of a user's class, kept under its name, that no config
    told."""
    for name in _arguments(type(old)):
        for own in {name, f"_{name}"} & vars(old).keys():
            value, made = vars(old)[own], vars(new).get(own)
            if is_plain(value) and not inspect.isroutine(value) and not _equal(made, value):
                raise LotteryError(
                    f"a copy of {path or old.name!r} made from its config has another {name!r}, {made!r} for "
                    f"{value!r}: the get_config of {type(old).__name__} must hold it."
                )


def told(optimizer, serialize):
    """What tells an optimizer from another: what `serialize` gives, or where it cannot, the class alone."""
    try:
        return serialize(optimizer)
    except NO_CONFIG:
        return type(optimizer).__name__


def keep_from_decay(old, new, given, made):
    """Take out of the weight decay of a new optimizer, not built yet, what is out of the old one's.

    given, made: {path: variable} of the old model and of the new one.
    """
    for before, after in zip(optimizers(old), optimizers(new), strict=True):
        if paths := without_decay(before, given):
            after.exclude_from_weight_decay(var_list=[made[path] for path in paths])


def _full_config(item):
    chosen = private.optimizer_of_each(item)
    if callable(chosen) and not hasattr(chosen, "values"):
        raise LotteryError(
            f"a {type(item).__name__} that asks a function for the optimizer of each weight cannot be made "
            f"anew. {_CURE}"
        )
    config = dict(item.get_config())
    rates = {"learning_rate": private.rate(item), **(private.settings(item) or {})}
    config |= {name: value for name, value in rates.items() if name in config and callable(value)}
    for name in _arguments(type(item)):
        if name not in config:
            found = [value for own, value in vars(item).items() if own in (name, f"_{name}")]
            if not found:
                raise LotteryError(
                    f"the get_config of {type(item).__name__} leaves out {name!r}, so that it cannot be made "
                    f"anew: add it. {_CURE}"
                )
            config[name] = found[0]
    return config


def _arguments(kind):
    """Names of the arguments of a class of the user's own, where a config is what its constructor takes."""
    maker = next(owner for owner in kind.__mro__ if "from_config" in vars(owner))
    if kind.__module__.startswith(KERAS) or not maker.__module__.startswith(KERAS):
        return []
    named = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return [one.name for one in named if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def _carry(old, new):
    """Give `new` the public plain attributes of `old` that it has otherwise or not at all."""
    for before, after in zip(optimizers(old), optimizers(new), strict=True):
        for name, value in vars(before).items():
            if (
                name.startswith("_")
                or name in ("built", "name")
                or inspect.ismethod(value)
                or not is_plain(value)
            ):
                continue  # a metric of tf_keras holds methods of its own
            if name not in vars(after) or not _equal(vars(after)[name], value):
                setattr(after, name, value)


def _equal(first, second):
    try:
        return first is second or bool(np.all(first == second)) and np.shape(first) == np.shape(second)
    except ValueError:  # arrays in lists
        return False
