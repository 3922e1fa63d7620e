"""An engine prunes the models of one Keras: `tf_keras` those of tf_keras by TF-MOT, `keras3` those of Keras 3."""

import importlib
import importlib.util
import sys

from ..core.checks import known
from ..core.errors import LotteryError
from ..core.schedule import LotterySchedule

_ENGINES = {"tf_keras": "tf_keras", "keras": "keras3"}  # a Keras -> the module for its models


def engine(model):
    """The engine module for `model`.

    Raises:
      LotteryError: not a Keras model, or of a Keras without an engine.
    """
    for kind in _ENGINES:
        keras = sys.modules.get(kind)  # who has a model of it has imported it
        if keras is not None and isinstance(model, keras.Model):
            return engine_of(kind)
    raise LotteryError(
        f"expected a Keras model, got {type(model).__name__}: build one with keras or tf_keras."
    )


def engine_of(kind=None):
    """The engine module for the models of a Keras: "tf_keras", "keras" (Keras 3), or None for the first that is there.

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


# A saved model names classes of its engine, which must be known before it is loaded.
for _kind in _ENGINES:
    if _kind in sys.modules:
        engine_of(_kind)


def _schedule():
    """A LotterySchedule as TF-MOT knows schedules, where TF-MOT is imported; nobody else is made to import it."""
    if "tensorflow_model_optimization" in sys.modules:
        return importlib.import_module(f"{__name__}.tf_keras.schedule").LotteryPruningSchedule
    return LotterySchedule


LotterySchedule.kind = staticmethod(_schedule)
