"""Tables of means over seeds, paired differences and verdicts."""

import collections
import dataclasses

from ..controls import CONTROLS, DENSE
from ..stats import bootstrap, differences, estimate, paired
from ..variants import VARIANTS
from ..verdicts import LOWER, MARGIN, verdicts
from .rows import by_setting, old_rule

BASELINES = ("dense", "dense-scratch", "dense-transferred", "dense-rewound", "dense-cyclic", "random", "random-rescaled", "random-erk", "finetune")
NEVER_PRUNED = ("dense", *DENSE)  # and so at sparsity 0, with one figure for all tickets


@dataclasses.dataclass(frozen=True)
class Table:
    """A title, a line below it, the names of the columns, and rows of text."""

    title: str
    note: str
    header: tuple
    rows: tuple


def markdown(table):
    """The table as Markdown."""
    lines = [f"### {table.title}", "", table.note, "", _line(table.header), "|" + "---|" * len(table.header), *map(_line, table.rows)]
    return "\n".join(lines) + "\n"


def tables(rows, tickets=()):
    """The verdicts, then for each model, target and budget a table of controls over seeds, then what the tickets are made of.

    Accuracies are test accuracies in %, mean over seeds with the 95% t-interval;
    differences are paired by seed, in points. Runs are compared only where data, epochs
    and optimizer were the same.
    """
    groups = by_setting(rows)
    named = list(zip(places(groups), groups))
    return [*_verdicts(named), *_longer(named), *(_controls(*of) for of in named), *_layers(tickets), *_overlaps(tickets)]


def cells(alike):
    """{(sparsity, control): {(seed, the ticket's seed): test accuracy in %}} of rows that may be compared.

    A control that is never pruned stands at sparsity 0. What is of another rewind point
    than the first is a control of its own: "ticket, lr". Rows that came to nothing have no accuracy; see `lost`.
    """
    found = {}
    for row in alike:
        if not row.get("outcome"):
            seeds = row["seed"], row.get("ticket_seed") or 0
            found.setdefault(_cell(row, alike), {})[seeds] = 100 * row["test_accuracy"]
    return found


def lost(alike):
    """{(sparsity, control): how many seeds came to nothing, in words} of rows that may be compared."""
    found = {}
    for row in alike:
        if row.get("outcome"):
            found.setdefault(_cell(row, alike), collections.Counter())[row["outcome"]] += 1
    return {cell: ", ".join(f"{count} {outcome}" for outcome, count in sorted(of.items())) for cell, of in found.items()}


def _cell(row, alike):
    return 0.0 if row["control"] in NEVER_PRUNED else row["ticket_sparsity"], _control(row, alike)


def steps_trained(row):
    """The steps that a row trained, "200 to 2,816"; weights that were trained before go first, "2,816 + 2,816"."""
    steps = row["steps"]
    return f"{steps['before']:,} + {steps['stop']:,}" if steps["before"] else f"{steps['start']:,} to {steps['stop']:,}"


def places(groups):
    """What each group of rows that may be compared is about, with what tells it from the others."""
    named = {}
    for alike in groups:
        named.setdefault(_place(alike[0]), []).append(_facts(alike[0]))
    return [", ".join([_place(alike[0]), *(fact for name, fact in _facts(alike[0]).items()
                                           if any(other.get(name) != fact for other in named[_place(alike[0])]))]) for alike in groups]


def _facts(first):
    told = {**first["recipe"], "precision": first["precision"], **(first.get("data") or {})}
    return {"images": f"{first['train_images']:,} images", "epochs": f"{first['epochs']} epochs",
            **{name: f"{name} {value}" for name, value in told.items()},
            **{f"search {name}": f"search {name} {value}" for name, value in (first.get("search") or {}).items()}}


def _place(first):
    variants = [f"{name} {first[name]}" for name in VARIANTS if name in first]
    model = ", ".join([first["model"], *variants, *([f"rounds of {first['rewind']} + T steps"] if old_rule(first) else [])])
    return f"{model} on {first['target']}" if first["source"] == first["target"] else f"{model}, {first['source']} -> {first['target']}"


def _control(row, alike):
    first = next((other["rewind"] for other in alike if other.get("rewind") is not None), None)
    if row["control"] in NEVER_PRUNED or row.get("rewind") in (None, first):
        return row["control"]
    return f"{row['control']}, {row['rewind']}" if isinstance(row["rewind"], str) else f"{row['control']}, step {row['rewind']}"


def _baseline(found, at, base, control):
    """What `control` is compared with, of its own rewind point where there is such a control; None where that is `control` itself."""
    _, comma, point = control.partition(", ")
    pruned = "ticket, finetune" if base == "finetune" else base
    places = [(0.0, base)] if base in NEVER_PRUNED else [(at, f"{pruned}{comma}{point}"), (at, pruned)]
    place = next((place for place in places if place in found), None)
    return found[place] if place and place[1] != control else None


def _controls(where, alike):
    first, found, gone = alike[0], cells(alike), lost(alike)
    bases = [base for base in BASELINES if any(_baseline(found, at, base, control) for at, control in found)]
    a_round = " a round" * (first["source"] == first["target"])
    recipe = ", ".join(f"{name} {value}" for name, value in first["recipe"].items())
    lines = []
    for (at, control), values in sorted(found.items(), key=_order):
        others = [_baseline(found, at, base, control) for base in bases]
        differing = [_figure(paired(values, other), "+") if other and differences(values, other) else "" for other in others]
        mean = estimate(values.values())
        less = f" ({gone.pop((at, control))})" if (at, control) in gone else ""
        trained = dict.fromkeys(steps_trained(row) for row in alike if _cell(row, alike) == (at, control) and "steps" in row)
        lines.append((control, f"{at:.1%}", f"{mean.n}{less}", "; ".join(trained), _figure(mean), *differing))
    lines += [(control, f"{at:.1%}", f"0 ({what})", *[""] * (2 + len(bases))) for (at, control), what in sorted(gone.items(), key=_order)]
    note = f"{first['train_images']:,} images to train, {first['epochs']} epochs{a_round}; {recipe}, {first['precision']}."
    header = ("control", "sparsity", "seeds", "steps", "test accuracy, %", *(f"minus {base}" for base in bases))
    if not any("steps" in row for row in alike):  # rows of before they said so
        header, lines = header[:3] + header[4:], [line[:3] + line[4:] for line in lines]
    return Table(where, note, header, tuple(lines))


def _verdicts(named):
    """One table a control: the ticket against it, on each data set at each sparsity, corrected for that many comparisons."""
    compared, less = {}, {}
    for where, alike in named:
        found, gone = cells(alike), lost(alike)
        for (at, control), values in sorted(found.items(), key=_order):
            for base in dict.fromkeys([*BASELINES, *(other for _, other in found if other != "dense-longer")]) if control.startswith("ticket") else ():
                others = _baseline(found, at, base, control)
                if ", " not in base and base != "ticket" and others and differences(values, others):
                    compared.setdefault((control, base), {})[where, at] = differences(values, others)
                    without = [f"{gone[cell]} of {cell[1]}" for cell in ((at, control), (0.0 if base in NEVER_PRUNED else at, base)) if cell in gone]
                    less[control, base, where, at] = f" (without {', '.join(without)})" if without else ""
    made = []
    for (control, base), family in sorted(compared.items(), key=lambda item: item[0][0]):
        told = verdicts({cell: estimate(values) for cell, values in family.items()})
        lines = [
            (where, f"{at:.1%}", str(verdict.estimate.n), _figure(verdict.estimate, "+"), _interval(bootstrap(family[where, at])),
             *(f"{verdict_of}{less[control, base, where, at]}" for verdict_of in (verdict.plain, verdict.corrected)))
            for (where, at), verdict in told.items()
        ]
        note = (f"Points of test accuracy, paired by seed. By the 95% t-interval: beats, its lower end is above 0; matches, above "
                f"-{MARGIN}; is worse, its upper end is below 0; {LOWER}, both. Corrected: Holm's step-down over the {len(lines)} lines.")
        header = ("data", "sparsity", "seeds", "difference", "bootstrap", "alone", "corrected")
        made.append(Table(f"The {control} against {base}", note, header, tuple(lines)))
    return made


def _longer(named):
    """Whether the dense net was trained enough: what twice the epochs add."""
    lines = []
    for where, found in ((where, cells(alike)) for where, alike in named):
        longer, usual = found.get((0.0, "dense-longer")), found.get((0.0, "dense")) or found.get((0.0, "dense-scratch"))
        if longer and usual and differences(longer, usual):
            added = paired(longer, usual)
            lines.append((where, str(added.n), *(_figure(estimate(values.values())) for values in (usual, longer)), _figure(added, "+")))
    header = ("data", "seeds", "dense", "trained twice as long", "difference")
    return [Table("Is the dense net trained enough?", "Test accuracy in %, differences in points, paired by seed.", header, tuple(lines))
            ] if lines else []


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
            lines.append((first["path"], "x".join(map(str, first["shape"])), *(
                f"{sum(part['sparsity'] for part in of) / len(of):.1%}"
                + (f", {sum(part['dead_outputs'] for part in of) / len(of):.1f} dead" if first["dead_outputs"] is not None else "")
                for of in parts)))
        note = "Share of zeros, and output channels that no weight leads to; means over seeds."
        made.append(Table(f"What the tickets are made of: {model}, found on {source}, rewind {rewind}", note,
                          ("weight", "shape", *(f"at {s:.1%}" for s in at)), tuple(lines)))
    return made


def _overlaps(tickets):
    lines = [
        (ticket["model"], ticket["source"], str(ticket["rewind"]), f"{ticket['sparsity']:.1%}", f"{ticket['seed']} and {other['seed']}",
         f"{other['share']:.1%}", f"{other['chance']:.1%} ± {2 * other['deviation']:.1%}")
        for ticket in tickets for other in ticket["overlaps"]
    ]
    note = "Kept weights that two tickets of different seeds share, and what random masks with the same counts in each tensor would (± 2 deviations)."
    header = ("model", "source", "rewind", "sparsity", "seeds", "shared", "by chance")
    return [Table("Overlap of tickets between seeds", note, header, tuple(lines))] if lines else []


def _order(cell):
    (at, control), _ = cell
    return at, not control.startswith("ticket"), list(CONTROLS).index(control) if control in CONTROLS else -1, control


def _figure(value, sign=""):
    half = "" if value.n == 1 else f" ± {value.half:.2f}"
    return f"{value.mean:{sign}.2f}{half}"


def _interval(ends):
    return "" if ends[0] != ends[0] else f"{ends[0]:+.2f} to {ends[1]:+.2f}"


def _line(cells_of_it):
    return "| " + " | ".join(cells_of_it) + " |"
