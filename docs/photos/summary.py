"""Write the tables of docs/photos/README.md, and README.md's on photos, from the .jsonl files beside it.

python docs/photos/summary.py
"""

import dataclasses
import json
from pathlib import Path

import narrowed
import numpy as np
import shrunk

from keras_lottery.experiments.report.between import put
from keras_lottery.experiments.report.table import figure, interval
from keras_lottery.experiments.stats import Estimate, estimate, paired
from keras_lottery.experiments.verdicts import MARGIN, verdicts

HERE = Path(__file__).parent
PRIMARY = (0.9, 0.95, 0.975)  # ticket minus dense-cyclic: the family that is corrected for
ENOUGH = 0.5  # points: a wider primary interval calls for the seeds that the plan adds
FIRST, ALL = 5, 8  # seeds, and how many they are with those that the plan may add
OTHERS = {
    "random-rescaled": "nested random masks, rescaled",
    "gradual": "gradual pruning, as many steps in total",
    "ticket-pretrained": "ticket rewound to the pretrained weights",
    "dense-new": "dense, new weights, as many steps in total as the search to 97.5%",
}
SIDES = {"person": "of people who are in no other part", "photo": "of people who are in training as well"}


def by_cell(rows: list, split: str = "person") -> dict:
    """{(control, sparsity, trainings): {seed: test accuracy in %}} of the rows of a split."""
    cells = {}
    for row in rows:
        if row["split"] == split:
            name = row["control"], row["sparsity"], row["trainings"]
            accuracy = 100 * row["test_accuracy"]
            if cells.setdefault(name, {}).setdefault(row["seed"], accuracy) != accuracy:
                raise SystemExit(f"two rows of seed {row['seed']}, {name} differ: leave one of them out")
    return cells


def tickets(cells: dict) -> dict:
    """{sparsity: (trainings, the ticket's {seed: accuracy}, that of dense-cyclic with as many trainings)}."""
    return {
        sparsity: (trainings, of, cells.get(("dense-cyclic", 0.0, trainings), {}))
        for (control, sparsity, trainings), of in sorted(cells.items())
        if control == "ticket"
    }


def overlapping(found: Estimate, rows: list) -> Estimate:
    """An estimate over seeds whose splits are drawn from the same photos, with the variance corrected for it.

    The variance of the mean is s^2 (1 / n + test / train), where the t-interval takes s^2 / n.

    Source: Nadeau & Bengio 2003, "Inference for the generalization error", Machine Learning 52.
    """
    images = [row["images"] for row in rows if row["split"] == "person"]
    share = np.mean([of["test"] / of["train"] for of in images])
    return dataclasses.replace(found, half=float(found.half * np.sqrt(1 + found.n * share)))


def headline(rows):
    """Ticket minus the dense net that was trained as often, and minus the one that was trained once."""
    cells = by_cell(rows)
    once, pairs = cells[("dense", 0.0, 1)], tickets(cells)
    found = {at: paired(*of) for at, (_, *of) in pairs.items() if _both(*of)}
    told = verdicts_of(pairs)
    yield (
        "| zeros | trainings | ticket, % | dense, trained as often, % | dense, trained once, % | "
        f"ticket minus dense, trained as often | corrected for {len(PRIMARY)} comparisons | "
        "corrected for overlapping splits | ticket minus dense, trained once |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for sparsity, (trainings, ours, theirs) in pairs.items():
        difference, more = _interval(found.get(sparsity)), _interval(paired(ours, once))
        corrected = _interval(overlapping(found[sparsity], rows) if sparsity in found else None)
        yield (
            f"| {_percent(sparsity)} | {trainings} | {_mean(ours)} | {_mean(theirs)} | {_mean(once)} | "
            f"{difference} | {told.get(sparsity, '')} | {corrected} | {more} |"
        )


def verdicts_of(pairs):
    """{sparsity: the corrected interval and its verdict} of the primary cells; no verdict until the seeds of
    the plan are in."""
    found = {at: paired(*pairs[at][1:]) for at in PRIMARY if at in pairs and _both(*pairs[at][1:])}
    words = verdicts(found, MARGIN, comparisons=len(PRIMARY))
    n, planned, _ = seeds_of(pairs)
    if n < planned:
        return dict.fromkeys(words, "**seeds are missing**")
    return {at: f"{interval(of.interval, (0.0, -MARGIN))}: **{of.corrected}**" for at, of in words.items()}


def for_others(rows):
    """The verdicts by the intervals corrected for overlapping splits as well, in words."""
    pairs = tickets(by_cell(rows))
    words = verdicts({at: overlapping(paired(*pairs[at][1:]), rows) for at in PRIMARY}, MARGIN)
    said = {of.corrected for of in words.values()}
    if len(said) == 1:
        return f"{said.pop()} for each"
    return ", ".join(f"{_percent(at)} zeros {of.corrected}" for at, of in words.items())


def seeds(rows):
    """How many seeds there are, and what the plan says of more."""
    n, planned, width = seeds_of(tickets(by_cell(rows)))
    yield f"Seeds in the primary cells: {n} of {planned}."
    if planned == ALL:
        yield (
            f"The widest interval of the first {FIRST} is ± {width:.2f} points. Since that is more than "
            f"{ENOUGH}, the plan adds seeds {FIRST} to {ALL - 1}."
        )
    elif n >= FIRST:
        yield f"Their widest interval is ± {width:.2f} points, so the plan asks for no more."
    if n >= planned:
        yield (
            "The verdicts are about other splits of the same photos. About photos of other people, by the "
            f"intervals corrected for overlapping splits too, they would be: {for_others(rows)}."
        )


def seeds_of(pairs):
    """(how many seeds the primary cells have, how many are planned, the widest interval of the first)."""
    both = [pairs.get(at, (0, {}, {}))[1:] for at in PRIMARY]
    there = set.intersection(*(_both(*cell) for cell in both))
    n = len(there.intersection(range(ALL)))
    if not there.issuperset(range(FIRST)):
        return len(there.intersection(range(FIRST))), FIRST, None
    first = [[{seed: of[seed] for seed in of if seed < FIRST} for of in cell] for cell in both]
    width = max(paired(*cell).half for cell in first)
    return n, ALL if width > ENOUGH else FIRST, width


def controls(rows):
    """The other controls, each beside the ticket at its sparsity; dense-new beside the last ticket."""
    cells = by_cell(rows)
    ours = {sparsity: of for sparsity, (_, of, _) in tickets(cells).items()}
    yield "| control | zeros | trainings | seeds | test accuracy, % | ticket minus it, points |"
    yield "|---|---|---|---|---|---|"
    for control, told in OTHERS.items():
        for (name, sparsity, trainings), of in sorted(cells.items()):
            if name == control:
                beside = ours.get(sparsity or max(ours), {})
                difference = _interval(paired(beside, of)) if _both(beside, of) else "–"
                yield (
                    f"| {told} | {_percent(sparsity)} | {trainings} | {len(of)} | "
                    f"{_interval(estimate(of.values()), '')} | {difference} |"
                )


def splits(rows):
    """The dense net, fine-tuned once, on people that it has not seen and on people that it has."""
    yield "| the test photos are | seeds | dense, trained once, % |"
    yield "|---|---|---|"
    for split, told in SIDES.items():
        of = by_cell(rows, split).get(("dense", 0.0, 1))
        if of:
            yield f"| {told} | {len(of)} | {_interval(estimate(of.values()), '')} |"


def machine(rows):
    """What the rows were made with."""

    def told(name):
        return ", ".join(sorted({str(row[name]) for row in rows if row.get(name)}))

    recipes = sorted({json.dumps(row["recipe"]) for row in rows})
    yield f"Precision {told('precision')}; TensorFlow {told('tensorflow')}, tf_keras {told('tf-keras')}."
    yield f"Recipe: {'; '.join(recipes)}. Commit: {told('commit')}."


def files(rows):
    """Each file, over the seeds: bytes, and what it gets right of the test photos."""
    yield (
        "| net | file | seeds | MB | times smaller | zstd, MB | test accuracy, % | "
        "minus dense float32, points | ARM instructions, millions |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    cells = {}
    for row in rows:
        if row["problem"] is None:
            cells.setdefault((row["net"], row["file"]), {})[row["seed"]] = row
    dense = cells.get(("dense", "float32 dense"), {})
    for (net, file), of in sorted(cells.items(), key=lambda cell: -_over(cell[1], "bytes")):
        smaller = _over(dense, "bytes") / _over(of, "bytes")
        counts = [row["instructions"] for row in of.values() if row["instructions"]]
        difference = _interval(paired(_accuracy(of), _accuracy(dense))) if of is not dense else ""
        yield (
            f"| {net} | {file} | {len(of)} | {_over(of, 'bytes') / 1e6:.2f} | {smaller:.1f} | "
            f"{_over(of, 'zstd') / 1e6:.2f} | {_mean(_accuracy(of))} | {difference} | "
            f"{f'{np.mean(counts) / 1e6:.1f}' if counts else '–'} |"
        )


def _accuracy(of):
    return {seed: 100 * row["test_accuracy"] for seed, row in of.items()}


def in_short(rows):
    """README.md's lines: the primary comparisons, without a verdict until the seeds of the plan are in."""
    cells = tickets(by_cell(rows))
    found = {at: of for at, (_, *of) in cells.items() if at in PRIMARY and _both(*of)}
    n, planned, _ = seeds_of(cells)
    words = verdicts_of(cells)
    once = _mean(by_cell(rows)[("dense", 0.0, 1)])
    how = (
        f", with the interval corrected for {len(PRIMARY)} comparisons; about photos of other people, "
        f"{for_others(rows)} ([why](docs/photos/README.md))"
    )
    yield (
        "EfficientNet-Lite0 from ImageNet, fine-tuned on photos of hands and tested on people that it has "
        f"not seen: {n} of {planned} planned seeds{'' if n >= planned else ', so no verdict yet'}. "
        f"Fine-tuned once, the dense net reaches {once}% of test accuracy. The ticket, and the dense "
        f"net trained as often{how * (n >= planned)}:"
    )
    yield ""
    for at, (ours, theirs) in found.items():
        both = sorted(_both(ours, theirs))
        means = (_mean({seed: of[seed] for seed in both}) for of in (ours, theirs))
        told = f"; {words[at]}" if n >= planned else ""
        yield (
            f"- {_percent(at)} zeros: {' and '.join(means)}%, {_interval(paired(ours, theirs))} points{told}"
        )


def _both(ours, theirs):
    """The seeds that both sides have."""
    return ours.keys() & theirs.keys()


def _over(rows, column):
    return float(np.mean([row[column] for row in rows.values()]))


def _mean(of):
    return f"{np.mean(list(of.values())):.2f}" if of else "–"


def _interval(found, sign="+"):
    return "–" if found is None else figure(found, sign)


def _percent(sparsity):
    return f"{100 * sparsity:g}%"


def read(name):
    """The rows of a file beside this one; none where it is not there."""
    path = HERE / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main():
    rows, page = read("rows.jsonl"), HERE / "README.md"
    for table in (headline, seeds, controls, splits, machine):
        put(page, table.__name__, table(rows))
    put(page, "files", files(read("files.jsonl")))
    put(HERE.parents[1] / "README.md", "photos", in_short(rows))
    cells = by_cell(rows)
    often = {trainings: of for (control, _, trainings), of in cells.items() if control == "dense-cyclic"}
    narrowed.main(often)
    shrunk.main()


if __name__ == "__main__":
    main()
