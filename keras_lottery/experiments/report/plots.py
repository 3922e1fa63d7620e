"""Pictures of rows, as PNG bytes, and the rows as CSV."""

import csv as csv_format
import io
import textwrap

from ...core.visible import visible
from ..stats import estimate
from .cells import NEVER_PRUNED, cell, cells
from .places import places
from .rows import by_setting

CAPTIONS = {  # {picture: what it shows}
    "accuracy.png": "Test accuracy by the share of weights kept. Points are means over seeds, bars their 95% "
    "intervals; a dashed line is a dense network, its band the interval.",
    "curves.png": "Validation accuracy while the networks train on a target, means over seeds.",
    "layers.png": "The share of zeros in each layer of the tickets, means over seeds.",
}
COLORS = {  # of each control, in every picture
    "ticket": "tab:blue",
    "ticket, lr": "navy",
    "ticket, finetune": "deepskyblue",
    "trained": "tab:gray",
    "late-reset": "tab:cyan",
    "reinit": "tab:purple",
    "random": "tab:orange",
    "random-rescaled": "orangered",
    "random-erk": "goldenrod",
    "shuffled": "tab:pink",
    "one-shot": "tab:brown",
    "snip": "tab:olive",
    "grasp": "darkkhaki",
    "gradual": "teal",
    "dense": "tab:green",
    "dense-scratch": "tab:green",
    "dense-transferred": "tab:red",
    "dense-rewound": "limegreen",
    "dense-cyclic": "darkgreen",
    "dense-longer": "yellowgreen",
}


def csv(rows):
    """The rows as CSV text, but for what is no single value, and which test images were right."""
    plain = [
        {
            name: value
            for name, value in row.items()
            if not isinstance(value, (list, dict)) and name != "correct"
        }
        for row in rows
    ]
    text = io.StringIO()
    writer = csv_format.DictWriter(
        text, list(dict.fromkeys(name for row in plain for name in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(plain)
    return text.getvalue()


def accuracy(rows):
    """Test accuracy against sparsity, mean over seeds with 95% intervals: a panel a data set; None where
    nothing is pruned."""
    groups = by_setting(rows)
    panels = [
        (where, alike)
        for where, alike in zip(places(groups), groups)
        if len({row["ticket_sparsity"] for row in alike if row["control"] == "ticket"}) > 1
    ]
    if not panels:
        return None
    figure, axes = _panels(len(panels))
    for (where, alike), axis in zip(panels, axes):
        lines = {}
        for (at, control), values in sorted(cells(alike).items()):
            lines.setdefault(control, []).append((at, estimate(values.values())))
        pruned = sorted({at for points in lines.values() for at, _ in points if at})
        for control, points in sorted(lines.items(), key=lambda line: not line[0].startswith("ticket")):
            if control == "dense-longer":
                continue
            if control in NEVER_PRUNED:
                mean = points[0][1]
                line = axis.axhline(
                    mean.mean, linestyle="--", linewidth=1, color=COLORS.get(control, "black"), label=control
                )
                if mean.n > 1:
                    axis.axhspan(mean.low, mean.high, alpha=0.12, color=line.get_color(), linewidth=0)
                continue
            x = [100 * (1 - at) for at, _ in points]
            means = [mean.mean for _, mean in points]
            halves = [0 if mean.n == 1 else mean.half for _, mean in points]
            axis.errorbar(
                x,
                means,
                yerr=halves,
                marker="o",
                markersize=3,
                capsize=2,
                linewidth=1.5 if control == "ticket" else 1,
                color=COLORS.get(control, "black"),
                label=control,
            )
        axis.set(xlabel="weights kept, %", xscale="log")
        axis.set_title(_folded(where), fontsize=9)
        axis.set_xticks([100 * (1 - at) for at in pruned], [f"{100 * (1 - at):.3g}" for at in pruned])
        axis.minorticks_off()
        axis.invert_xaxis()
        axis.set_ylabel("test accuracy, %")
    return _png(figure, axes)


def curves(rows):
    """Validation accuracy over the steps of training on a target, mean over seeds; None where there is no
    target."""
    groups = by_setting(
        [
            row
            for row in rows
            if row["source"] != row["target"]
            and row["validation_curve"]
            and None not in row["validation_curve"]
        ]
    )
    panels = [
        (where, alike, at)
        for where, alike in zip(places(groups), groups)
        for at in dict.fromkeys(row["ticket_sparsity"] for row in alike)
        if at
    ]
    if not panels:
        return None
    figure, axes = _panels(len(panels))
    for (where, alike, at), axis in zip(panels, axes):
        chosen = [row for row in alike if row["ticket_sparsity"] in (0, at)]
        in_steps = all("curve_steps" in row for row in chosen)  # rows that do not say have an epoch a figure
        ends = []
        for control, (steps, mean) in mean_curves(alike, at).items():
            ends.append(mean[-1])
            x = steps if in_steps else range(1, len(mean) + 1)
            axis.plot(x, mean, label=control, color=COLORS.get(control, "black"))
        best = max(max(row["validation_curve"]) for row in chosen) * 100
        axis.set_title(_folded(f"{where}\n{at:.0%} sparse, {chosen[0]['train_images']:,} images"), fontsize=9)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set(
            xlabel="step" if in_steps else "epoch",
            ylim=(min(best - 12, min(ends) - 1), best + 0.5),
        )
        axis.set_ylabel("validation accuracy, %")
    return _png(figure, axes)


def mean_curves(alike, at):
    """{control: (steps, mean validation accuracy in % at each)} of rows at a sparsity, and of dense ones.

    Controls are those of `cells`: what is of another rewind point than the first is one of its own. The steps
    are [] where rows do not say them.
    """
    found = {}
    for row in alike:
        if row["ticket_sparsity"] in (0, at):
            found.setdefault(cell(row, alike)[1], []).append(row)
    told = {}
    for control, rows in found.items():
        mean = [100 * sum(epoch) / len(rows) for epoch in zip(*(row["validation_curve"] for row in rows))]
        told[control] = rows[0].get("curve_steps", [])[: len(mean)], mean
    return told


def layers(tickets):
    """Sparsity of each tensor of the tickets, a line a sparsity, mean over seeds; a panel a rewind point."""
    kinds = {}
    for ticket in tickets:
        kinds.setdefault((ticket["model"], ticket["source"], str(ticket["rewind"])), []).append(ticket)
    figure, axes = _panels(len(kinds))
    for ((model, source, rewind), alike), axis in zip(kinds.items(), axes):
        names = [layer["path"] for layer in alike[0]["layers"]]
        for at in sorted({ticket["sparsity"] for ticket in alike}):
            of = [ticket["layers"] for ticket in alike if ticket["sparsity"] == at]
            means = [100 * sum(each[n]["sparsity"] for each in of) / len(of) for n in range(len(names))]
            axis.plot(range(len(names)), means, marker="o", markersize=3, label=f"{at:.0%} in all")
        axis.set_title(_folded(f"{model} on {source}, rewind {rewind}"), fontsize=9)
        axis.set_xticks(
            range(len(names)),
            [visible(name.removesuffix("/kernel")) for name in names],
            rotation=60,
            ha="right",
            fontsize=7,
        )
        axis.set_ylabel("zeros, %")
    return _png(figure, axes)


def _panels(count):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    wide = min(2, count)
    figure, axes = pyplot.subplots(
        -(-count // wide),
        wide,
        figsize=(9, 3.6 * -(-count // wide)),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat[count:]:
        axis.axis("off")
    return figure, list(axes.flat[:count])


def _folded(title):
    """A title in lines that fit over a panel."""
    title = visible(title)
    return "\n".join(folded for line in title.splitlines() for folded in textwrap.wrap(line, 42))


def _png(figure, axes):
    """A figure as PNG bytes, with one legend for all panels, below them."""
    from matplotlib import pyplot
    from matplotlib.text import Text

    lines = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels())}
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=8
    )
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a name may hold dollars
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return made.getvalue()
