"""What rows of one setting are compared: the figures of each control at each sparsity, over seeds."""

import collections

from ..controls import CONTROLS, DENSE
from ..metrics import correct_images

BASELINES = (
    "dense",
    "dense-scratch",
    "dense-transferred",
    "dense-rewound",
    "dense-cyclic",
    "random",
    "random-rescaled",
    "random-erk",
    "finetune",
)
NEVER_PRUNED = ("dense", *DENSE)  # and so at sparsity 0, with one figure for all tickets


def cells(alike):
    """{(sparsity, control): {(seed, the ticket's seed): test accuracy in %}} of rows that may be compared.

    A control that is never pruned stands at sparsity 0. What is of another rewind point
    than the first is a control of its own: "ticket, lr". Rows that came to nothing have no accuracy; see
    `lost`.
    """
    return by_seed(alike, lambda row: 100 * row["test_accuracy"])


def right(alike):
    """The same with a bool array, whether each test image was classified correctly, where rows tell it."""
    return by_seed(alike, lambda row: correct_images(row) if "correct" in row else None)


def by_seed(alike, figure):
    """The same with a figure of each row, figure(row); rows of which it is None are left out."""
    found = {}
    for row in alike:
        value = None if row.get("outcome") else figure(row)
        if value is not None:
            seeds = row["seed"], row.get("ticket_seed") or 0
            found.setdefault(cell(row, alike), {})[seeds] = value
    return found


def lost(alike):
    """{(sparsity, control): how many seeds came to nothing, in words} of rows that may be compared."""
    found = {}
    for row in alike:
        if row.get("outcome"):
            found.setdefault(cell(row, alike), collections.Counter())[row["outcome"]] += 1
    return {
        cell: ", ".join(f"{count} {outcome}" for outcome, count in sorted(of.items()))
        for cell, of in found.items()
    }


def cell(row, alike):
    return 0.0 if row["control"] in NEVER_PRUNED else row["ticket_sparsity"], _control(row, alike)


def steps_trained(row):
    """The steps that a row trained, "200 to 2,816"; those of trained weights before it, "2,816 + 2,816"."""
    steps = row["steps"]
    return (
        f"{steps['before']:,} + {steps['stop']:,}"
        if steps["before"]
        else f"{steps['start']:,} to {steps['stop']:,}"
    )


def steps_in_all(row):
    """How many steps of its data a row's weights were trained, from step 0 on; None where it does not say."""
    return row["steps"]["before"] + row["steps"]["stop"] if "steps" in row else None


def _control(row, alike):
    first = next((other["rewind"] for other in alike if other.get("rewind") is not None), None)
    if row["control"] in NEVER_PRUNED or row.get("rewind") in (None, first):
        return row["control"]
    return (
        f"{row['control']}, {row['rewind']}"
        if isinstance(row["rewind"], str)
        else f"{row['control']}, step {row['rewind']}"
    )


def baseline(found, at, base, control):
    """The cell that `control` is compared with, of its own rewind point where there is such a control.

    None where there is none, or it is `control` itself.
    """
    _, comma, point = control.partition(", ")
    pruned = "ticket, finetune" if base == "finetune" else base
    places = [(0.0, base)] if base in NEVER_PRUNED else [(at, f"{pruned}{comma}{point}"), (at, pruned)]
    place = next((place for place in places if place in found), None)
    return place if place and place[1] != control else None


def order(cell):
    (at, control), _ = cell
    return (
        at,
        not control.startswith("ticket"),
        list(CONTROLS).index(control) if control in CONTROLS else -1,
        control,
    )
