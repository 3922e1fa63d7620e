"""Loops that hand their state from step to step, which tf_keras has none of."""

from ...core.errors import LotteryError


def stateless_variables(model):
    """Raises LotteryError: a loop of tf_keras trains the model itself."""
    raise LotteryError(
        f"the model {model.name!r} is one of tf_keras, whose loops train the model itself and hand no state "
        "from step to step: call round.stepped() alone."
    )


def hold_stateless(model, trainable, non_trainable):
    """Raises LotteryError, as above."""
    stateless_variables(model)
