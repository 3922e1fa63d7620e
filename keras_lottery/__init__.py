"""Lottery tickets and sparse transfer for Keras.

    import keras_lottery as lottery
    model = lottery.wrap(keras_model)

Nothing heavy is imported here: TensorFlow comes with the first name that is used.
"""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers; at run time each name is imported when it is first used
    from . import data as data
    from . import models as models
    from .channels.compacting import compact as compact
    from .channels.compacting import costs as costs
    from .core.errors import LotteryError as LotteryError
    from .core.schedule import LotterySchedule as LotterySchedule
    from .experiments import controls as controls
    from .experiments import report as report
    from .experiments import stats as stats
    from .experiments import study as study
    from .search import scores as scores
    from .search import stability as stability
    from .search.find_ticket import find_ticket as find_ticket
    from .search.loop import rounds as rounds
    from .search.lottery_callback import LotteryCallback as LotteryCallback
    from .tflite.exporting import export as export
    from .tickets import anatomy as anatomy
    from .tickets.carry import transfer as transfer
    from .tickets.ticket import Ticket as Ticket
    from .tickets.ticket import load_ticket as load_ticket
    from .wrapping import masks as masks
    from .wrapping import prunable as prunable
    from .wrapping import sparsity as sparsity
    from .wrapping import strip as strip
    from .wrapping import summary as summary
    from .wrapping import wrap as wrap

__version__ = "0.1.0"

_HOME = {  # public name -> the module that defines it
    "wrap": "wrapping",
    "strip": "wrapping",
    "prunable": "wrapping",
    "masks": "wrapping",
    "sparsity": "wrapping",
    "summary": "wrapping",
    "LotterySchedule": "engines",
    "LotteryCallback": "search.lottery_callback",
    "find_ticket": "search.find_ticket",
    "rounds": "search.loop",
    "Ticket": "tickets.ticket",
    "load_ticket": "tickets.ticket",
    "transfer": "tickets.carry",
    "compact": "channels.compacting",
    "costs": "channels.compacting",
    "export": "tflite.exporting",
    "LotteryError": "core.errors",
}
_MODULES = {  # public name -> the module that it is
    "anatomy": "tickets.anatomy",
    "controls": "experiments.controls",
    "data": "data",
    "models": "models",
    "report": "experiments.report",
    "scores": "search.scores",
    "stability": "search.stability",
    "stats": "experiments.stats",
    "study": "experiments.study",
}

__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__():
    return sorted(__all__)


# A wrapped model that `keras.saving` loads names a class of ours, which Keras must know by then. Where Keras
# is not imported yet, the first name that is used here does this.
if "keras" in sys.modules:
    importlib.import_module(f"{__name__}.engines")
