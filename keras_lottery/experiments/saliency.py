"""Masks from one look at the data before training: SNIP and GraSP."""

import numpy as np

from .. import engines, wrapping
from ..core.checks import known, takes
from ..core.counts import check_leaves_some, check_sparsity
from ..core.errors import LotteryError
from ..core.masking import prune
from ..core.told import told_in_one_line

CRITERIA = ("snip", "grasp")
TEMPERATURE = 200  # what GraSP's authors divide logits by before the loss (Wang et al. 2020, section 4)


def saliency_masks(model, x, y, criterion, sparsity, *, loss):
    """Masks at `sparsity` that keep the weights with the highest scores on one batch.

    snip: |weight * gradient| (Lee et al. 2019, arXiv 1810.02340, section 4).
    grasp: weight * (Hessian @ gradient), so that what is dropped weakens the gradient least (Wang et al.
      2020, arXiv 2002.07376, section 3), with the outputs divided by 200.

    Scores are computed in float32, whatever the model's precision. The model stays as it is.

    Args:
      model: a wrapped model.
      x, y: one batch, arrays as fit takes them. Some ten examples a class are usual.
      criterion: "snip" or "grasp".
      sparsity: share of zeros, 0..1, in the model's scope.
      loss: what to score by, a function of (y, outputs) such as Keras' losses. For grasp
        the outputs should be logits.

    Returns:
      {path: bool array}, True = kept.

    Raises:
      LotteryError: unknown criterion, or a score that is not a number.
    """
    known("criterion", criterion, CRITERIA)
    check_sparsity(sparsity)
    handle, masks = engines.of(model), wrapping.masks(model)  # which says so if it has none
    if not callable(loss):
        raise LotteryError(
            f"loss is a {type(loss).__name__}: give a function of (y, outputs), such as a loss object of "
            "Keras."
        )
    takes("loss", loss, ("y", "outputs"), "a number for each example")
    if x is None or y is None or np.ndim(x) and np.ndim(y) and not 0 < len(x) == len(y):
        raise LotteryError("x and y are no batch: give as many labels as inputs, one or more.")
    plain, paths = handle.on(handle.strip()), list(masks)
    plain = plain.on(plain.in_float32())
    weights = {path: value for path, value in plain.values().items() if path in paths}
    if criterion == "snip":
        with told_in_one_line("the batch"):
            slope, _ = plain.gradients(paths, x, y, loss)
        scores = {path: np.abs(weights[path] * slope[path]) for path in paths}
    else:
        with told_in_one_line("the batch"):
            _, change = plain.gradients(
                paths, x, y, lambda targets, outputs: loss(targets, outputs / TEMPERATURE)
            )
        scores = {path: weights[path] * change[path] for path in paths}
    _, how = handle.settings()
    check_leaves_some(masks, sparsity, how["scope"])
    return prune(scores, masks, sparsity, **how)
