"""Write what `lottery-shrink` made of the photos: the table in docs/photos/README.md, README.md's picture and
its caption, from shrink.jsonl.

python docs/photos/shrunk.py
"""

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MultipleLocator

from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.report.table import figure
from keras_lottery.experiments.stats import estimate

HERE = Path(__file__).parent
GREY, BLUE = "#9aa5b1", "#1f6fb4"
matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "shrunk"  # the same file each time


def table(rows):
    """What lottery-shrink wrote for each seed, and what that loses of the dense net fine-tuned once."""
    yield (
        "| seed | zeros | file | MB, dense | MB, written | times smaller | dense, right in test, % | "
        "written, right in test, % | points lost | minutes |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        before, after = row["bytes"]["dense"], row["bytes"]["written"]
        dense, written = (row["test"][net]["accuracy"] for net in ("dense", "written"))
        lost, half = (row["test"]["written"][name] for name in ("points_lost", "half"))
        sparsity = f"{100 * round(row['sparsity'], 3):g}%"
        sizes = f"{before / 1e6:.2f} | {after / 1e6:.2f} | {before / after:.1f}"
        yield (
            f"| {row['seed']} | {sparsity} | {row['encoded']} | {sizes} | "
            f"{100 * dense:.2f} | {100 * written:.2f} | {lost:+.2f} ± {half:.2f} | {row['minutes']:.0f} |"
        )
    if rows:
        mean = estimate([row["test"]["written"]["points_lost"] for row in rows])
        yield ""
        yield (
            f"Points lost, mean over {mean.n} seeds: {figure(mean, '+')} (95% t-interval over seeds; that of "
            "a row is over its test photos)."
        )


def picture(rows, path):
    """Draw what lottery-shrink wrote beside the dense net: bytes, and what each gets right of test photos."""
    nets = {"dense, in float32": "dense", "written, for size": "written"}
    drawing, (left, right) = plt.subplots(1, 2, figsize=(9, 2.1), width_ratios=(4, 3), layout="constrained")
    sizes = [np.mean([row["bytes"][net] for row in rows]) / 1e6 for net in nets.values()]
    bars = left.barh(list(nets), sizes, 0.6, color=[GREY, BLUE])
    left.bar_label(bars, [f"{sizes[0]:.1f} MB", f"{sizes[1]:.2f} MB"], padding=4)
    left.set_title(f"File, {sizes[0] / sizes[1]:.0f} times smaller", fontsize="medium")
    left.set_xlim(0, 1.15 * sizes[0])
    left.set_xticks([])
    for place, (net, colour) in enumerate(zip(nets.values(), (GREY, BLUE))):
        right_of = [100 * row["test"][net]["accuracy"] for row in rows]
        found = estimate(right_of)
        right.errorbar(found.mean, place, xerr=found.half, fmt="o", color=colour, capsize=4)
        right.annotate(
            f"{found.mean:.1f}%", (found.mean, place), (0, 8), textcoords="offset points", ha="center"
        )
    right.set_title(f"Right in test ({len(rows)} seeds, 95% intervals)", fontsize="medium")
    right.set_yticks([])
    right.xaxis.set_major_locator(MultipleLocator(1))
    right.xaxis.set_major_formatter("{x:g}%")
    right.set_xlim(np.floor(right.get_xlim()[0]), 100)
    for axes in (left, right):
        axes.set_ylim(1.6, -0.7)
        axes.tick_params(left=False)
    left.spines[["top", "right", "bottom"]].set_visible(False)
    right.spines[["top", "right", "left"]].set_visible(False)
    drawing.savefig(path, metadata={"Date": None})


def in_short(rows):
    """README.md's caption of the picture."""
    (dense,) = {row["bytes"]["dense"] for row in rows}
    written, minutes = [row["bytes"]["written"] / 1e6 for row in rows], [row["minutes"] for row in rows]
    more = estimate([-row["test"]["written"]["points_lost"] for row in rows])
    yield (
        f"EfficientNet-Lite0 from ImageNet, fine-tuned on photos of hands: {min(written):.2f} to "
        f"{max(written):.2f} MB instead of {dense / 1e6:.2f}, after {min(minutes):.0f} to {max(minutes):.0f} "
        "minutes on two cores. Test accuracy of the file minus that of the dense network: "
        f"{figure(more, '+')} points ({more.n} seeds; [details](docs/photos/README.md))."
    )


def main():
    file = HERE / "shrink.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    put(HERE / "README.md", "shrink", table(rows))
    if rows:
        picture(rows, HERE / "shrunk.svg")
        put(HERE.parents[1] / "README.md", "shrunk", in_short(rows))


if __name__ == "__main__":
    main()
