"""Pictures of rows, as PNG bytes, and the rows as CSV."""

import csv as csv_format
import io

from ..stats import estimate
from .cells import NEVER_PRUNED, cells
from .places import places
from .rows import by_setting


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
                    mean.mean, linestyle="--", linewidth=1, color=_color(control), label=control
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
                color=_color(control),
                label=control,
            )
        axis.set(title=where, xlabel="weights kept, %", xscale="log")
        axis.set_xticks([100 * (1 - at) for at in pruned], [f"{100 * (1 - at):.3g}" for at in pruned])
        axis.minorticks_off()
        axis.invert_xaxis()
        axis.set_ylabel("test accuracy, %")
        axis.legend(fontsize=7)
    return _png(figure)


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
        (where, [row for row in alike if row["ticket_sparsity"] in (0, at)])
        for where, alike in zip(places(groups), groups)
        for at in dict.fromkeys(row["ticket_sparsity"] for row in alike)
        if at
    ]
    if not panels:
        return None
    figure, axes = _panels(len(panels))
    for (where, chosen), axis in zip(panels, axes):
        in_steps = all("curve_steps" in row for row in chosen)  # rows that do not say have an epoch a figure
        for control in dict.fromkeys(row["control"] for row in chosen):
            of_control = [row for row in chosen if row["control"] == control]
            mean = [
                100 * sum(epoch) / len(of_control)
                for epoch in zip(*(row["validation_curve"] for row in of_control))
            ]
            at_steps = of_control[0]["curve_steps"][: len(mean)] if in_steps else range(1, len(mean) + 1)
            axis.plot(at_steps, mean, label=control, color=_color(control))
        best = max(max(row["validation_curve"]) for row in chosen) * 100
        at = max(row["ticket_sparsity"] for row in chosen)
        axis.set(
            title=f"{where}\n{at:.0%} sparse, {chosen[0]['train_images']:,} images",
            xlabel="step" if in_steps else "epoch",
            ylim=(best - 12, best + 0.5),
        )
        axis.set_ylabel("validation accuracy, %")
        axis.legend(fontsize=7)
    return _png(figure)


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
        axis.set(title=f"{model} on {source}, rewind {rewind}")
        axis.set_xticks(
            range(len(names)),
            [name.removesuffix("/kernel") for name in names],
            rotation=60,
            ha="right",
            fontsize=7,
        )
        axis.set_ylabel("zeros, %")
        axis.legend(fontsize=7)
    return _png(figure)


def _panels(count):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    wide = min(4, count)
    figure, axes = pyplot.subplots(
        -(-count // wide), wide, figsize=(4.2 * wide, 3.6 * -(-count // wide)), squeeze=False
    )
    for axis in axes.flat[count:]:
        axis.axis("off")
    return figure, list(axes.flat[:count])


def _color(control):
    """The same colour for a control in every panel."""
    order = (
        "ticket",
        "random",
        "dense-scratch",
        "dense-transferred",
        "reinit",
        "one-shot",
        "shuffled",
        "trained",
        "snip",
        "late-reset",
    )
    return (
        f"C{order.index(control)}"
        if control in order
        else {
            "gradual": "teal",
            "grasp": "olive",
            "dense": "C2",
            "random-rescaled": "orangered",
            "random-erk": "goldenrod",
            "ticket, lr": "navy",
            "ticket, finetune": "deepskyblue",
        }.get(control, "black")
    )


def _png(figure):
    from matplotlib import pyplot

    made = io.BytesIO()
    figure.tight_layout()
    figure.savefig(made, format="png", dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return made.getvalue()
