"""What --fast costs and gives: a ticket with 90% zeros by it, and by full rounds of 20%.

    python docs/fast/curve.py --data_dir=DIR [--runs=runs/fast] [--precision=auto]

Rows go to docs/fast/rows.jsonl as they come, and what is there is not run again. docs/fast/README.md and
a line of docs/howto/cheaper.md are made of them. The searches take about 14 minutes of a processor.
"""

import argparse
import contextlib
import io
import json
from pathlib import Path

from keras_lottery.config import DataConfig, Machine, Net, Recipe, Run, SearchConfig
from keras_lottery.experiments import jobs
from keras_lottery.experiments.fast import FAST
from keras_lottery.experiments.precision import set_precision
from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.report.table import figure
from keras_lottery.experiments.stats import estimate, paired

HERE = Path(__file__).parent
ROWS = HERE / "rows.jsonl"
NET, EPOCHS, LEARNING_RATE, REWIND, SPARSITY = "lenet", 6, 0.0012, 200, 0.9
SEARCHES = {"full": {"rate": 0.2}, "fast": FAST}
SEEDS = range(5)
PAGE = """\
# What --fast costs

Tickets of lenet with {sparsity:.0%} zeros on Fashion-MNIST, {seeds} seeds, by `--fast` and by full rounds of
20% from the same seed. A dense training has {epochs} epochs; rounds rewind to step {rewind}. The cost of a
search is the steps of all its rounds over those of one dense training. Test accuracy, with 95% intervals over
seeds; the test images chose no epoch, round or rate of a search. What `--fast` does was settled before these
searches, by trials on another net. `python docs/fast/curve.py` runs them and makes this page.

| trained in | dense, % | full rounds, % | cost | `--fast`, % | cost | `--fast` minus full rounds, points |
|---|---|---|---|---|---|---|
{table}
"""


def run(search, precision, seed, given):
    """The row of one search."""
    with contextlib.redirect_stdout(io.StringIO()):
        result = jobs.find(
            SearchConfig(EPOCHS, final_sparsity=SPARSITY, rewind=REWIND, seed=seed, **SEARCHES[search]),
            Net(NET),
            DataConfig("fashion_mnist", given.data_dir),
            Recipe("adam", LEARNING_RATE),
            Machine(precision),
            Run(str(Path(given.runs, search, precision, str(seed))), verbose=False),
        )
    first, last = result["rows"][0], result["rows"][-1]
    spans = [(row["steps"]["start"], row["steps"]["stop"]) for row in result["rows"]]
    return {
        "net": NET,
        "search": search,
        "seed": seed,
        "precision": precision,
        "sparsity": last["sparsity"],
        "rule": result["rule"],
        "steps": spans,
        "cost": round(sum(stop - start for start, stop in spans) / spans[-1][1], 2),
        "test_accuracy": last["test_accuracy"],
        "dense_test_accuracy": first["test_accuracy"] if spans[0] == (0, spans[-1][1]) else None,
    }


def by_precision(rows):
    """{precision: {search: {seed: row}}} where both searches have all seeds."""
    found = {}
    for row in rows:
        found.setdefault(row["precision"], {}).setdefault(row["search"], {})[row["seed"]] = row
    return {
        precision: of
        for precision, of in found.items()
        if all(set(SEEDS) <= of.get(search, {}).keys() for search in SEARCHES)
    }


def column(of, name, scale=1):
    """{seed: a figure of the row}."""
    return {seed: scale * row[name] for seed, row in of.items()}


def figures(of):
    """(accuracies in % and costs of both searches, their difference), as estimates over seeds."""
    full, fast = (column(of[search], "test_accuracy", 100) for search in SEARCHES)
    costs = (estimate(column(of[search], "cost").values()).mean for search in SEARCHES)
    return estimate(full.values()), estimate(fast.values()), *costs, paired(fast, full)


def table(rows):
    """A line for each precision."""
    for precision, of in by_precision(rows).items():
        full, fast, slow, quick, difference = figures(of)
        dense = estimate(column(of["full"], "dense_test_accuracy", 100).values())
        yield (
            f"| {precision} | {figure(dense)} | {figure(full)} | {slow:.1f} | {figure(fast)} | {quick:.1f} | "
            f"{figure(difference, '+')} |"
        )


def in_short(rows):
    """The line of docs/howto/cheaper.md for each precision."""
    for precision, of in by_precision(rows).items():
        *_, slow, quick, difference = figures(of)
        yield (
            f"- lenet on Fashion-MNIST at {SPARSITY:.0%} zeros, in {precision}, {difference.n} seeds: "
            f"{quick:.1f} dense trainings instead of {slow:.1f}, {figure(difference, '+')} points"
        )


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--data_dir")
    options.add_argument("--runs", default="runs/fast")
    options.add_argument("--precision", default="auto")
    given = options.parse_args()
    precision = set_precision(given.precision)
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    done = {(row["search"], row["precision"], row["seed"]) for row in rows}
    for seed in SEEDS:
        for search in SEARCHES:
            if (search, precision, seed) not in done:
                rows.append(run(search, precision, seed, given))
                print(rows[-1], flush=True)
                with ROWS.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    told = dict(
        sparsity=SPARSITY, seeds=len(SEEDS), epochs=EPOCHS, rewind=REWIND, table="\n".join(table(rows))
    )
    (HERE / "README.md").write_text(PAGE.format(**told))
    put(HERE.parent / "howto" / "cheaper.md", "fast", in_short(rows))


if __name__ == "__main__":
    main()
