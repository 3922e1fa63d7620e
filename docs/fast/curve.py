"""What a 90% ticket costs and what it reaches: cheaper searches beside eleven full rounds of 20%.

    python docs/fast/curve.py --data_dir=DIR [--runs=runs/fast] [--nets lenet resnet8] [--searches NAME ...]
    [--precision=auto]

Every search trains its last round in full; its cost is the epochs of all rounds over those of one dense
training. Figures are of the test split, which chose no epoch, round or rate within a search; the seeds are 0,
1 and 2. Rows go to docs/fast/rows.jsonl as they come, what is there is not run again, and docs/fast/README.md
and README.md's lines on --fast are made of them.
"""

import argparse
import contextlib
import io
import itertools
import json
from pathlib import Path

from keras_lottery.config import DataConfig, Machine, Net, Recipe, Run, SearchConfig
from keras_lottery.core.schedule import RULE
from keras_lottery.experiments import jobs, machine
from keras_lottery.experiments.fast import FAST
from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.stats import estimate, paired

HERE = Path(__file__).parent
ROWS = HERE / "rows.jsonl"
NETS = {
    "lenet": dict(epochs=6, learning_rate=0.0012, rewind=200, images=60000),
    "resnet8": dict(epochs=6, learning_rate=0.003, rewind=100, images=10000),
}
FULL, QUICK = "20% a round", "--fast: 32% a round, 3x, rewound once"
SEARCHES = {
    FULL: dict(rate=0.2),
    "20% a round, 3x": dict(rate=0.2, budget="3x"),
    "20% a round, 3x, rewound once": dict(rate=0.2, budget="3x", rewind_once=True),
    "20% a round, early bird 0.1": dict(rate=0.2, early_bird=0.1),
    "44% a round": dict(rate=0.44),
    "44% a round, early bird 0.1": dict(rate=0.44, early_bird=0.1),
    "44% a round, 3x": dict(rate=0.44, budget="3x"),
    QUICK: dict(FAST),
    "90% at once": dict(rounds=1),
}
SEEDS = (0, 1, 2)
PRECISIONS = ("mixed_bfloat16", "float32")
RULES = {  # what rounds that rewind to step k trained
    RULE: "from step k to step T, the end of the dense training",
    None: "T steps from step k on, as this package did before: a ticket had k steps more than the dense net",
}


def run(net, search, precision, seed, given):
    """The row of one search."""
    how = NETS[net]
    name = "".join(
        sign for sign in f"{search} {precision}".replace(" ", "_") if sign.isalnum() or sign in "._"
    )
    with contextlib.redirect_stdout(io.StringIO()):
        result = jobs.find(
            SearchConfig(
                how["epochs"], final_sparsity=0.9, rewind=how["rewind"], seed=seed, **SEARCHES[search]
            ),
            Net(net),
            DataConfig("fashion_mnist", given.data_dir, f"train[:{how['images']}]"),
            Recipe("adam", how["learning_rate"]),
            Machine(precision),
            Run(str(Path(given.runs, net, name, str(seed))), verbose=False),
        )
    spans = [(row["steps"]["start"], row["steps"]["stop"]) for row in result["rows"]]
    last, dense = result["rows"][-1], result["rows"][0]
    whole = spans[-1][1]  # the last round ends where the dense training does
    return {
        "net": net,
        "search": search,
        "seed": seed,
        "sparsity": last["sparsity"],
        "steps": spans,
        "rule": result["rule"],
        "cost": round(sum(stop - start for start, stop in spans) / whole, 2),
        "test_accuracy": last["test_accuracy"],
        "dense_test_accuracy": dense["test_accuracy"] if spans[0][1] == whole else None,
        "precision": precision,
    }


def _searched(row):
    """A row as it is written now: the search was called an arm."""
    return {"search" if name == "arm" else name: value for name, value in row.items()}


def by_search(rows, net, rule):
    """{(search, precision): {seed: row}} of the searches that have all seeds under a rule, in order."""
    found = {(search, precision): {} for search in SEARCHES for precision in PRECISIONS}
    for row in rows:
        if row["net"] == net and row.get("rule") == rule:
            found[row["search"], row["precision"]][row["seed"]] = row
    return {which: of for which, of in found.items() if set(of) == set(SEEDS)}


def accuracy(of):
    return {seed: 100 * row["test_accuracy"] for seed, row in of.items()}


def cost(of):
    return sum(row["cost"] for row in of.values()) / len(of)


def page(rows):
    """The rows as a page."""
    lines = [
        "# Cheaper searches",
        "",
        "Tickets at 90% on fashion_mnist, three seeds, each against the search with full rounds of 20% "
        "from the same seed in the same",
        "precision. The cost is in dense trainings; a round's length is the dense training's where nothing "
        'ends it. "Rewound once" takes',
        "the weights back before the last round alone. `python docs/fast/curve.py` makes this page.",
        "",
        "What --fast does was chosen after trials on resnet8, most of them with seed 0, whose test "
        "accuracies were seen: its figure there is",
        "not independent of the choice, lenet's is. The rows that are rewound once were run on other "
        "processors than the rest.",
        "",
    ]
    for rule, told in RULES.items():
        tables = [line for net in NETS for line in table(by_search(rows, net, rule), net)]
        lines += [f"## Rounds that rewind to step k train {told}", "", *tables] if tables else []
    return "\n".join(lines)


def table(found, net):
    """The searches of a net; nothing where there are no full rounds to compare with."""
    how = NETS[net]
    dense = [
        100 * row["dense_test_accuracy"]
        for (search, _), of in found.items()
        if search == FULL
        for row in of.values()
    ]
    if not dense:
        return
    yield (
        f"**{net}**, {how['images']:,} images less a tenth for validation, {how['epochs']} epochs, rewound "
        f"to step {how['rewind']}; dense {estimate(dense).mean:.2f}%:"
    )
    yield from (
        "",
        "| search | trained in | cost | test accuracy, % | minus full rounds of 20%, points |",
        "|---|---|---|---|---|",
    )
    for (search, precision), of in found.items():
        full = found.get((FULL, precision))
        difference = (
            ""
            if search == FULL or not full
            else "{0.mean:+.2f} ± {0.half:.2f}".format(paired(accuracy(of), accuracy(full)))
        )
        yield (
            f"| {search} | {precision} | {cost(of):.1f} | {estimate(accuracy(of).values()).mean:.2f} | "
            f"{difference} |"
        )
    yield ""


def in_short(rows):
    """What --fast takes and gives, for README.md: as rounds are trained now, where that was measured."""
    for net, precision in itertools.product(NETS, PRECISIONS):
        for rule in RULES:
            found = by_search(rows, net, rule)
            if {(FULL, precision), (QUICK, precision)} <= found.keys():
                full, fast = found[FULL, precision], found[QUICK, precision]
                difference = paired(accuracy(fast), accuracy(full))
                old = "" if rule else " (measured when rounds trained T steps from step k on)"
                yield (
                    f"- {net} on Fashion-MNIST at 90% zeros, in {precision}: {cost(fast):.1f} dense "
                    f"trainings instead of {cost(full):.1f}, {difference.mean:+.2f} ± "
                    f"{difference.half:.2f} points{old}"
                )
                break


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--data_dir")
    options.add_argument("--runs", default="runs/fast")
    options.add_argument("--nets", nargs="+", default=list(NETS))
    options.add_argument("--searches", nargs="+", default=list(SEARCHES))
    options.add_argument("--precision", default="auto")
    given = options.parse_args()
    precision = machine.set_precision(given.precision)
    rows = [_searched(json.loads(line)) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    done = {
        (row["net"], row["search"], row["precision"], row["seed"]) for row in rows if row.get("rule") == RULE
    }
    for net in given.nets:
        for seed in SEEDS:
            for search in given.searches:
                if (net, search, precision, seed) not in done:
                    rows.append(run(net, search, precision, seed, given))
                    print(rows[-1], flush=True)
                    with ROWS.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
    (HERE / "README.md").write_text(page(rows))
    put(HERE.parents[1] / "README.md", "fast", in_short(rows))


if __name__ == "__main__":
    main()
