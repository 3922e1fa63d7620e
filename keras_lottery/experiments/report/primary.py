"""The primary comparisons of a plan, pooled under one correction; all others, marked exploratory."""

import numpy as np

from ...core.errors import LotteryError
from ..crossed import pooled_seeds_and_images
from ..stats import Estimate, estimate, pooled
from ..verdicts import relative_margin, verdicts
from .compared import RULE, over_images, remarks, without_empty
from .table import Table, figure, interval

EXPLORATORY = (
    "Not named by the plan, or of one net of it: no verdicts. Points of test accuracy, paired by seed; each "
    "with its own 95% t-interval, not corrected, so that of 20 differences that are 0 one is expected to "
    "look like more."
)


def primary(compared, family):
    """The table of a family's verdicts, each comparison pooled over the nets, all corrected together.

    Args:
      compared: every `Comparison` of the rows.
      family: a `Family`.

    Raises:
      LotteryError: rows of two settings fit one primary comparison of one net.
    """
    parts = {cell: [_part(compared, cell, model) for model in family.models] for cell in family.cells}
    margins = {cell: _margin(of, family) for cell, of in parts.items()}
    by_seed = {cell: _pooled(of, family.common_variance) for cell, of in parts.items()}
    by_image = {cell: _pooled_over_images(of) for cell, of in parts.items()}
    judged = _over_new_images(by_seed, by_image) if family.new_images else by_seed
    told = verdicts(judged, {cell: points for cell, (points, _) in margins.items()}, comparisons=len(parts))
    lines = []
    for cell, verdict in told.items():
        counts = [len(one.differences) if one else 0 for one in parts[cell]]
        each = f" ({' + '.join(map(str, counts))})" if len(counts) > 1 else ""
        lines.append(
            (
                str(cell),
                f"{cell.sparsity:.1%}",
                cell.control,
                f"{sum(counts)}{each}",
                figure(by_seed[cell], "+") if min(counts) else "",
                over_images(by_image[cell]),
                margins[cell][1],
                interval(verdict.interval, (0.0, -margins[cell][0])),
                verdict.corrected + remarks(*filter(None, parts[cell])),
            )
        )
    header = (
        "data",
        "sparsity",
        "ticket minus",
        "seeds",
        "difference",
        "seeds and images",
        "margin",
        "corrected interval",
        "verdict",
    )
    table = Table(
        f"Primary comparisons: the ticket of {' and '.join(family.models)}",
        _note(family),
        header,
        tuple(lines),
    )
    return without_empty(table, "seeds and images")


def exploratory(compared, family):
    """[the table of all other comparisons], the single nets of primary ones first; [] where there is none."""

    def of_plan(one):
        return one.first["model"] in family.models and any(cell.is_of(one) for cell in family.cells)

    lone = len(family.models) == 1  # whose comparisons are the primary ones themselves
    shown = sorted((one for one in compared if not (lone and of_plan(one))), key=lambda one: not of_plan(one))
    lines = [
        (
            one.where,
            f"{one.sparsity:.1%}",
            one.ticket,
            one.control,
            str(len(one.differences)),
            figure(estimate(one.differences), "+") + remarks(one),
            over_images(one.over_images),
        )
        for one in shown
    ]
    header = ("data", "sparsity", "ticket", "minus", "seeds", "difference", "seeds and images")
    table = Table("Exploratory comparisons", EXPLORATORY, header, tuple(lines))
    return [without_empty(table, "seeds and images")] if lines else []


def _part(compared, cell, model):
    """The Comparison of one net in a primary comparison; None where there are no rows yet."""
    found = [one for one in compared if one.first["model"] == model and cell.is_of(one)]
    if len(found) > 1:
        raise LotteryError(
            f"{len(found)} settings fit the primary comparison of {model} on {cell}, the ticket minus "
            f"{cell.control} at {cell.sparsity:.1%}: {'; '.join(one.where for one in found)}. Name source, "
            "train_images or epochs in the plan's cell, or leave rows out."
        )
    return found[0] if found else None


def _pooled(parts, common_variance):
    if None in parts:
        return Estimate(float("nan"), float("nan"), 0, 0.0, 0)
    return pooled([one.differences for one in parts], common_variance)


def _pooled_over_images(parts):
    """None where a net's rows do not tell which images were right."""
    if None in parts or len({one.images for one in parts}) > 1 or not parts[0].images:
        return None
    return pooled_seeds_and_images([one.right for one in parts])


def _over_new_images(by_seed, by_image):
    for cell, found in by_image.items():
        if found is None and by_seed[cell].n:
            raise LotteryError(
                f"new_images needs rows that record which test images were right, and some rows of the "
                f"ticket or of {cell.control} on {cell} do not: test those nets again, or leave new_images "
                "out."
            )
    return {cell: found or by_seed[cell] for cell, found in by_image.items()}


def _margin(parts, family):
    """(points, how the table shows it) for one primary comparison."""
    dense = [np.mean(list(one.dense.values())) for one in parts if one and one.dense]
    if family.margin_share is None:
        return family.margin, f"{family.margin:.2g}"
    if len(dense) < len(parts):
        return family.margin, f"{family.margin:.2g} (no dense net to go by)"
    error = 100 - float(np.mean(dense))
    points = relative_margin(error, family.margin_share, family.margin)
    return points, f"{round(points, 3):g} (dense error {error:.2f})"


def _note(family):
    judged = (
        "seeds and test images, for a claim about images like these"
        if family.new_images
        else "seeds, for a claim about these test images"
    )
    how = (
        "the variance is pooled over the nets"
        if family.common_variance
        else "each net has its own variance, degrees of freedom by Welch and Satterthwaite"
    )
    nets = (
        f" Mean over {' and '.join(family.models)} with equal weights; {how}."
        if len(family.models) > 1
        else ""
    )
    margin = f"The margin is {family.margin:g} points, fixed beforehand."
    if family.margin_share is not None:
        margin = (
            f"The margin is {family.margin:g} points or {family.margin_share:.0%} of the dense nets' mean "
            "test error (dense-scratch on a target), whichever is smaller: a rule fixed beforehand, for half "
            "a point is much where little is left to gain."
        )
    return (
        "What the plan named before the runs. Points of test accuracy, paired by seed, with the 95% "
        f"interval over seeds.{nets} {RULE} {margin} The verdicts are by the interval over {judged}, and "
        f"corrected by Holm's step-down over all {len(family.cells)} comparisons that the plan names: the "
        "same rule on the corrected interval."
    )
