"""Lottery tickets and sparse transfer for Keras.

    import keras_lottery as lottery
    model = lottery.wrap(keras_model)

Nothing heavy is imported here: TensorFlow comes with the first name that is used.
"""
import importlib
import sys
import types

__version__ = "0.1.0"

_HOME = {                       # public name -> the module that defines it
    "wrap": "pruning",
    "strip": "pruning",
    "prunable": "pruning",
    "masks": "pruning",
    "sparsity": "pruning",
    "summary": "pruning",
    "LotterySchedule": "schedule",
    "LotteryCallback": "lottery_callback",
    "find_ticket": "search",
    "Ticket": "ticket",
    "load_ticket": "ticket",
    "transfer": "transfer",
    "compact": "compact",
    "costs": "compact",
    "export": "export",
    "LotteryError": "errors",
}
_MODULES = ("anatomy", "controls", "data", "models", "report", "stability", "stats", "study")

__all__ = ["__version__", *_HOME, *_MODULES]


class _Package(types.ModuleType):
    """Lets a function win over the sub-module of the same name (transfer, compact, export, masks).

    Python sets a sub-module as an attribute of its package when it is imported, whoever imports it.
    That is refused for the names of functions; the sub-module stays reachable as
    `from keras_lottery.transfer import ...`. Inside the package write `from .masks import prune`,
    never `from . import masks`, which is the function.
    """

    def __setattr__(self, name, value):
        if name in _HOME and isinstance(value, types.ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value     # the next look-up does not come here
    return value


def __dir__():
    return sorted({*globals(), *__all__})


# A wrapped model that `keras.saving` loads names a class of ours, which Keras must know by then. Where Keras is
# not imported yet, the first name that is used here does this.
if "keras" in sys.modules:
    importlib.import_module(f"{__name__}.pruning")
