"""The table of what nets do beyond accuracy: calibration, the worst class, corrupted images, what is left to
compute."""

import numpy as np

from ..corruptions import CONSTANTS, IMAGES, SEVERITIES
from ..stats import differences, estimate
from .cells import by_seed, order
from .table import Table, figure

NOTE = (
    "Means over seeds. NLL: negative log-likelihood in nats. ECE: expected calibration error, 15 bins. "
    "Worst class: the one that loses most against the dense net, in points, paired by seed; as it is "
    "picked for its loss, this overstates it. Corrupted: accuracy, mean over "
    f"{', '.join(CONSTANTS).replace('_', ' ')} at severities {', '.join(map(str, SEVERITIES))}, on "
    f"{IMAGES:,} test images at most. Effective sparsity: zeros, and weights that no image reaches or that "
    "reach no output. Multiply-adds: for one image, zeros skipped."
)


def beyond(where, alike):
    """The table of rows that may be compared, in a list; an empty list where no row has its figures.

    Args:
      where: what the rows are about, for the title.
      alike: rows as `rows.row` makes them.
    """
    columns = {
        "NLL": _means(alike, "test_loss", 1, digits=3),
        "ECE, %": _means(alike, "calibration_error", 100),
        "worst class": _worst_classes(alike),
        "corrupted, %": _means(alike, "corrupted", 100),
        "effective sparsity, %": _means(alike, "effective_sparsity", 100),
        "multiply-adds, millions": _means(alike, "multiply_adds", 1e-6, digits=3),
    }
    columns = {title: cells for title, cells in columns.items() if cells}
    every = {cell: None for cells in columns.values() for cell in cells}
    lines = [
        (control, f"{at:.1%}", *(cells.get((at, control), "") for cells in columns.values()))
        for (at, control), _ in sorted(every.items(), key=order)
    ]
    header = ("control", "sparsity", *columns)
    return [Table(f"Beyond accuracy: {where}", NOTE, header, tuple(lines))] if lines else []


def _means(alike, name, factor, digits=2):
    """{cell: text} of a figure of each row, or of the mean of all in a dict of figures."""

    def value(row):
        told = row.get(name)
        told = list(told.values()) if isinstance(told, dict) else told
        return None if told is None else factor * float(np.mean(told))

    return {
        cell: figure(estimate(values.values()), digits=digits)
        for cell, values in by_seed(alike, value).items()
    }


def _worst_classes(alike):
    """{cell: text} of the class whose accuracy, mean over seeds, is furthest below the dense net's."""
    found, told = by_seed(alike, lambda row: row.get("class_accuracy")), {}
    dense = next((found[0.0, base] for base in ("dense", "dense-scratch") if (0.0, base) in found), {})
    for cell, values in found.items():
        if values is not dense and values.keys() & dense.keys():
            by_class = {name: _of_class(name, values, dense) for name in next(iter(values.values()))}
            lost = {name: estimate(of) for name, of in by_class.items() if of}
            worst = min(lost, key=lambda name: lost[name].mean)
            told[cell] = f"{worst}: {figure(lost[worst], '+')}"
    return told


def _of_class(name, *both):
    """Differences in the accuracy of a class, in points; where it has no test images there are none."""
    return differences(
        *(
            {seeds: 100 * of[name] for seeds, of in values.items() if of.get(name) is not None}
            for values in both
        )
    )
