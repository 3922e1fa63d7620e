"""Layers of the user's own, from a Python file that the user names."""

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path

from ..core.checks import path as checked_path
from ..core.errors import LotteryError


def register(path) -> tuple:
    """Run a Python file and register the layers and functions that it defines, so that models which name them
    can be loaded.

    This runs all code in the file: give one that you wrote or have read. It is the one way in which this
    package runs code from a file; a model's or a ticket's own file runs none.

    Args:
      path: a .py file. Its classes that Keras can save (with get_config) and its functions are known under
        their own names; what it registers itself, by @register_keras_serializable, stays as it is.

    Returns:
      The names registered, a tuple of str.

    Raises:
      LotteryError: no such file, an error in it, or nothing in it that a model could name.
    """
    file = checked_path(path, "a Python file")
    if not file.is_file() or file.suffix != ".py":
        raise LotteryError(f"code={str(path)!r}: expected a Python file (.py) that defines your layers.")
    module = _run(file)
    own = {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
        and (inspect.isclass(value) and hasattr(value, "get_config") or inspect.isfunction(value))
    }
    if not own:
        raise LotteryError(
            f"code={str(path)!r} defines no layer: expected classes of keras.layers.Layer, or functions."
        )
    for keras in filter(None, map(sys.modules.get, ("keras", "tf_keras"))):
        known = keras.saving.get_custom_objects()
        for name, value in own.items():
            if not any(value is one for one in list(known.values())) and _belongs(keras, name, value):
                known[name] = value
    return tuple(own)


def _run(file: Path):
    name = f"lottery_code_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pickling, dataclasses and Keras look
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)
        ]
        where = f" in line {lines[-1]}" if lines else ""
        why = " ".join(str(error).split())[:200]
        raise LotteryError(f"code={str(file)!r} stops{where}: {type(error).__name__}: {why}") from error
    return module


def _belongs(keras, name, value):
    """Whether a class is made from one of this Keras', or a function takes no name of its activations."""
    if inspect.isfunction(value):
        return not hasattr(keras.activations, name)
    return any(base.__module__.split(".")[0] == keras.__name__ for base in value.__mro__)
