"""The ticket beside each control, and a table of verdicts for each control."""

import dataclasses

import numpy as np

from ..crossed import seeds_and_images
from ..stats import Estimate, bootstrap, differences, estimate
from ..verdicts import LOWER, MARGIN, TOO_FEW, verdicts
from .cells import BASELINES, baseline, by_seed, cells, lost, order, right, steps_in_all
from .table import Table, figure, interval

RULE = (
    "By the 95% interval: beats, its lower end is above 0; matches, above minus the margin; is worse, its "
    f"upper end is below 0; {LOWER}, where the last two both hold. Differences that are all the same have no "
    "spread to go by: a sign test of at least six seeds decides."
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A ticket minus a control, on one data set at one sparsity.

    Attributes:
      where: what the group of rows is called.
      first: one of its rows, which tells the setting.
      sparsity: of the ticket.
      ticket: "ticket", or with another rewind point "ticket, lr".
      control: what it is compared with.
      accuracy: test accuracies in % of both, each {seeds: figure}.
      right: whether each test image was classified correctly, each {seeds: bool array}; of rows that do not
      say, {}.
      dense: test accuracies in % of the dense net of the group, {seeds: figure}.
      remarks: what is to be known beside the difference, in words: seeds that came to nothing, and how many
      steps both were trained where that is not the same.
    """

    where: str
    first: dict
    sparsity: float
    ticket: str
    control: str
    accuracy: tuple
    right: tuple
    dense: dict
    remarks: tuple

    @property
    def differences(self) -> list[float]:
        """In points, paired by seed."""
        return differences(*self.accuracy)

    @property
    def images(self) -> int | None:
        """How many test images each seed's right answers are of; None where some are not kept."""
        paired = self.accuracy[0].keys() & self.accuracy[1].keys()
        if any(paired - of.keys() for of in self.right):
            return None
        sizes = {of[seed].size for of in self.right for seed in paired}
        return sizes.pop() if len(sizes) == 1 else None

    @property
    def over_images(self) -> Estimate | None:
        """The difference with its interval over seeds and images, where the rows say which were right."""
        return seeds_and_images(*self.right) if self.images else None


def comparisons(named):
    """Every comparison of a ticket with a control of the same setting.

    Args:
      named: [(name, rows that may be compared)].
    """
    found = []
    for where, alike in named:
        of, bits, gone = cells(alike), right(alike), lost(alike)
        steps = by_seed(alike, steps_in_all)
        dense = of.get((0.0, "dense-scratch")) or of.get((0.0, "dense")) or {}
        bases = dict.fromkeys([*BASELINES, *(other for _, other in of if other != "dense-longer")])
        for (at, ticket), values in sorted(of.items(), key=order):
            for base in bases if ticket.startswith("ticket") else ():
                beside = baseline(of, at, base, ticket)
                if ", " in base or base == "ticket" or not beside or not differences(values, of[beside]):
                    continue
                both = (at, ticket), beside
                cut = ", ".join(f"{gone[cell]} of {cell[1]}" for cell in both if cell in gone)
                seeds = values.keys() & of[beside].keys()
                trained = _unequal(*({steps.get(cell, {}).get(seed) for seed in seeds} for cell in both))
                found.append(
                    Comparison(
                        where,
                        alike[0],
                        at,
                        ticket,
                        base,
                        (values, of[beside]),
                        (bits.get((at, ticket), {}), bits.get(beside, {})),
                        dense,
                        tuple(filter(None, (cut and f"without {cut}", trained))),
                    )
                )
    return found


def _unequal(*steps):
    """How many steps each of two sides was trained, in words; "" where both are the same or not known."""
    if steps[0] == steps[1] or any(None in of for of in steps):
        return ""
    ours, theirs = (" to ".join(f"{end:,}" for end in dict.fromkeys((min(of), max(of)))) for of in steps)
    return f"{ours} steps against {theirs}"


def remarks(*compared):
    """The remarks of comparisons, each once, to stand behind a verdict; "" where there are none."""
    told = dict.fromkeys(remark for one in compared for remark in one.remarks)
    return f" ({'; '.join(told)})" if told else ""


def by_control(compared):
    """One table for each control: the ticket against it everywhere, corrected for that many comparisons."""
    families = {}
    for one in compared:
        families.setdefault((one.ticket, one.control), []).append(one)
    made = []
    for (ticket, control), family in sorted(families.items(), key=lambda item: item[0][0]):
        told = verdicts({number: estimate(one.differences) for number, one in enumerate(family)})
        lines = [
            (
                one.where,
                f"{one.sparsity:.1%}",
                str(verdict.estimate.n),
                figure(verdict.estimate, "+"),
                interval(bootstrap(one.differences)),
                over_images(one.over_images),
                verdict.plain + remarks(one),
                interval(verdict.interval, (0.0, -MARGIN)),
                verdict.corrected + remarks(one),
            )
            for one, verdict in zip(family, told.values())
        ]
        judged = sum(verdict.plain != TOO_FEW for verdict in told.values())
        note = (
            "Points of test accuracy, paired by seed, with the 95% interval over seeds, for a claim about "
            f"these test images. {RULE} The margin is {MARGIN} points. Corrected: Holm's step-down over the "
            f"{judged} lines of enough seeds, which is the same rule on the corrected interval."
        )
        header = (
            "data",
            "sparsity",
            "seeds",
            "difference",
            "bootstrap",
            "seeds and images",
            "alone",
            "corrected interval",
            "corrected",
        )
        made.append(
            without_empty(
                Table(f"The {ticket} against {control}", note, header, tuple(lines)), "seeds and images"
            )
        )
    return made


def over_images(found):
    """The interval over seeds and images as a table shows it."""
    return interval((found.low, found.high)) if found and np.isfinite(found.half) else ""


def without_empty(table, column):
    """The table without a column that no line fills."""
    at = table.header.index(column)
    if any(line[at] for line in table.rows):
        return table
    header, *rows = [line[:at] + line[at + 1 :] for line in (table.header, *table.rows)]
    return dataclasses.replace(table, header=header, rows=tuple(rows))
