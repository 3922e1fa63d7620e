"""The state of a training loop of one's own: in the model's variables, or handed from step to step."""

import numpy as np

from ..core.errors import LotteryError

_FORM = (
    "give what round.begin() gave, as the step changed it: lists of the values of the variables that train, "
    "of the others and, with an optimizer of Keras, of its own"
)


def copies(handle):
    """The state of a Keras 3 model as lists of arrays, which a step may give away."""
    parts = handle.stateless_variables()
    return tuple([handle.keras.ops.copy(variable.value) for variable in part] for part in parts)


def take(handle, state):
    """{path: array} of the weights with a mask, as a step left them; a state is written into the model."""
    if state is None:
        return {path: variable.numpy() for path, variable in handle.prunable().items()}
    parts = handle.stateless_variables()
    if not isinstance(state, (tuple, list)) or list(map(_length, state)) != list(map(len, parts)):
        raise LotteryError(f"the state has not the form of this model's: {_FORM}.")
    given = {id(v): value for part, values in zip(parts, state) for v, value in zip(part, values)}
    found = {
        path: np.array(handle.keras.ops.convert_to_numpy(given[id(variable)]))
        for path, variable in handle.prunable().items()
    }
    trainable, *others = parts
    for variable in (*sum(others, []), *trainable):  # masks before what they mask
        variable.assign(handle.keras.ops.copy(given[id(variable)]))
    return found


def check_held(handle, masks, weights):
    """Raises LotteryError unless the model has these masks and the weights are 0 where they drop them.

    Args:
      masks: {path: bool array} that the round began with.
      weights: {path: array}, as `take` gave them.
    """
    now = handle.masks()
    if any((now[path] != mask).any() for path, mask in masks.items()):
        raise LotteryError(
            "the masks are not those that this round began with: take each round's state from "
            "round.begin() if your loop hands it from step to step, and load no other state or checkpoint "
            "within a round."
        )
    for path, mask in masks.items():
        if weights[path][~mask].any():
            raise LotteryError(
                f"pruned weights of {path!r} are no longer 0: let an optimizer of Keras or torch.optim write "
                "the weights. If your loop hands its state from step to step, restore the zeros after each "
                "update with trainable = round.hold(trainable, non_trainable)."
            )


def _length(values):
    return len(values) if hasattr(values, "__len__") else None
