"""What an optimizer or a loss of either Keras holds that no config tells, and two runs may differ in."""

import inspect
import json
import re

import numpy as np

from ..core.errors import LotteryError
from ..core.jsonable import digest, plain
from . import private

KERAS = ("keras.", "tf_keras.")
NO_CONFIG = (NotImplementedError, TypeError, ValueError)
_VALUES = (bool, int, float, complex, str, np.generic, np.ndarray)


def untold(optimizer, losses, variables):
    """What tells one run from another and is in no config, by name; empty where configs tell all.

    Args:
      optimizer: the model's.
      losses: the loss functions, flat.
      variables: {path: variable} of the model.
    """
    parts = list(optimizers(optimizer))
    rates = [private.rate(part) for part in parts]
    found = {
        "without_decay": [without_decay(part, variables) for part in parts],
        "attributes": [_attributes(item) for item in (*parts, *filter(callable, rates), *losses)],
    }
    return {name: told for name, told in found.items() if any(told)}


def optimizers(optimizer):
    """An optimizer and those inside it, in order: under loss scaling, or one for each group of variables."""
    yield optimizer
    for inner in (getattr(optimizer, "inner_optimizer", None), *private.optimizers_of(optimizer)):
        if inner is not None:
            yield from optimizers(inner)


def without_decay(optimizer, variables):
    """Paths of the variables, {path: variable}, that were taken out of an optimizer's weight decay."""
    decays = private.decays(optimizer)
    return [
        path for path, variable in variables.items() if decays and variable.trainable and not decays(variable)
    ]


def is_plain(value):
    """Whether it holds numbers, texts, arrays and functions alone, and nothing that may lead to variables."""
    if isinstance(value, dict):
        return all(map(is_plain, value.values()))
    if isinstance(value, (list, tuple, set)):
        return all(map(is_plain, value))
    return value is None or inspect.isroutine(value) or isinstance(value, _VALUES)


def _attributes(item):
    """{name: what tells it}: a user's functions in an object, and what the config of a user's class leaves
    out."""
    if inspect.isfunction(item):
        return {} if item.__module__.startswith(KERAS) else {"function": _told(item)}
    if not hasattr(item, "__dict__"):
        return {}
    own = not type(item).__module__.startswith((*KERAS, "builtins"))
    try:
        config = item.get_config() if own else {}
    except (AttributeError, *NO_CONFIG):
        config = {}
    found = {}
    for name, value in vars(item).items():
        if inspect.isfunction(value):
            if not value.__module__.startswith(KERAS) and not hasattr(type(item), name):
                found[name] = _told(value)
        elif own and not name.startswith("_") and name not in (*config, "built", "name") and is_plain(value):
            found[name] = _told(value)
    return found


def _told(value):
    """JSON that tells a plain value or a function from another, short."""
    if inspect.isfunction(value):
        given = [_told(values) for values in (value.__defaults__, _closure(value))]
        return digest(_code(value.__code__) + given)
    try:
        made = plain(value)
    except LotteryError:  # sets, complex numbers, functions in lists
        made = _repr(value)
    return made if len(json.dumps(made)) < 200 else digest(made)


def _code(code):
    """What a function does, but for the values that it closes over and the globals that it names."""
    constants = [_code(part) if inspect.iscode(part) else _repr(part) for part in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), constants]


def _repr(value):
    """repr, the same in each process."""
    told = repr(sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else value)
    return re.sub(" at 0x[0-9a-f]+", "", told)


def _closure(function):
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return [value for value in cells if is_plain(value) and not inspect.isroutine(value)]
