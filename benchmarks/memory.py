"""The most memory that a search takes beside one plain training, and a ticket on its way to disk and back:
from 1 to 100 million weights.

    python benchmarks/memory.py [--nets "resnet18 x0.3" ResNet50] [--tickets 1 100] [--rounds 2]

Each case is a fresh process, and a figure is its largest resident set, TensorFlow included. Both sides train
for two steps an epoch on random images (of 32 pixels for ResNet50, of 16 for the others) at batch 32, with
SGD and momentum in float32: plain Keras for two epochs, the search (with a run folder) for one epoch a round.

Of a ticket with 20% zeros and trained weights, `over_arrays` is what the process held at most, less what it
held before the ticket was there, over the bytes of the ticket's arrays. A row replaces the one of the same
net or size in results/memory.jsonl.
"""

import argparse
import json
import tempfile
from pathlib import Path

import side_by_side as bench

ROWS = bench.RESULTS / "memory.jsonl"
NETS = ("resnet18 x0.3", "resnet18 x0.6", "ResNet50", "resnet18 x3")
TICKETS = (1, 4, 25, 100)  # million weights
BATCH, STEPS = 32, 2
TENSORS, ZEROS = 20, 0.2
LIKE = "lenet-fashion_mnist-95"  # whose description the tickets have


def trained(side, net, rounds):
    """{weights, peak in bytes} of this process, which trains a net plainly or searches it."""
    import numpy as np

    import keras_lottery as lottery
    from keras_lottery import data, models
    from keras_lottery.experiments import optimizers

    rng = np.random.default_rng(0)
    shape = (32, 32, 3) if net == "ResNet50" else (16, 16, 3)
    images = rng.normal(size=(STEPS * BATCH, *shape)).astype("float32")
    train = data.batches(images, rng.integers(0, 10, len(images)), batch_size=BATCH)
    name, _, width = net.partition(" x")
    model = models.build(name, shape, 10, width=float(width or 1))
    weights = model.count_params()
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
    return {"weights": weights, "peak": bench.peak()}


def searched(net, rounds):
    """A row: a search beside a plain training of the same net."""
    plain, search = (
        bench.in_a_process(__file__, ["trained", side, net, rounds]) for side in ("plain", "search")
    )
    return {
        "what": "search",
        "net": net,
        "weights": plain["weights"],
        "plain_mib": round(plain["peak"] / 2**20),
        "search_mib": round(search["peak"] / 2**20),
        "search_over_plain": round(search["peak"] / plain["peak"], 3),
    }


def made(weights):
    """A ticket of so many weights, of which each array is drawn in place."""
    import dataclasses

    import numpy as np

    import keras_lottery as lottery

    rng, side = np.random.default_rng(0), round((weights / TENSORS) ** 0.5)
    masks, states = {}, ({}, {})
    for n in range(TENSORS):
        path = f"layer{n}/kernel"
        masks[path] = rng.random((side, side), dtype="float32") >= ZEROS
        for state in states:
            state[path] = rng.standard_normal((side, side), dtype="float32")
            state[path] *= masks[path]
    like = lottery.load_ticket(bench.ROOT / "saved_models" / LIKE)
    return dataclasses.replace(like, masks=masks, weights=states[0], trained=states[1])


def saved(weights, folder):
    """What it takes to save a ticket, in this process."""
    made(TENSORS).save(f"{folder}-small")  # all that is imported is here before
    before = bench.held()
    ticket = made(weights)
    bench.reset_peak()
    seconds = bench.seconds(lambda: ticket.save(folder))
    return told(ticket, before, seconds)


def loaded(folder):
    """What it takes to load it, in this process."""
    import keras_lottery as lottery

    lottery.load_ticket(f"{folder}-small")
    before = bench.held()
    bench.reset_peak()
    found = []
    seconds = bench.seconds(lambda: found.append(lottery.load_ticket(folder)))
    return told(found[0], before, seconds)


def told(ticket, before, seconds):
    peak = bench.peak()
    states = ticket.masks, ticket.weights, ticket.trained
    arrays = sum(array.nbytes for state in states for array in state.values())
    return {
        "arrays": arrays,
        "over_arrays": round((peak - before) / arrays, 3),
        "peak_mib": round(peak / 2**20),
        "seconds": round(seconds, 2),
    }


def to_disk_and_back(millions):
    """A row: a ticket saved by one process and loaded by another."""
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "ticket")
        save = bench.in_a_process(__file__, ["saved", int(millions * 1e6), place])
        load = bench.in_a_process(__file__, ["loaded", place])
    arrays = {"arrays_mib": round(save.pop("arrays") / 2**20)}
    load.pop("arrays")
    return {"what": "ticket", "millions": millions, **arrays, "save": save, "load": load}


def read():
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def keep(row):
    """Put a row among the results, in place of the one of the same case."""
    case = {name: row.get(name) for name in ("what", "net", "millions")}
    others = [old for old in read() if any(old.get(name) != value for name, value in case.items())]
    rows = sorted([*others, row], key=lambda row: (row["what"], row.get("weights") or row["millions"]))
    aside = ROWS.with_suffix(".tmp")
    aside.write_text("".join(json.dumps(row) + "\n" for row in rows))
    aside.replace(ROWS)
    print(json.dumps(row), flush=True)


def main():
    options = argparse.ArgumentParser(description=" ".join(__doc__.partition("\n\n")[0].split()))
    options.add_argument("--nets", nargs="*", default=NETS)
    options.add_argument("--tickets", nargs="*", type=float, default=TICKETS)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        name, *case = given.case
        return bench.answer({"trained": trained, "saved": saved, "loaded": loaded}[name](*case))
    on = bench.machine()
    for millions in given.tickets:
        keep({**to_disk_and_back(millions), **on})
    for net in given.nets:
        keep({**searched(net, given.rounds), "rounds": given.rounds, **on})


if __name__ == "__main__":
    main()
