"""What a 90% ticket costs and what it reaches: cheaper searches beside eleven full rounds of 20%.

    python docs/fast/curve.py --data_dir=DIR [--runs=runs/fast] [--nets lenet resnet8] [--arms NAME ...]

Every search trains its last round in full; its cost is the epochs of all rounds over those of one dense training. Figures
are of the test split, which chose nothing; the seeds are 0, 1 and 2. Rows go to docs/fast/rows.jsonl as they come, what is
there is not run again, and docs/fast/README.md and README.md's line on --fast are made of them.
"""

import argparse
import contextlib
import io
import json
from pathlib import Path

from keras_lottery import jobs
from keras_lottery.report.between import put
from keras_lottery.stats import estimate, paired
from keras_lottery.stopping import FAST

HERE = Path(__file__).parent
ROWS = HERE / "rows.jsonl"
NETS = {
    "lenet": dict(epochs=6, learning_rate=0.0012, rewind=200, images=60000),
    "resnet8": dict(epochs=6, learning_rate=0.003, rewind=100, images=10000),
}
FULL, QUICK = "20% a round", "--fast: 44% a round, 3x"
ARMS = {
    FULL: dict(rate=0.2),
    "20% a round, float32": dict(rate=0.2, precision="float32"),
    "20% a round, 3x": dict(rate=0.2, budget="3x"),
    "20% a round, early bird 0.1": dict(rate=0.2, early_bird=0.1),
    "44% a round": dict(rate=0.44),
    "44% a round, early bird 0.1": dict(rate=0.44, early_bird=0.1),
    QUICK: dict(FAST),
    "90% at once": dict(rounds=1),
}
SEEDS = (0, 1, 2)


def run(net, arm, seed, given):
    """The row of one search."""
    how = NETS[net]
    with contextlib.redirect_stdout(io.StringIO()):
        result = jobs.find(
            dataset=dict(name="fashion_mnist", data_dir=given.data_dir, train_split=f"train[:{how['images']}]"), model=net,
            epochs=how["epochs"], recipe=dict(optimizer="adam", learning_rate=how["learning_rate"], schedule="cosine", weight_decay=0.0),
            seed=seed, strategy="none", run_dir=Path(given.runs, net, arm.replace(" ", "_").replace("%", ""), str(seed)),
            final_sparsity=0.9, rewind=how["rewind"], verbose=0, **{"precision": "auto", **ARMS[arm]})
    epochs = [len(row["history"]) for row in result["rows"]]
    last, dense = result["rows"][-1], result["rows"][0]
    return {"net": net, "arm": arm, "seed": seed, "sparsity": last["sparsity"], "epochs": epochs, "cost": round(sum(epochs) / how["epochs"], 2),
            "test_accuracy": last["test_accuracy"], "dense_test_accuracy": dense["test_accuracy"] if epochs[0] == how["epochs"] else None,
            "precision": result["precision"]}


def page(rows):
    """The rows as a page."""
    lines = ["# Cheaper searches", "", "Tickets at 90% on fashion_mnist, three seeds, each against the search with full rounds of 20% from the same seed. The cost is",
             "in dense trainings; a round's length is the dense training's where nothing ends it. Trained in mixed_bfloat16, as the commands",
             "do where the processor has it; float32 stands beside it. `python docs/fast/curve.py` makes this page.", ""]
    for net in NETS:
        found = {}
        for row in rows:
            if row["net"] == net:
                found.setdefault(row["arm"], {})[row["seed"]] = row
        if len(found.get(FULL, {})) < len(SEEDS):
            continue
        accuracy = {arm: {seed: 100 * row["test_accuracy"] for seed, row in of.items()} for arm, of in found.items()}
        dense = [100 * row["dense_test_accuracy"] for row in found[FULL].values()]
        how = NETS[net]
        lines += [f"**{net}**, {how['images']:,} images less a tenth for validation, {how['epochs']} epochs, rewound to step {how['rewind']}; "
                  f"dense {estimate(dense).mean:.2f}%:", "", "| search | cost | test accuracy, % | minus full rounds of 20%, points |", "|---|---|---|---|"]
        for arm in ARMS:
            if len(found.get(arm, {})) < len(SEEDS):
                continue
            cost = sum(row["cost"] for row in found[arm].values()) / len(found[arm])
            difference = "" if arm == FULL else "{0.mean:+.2f} ± {0.half:.2f}".format(paired(accuracy[arm], accuracy[FULL]))
            lines.append(f"| {arm} | {cost:.1f} | {estimate(accuracy[arm].values()).mean:.2f} | {difference} |")
        lines.append("")
    return "\n".join(lines)


def in_short(rows):
    """What --fast takes and gives, for README.md."""
    for net in NETS:
        full, fast = ({row["seed"]: row for row in rows if (row["net"], row["arm"]) == (net, arm)} for arm in (FULL, QUICK))
        if set(SEEDS) <= full.keys() & fast.keys():
            difference = paired(*({seed: 100 * row["test_accuracy"] for seed, row in of.items()} for of in (fast, full)))
            costs = [sum(row["cost"] for row in of.values()) / len(of) for of in (fast, full)]
            yield (f"- {net} on Fashion-MNIST at 90% zeros: {costs[0]:.1f} dense trainings instead of {costs[1]:.1f}, "
                   f"{difference.mean:+.2f} ± {difference.half:.2f} points")


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--data_dir")
    options.add_argument("--runs", default="runs/fast")
    options.add_argument("--nets", nargs="+", default=list(NETS))
    options.add_argument("--arms", nargs="+", default=list(ARMS))
    given = options.parse_args()
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
    done = {(row["net"], row["arm"], row["seed"]) for row in rows}
    for net in given.nets:
        for seed in SEEDS:
            for arm in given.arms:
                if (net, arm, seed) not in done:
                    rows.append(run(net, arm, seed, given))
                    print(rows[-1], flush=True)
                    with ROWS.open("a") as file:
                        file.write(json.dumps(rows[-1]) + "\n")
    (HERE / "README.md").write_text(page(rows))
    put(HERE.parents[1] / "README.md", "fast", in_short(rows))


if __name__ == "__main__":
    main()
