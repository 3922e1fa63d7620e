"""The most memory that a whole search takes beside one plain training of the same net.

    python benchmarks/memory.py [--model vgg19] [--rounds 3] [--blocks 3]

Each side is a fresh process that trains on 512 random images at batch 128 with the same precision, plain
Keras for two epochs, the search (with a run folder) for one epoch a round. A figure is the largest resident
set of the process.
"""

import argparse
import statistics
import tempfile

import side_by_side as bench


def measure(side, name, rounds):
    """{bytes}: the peak of this process."""
    import numpy as np

    import keras_lottery as lottery
    from keras_lottery import data, models
    from keras_lottery.experiments import optimizers
    from keras_lottery.experiments.precision import set_precision

    set_precision("auto")
    rng = np.random.default_rng(0)
    train = data.batches(
        rng.normal(size=(512, 32, 32, 3)).astype("float32"), rng.integers(0, 10, 512), batch_size=128
    )
    model = models.build(name, (32, 32, 3), 10)
    if side == "search":
        model = lottery.wrap(model)
    optimizers.compile_classifier(model, optimizers.make_optimizer("sgd", 0.01))
    if side == "plain":
        model.fit(train, epochs=2, verbose=0)
    else:
        with tempfile.TemporaryDirectory() as folder:
            lottery.find_ticket(
                model, train, epochs=1, rounds=rounds, rate=0.2, verbose=0, run_dir=f"{folder}/run"
            )
    return {"bytes": bench.peak()}


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--model", default="vgg19")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--blocks", type=int, default=3)
    options.add_argument("--case", type=bench.json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return bench.answer(measure(*given.case))
    found = {"plain": [], "search": []}
    for block in range(given.blocks):
        for side in sorted(found, reverse=bool(block % 2)):
            found[side].append(bench.in_a_process(__file__, [side, given.model, given.rounds])["bytes"])
    row = {
        "model": given.model,
        "rounds": given.rounds,
        "search_over_plain": bench.ratio(found["search"], found["plain"]),
        **{side: round(statistics.median(peaks) / 2**20) for side, peaks in found.items()},
        "unit": "MiB",
    }
    print(
        f"{given.model}: a search takes {row['search']} MiB at most, "
        f"{row['search_over_plain']['median']:.2f} times the {row['plain']} MiB of one plain training"
    )
    bench.write("memory", [row])


if __name__ == "__main__":
    main()
