"""Results as tables: one run on the screen, many runs over seeds as Markdown."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import runs
from .errors import LotteryError
from .stats import estimate, paired

BASELINES = ("dense", "dense-scratch", "dense-transferred", "random")


def show(result):
    """Print the rows of a result of `jobs`."""
    data = result["data"]
    table = Table(title=f"{data['name']}: {data['sizes']['train']:,} images to train, {data['sizes']['test']:,} to test")
    for name in ("", "sparsity", "epochs", "validation accuracy", "test accuracy"):
        table.add_column(name, justify="right" if name else "left")
    for row in result["rows"]:
        validation = row["validation_accuracy"]
        table.add_row(row["arm"], f"{row['sparsity']:.1%}", str(row["epoch"]),
                      "" if validation is None else f"{validation:.2%}", f"{row['test_accuracy']:.2%}")
    Console().print(table)


def collect(results):
    """Rows of several results of `jobs`, one an arm, sparsity and seed, ready for JSON lines.

    Args:
      results: paths of result.json files.
    """
    rows = []
    for path in results:
        result = json.loads(Path(path).read_text())
        source = result["ticket"] if result["command"] == "transfer" else result
        for row in result["rows"]:
            rows.append({
                "model": Path(source["model"]).stem + (f" x{source['width']:g}" if source["width"] != 1 else ""),
                "source": source["data"]["name"],
                "target": result["data"]["name"],
                "seed": result["seed"],
                "ticket_sparsity": round(result.get("sparsity", row["sparsity"]), 4),
                "arm": row["arm"],
                "sparsity": round(row["sparsity"], 4),
                "epochs": result["epochs"],
                "epoch": row["epoch"],
                "train_images": result["data"]["sizes"]["train"],
                "recipe": result["recipe"],
                "precision": result["precision"],
                "test_accuracy": row["test_accuracy"],
                "validation_accuracy": row["validation_accuracy"],
                "validation_curve": [epoch.get("val_accuracy") for epoch in row["history"]],
            })
    return rows


def tables(rows):
    """Markdown: for each model, target and budget a table of arms over seeds.

    Runs are compared only where data, epochs and optimizer were the same.

    Accuracies are test accuracies in %, mean over seeds with the 95% t-interval;
    differences are paired by seed, in points.
    """
    if not rows:
        raise LotteryError("there are no rows: give result.json files of finished runs.")
    text = []
    for alike in by_setting(rows):
        text.append(_section(alike))
    return "\n".join(text)


def by_setting(rows):
    """Lists of the rows that may be compared: one model, source, target, number of images, epochs and recipe each."""
    groups = {}
    for row in rows:
        groups.setdefault(_setting(row), []).append(row)
    return list(groups.values())


def write(results, rows_file, output):
    """Write rows.jsonl, tables.md and curves.png to the folder `output`; returns the number of rows.

    Args:
      results: paths of result.json files.
      rows_file: rows.jsonl to start from, or None; a row of the same run replaces its row there.

    Raises:
      LotteryError: a file that is not there or no result, or nothing to report.
    """
    missing = [str(path) for path in (*results, *([rows_file] if rows_file else [])) if not Path(path).is_file()]
    if missing:
        raise LotteryError(f"there is no file {missing[0]!r}: give result.json of a finished run.")
    old = [json.loads(line) for line in Path(rows_file).read_text().splitlines()] if rows_file else []
    rows = list({_run_of(row): row for row in [*old, *collect(results)]}.values())
    text = tables(rows)
    output = Path(output)
    runs.check_writable(output)
    output.mkdir(parents=True, exist_ok=True)
    for name, content in (("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows)), ("tables.md", text)):
        with runs.new_file(output / name) as aside:
            aside.write_text(content)
    with runs.new_file(output / "curves.png") as aside:
        _plot(rows, aside)
    return len(rows)


def _run_of(row):
    return (*_setting(row), *(row[name] for name in ("seed", "ticket_sparsity", "arm")))


def _setting(row):
    recipe = json.dumps(row["recipe"], sort_keys=True)
    return (*(row[name] for name in ("model", "source", "target", "train_images", "epochs", "precision")), recipe)


def _plot(rows, path):
    """Validation accuracy over epochs, mean over seeds, for each model and target that tickets were carried to."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [[r for r in alike if r["ticket_sparsity"] == at]
              for alike in by_setting([r for r in rows if r["source"] != r["target"]])
              for at in dict.fromkeys(r["ticket_sparsity"] for r in alike)]
    wide = min(4, max(1, len(panels)))
    high = max(1, -(-len(panels) // wide))
    figure, axes = pyplot.subplots(high, wide, figsize=(4.2 * wide, 3.6 * high), squeeze=False)
    for axis in axes.flat[len(panels):]:
        axis.axis("off")
    for chosen, axis in zip(panels, axes.flat):
        first = chosen[0]
        for arm in dict.fromkeys(r["arm"] for r in chosen):
            curves = [r["validation_curve"] for r in chosen if r["arm"] == arm]
            mean = [100 * sum(epoch) / len(curves) for epoch in zip(*curves)]
            axis.plot(range(1, len(mean) + 1), mean, label=arm)
        best = max(max(r["validation_curve"]) for r in chosen) * 100
        title = (f"{first['model']}, {first['ticket_sparsity']:.0%} sparse\n{first['source']} to {first['target']}, "
                 f"{first['train_images']:,} images")
        axis.set(title=title, xlabel="epoch", ylim=(best - 12, best + 0.5))
        axis.set_ylabel("validation accuracy, %")
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, format="png", dpi=110)
    pyplot.close(figure)


def _section(rows):
    first = rows[0]
    model, target = first["model"], first["target"]
    title = f"{model} on {target}" if first["source"] == target else f"{model}, {first['source']} -> {target}"
    groups = {}
    for row in rows:
        at = row["sparsity"] if first["source"] == target else row["ticket_sparsity"]
        groups.setdefault((at, row["arm"]), {})[row["seed"]] = 100 * row["test_accuracy"]
    bases = [base for base in BASELINES if any(arm == base for _, arm in groups)]
    lines = [
        f"### {title}",
        "",
        f"{first['train_images']:,} images to train, {first['epochs']} epochs{' a round' * (first['source'] == target)}; "
        + ", ".join(f"{name} {value}" for name, value in first["recipe"].items()) + f", {first['precision']}.",
        "",
        "| arm | sparsity | seeds | test accuracy, % | " + " | ".join(f"minus {base}" for base in bases) + " |",
        "|---|---|---|---|" + "---|" * len(bases),
    ]
    for (at, arm), values in sorted(groups.items(), key=lambda group: (group[0][0], group[0][1] != "ticket", group[0][1])):
        sparsity = 0.0 if arm.startswith("dense") else at
        cells = [_difference(values, _baseline(groups, at, base), arm == base) for base in bases]
        mean = estimate(values.values())
        lines.append(f"| {arm} | {sparsity:.1%} | {mean.n} | {_figure(mean)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _baseline(groups, at, base):
    if base == "dense":
        return groups[(0.0, "dense")]
    return groups.get((at, base))


def _difference(values, others, itself):
    if itself or not others or not set(values) & set(others):
        return ""
    return _figure(paired(values, others), sign="+")


def _figure(value, sign=""):
    half = "" if value.n == 1 else f" ± {value.half:.2f}"
    return f"{value.mean:{sign}.2f}{half}"
