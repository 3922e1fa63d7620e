"""Write the tables of docs/phone, and those of the shipped tickets in README.md and other pages.

python docs/phone/summary.py
"""

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.report.table import figure
from keras_lottery.experiments.stats import estimate, paired
from keras_lottery.tflite.record import REFUSED
from keras_lottery.tickets.ticket import load_ticket, shipped

HERE = Path(__file__).parent
GREY, BLUE = "#9aa5b1", "#1f6fb4"

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "sizes"  # the same file each time


def good(part):
    return [variant for variant in part["variants"] if variant["problem"] is None]


def best(part, column):
    return min(good(part), key=lambda variant: variant[column])


def sizes(rows):
    yield "| ticket | zeros | dense float32, kB | best file, kB | | best download, kB | | points lost |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        dense = row["whole"]["variants"][0]["bytes"]
        small, sent = best(row["whole"], "bytes"), best(row["whole"], "zstd")
        lost = 100 * (row["whole"]["test"]["keras"] - row["whole"]["test"]["file"])
        yield (
            f"| {row['ticket']} | {row['sparsity']:.1%} | {dense / 1000:,.0f} | "
            f"{small['bytes'] / 1000:.0f}: **{dense / small['bytes']:.1f} x smaller** | {small['name']} | "
            f"{sent['zstd'] / 1000:.0f}: {dense / sent['zstd']:.1f} x | {sent['name']} | {lost:.2f} |"
        )


def picture(rows, path):
    """Draw the bytes of each net, dense and as its best file."""
    figure, axes = plt.subplots(figsize=(9, 2.6), layout="constrained")
    places = np.arange(len(rows))
    dense = [row["whole"]["variants"][0]["bytes"] / 1000 for row in rows]
    small = [best(row["whole"], "bytes")["bytes"] / 1000 for row in rows]
    told = [f"{size:.0f} kB, {whole / size:.0f} x smaller" for size, whole in zip(small, dense)]
    grey = axes.barh(places - 0.2, dense, 0.38, color=GREY)
    blue = axes.barh(places + 0.2, small, 0.38, color=BLUE)
    axes.bar_label(grey, [f"{of:,.0f} kB" for of in dense], padding=4)
    axes.bar_label(blue, told, padding=4)
    axes.set_yticks(places, [row["ticket"].rpartition("-")[0] for row in rows])
    axes.set_title("Dense in float32 (grey), and with 95% zeros as the best file (blue)")
    axes.set_xlim(0, 1.1 * max(dense))
    axes.set_xticks([])
    axes.invert_yaxis()
    axes.tick_params(left=False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def speed(rows):
    kinds = {
        "dense float32": "whole float32-dense",
        "sparse float32": "whole float32-sparse",
        "sparse int8-weights": "whole int8-weights-sparse",
        "dense int8": "whole int8-dense",
        "sparse int8": "whole int8-sparse",
        "compacted, dense int8": "compact int8-dense",
    }
    yield (
        "| ticket, instructions in millions | "
        + " | ".join(kinds)
        + " | compacted over whole int8, x86 latency |"
    )
    yield "|---|" + "---|" * (len(kinds) + 1)
    for row in rows:
        numbers = [_number(row["instructions"].get(kind)) for kind in kinds.values()]
        yield (
            f"| {row['ticket']} | "
            + " | ".join([*numbers, _text(row.get("compact_int8_latency"), ".2f")])
            + " |"
        )


def tested(rounds, search, at):
    """{seed: test accuracy in %} of a search at a sparsity, where it was measured."""
    return {
        row["seed"]: 100 * row["test_accuracy"]
        for row in _rounds(rounds, search, at)
        if "test_accuracy" in row
    }


def accuracies(rounds):
    """Of each search: the dense net's test accuracy, that of its tickets, and the multiply-adds that
    compacting leaves."""
    yield "| search | seeds | dense | 90% zeros | 95% zeros | work left by compacting at 95% |"
    yield "|---|---|---|---|---|---|"
    for search in dict.fromkeys(row["search"] for row in rounds):
        cells = [_interval(tested(rounds, search, at).values()) for at in (0, 0.9, 0.95)]
        left = [row["work_left"] for row in _rounds(rounds, search, 0.95)]
        yield f"| {search} | {len(left)} | {' | '.join(cells)} | {sum(left) / len(left):.0%} |"


def price(rounds, search, other):
    """What one way to prune costs in points of accuracy against another, seed by seed."""
    for at in (0.9, 0.95):
        found = [tested(rounds, name, at) for name in (search, other)]
        if len(found[0].keys() & found[1].keys()) > 1:
            difference = paired(*found)
            yield (
                f"- {search} minus {other}, {at:.0%} zeros, {difference.n} seeds: "
                f"{figure(difference, '+')} points"
            )


def saved():
    """The shipped tickets, for docs/start/next.md."""
    yield "| ticket | zeros | surviving weights | folder, kB |"
    yield "|---|---|---|---|"
    for name, folder in sorted(shipped().items()):
        ticket, size = load_ticket(folder), sum(file.stat().st_size for file in folder.iterdir())
        kept = sum(int(mask.sum()) for mask in ticket.masks.values())
        yield f"| {name} | {ticket.sparsity:.1%} | {kept:,} | {size / 1000:.0f} |"


def _rounds(rounds, search, at):
    return [row for row in rounds if row["search"] == search and abs(row["sparsity"] - at) < 0.005]


def _interval(values):
    return figure(estimate(values)) if values else "–"


def _number(instructions):
    return "–" if instructions is None else f"{instructions / 1e6:.2f}"


def every(rows):
    for row in rows:
        yield from [
            "",
            f"### {row['ticket']}",
            "",
            "| variant | bytes | gzip | zstd | load, ms | latency | error | minus dense float32, points | |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        dense = row["whole"]["variants"][0]["accuracy"]
        for v in row["whole"]["variants"]:
            shown = [v["bytes"], v["gzip"], v["zstd"]]
            yield (
                f"| {v['name']} | "
                + " | ".join("–" if number is None else f"{number:,}" for number in shown)
                + f" | {_text(v['load_ms'], '.1f')} | {_text(v['latency'], '.2f')} | "
                f"{_text(v['relative_difference'], '.0e')}"
                + f" | {'–' if v['accuracy'] is None else format(100 * (v['accuracy'] - dense), '+.2f')} | "
                f"{(REFUSED if v['bytes'] and v['load_ms'] is None else v['problem']) or ''} |"
            )


def _text(number, form):
    return "–" if number is None else format(number, form)


def main():
    rows, rounds = (
        [json.loads(line) for line in (HERE / name).read_text().splitlines()]
        for name in ("rows.jsonl", "trained.jsonl")
    )
    prices = [
        line
        for block in (4, 16)
        for line in price(rounds, f"lenet-block{block}-fashion", "lenet-block1-fashion")
    ]
    put(HERE / "README.md", "tables", [*sizes(rows), "", *speed(rows), "", *accuracies(rounds), "", *prices])
    put(HERE / "variants.md", "variants", every(rows))
    put(HERE.parent / "start" / "next.md", "saved", saved())
    sparsest = [row for row in rows if row["ticket"] in shipped() and row["sparsity"] > 0.94]
    put(HERE.parents[1] / "README.md", "phone", sizes(sparsest))
    picture(sparsest, HERE / "sizes.svg")


if __name__ == "__main__":
    main()
