"""benchmarks/README.md, from the files in benchmarks/results: each figure beside its goal.

python benchmarks/summary.py
"""

import json

import side_by_side as bench

from keras_lottery.experiments.report.between import put

TITLE = """# What the training engine costs

Each table shows the results of one command, which are in `results/`. The two sides of a ratio ran
alternately. The ratio was taken for each pair of runs; the tables give its median, with the quartiles in
brackets. `make bench` measures all of it again (about an hour on two cores). Whether the recipes that are
chosen for a network train it is measured in `benchmarks/recipes.md`.
"""


def read(name):
    path = bench.RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"rows": []}


def read_lines(name):
    path = bench.RESULTS / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def read_all(name):
    """{what it was measured on and in: the file}, of each processor and precision."""
    found = [json.loads(path.read_text()) for path in sorted(bench.RESULTS.glob(f"{name}_*.json"))]
    return {f"{file['processor']} in {file['precision']}": file for file in found}


def of(ratio):
    return f"{ratio['median']:.3f} ({ratio['quartiles'][0]:.3f}–{ratio['quartiles'][1]:.3f})"


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def step():
    found = read("step")["rows"]
    rows = [
        (
            f"{row['backend']}, {row['precision']}",
            row["model"],
            of(row["masked"]),
            of(row["again"]),
            of(row["tfmot"]) if "tfmot" in row else "–",
            f"{100 * row['mask_alone_share']:.2f}%",
            " / ".join(
                f"{row['first_step_seconds'].get(side, '–')}" for side in ("plain", "masked", "tfmot")
            ),
        )
        for row in found
    ]
    return (
        "A step at batch 128, one thread (`python benchmarks/step.py`). Goal: masked at most 1.02 times "
        "plain. `again` measures the plain model a second time, so its distance from 1 is noise. A mask "
        "takes one byte per weight, a quarter of the weights' memory.",
        table(
            (
                "on",
                "net",
                "masked / plain",
                "again / plain",
                "TF-MOT / plain",
                "the mask alone",
                "first step, s: plain / masked / TF-MOT",
            ),
            rows,
        ),
    )


def boundary():
    found = read("boundary")["rows"]
    rows = [
        (
            row["model"],
            f"{row['weights'] / 1e6:.2f}",
            f"{row['boundary_seconds']:.2f}",
            f"{row['boundary_over_step']['median']:.2f}",
            f"{row['boundary_memory_over_weights']:.1f}",
            row["retraces"],
            f"{row['ticket_save_seconds'] + row['ticket_load_seconds']:.2f}",
        )
        for row in found
    ]
    return (
        "A round's boundary: prune globally, rewind, reset the optimizer (`python "
        "benchmarks/boundary.py`). Goals: at most one step for resnet18, 2 s for vgg19, no retrace; a "
        "ticket saved and loaded in at most 1 s for 20 M weights.",
        table(
            (
                "net",
                "weights, M",
                "boundary, s",
                "in steps",
                "memory / weights",
                "retraces",
                "ticket saved and loaded, s",
            ),
            rows,
        ),
    )


def search():
    goals = {"tfmot": "1.4", "pytorch": "1.8", "pytorch-fastest": "1.0"}
    rows = [
        (
            on,
            f"{file['images']:,} of {file['dataset']}",
            row["side"],
            of(row["over_ours"]),
            goals.get(row["side"], ""),
            f"{100 * row['sparsity']:.1f}%",
            f"{100 * row['test_accuracy']:.1f}%",
        )
        for on, file in read_all("search").items()
        for row in file["rows"]
    ]
    return (
        "A whole search, resnet20, 6 trainings of 2 epochs, two cores (`python benchmarks/search.py`, "
        "which describes the sides). A processor's rows stay until that processor is measured again, and the "
        "package may have changed since.",
        table(("ours on", "images", "side", "time / ours", "goal, at least", "zeros", "test accuracy"), rows),
    )


def where():
    rows = [(row["of"], row["at"], f"{row['share']:.1%}") for row in read("where")["rows"]]
    return (
        "Where the time of that search goes (`python benchmarks/where.py`). TensorFlow runs operations "
        "in parallel, so the shares of a step may add up to more than 100%.",
        table(("of", "at", "share of its time"), rows),
    )


def bound():
    rows = [
        (on, row["side"], of(row["over_tf_keras"]))
        for on, file in read_all("bound").items()
        for row in file["rows"]
    ]
    return (
        "A plain training step of resnet20, without masks, two cores (`python benchmarks/bound.py`). A "
        "search that Keras trains starts with this difference from PyTorch, before the package adds any work "
        "of its own. Processors of one name differ: the Intel in mixed_bfloat16 is faster in it, the one in "
        "float32 is slower.",
        table(("tf_keras on", "side", "step / tf_keras"), rows),
    )


def memory():
    rows = [
        (
            row["net"],
            f"{row['weights'] / 1e6:.1f}",
            row["rounds"],
            row["plain_mib"],
            row["search_mib"],
            f"{row['search_over_plain']:.3f}",
        )
        for row in read_lines("memory")
        if row["what"] == "search"
    ]
    return (
        "The largest memory of a search, TensorFlow included (`python benchmarks/memory.py`, which describes "
        "the cases). Goal: at most 1.15 times one plain training with 25 M weights.",
        table(("net", "weights, M", "rounds", "plain training, MiB", "search, MiB", "ratio"), rows),
    )


def ticket():
    rows = [
        (
            f"{row['millions']:g}",
            row["arrays_mib"],
            *(
                text
                for way in (row["save"], row["load"])
                for text in (f"{way['over_arrays']:.2f}", f"{way['seconds']:.1f}")
            ),
        )
        for row in read_lines("memory")
        if row["what"] == "ticket"
    ]
    return (
        "A ticket with 20% zeros and trained weights on its way to disk and back (the same command). The "
        "memory is the largest that the process held beyond what it held before, over the ticket's arrays, "
        "themselves included. Goals: at most 1.2, and time in proportion to the weights.",
        table(("weights, M", "arrays, MiB", "saving: memory", "seconds", "loading: memory", "seconds"), rows),
    )


def inputs():
    rows = [
        (
            row["pipeline"],
            f"{row['images_a_second']:,}",
            row["over_what_a_step_takes"],
            of(row["time_over_ours"]),
        )
        for row in read("input")["rows"]
    ]
    return (
        "Input: CIFAR-10's shape, flipped and cropped (`python benchmarks/input.py`).",
        table(("pipeline", "images a second", "times what resnet20's step takes", "time / ours"), rows),
    )


def start():
    rows = [(row["import"], of(row["over_tensorflow"])) for row in read("start")["rows"]]
    return (
        "Start: `import` in a fresh process over that of TensorFlow (`python benchmarks/start.py`).",
        table(("import", "ratio"), rows),
    )


def backends():
    rows = [
        (on, row["net"], row["backend"], row["precision"], of(row["over_tf_keras"]))
        for on, file in read_all("backends").items()
        for row in file["rows"]
    ]
    return (
        "A plain training step at batch 128 on all cores, by backend (`python benchmarks/backends.py`), over "
        "that of tf_keras in the precision that commands choose there.",
        table(
            ("commands choose tf_keras on", "net", "backend", "precision", "step / that of commands"), rows
        ),
    )


def device():
    found = read("device")
    rows = [
        (
            row["device"],
            f"{row['backend']}, {row['precision']}",
            row["steps"],
            row["pruned_weights_not_zero"],
            ", ".join(f"{kept:,}" for kept in row["kept"]),
            "yes" if all(row["rewound_to_the_bit"]) else "no",
        )
        for row in found["rows"]
    ]
    return (
        f"What always holds, on an accelerator, {found.get('date')} (`make device`).",
        table(
            (
                "device",
                "on",
                "steps",
                "pruned weights that came back",
                "kept, by round",
                "rewound to the bit",
            ),
            rows,
        ),
    )


def main():
    on = {**bench.machine(), **read("step")}
    parts = [TITLE, f"Measured on {on['cpus']} cores of {on['processor']}.\n"]
    for part in (step, boundary, search, where, bound, backends, memory, ticket, inputs, start, device):
        words, rows = part()
        if rows.count("\n") > 1:
            parts.append(f"{words}\n\n{rows}\n")
    (bench.ROOT / "benchmarks" / "README.md").write_text("\n".join(parts))
    put(bench.ROOT / "docs" / "howto" / "cheaper.md", "bench", in_short())
    print("written: benchmarks/README.md, and a line in docs/howto/cheaper.md")


def in_short():
    """What docs/howto/cheaper.md says of it."""
    steps = {
        row["model"]: row["masked"]["median"]
        for row in read("step")["rows"]
        if (row["backend"], row["precision"]) == ("tf_keras", "float32")
    }
    if not steps:
        return  # not measured here
    by_hand = "; ".join(_by_hand(on, file) for on, file in read_all("search").items())
    yield (
        f"A training step with masks takes {min(steps.values()):.2f} to {max(steps.values()):.2f} times a "
        f"plain Keras step ({', '.join(steps)}). A whole search of resnet20 by hand takes {by_hand} "
        "([benchmarks](../benchmarks.md))."
    )


def _by_hand(on, file):
    times = {row["side"]: row["over_ours"]["median"] for row in file["rows"]}
    return (
        f"{times['tfmot']:.1f} times as long with stock TF-MOT, {times['pytorch']:.1f} times with PyTorch "
        f"in float32 and {times['pytorch-fastest']:.2f} times with PyTorch's fastest settings on {on}"
    )


if __name__ == "__main__":
    main()
