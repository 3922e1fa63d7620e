"""The names that a Keras itself exports, as a model's JSON gives them."""

import inspect

from ..architecture.tables import APPLICATIONS
from ..architecture.trust import NEVER, Names

_CLASSES = (
    "layers",
    "initializers",
    "regularizers",
    "constraints",
    "mixed_precision",
    "dtype_policies",
    "quantizers",
    "random",
)


def names(keras, more, symbols=None):
    """The Names of a Keras: layers, initializers, regularizers, constraints, activations, models, policies.

    Args:
      keras: the module, tf_keras or Keras 3.
      more: {module: names of classes of it} that files hold as well.
      symbols: as `Names` has them.
    """
    classes, functions = {}, {}
    for place in _CLASSES:
        for name, value in vars(getattr(keras, place, object)).items():
            if inspect.isclass(value) and not {name, value.__name__} & NEVER.keys():
                _add(classes, keras, value, name, f"keras.{place}")
    for name, value in vars(keras.activations).items():
        if inspect.isfunction(value) and name not in ("get", "serialize", "deserialize"):
            _add(functions, keras, value, name, "keras.activations", "builtins")
    for kind in (keras.Model, keras.Sequential, getattr(keras, "DTypePolicy", None)):
        if kind is not None:
            _add(classes, keras, kind, kind.__name__, "keras", "keras.models")
    applications = [
        (f"{keras.__name__}.src.applications.{file}", [name]) for name, (file, _) in APPLICATIONS.items()
    ]
    for module, listed in [*applications, *more.items()]:
        for name in listed:
            classes.setdefault(name, set()).update(_spelled(module))
    return Names(
        classes={name: frozenset(modules) for name, modules in classes.items()},
        functions={name: frozenset(modules) for name, modules in functions.items()},
        symbols=symbols or {},
        registered=keras.saving.get_registered_object,
        register=f"{keras.__name__}.saving.register_keras_serializable",
    )


def _add(known, keras, value, name, *modules):
    """Add a class or function under its exported and its own name, with the modules that files give."""
    for called in {name, value.__name__}:
        found = known.setdefault(called, set())
        for module in (*modules, value.__module__):
            found |= _spelled(module) | _spelled(
                f"{keras.__name__}{module.removeprefix('keras')}" if module.startswith("keras") else module
            )


def _spelled(module):
    """A module's name as files have it: what is tf_keras' is also written as keras'."""
    return {module, module.removeprefix("tf_")} if module.startswith("tf_keras") else {module}
