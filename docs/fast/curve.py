"""What cheaper searches cost and give: a ticket with 90% zeros by each of them, and by full rounds of 20%.

    python docs/fast/curve.py --data_dir=DIR [--trials] [--cells=lenet-fashion_mnist,...] [--runs=runs/fast]

Four cells, each a net and its images. --trials runs every search with the seeds that choose among them;
without it the full rounds, `--fast` and the search that was chosen run with the seeds that are reported. Rows
go to docs/fast/rows.jsonl as they come, and what is there is not run again. docs/fast/README.md and lines of
docs/howto/cheaper.md are made of them.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import statistics
from pathlib import Path

from keras_lottery.config import DataConfig, Machine, Net, Recipe, Run, SearchConfig
from keras_lottery.experiments import jobs
from keras_lottery.experiments.fast import FAST
from keras_lottery.experiments.precision import set_precision
from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.report.table import figure
from keras_lottery.experiments.stats import differences, estimate, pooled

HERE = Path(__file__).parent
ROWS = HERE / "rows.jsonl"
EPOCHS, SPARSITY, SCORED = 6, 0.9, 16  # batches that a score other than magnitude looks at
TRIALS, SEEDS = (100, 101, 102), range(5)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A net, its images and how it is trained; rounds rewind to the step `rewind`."""

    net: str
    dataset: str
    train_split: str | None
    recipe: Recipe
    rewind: int


CELLS = {
    "lenet-fashion_mnist": Cell("lenet", "fashion_mnist", None, Recipe("adam", 0.0012), 200),
    "resnet8-fashion_mnist": Cell("resnet8", "fashion_mnist", "train[:11112]", Recipe("adam", 0.01), 80),
    "conv2-cifar10": Cell("conv2", "cifar10", "train[:11112]", Recipe("adam", 0.002), 80),
    "resnet8-cifar10": Cell("resnet8", "cifar10", "train[:11112]", Recipe("adam", 0.01), 80),
}
FULL, CHOSEN = "full rounds of 20%", None
ONE_SHOT = {"rounds": 1}
SEARCHES = {
    FULL: {"rate": 0.2},
    "--fast": FAST,
    "--fast, --budget=2x": {**FAST, "budget": "2x"},
    "--fast, --budget=2x, --rate=0.6": {**FAST, "budget": "2x", "rate": 0.6},
    "one round": ONE_SHOT,
    "one round, --score=taylor": {**ONE_SHOT, "score": "taylor"},
    "one round, --early_bird=0.1": {**ONE_SHOT, "early_bird": 0.1},
}
REPORTED = [FULL, "--fast", *([CHOSEN] if CHOSEN else [])]
PAGE = """\
# What cheaper searches cost

Tickets with {sparsity:.0%} zeros. A dense training has {epochs} epochs: of all images of Fashion-MNIST for
lenet, of 10,000 images for the other nets (those of CIFAR-10 are a copy that went through JPEG). Rounds
rewind to step 200, or 80 of the shorter trainings. The cost of a search is the steps of all its rounds, and
the batches that a score looks at, over the steps of one dense training. Test accuracy, with 95% intervals
over seeds, differences paired by seed; the test images chose no epoch, round or rate of a search. `python
docs/fast/curve.py` runs them and makes this page. Runs are in float32, lenet's reported ones in
mixed_bfloat16.

## Reported

{reported}

## Trials

All that was tried, with seeds that are not reported. What `--fast` does was settled earlier, on another net.

{trials}
"""


def run(name, search, seed, precision, given):
    """The row of one search."""
    cell = CELLS[name]
    with contextlib.redirect_stdout(io.StringIO()):
        result = jobs.find(
            SearchConfig(EPOCHS, final_sparsity=SPARSITY, rewind=cell.rewind, seed=seed, **SEARCHES[search]),
            Net(cell.net),
            DataConfig(cell.dataset, given.data_dir, train_split=cell.train_split or "train", batch_size=128),
            cell.recipe,
            Machine(precision),
            Run(str(Path(given.runs, name, search.replace(" ", ""), precision, str(seed))), verbose=False),
        )
    first, last = result["rows"][0], result["rows"][-1]
    spans = [(row["steps"]["start"], row["steps"]["stop"]) for row in result["rows"]]
    scored = SCORED * (len(spans) - 1) * ("score" in SEARCHES[search])
    return {
        "cell": name,
        "search": search,
        "seed": seed,
        "precision": precision,
        "sparsity": last["sparsity"],
        "rule": result["rule"],
        "steps": spans,
        "cost": round((sum(stop - start for start, stop in spans) + scored) / spans[-1][1], 2),
        "test_accuracy": last["test_accuracy"],
        "dense_test_accuracy": first["test_accuracy"] if spans[0] == (0, spans[-1][1]) else None,
    }


def table(rows, seeds, searches):
    """A line for each cell and search that has all of these seeds, then a line for each search over the cells
    that have it."""
    lines = ["| cell | search | cost | ticket, % | minus dense, points | minus full rounds, points |"]
    lines.append("|" + "---|" * 6)
    over = {search: {} for search in searches}
    for cell in CELLS:
        of = {search: of_search(rows, cell, search, seeds) for search in searches}
        for search, found in of.items():
            if found and of[FULL]:
                full = column(of[FULL], "test_accuracy")
                minus = [
                    figure(estimate(differences(column(found, "test_accuracy"), other)), "+")
                    for other in (column(of[FULL], "dense_test_accuracy"), full)
                ]
                over[search][cell] = differences(column(found, "test_accuracy"), full), mean_cost(found)
                accuracy = figure(estimate(column(found, "test_accuracy").values()))
                last = minus[1] if search != FULL else ""
                cost = f"{mean_cost(found):.1f}"
                lines.append(f"| {' | '.join([cell, search, cost, accuracy, minus[0], last])} |")
    for search, cells in over.items():
        if search != FULL and len(cells) > 1:
            mean = figure(pooled([strata for strata, _ in cells.values()]), "+")
            cost = statistics.mean(cost for _, cost in cells.values())
            lines.append(f"| {len(cells)} cells pooled | {search} | {cost:.1f} |  |  | {mean} |")
    return "\n".join(lines) if len(lines) > 2 else "None has been run yet."


def of_search(rows, cell, search, seeds):
    """{seed: row} of one cell and search; {} until all seeds are there."""
    found = {row["seed"]: row for row in rows if (row["cell"], row["search"]) == (cell, search)}
    return {seed: found[seed] for seed in seeds} if set(seeds) <= found.keys() else {}


def column(found, name):
    """{seed: a figure in %}."""
    return {seed: 100 * row[name] for seed, row in found.items()}


def mean_cost(found):
    return statistics.mean(row["cost"] for row in found.values())


def in_short(rows):
    """The line of docs/howto/cheaper.md for each cell."""
    for cell in CELLS:
        full, fast = (of_search(rows, cell, search, SEEDS) for search in (FULL, "--fast"))
        if full and fast:
            minus = estimate(differences(column(fast, "test_accuracy"), column(full, "test_accuracy")))
            yield (
                f"- {cell.replace('-', ' on ')} at {SPARSITY:.0%} zeros, {minus.n} seeds: "
                f"{mean_cost(fast):.1f} dense trainings instead of {mean_cost(full):.1f}, "
                f"{figure(minus, '+')} points"
            )


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--data_dir")
    options.add_argument("--trials", action="store_true")
    options.add_argument("--cells", default=",".join(CELLS))
    options.add_argument("--runs", default="runs/fast")
    given = options.parse_args()
    precision = set_precision("float32")
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    done = {(row["cell"], row["search"], row["seed"]) for row in rows}
    for seed in TRIALS if given.trials else SEEDS:
        for cell in given.cells.split(","):
            for search in SEARCHES if given.trials else REPORTED:
                if (cell, search, seed) not in done:
                    rows.append(run(cell, search, seed, precision, given))
                    print(rows[-1], flush=True)
                    with ROWS.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
    write(rows)


def write(rows):
    """The page, and the lines of docs/howto/cheaper.md."""
    told = {"reported": table(rows, SEEDS, REPORTED), "trials": table(rows, TRIALS, SEARCHES)}
    (HERE / "README.md").write_text(PAGE.format(sparsity=SPARSITY, epochs=EPOCHS, **told))
    put(HERE.parent / "howto" / "cheaper.md", "fast", in_short(rows))


if __name__ == "__main__":
    main()
