"""Write the tables of docs/phone/README.md and README.md's table of files from rows.jsonl.

python docs/phone/summary.py
"""

import json
from pathlib import Path

from keras_lottery.experiments import report
from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.stats import estimate, paired
from keras_lottery.tickets.ticket import shipped

HERE = Path(__file__).parent


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


def accuracies(rounds):
    """Of each search: the dense net's test accuracy, that of its tickets, and the multiply-adds that
    compacting leaves."""
    yield "| search | seeds | dense | 90% zeros | 95% zeros | work left by compacting at 95% |"
    yield "|---|---|---|---|---|---|"
    for search in dict.fromkeys(row["search"] for row in rounds):
        of = {
            at: [row for row in rounds if row["search"] == search and abs(row["sparsity"] - at) < 0.005]
            for at in (0, 0.9, 0.95)
        }
        cells = [_interval([100 * row["test_accuracy"] for row in found]) for found in of.values()]
        left = [row["work_left"] for row in of[0.95] if "work_left" in row]
        yield (
            f"| {search} | {len(of[0])} | "
            + " | ".join(cells)
            + f" | {f'{sum(left) / len(left):.0%}' if left else '–'} |"
        )


def of_the_study():
    """The searches of docs/study, which are those of conv6x0.5-structured but for --structured."""
    for row in report.read(HERE.parent / "study" / "rows.jsonl"):
        if row["target"] == row["source"] and row["control"] in ("dense", "ticket"):
            yield {
                "search": "conv6x0.5-cifar10",
                **{name: row[name] for name in ("seed", "sparsity", "test_accuracy")},
            }


def price(rounds, search, other):
    """What one way to prune costs in points of accuracy against another, seed by seed."""
    for at in (0.9, 0.95):
        found = [
            {
                row["seed"]: 100 * row["test_accuracy"]
                for row in rounds
                if row["search"] == name and abs(row["sparsity"] - at) < 0.005
            }
            for name in (search, other)
        ]
        if len(found[0].keys() & found[1].keys()) > 1:
            difference = paired(*found)
            yield (
                f"- {search} minus {other}, {at:.0%} zeros, {difference.n} seeds: {difference.mean:+.2f} "
                f"± {difference.half:.2f} points"
            )


def structured(rows, rounds, search="vgg19x0.5-structured-fashion"):
    """What structured rounds and compacting buy, for README.md."""
    row = next(row for row in rows if row["ticket"] == f"{search}-95")
    dense, ticket = (_accuracy(rounds, search, at) for at in (0, 0.95))
    small, without = (
        _accuracy(rounds, name, 0.95) for name in ("conv6x0.5-structured-cifar10", "conv6x0.5-cifar10")
    )
    fewer = row["instructions"]["whole int8-dense"] / row["instructions"]["compact int8-dense"]
    yield (
        f"- A vgg19 with 95% zeros, found with `--structured` and compacted, takes in int8 {fewer:.1f} "
        f"times fewer instructions on ARM and {1 / row['compact_int8_latency']:.1f} times less time on x86 "
        f"than whole, and gets {ticket:.1f}% of Fashion-MNIST right, the dense net {dense:.1f}% (one "
        f"seed). A small net has less to spare: conv6 at half width gets {small:.1f}% of CIFAR-10 right "
        f"so, {without:.1f}% without `--structured`."
    )


def _accuracy(rounds, search, at):
    return estimate(
        [
            100 * one["test_accuracy"]
            for one in rounds
            if one["search"] == search and abs(one["sparsity"] - at) < 0.005
        ]
    ).mean


def _interval(values):
    found = estimate(values)
    return f"{found.mean:.2f}" + (f" ± {found.half:.2f}" if found.n > 1 else "")


def _number(instructions):
    return "–" if instructions is None else f"{instructions / 1e6:.2f}"


def every(rows):
    for row in rows:
        yield from [
            "",
            f"### {row['ticket']}",
            "",
            "| variant | bytes | gzip | zstd | load, ms | latency | error | accuracy, % | |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for v in row["whole"]["variants"]:
            shown = [v["bytes"], v["gzip"], v["zstd"]]
            yield (
                f"| {v['name']} | "
                + " | ".join("–" if number is None else f"{number:,}" for number in shown)
                + f" | {_text(v['load_ms'], '.1f')} | {_text(v['latency'], '.2f')} | "
                f"{_text(v['relative_difference'], '.0e')}"
                + f" | {'–' if v['accuracy'] is None else format(100 * v['accuracy'], '.2f')} | "
                f"{v['problem'] or ''} |"
            )


def _text(number, form):
    return "–" if number is None else format(number, form)


def main():
    rows, rounds = (
        [json.loads(line) for line in (HERE / name).read_text().splitlines()]
        for name in ("rows.jsonl", "trained.jsonl")
    )
    rounds += of_the_study()
    prices = [
        *price(rounds, "conv6x0.5-structured-cifar10", "conv6x0.5-cifar10"),
        *(
            line
            for block in (4, 16)
            for line in price(rounds, f"lenet-block{block}-fashion", "lenet-block1-fashion")
        ),
    ]
    put(HERE / "README.md", "tables", [*sizes(rows), "", *speed(rows), "", *accuracies(rounds), "", *prices])
    put(HERE / "variants.md", "variants", every(rows))
    put(HERE.parents[1] / "README.md", "structured", structured(rows, rounds))
    put(HERE.parents[1] / "README.md", "phone", sizes([row for row in rows if row["ticket"] in shipped()]))


if __name__ == "__main__":
    main()
