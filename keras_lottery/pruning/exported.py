"""The names that a Keras itself exports, as a model's JSON gives them."""

import inspect

from ..architecture.tables import APPLICATIONS
from ..architecture.trust import NEVER, Names

_FUNCTIONS_ONLY = ("activations",)


def names(keras, objects, *, operations=None, symbols=None, functions=None):
    """The Names of a Keras: its layers, initializers, regularizers, constraints, activations, models and precisions.

    Args:
      keras: the module, tf_keras or Keras 3.
      objects: its modules below `keras` whose classes and functions are allowed.
      operations, symbols, functions: more of each, as `Names` has them.
    """
    classes, known = {}, {}
    for name in objects:
        module = getattr(keras, name)
        for key, value in vars(module).items():
            if inspect.isclass(value) and name not in _FUNCTIONS_ONLY and key not in NEVER and value.__name__ not in NEVER:
                for called in {key, value.__name__}:
                    classes.setdefault(called, set()).update(_modules(keras, name, value))
            elif inspect.isfunction(value) and name in _FUNCTIONS_ONLY and key not in ("get", "serialize", "deserialize"):
                for called in {key, value.__name__}:
                    known.setdefault(called, set()).update({*_modules(keras, name, value), "builtins"})
    for name in ("Model", "Sequential", "Functional", "DTypePolicy"):
        kind = getattr(keras, name, None) or _functional(keras) if name != "DTypePolicy" else getattr(keras, name, None)
        if kind is not None:
            classes.setdefault(name, set()).update({*_modules(keras, "models", kind), "keras", keras.__name__})
    for name, (file, _) in APPLICATIONS.items():
        classes[name] = _spelled(keras, f"{keras.__name__}.src.applications.{file}")
    for name, module in (operations or {}).items():
        classes.setdefault(name, set()).update(_spelled(keras, module))
    for name, modules in (functions or {}).items():
        known.setdefault(name, set()).update(modules)
    return Names(
        classes={name: frozenset(modules) for name, modules in classes.items()},
        functions={name: frozenset(modules) for name, modules in known.items()},
        symbols=symbols or {},
        registered=keras.saving.get_registered_object,
        register=f"{keras.__name__}.saving.register_keras_serializable",
    )


def _functional(keras):
    return type(keras.Model(inputs=(x := keras.Input((1,))), outputs=x))


def _modules(keras, name, value):
    return {f"keras.{name}", *_spelled(keras, value.__module__), *_spelled(keras, f"{keras.__name__}.{name}")}


def _spelled(keras, module):
    """A module's name as files have it: tf_keras' are also written as keras'."""
    return {module, "keras" + module.removeprefix("tf_keras")} if keras.__name__ == "tf_keras" else {module}
