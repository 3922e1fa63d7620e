"""Put the study's verdicts between README's markers; here, how the searches repeat.

python docs/study/summary.py
"""

from pathlib import Path

from keras_lottery.experiments import report
from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.report.cells import cells
from keras_lottery.experiments.stats import estimate, paired
from keras_lottery.experiments.verdicts import verdicts

HERE = Path(__file__).parent
AT = (0.9, 0.95)


def main():
    groups = {
        alike[0]["target"]: cells(alike) for alike in report.by_setting(report.read(HERE / "rows.jsonl"))
    }
    against = {}  # {control: {(data set, sparsity): what the ticket is compared with}}
    for target, found in groups.items():
        for at in AT:
            against.setdefault("dense", {})[target, at] = (
                found.get((0.0, "dense-scratch")) or found[0.0, "dense"]
            )
            if (at, "random") in found:
                against.setdefault("random", {})[target, at] = found[at, "random"]
    told = {
        base: verdicts(
            {cell: paired(groups[cell[0]][cell[1], "ticket"], others) for cell, others in of.items()}
        )
        for base, of in against.items()
    }
    lines = [
        "| | zeros | dense | ticket | ticket minus dense | ticket minus random mask |",
        "|---|---|---|---|---|---|",
    ]
    for (target, at), dense in against["dense"].items():
        means = [f"{estimate(values.values()).mean:.2f}" for values in (dense, groups[target][at, "ticket"])]
        said = [
            _words(told[base][target, at]) if (target, at) in told.get(base, {}) else ""
            for base in ("dense", "random")
        ]
        lines.append(f"| {target} | {at:.0%} | " + " | ".join([*means, *said]) + " |")
    put(HERE.parents[1] / "README.md", "study", lines)
    put(HERE / "README.md", "repeat", repeat(groups["cifar10"]))


def repeat(first):
    """The searches of the rows beside the same searches, run again."""
    yield from ("| zeros | first | again | by seed |", "|---|---|---|---|")
    for cell, again in sorted(cells(report.read(HERE / "repeat.jsonl")).items()):
        means = [f"{estimate(values.values()).mean:.2f}" for values in (first[cell], again)]
        yield (
            f"| {cell[0]:.0%} | {' | '.join(means)} | "
            f"{', '.join(f'{again[seed] - first[cell][seed]:+.2f}' for seed in sorted(again))} |"
        )


def _words(verdict):
    if verdict.estimate.n < 2:
        return f"{verdict.estimate.mean:+.2f}, one seed"
    corrected = "" if verdict.corrected == verdict.plain else f" ({verdict.corrected})"
    return f"{verdict.estimate.mean:+.2f} ± {verdict.estimate.half:.2f}: {verdict.plain}{corrected}"


if __name__ == "__main__":
    main()
