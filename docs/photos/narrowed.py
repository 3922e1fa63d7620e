"""The tables on whole channels of docs/photos/README.md and docs/explain/phone.md, from channels.jsonl.

python docs/photos/summary.py
"""

import json
from pathlib import Path

import numpy as np

from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.report.table import figure
from keras_lottery.experiments.stats import paired

HERE = Path(__file__).parent


def table(rows, often):
    """A line for each round: what is left to do, what the int8 file gains, and what it costs.

    Args:
      rows: of channels.jsonl.
      often: {trainings: {seed: test accuracy in %}} of the dense net that was trained as often.
    """
    yield (
        "| zeros | trainings | seeds | multiply-adds left | MB | instructions, times fewer | "
        "time on x86, times less | int8 file, test accuracy, % | minus dense int8, trained once | "
        "net minus dense, trained as often |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    cells = by_trainings(rows)
    dense = cells.get(1, {})
    for trainings, of in sorted(cells.items()):
        fewer = [dense[seed]["instructions"] / row["instructions"] for seed, row in _counted(of)]
        yield (
            f"| {_mean(of, 'sparsity'):.0%} | {trainings} | {len(of)} | {_mean(of, 'work_left'):.0%} | "
            f"{_mean(of, 'bytes') / 1e6:.2f} | {f'{np.mean(fewer):.2f}' if fewer else '–'} | "
            f"{np.mean([1 / row['latency'] for row in of.values()]):.2f} | "
            f"{100 * _mean(of, 'file_test_accuracy'):.2f} | "
            f"{_minus(_accuracies(of, 'file_test_accuracy'), _accuracies(dense, 'file_test_accuracy'))} | "
            f"{_minus(_accuracies(of, 'test_accuracy'), often.get(trainings, {}))} |"
        )


def in_short(rows, page):
    """The line of README.md and docs/explain/phone.md on the narrowest net, with a link to `page`."""
    cells = by_trainings(rows)
    if not cells:
        yield "- What that costs and gains is to be measured."
        return
    of, dense = cells[max(cells)], cells[1]
    less = np.mean([1 / row["latency"] for row in of.values()])
    cost = _minus(_accuracies(of, "file_test_accuracy"), _accuracies(dense, "file_test_accuracy"))
    yield (
        f"- EfficientNet-Lite0 on photos of hands, with {_mean(of, 'sparsity'):.0%} zeros in whole channels "
        f"and {_mean(of, 'work_left'):.0%} of the multiply-adds left: the int8 file takes {less:.1f} times "
        "less time on x86 than that of the dense network fine-tuned once, and its test accuracy minus that "
        f"network's is {cost} points ({len(of)} seeds; "
        f"[details]({page}#whole-channels))."
    )


def by_trainings(rows):
    """{trainings: {seed: row}}."""
    cells = {}
    for row in rows:
        cells.setdefault(row["trainings"], {})[row["seed"]] = row
    return cells


def _counted(of):
    return [(seed, row) for seed, row in of.items() if row["instructions"]]


def _accuracies(of, column):
    return {seed: 100 * row[column] for seed, row in of.items()}


def _minus(ours, theirs):
    if not ours.keys() & theirs.keys() or ours == theirs:
        return "–"
    return figure(paired(ours, theirs), "+")


def _mean(of, column):
    return float(np.mean([row[column] for row in of.values()]))


def main(often):
    """Write both.

    Args:
      often: as for `table`.
    """
    path = HERE / "channels.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    put(HERE / "README.md", "channels", table(rows, often))
    put(HERE.parent / "explain" / "phone.md", "structured", in_short(rows, "../photos/README.md"))
    put(HERE.parents[1] / "README.md", "channels", in_short(rows, "docs/photos/README.md"))
