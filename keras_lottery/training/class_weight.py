"""How much each class counts in the loss."""

from ..core.checks import shown, zero_or_more
from ..core.errors import LotteryError


def checked(handle, class_weight):
    """{class: weight} of all classes, as fit takes it; those that are not named weigh 1. None for None.

    Args:
      handle: that of the model.
      class_weight: {class number: weight, 0 or more}.

    Raises:
      LotteryError: it is something else, names a class that the model does not have, or lets none count.
    """
    if class_weight is None:
        return None
    if not isinstance(class_weight, dict) or not class_weight:
        raise LotteryError(
            f"class_weight is {shown(class_weight)}: give a dict of class numbers and weights, such as "
            "{0: 1.0, 1: 2.5}."
        )
    outputs = getattr(handle.model, "output_shape", None)
    if isinstance(outputs, (list, dict)):
        raise LotteryError(
            f"class_weight is for a model of one output, and {handle.model.name!r} has {len(outputs)}: give "
            "sample weights with the data instead."
        )
    classes = max(outputs[-1], 2) if outputs and outputs[-1] else max(map(_number, class_weight)) + 1
    weights = dict.fromkeys(range(classes), 1.0)
    for label, weight in class_weight.items():
        if _number(label) not in weights:
            raise LotteryError(
                f"class_weight names the class {shown(label)}: the model's are the numbers 0 to "
                f"{classes - 1}."
            )
        if isinstance(weight, (str, bytes)):
            raise LotteryError(f"class_weight[{label}]={shown(weight)} is text: give a number, 0 or more.")
        weights[_number(label)] = zero_or_more(f"class_weight[{label}]", weight)
    if not any(weights.values()):
        raise LotteryError("class_weight is 0 for every class: let one of them count.")
    return weights


def _number(label):
    """A class as a whole number; -1 for what is none."""
    try:
        return int(label) if label == int(label) and not isinstance(label, (str, bool)) else -1
    except (TypeError, ValueError, OverflowError):
        return -1
