"""Draw docs/photos/sizes.svg, dense and sparse side by side, from rows.jsonl and files.jsonl.

python docs/photos/picture.py
"""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from summary import HERE, PRIMARY, by_cell, paired, read, tickets

from keras_lottery.experiments.stats import estimate

AT = PRIMARY[1]
DENSE, SPARSE = "#9aa5b1", "#1f6fb4"
FILES = {  # (net, file) -> the label of its bar
    ("dense", "float32 dense"): "dense, float32",
    ("dense", "int8 dense"): "dense, int8",
    ("ticket at 95%", "int8-weights sparse"): f"ticket, {AT:.0%} zeros",
}


def sizes(axes, files):
    """A bar for each file: its size in MB, the mean over seeds."""
    means = [
        np.mean([row["bytes"] for row in files if (row["net"], row["file"]) == kind]) / 1e6 for kind in FILES
    ]
    bars = axes.barh(list(FILES.values()), means, color=[DENSE, DENSE, SPARSE], height=0.6)
    axes.bar_label(bars, [f"{mean:.2f} MB" for mean in means], padding=4)
    axes.set(title="Size of the file", xlim=(0, 1.3 * max(means)))
    axes.set_xticks([])


def accuracies(axes, rows):
    """A bar for each net: test accuracy, the mean over seeds, and its interval."""
    _, ticket, dense = tickets(by_cell(rows))[AT]
    both = sorted(ticket.keys() & dense.keys())
    nets = {"dense, trained as often": dense, f"ticket, {AT:.0%} zeros": ticket}
    found = [estimate([of[seed] for seed in both]) for of in nets.values()]
    bars = axes.barh(
        list(nets),
        [of.mean for of in found],
        xerr=[of.half if np.isfinite(of.half) else 0 for of in found],
        color=[DENSE, SPARSE],
        height=0.4,
        capsize=3,
    )
    axes.bar_label(bars, [f"{of.mean:.1f}%" for of in found], label_type="center", color="white")
    lost = paired(ticket, dense)
    axes.set(title=f"Accuracy on new people: {lost.mean:+.2f} ± {lost.half:.2f} points", xlim=(0, 105))
    axes.set_xticks([])


def main():
    matplotlib.rcParams.update({"svg.hashsalt": "sizes", "font.size": 10, "axes.titlesize": 11})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.1), layout="constrained")
    sizes(left, read("files.jsonl"))
    accuracies(right, read("rows.jsonl"))
    for axes in (left, right):
        axes.invert_yaxis()
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(left=False)
    figure.savefig(HERE / "sizes.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
