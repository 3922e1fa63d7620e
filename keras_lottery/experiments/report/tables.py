"""All tables of a report: verdicts, means over seeds, what tickets are made of."""

from ..stats import differences, estimate, paired
from .beyond import beyond
from .cells import BASELINES, baseline, cell, cells, lost, order, steps_trained
from .compared import by_control, comparisons
from .places import places
from .primary import exploratory, primary
from .rows import by_setting
from .table import Table, figure


def tables(rows, tickets=(), family=None):
    """The verdicts, then tables of controls for each model, target and budget, then what tickets are made of.

    Accuracies are test accuracies in %, mean over seeds with the 95% t-interval;
    differences are paired by seed, in points. Runs are compared only where data, epochs
    and optimizer were the same.

    Args:
      family: the `Family` of primary comparisons that a plan names: they are pooled over the nets and have
        the only verdicts, corrected for all of them; every other comparison is marked exploratory. Without
        one each control has a table of verdicts of its own.
    """
    groups = by_setting(rows)
    named = list(zip(places(groups), groups))
    compared = comparisons(named)
    told = (
        by_control(compared)
        if family is None
        else [primary(compared, family), *exploratory(compared, family)]
    )
    settings = [table for of in named for table in (_controls(*of), *beyond(*of))]
    return [*told, *_longer(named), *settings, *_layers(tickets), *_overlaps(tickets)]


def _controls(where, alike):
    first, found, gone = alike[0], cells(alike), lost(alike)
    bases = [base for base in BASELINES if any(baseline(found, at, base, control) for at, control in found)]
    a_round = " a round" * (first["source"] == first["target"])
    recipe = ", ".join(f"{name} {value}" for name, value in first["recipe"].items())
    lines = []
    for (at, control), values in sorted(found.items(), key=order):
        others = [found.get(baseline(found, at, base, control), {}) for base in bases]
        mean = estimate(values.values())
        differing = [_difference(values, other) for other in others]
        less = f" ({gone.pop((at, control))})" if (at, control) in gone else ""
        trained = dict.fromkeys(
            steps_trained(row) for row in alike if cell(row, alike) == (at, control) and "steps" in row
        )
        lines.append((control, f"{at:.1%}", f"{mean.n}{less}", "; ".join(trained), figure(mean), *differing))
    lines += [
        (control, f"{at:.1%}", f"0 ({what})", *[""] * (2 + len(bases)))
        for (at, control), what in sorted(gone.items(), key=order)
    ]
    note = (
        f"{first['train_images']:,} images to train, {first['epochs']} epochs{a_round}; {recipe}, "
        f"{first['precision']}."
    )
    header = (
        "control",
        "sparsity",
        "seeds",
        "steps",
        "test accuracy, %",
        *(f"minus {base}" for base in bases),
    )
    if not any("steps" in row for row in alike):  # rows of before they said so
        header, lines = header[:3] + header[4:], [line[:3] + line[4:] for line in lines]
    return Table(where, note, header, tuple(lines))


def _difference(values, others):
    """values - others as text; with the number of pairs where that is not the number of values."""
    if not differences(values, others):
        return ""
    found = paired(values, others)
    return figure(found, "+") + (f" ({found.n} seeds)" if found.n < len(values) else "")


def _longer(named):
    """Whether the dense net was trained enough: what twice the epochs add."""
    lines = []
    for where, found in ((where, cells(alike)) for where, alike in named):
        longer, usual = (
            found.get((0.0, "dense-longer")),
            found.get((0.0, "dense")) or found.get((0.0, "dense-scratch")),
        )
        if longer and usual and differences(longer, usual):
            added = paired(longer, usual)
            lines.append(
                (
                    where,
                    str(added.n),
                    *(figure(estimate(values.values())) for values in (usual, longer)),
                    figure(added, "+"),
                )
            )
    header = ("data", "seeds", "dense", "trained twice as long", "difference")
    return (
        [
            Table(
                "Is the dense net trained enough?",
                "Test accuracy in %, differences in points, paired by seed.",
                header,
                tuple(lines),
            )
        ]
        if lines
        else []
    )


def _layers(tickets):
    """Sparsity and dead outputs of each tensor, means over seeds."""
    kinds = {}
    for ticket in tickets:
        kinds.setdefault((ticket["model"], ticket["source"], str(ticket["rewind"])), []).append(ticket)
    made = []
    for (model, source, rewind), alike in kinds.items():
        at = sorted({ticket["sparsity"] for ticket in alike})
        lines = []
        for n, first in enumerate(alike[0]["layers"]):
            parts = [[ticket["layers"][n] for ticket in alike if ticket["sparsity"] == s] for s in at]
            lines.append(
                (
                    first["path"],
                    "x".join(map(str, first["shape"])),
                    *(
                        f"{sum(part['sparsity'] for part in of) / len(of):.1%}"
                        + (
                            f", {sum(part['dead_outputs'] for part in of) / len(of):.1f} dead"
                            if first["dead_outputs"] is not None
                            else ""
                        )
                        for of in parts
                    ),
                )
            )
        note = "Share of zeros, and output channels that no weight leads to; means over seeds."
        made.append(
            Table(
                f"What the tickets are made of: {model}, found on {source}, rewind {rewind}",
                note,
                ("weight", "shape", *(f"at {s:.1%}" for s in at)),
                tuple(lines),
            )
        )
    return made


def _overlaps(tickets):
    lines = [
        (
            ticket["model"],
            ticket["source"],
            str(ticket["rewind"]),
            f"{ticket['sparsity']:.1%}",
            f"{ticket['seed']} and {other['seed']}",
            f"{other['share']:.1%}",
            f"{other['chance']:.1%} ± {2 * other['deviation']:.1%}",
        )
        for ticket in tickets
        for other in ticket["overlaps"]
    ]
    note = (
        "Kept weights that two tickets of different seeds share, and what random masks with the same "
        "counts in each tensor would (± 2 deviations)."
    )
    header = ("model", "source", "rewind", "sparsity", "seeds", "shared", "by chance")
    return [Table("Overlap of tickets between seeds", note, header, tuple(lines))] if lines else []
