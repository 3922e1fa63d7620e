"""What a model of either Keras was compiled with."""

import contextlib
import json

from ..core.errors import LotteryError
from .configs import keep_from_decay, told
from .private import compile_arguments
from .shifting import unshifted
from .untold import untold


def check_compiled(model):
    """Raises LotteryError unless the model is compiled."""
    if getattr(model, "optimizer", None) is None:
        raise LotteryError(
            f"the model {model.name!r} is not compiled: call model.compile(optimizer, loss) first."
        )


def loss(model):
    """The loss as it was given to compile."""
    return compile_arguments(model).get("loss")


def arguments_anew(model, other, anew, variables, nest):
    """What `model` is to be compiled with to be compiled as `other` was: {argument: value}.

    Args:
      anew: a function from an optimizer or metric to a new one of the same settings, and from anything else
        to itself.
      variables: a function from a model to its {path: variable}.
      nest: the Keras' functions on nested structures.

    Raises:
      LotteryError: an optimizer or a metric cannot be made anew.
    """
    arguments = dict(compile_arguments(other))
    with unshifted(other.optimizer):
        arguments["optimizer"] = anew(other.optimizer)
    keep_from_decay(other.optimizer, arguments["optimizer"], variables(other), variables(model))
    for name in ("metrics", "weighted_metrics"):
        arguments[name] = nest.map_structure(anew, arguments.get(name))
    return arguments


def account(model, serialize, variables, nest, **more):
    """JSON-able account of optimizer and loss, and of `more`, to tell one run from another.

    Args:
      serialize: a function from an optimizer to its config.
      variables: {path: variable} of the model.
      nest: the Keras' functions on nested structures.
    """
    given = compile_arguments(model)
    with unshifted(model.optimizer):
        optimizer = told(model.optimizer, serialize)
    found = {
        "optimizer": optimizer,
        "loss": given.get("loss"),
        "loss_weights": given.get("loss_weights"),
        **more,
        **untold(model.optimizer, nest.flatten(given.get("loss")), variables),
    }
    return json.loads(json.dumps(found, default=_told))


def _told(value):
    with contextlib.suppress(AttributeError, NotImplementedError, TypeError, ValueError):
        return [type(value).__name__, value.get_config()]
    if hasattr(value, "item"):
        return value.item()
    return getattr(value, "__name__", type(value).__name__)
