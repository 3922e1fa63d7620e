"""What an optimizer keeps for each weight."""

import numpy as np


def weight_copies(optimizer, weights, array):
    """[(slot, weight)] of the slots that begin as copies of their weights, such as averages of them.

    Args:
      optimizer: a built one that has taken no step yet.
      weights: the variables that it was built with.
      array: a function from a variable to its NumPy array.
    """
    found = []
    for slots in list(vars(optimizer).values()):
        if isinstance(slots, list) and len(slots) == len(weights):
            pairs = [
                (slot, weight)
                for slot, weight in zip(slots, weights)
                if slot is not None and slot is not weight
            ]
            if (
                pairs
                and all(_is_copy(slot, array(weight), array) for slot, weight in pairs)
                and any(array(weight).any() for _, weight in pairs)
            ):
                found += pairs
    return found


def _is_copy(slot, weight, array):
    return getattr(slot, "shape", None) == weight.shape and np.array_equal(array(slot), weight)
