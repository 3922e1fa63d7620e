"""Which variant is the best for a goal, of those that are as good as the model."""

from ..core.errors import LotteryError
from .record import REFUSED

# Of the largest output. Float32 on two runtimes differs by about 1e-6.
TOLERANCE = 1e-3
ALIKE = 1.03  # latencies this near cannot be told apart here

GOALS = {
    "size": lambda variant: variant.bytes,
    "download": lambda variant: variant.zstd,
    "latency": lambda variant: variant.latency_ms,
    "accuracy": lambda variant: (-(variant.accuracy or 0), variant.relative_difference),
}


def problem_of(variant, accuracy, max_loss):
    """Why a variant cannot be used, in words, or None.

    Args:
      accuracy: the model's on labelled images, 0..1; None without labels.
      max_loss: points of it that may be lost.
    """
    if variant.problem:
        return variant.problem
    if variant.encoding == "sparse" and not variant.sparse_tensors:
        return "has no tensor with zeros enough to encode"
    if accuracy is not None and variant.format != "float32":
        lost = 100 * (accuracy - variant.accuracy)
        return (
            f"loses {lost:.2f} points of accuracy, more than {max_loss:g}" if lost > max_loss + 1e-9 else None
        )
    if variant.relative_difference > TOLERANCE:
        ask = "" if variant.format == "float32" else "; give labels, or a dataset, to judge it by accuracy"
        return (
            f"differs from the Keras model by {variant.largest_difference:.2g}, "
            f"{variant.relative_difference:.2g} of the output's scale{ask}"
        )
    return None


def pick(variants, goal):
    """The best of the variants without a problem.

    Raises:
      LotteryError: each has one.
    """
    good = [variant for variant in variants if variant.problem is None]
    if not good:
        in_full = all(variant.refused for variant in variants)
        problems = [
            f"the {one.name} file {f'is {REFUSED}' if one.refused and not in_full else one.problem}"
            for one in variants
        ]
        raise LotteryError(f"nothing was written: {'; '.join(problems)}.")
    if goal == "latency":
        fastest = min(variant.latency_ms for variant in good)
        good = [variant for variant in good if variant.latency_ms <= ALIKE * fastest]
        goal = "size"
    return min(good, key=GOALS[goal])
