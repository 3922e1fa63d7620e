"""What a model, or its file, gets right of labelled examples."""

import numpy as np

from ..core.errors import LotteryError


def checked(labels, count):
    """{output name, None for the first output: int array (examples, ...)} of labels as a user gives them.

    Args:
      labels: an array for the first output, or a dict of arrays by output name; None for no labels.
      count: how many examples there are.

    Raises:
      LotteryError: they are no whole numbers, or not as many.
    """
    if labels is None:
        return None
    by_output = labels if isinstance(labels, dict) and labels else {None: labels}
    return {name: _numbers(array, count) for name, array in by_output.items()}


def _numbers(labels, count):
    try:
        array = np.asarray(labels)
    except ValueError:
        raise LotteryError(
            "labels holds rows of different lengths: expected a whole number for each image."
        ) from None
    fits = array.dtype.kind in "biuf" and array.ndim and len(array) == count
    if not fits or not (array == np.floor(array.astype("float64"))).all():
        raise LotteryError(
            f"labels has shape {array.shape} of {array.dtype}: expected {count} whole numbers, a class for "
            "each image, or a row of 0 and 1 for each."
        )
    return array.astype("int64")


def judge(labels, expected):
    """A function of outputs {name: array} that gives the share they get right; None without labels.

    The mean over the outputs that have labels. The largest score of an example counts where its label is a
    class or a one-hot row. Of a single score, and of labels with any number of ones in a row, each score
    counts by itself: it stands for 1 above 0.5, or above 0 where the model gives logits.

    Args:
      labels: as `checked` gives them.
      expected: the Keras model's outputs.

    Raises:
      LotteryError: labels and outputs do not fit together.

    >>> right = judge({None: np.array([1, 0])}, {"sigmoid": np.array([[0.9], [0.2]])})
    >>> right({"sigmoid": np.array([[0.6], [0.7]])})
    0.5
    """
    if labels is None:
        return None
    first = next(iter(expected))
    by_output = {first if name is None else name: truth for name, truth in labels.items()}
    unknown = by_output.keys() - expected.keys()
    if unknown:
        raise LotteryError(
            f"labels are given for {', '.join(sorted(map(str, unknown)))}: the model's outputs are "
            f"{', '.join(expected)}."
        )
    right = {name: _rule(name, truth, expected[name]) for name, truth in by_output.items()}
    return lambda outputs: float(np.mean([rule(outputs[name]) for name, rule in right.items()]))


def _rule(name, truth, scores):
    """A function of an output's scores that gives the share that is right."""
    above, classes = scores.shape[:-1], scores.shape[-1]
    truth = truth[..., 0] if truth.shape == (*above, 1) else truth
    if classes > 1 and truth.shape == above and truth.min() >= 0 and truth.max() < classes:
        return lambda scores: (scores.argmax(-1) == truth).mean()
    if truth.shape in (scores.shape, above if classes == 1 else None) and np.isin(truth, (0, 1)).all():
        if classes > 1 and truth.ndim > 1 and (truth.sum(-1) == 1).all():
            return lambda scores: (scores.argmax(-1) == truth.argmax(-1)).mean()
        truth, limit = truth.reshape(scores.shape), 0.5 if _are_shares(scores) else 0
        return lambda scores: ((scores > limit) == truth).mean()
    wanted = f"0 to {classes - 1}" if classes > 1 else "0 or 1"
    raise LotteryError(
        f"labels are {truth.min()} to {truth.max()}, of shape {truth.shape}: output {name!r} has shape "
        f"{scores.shape}, so expected {wanted} for each example, or 0 and 1 for each score."
    )


def _are_shares(scores):
    return bool((scores >= 0).all() and (scores <= 1).all())
