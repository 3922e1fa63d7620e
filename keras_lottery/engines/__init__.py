"""An engine prunes the models of one Keras: `tf_keras` those of tf_keras by TF-MOT, `keras3` those of Keras
3.

`of(model)` gives the `Handle` of a model, `engine_of(kind)` the `Engine` where there is no model yet.
"""

import functools
import importlib
import importlib.util
import sys

from ..core.checks import known
from ..core.errors import LotteryError
from ..core.schedule import LotterySchedule
from .protocol import Engine, Handle

_ENGINES = {"tf_keras": "tf_keras", "keras": "keras3"}  # a Keras -> the module for its models


def of(model) -> Handle:
    """The `Handle` of `model`: its engine, with the model in it.

    Raises:
      LotteryError: not a Keras model, or of a Keras without an engine.

    >>> import tf_keras
    >>> of(tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))])).masks()
    {}
    """
    for kind in _ENGINES:
        keras = sys.modules.get(kind)  # who has a model of it has imported it
        if keras is not None and isinstance(model, keras.Model):
            return _Handle(model, engine_of(kind))
    raise LotteryError(
        f"expected a Keras model, got {type(model).__name__}: build one with keras or tf_keras."
    )


def engine_of(kind=None) -> Engine:
    """The engine for the models of a Keras: "tf_keras", "keras" (Keras 3), or None for the first that is
    there.

    Raises:
      LotteryError: it is not installed.
    """
    if kind is None:
        kind = "tf_keras" if importlib.util.find_spec("tf_keras") else "keras"
    known("keras", kind, _ENGINES)
    try:
        return importlib.import_module(f"{__name__}.{_ENGINES[kind]}")
    except ModuleNotFoundError as error:
        if error.name.startswith("keras_lottery"):
            raise
        raise LotteryError(
            f"models of {kind} need the package {error.name!r}, which is not installed: install it."
        ) from error


class _Handle:
    """A `Handle`, which hands each function of the engine on; it makes no copies and keeps no state of its
    own."""

    def __init__(self, model, engine):
        self.model, self.engine = model, engine

    def on(self, model):
        return _Handle(model, self.engine)

    def __getattr__(self, name):
        if name in _WITH_MODEL:
            return functools.partial(getattr(self.engine, name), self.model)
        if name in _WITHOUT_MODEL:
            return getattr(self.engine, name)
        raise AttributeError(f"engines.protocol names no {name!r}")


def _names(protocol):
    """What a Protocol itself asks for."""
    return {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}


_WITHOUT_MODEL = _names(Engine)
_WITH_MODEL = _names(Handle) - {"model", "engine", "on"}


# A saved model names classes of its engine, which must be known before it is loaded.
for _kind in _ENGINES:
    if _kind in sys.modules:
        engine_of(_kind)


def _schedule():
    """A LotterySchedule as TF-MOT knows schedules, where TF-MOT is imported; nobody else is made to import
    it."""
    if "tensorflow_model_optimization" in sys.modules:
        return importlib.import_module(f"{__name__}.tf_keras.schedule").LotteryPruningSchedule
    return LotterySchedule


LotterySchedule.kind = staticmethod(_schedule)
