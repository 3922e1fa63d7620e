"""Pruning scores and scopes beside magnitude, with equal steps: one net, the same rounds, data and seeds.

    python docs/scores/compare.py [--runs=runs/scores] [--nets lenet resnet8] [--searches NAME ...]
    [--seeds=5]

Each search prunes in the same rounds, rewinds to the initial weights and trains each round for the same
steps; figures are of the test split at the last epoch, and choose nothing. Rows go to docs/scores/rows.jsonl
as they come, what is there is not run again, and docs/scores/README.md is made of them.
"""

import argparse
import contextlib
import io
import json
from pathlib import Path

import numpy as np

from keras_lottery import engines
from keras_lottery.config import DataConfig, Machine, Net, Recipe, Run, SearchConfig
from keras_lottery.core.errors import Failed
from keras_lottery.experiments import jobs
from keras_lottery.experiments.stats import estimate, paired
from keras_lottery.training import run_folder

HERE = Path(__file__).parent
ROWS = HERE / "rows.jsonl"
NETS = {
    "lenet": dict(epochs=10, learning_rate=0.0012),
    "resnet8": dict(epochs=10, learning_rate=0.003),
}
SPARSITIES = (0.9, 0.95)
RATE = 0.6  # of the rounds before the first of these


def movement(path, weight, state):
    """Sanh et al. 2020 (arXiv 2005.07683), section 4; see `keras_lottery.search.scores`."""
    return weight**2 - state.start[path] ** 2


def wanda(path, weight, state):
    """Sun et al. 2023 (arXiv 2306.11695), section 3: ranks among the weights into one output."""
    importance = np.abs(weight) * state.inputs[path]
    of_outputs = importance.reshape(-1, weight.shape[-1])
    return of_outputs.argsort(0).argsort(0).reshape(weight.shape)


MAGNITUDE = "magnitude"
SEARCHES = {
    MAGNITUDE: dict(),
    "magnitude, layer": dict(scope="layer"),
    "magnitude, erk": dict(scope="erk"),
    "taylor": dict(score="taylor"),
    "taylor, erk": dict(score="taylor", scope="erk"),
    "synflow": dict(score="synflow"),
    "movement": dict(score=movement),
    "wanda, layer": dict(score=wanda, scope="layer"),
    "random": dict(score="random"),
    "random, erk": dict(score="random", scope="erk"),
}


def run(net, search, seed, runs):
    """The rows of one search: one for each sparsity that is compared, and the dense net."""
    how = NETS[net]
    folder = Path(runs, net, search.replace(", ", "-"), str(seed))
    engines.engine_of("tf_keras").keras.backend.clear_session()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Failed):
        jobs.find(
            SearchConfig(how["epochs"], rate=RATE, final_sparsity=SPARSITIES, seed=seed, **SEARCHES[search]),
            Net(net),
            DataConfig("digits", batch_size=64),
            Recipe("adam", how["learning_rate"]),
            Machine("float32", backend="tf_keras"),
            Run(str(folder), verbose=False),
        )
    result = run_folder.read_result(folder)
    steps = {row["steps"]["stop"] - row["steps"]["start"] for row in result["rows"] if "steps" in row}
    assert len(steps) == 1, "every round of every search trains for the same steps"
    return [
        {
            "net": net,
            "search": search,
            "seed": seed,
            "sparsity": round(row["sparsity"], 4),
            "steps": min(steps),
            "outcome": row.get("outcome"),
            "test_accuracy": row["test_accuracy"],
            "test_images": row.get("test_images"),
        }
        for row in result["rows"]
        if row["control"] == "dense" or any(abs(row["sparsity"] - at) < 2e-3 for at in SPARSITIES)
    ]


def accuracy(rows, net, search, sparsity):
    """{seed: test accuracy in %} of the searches that came to that sparsity."""
    return {
        row["seed"]: 100 * row["test_accuracy"]
        for row in rows
        if (row["net"], row["search"]) == (net, search)
        if abs(row["sparsity"] - sparsity) < 2e-3 and row["test_accuracy"] is not None
    }


def page(rows):
    """The rows as a page."""
    images = max(row["test_images"] or 0 for row in rows)
    yield from (
        "# Scores and scopes beside magnitude",
        "",
        f"Tickets on digits ({images} test images), each search against magnitude in global scope from the "
        "same seed, with the",
        "same rounds and steps: mean test accuracy in % with its 95% interval over seeds, and the paired "
        "difference in",
        "points. With so few images and seeds a difference of one point cannot be detected, and of so many "
        "intervals",
        "one in twenty misses the true value by chance. `keras_lottery/search/scores.py` defines each score, "
        "and shows",
        "movement and wanda as scores that a user writes.",
        "`python docs/scores/compare.py` measures what is missing in [rows.jsonl](rows.jsonl) and makes this "
        "page.",
        "",
    )
    for net in NETS:
        dense = accuracy(rows, net, MAGNITUDE, 0.0)
        if dense:
            steps = next(row["steps"] for row in rows if row["net"] == net)
            yield (
                f"**{net}**, {len(dense)} seeds, {steps} steps per round, rewound to the initial weights; "
                f"dense {_told(estimate(dense.values()))}:"
            )
            yield from ("", *table(rows, net), "")


def table(rows, net):
    head = [f"at {at:.0%} | minus magnitude" for at in SPARSITIES]
    yield f"| score, scope | {' | '.join(head)} |"
    yield f"|---|{'---|---|' * len(SPARSITIES)}"
    for search in SEARCHES:
        cells = []
        for at in SPARSITIES:
            own, other = (accuracy(rows, net, name, at) for name in (search, MAGNITUDE))
            cells.append(_told(estimate(own.values())) if own else "dead")
            cells.append("" if search == MAGNITUDE or not own else _told(paired(own, other), "+"))
            if own and len(own) < len(other):
                cells[-1] += f" ({len(other) - len(own)} of {len(other)} dead)"
        if any(row["net"] == net and row["search"] == search for row in rows):
            yield f"| {search} | {' | '.join(cells)} |"


def _told(figure, sign=""):
    return f"{figure.mean:{sign}.2f} ± {figure.half:.2f}"


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--runs", default="runs/scores")
    options.add_argument("--nets", nargs="*", default=list(NETS))
    options.add_argument("--searches", nargs="+", default=list(SEARCHES))
    options.add_argument("--seeds", type=int, default=5)
    given = options.parse_args()
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    done = {(row["net"], row["search"], row["seed"]) for row in rows}
    for net in given.nets:
        for seed in range(given.seeds):
            for search in given.searches:
                if (net, search, seed) not in done:
                    found = run(net, search, seed, given.runs)
                    rows += found
                    print(net, search, seed, [row["test_accuracy"] for row in found], flush=True)
                    with ROWS.open("a") as file:
                        file.write("".join(json.dumps(row) + "\n" for row in found))
    (HERE / "README.md").write_text("\n".join(page(rows)))


if __name__ == "__main__":
    main()
