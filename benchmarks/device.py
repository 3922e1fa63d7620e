"""What always holds, held to on an accelerator: zeros after each step, counts, rewinding within an epoch.

    python benchmarks/device.py [--backends tf_keras jax torch] [--processor]

Each backend that is installed trains resnet8 on random images in a process of its own, in float32 and in
mixed_float16: a dense training and two rounds of half of the weights, rewound to a step in the middle of an
epoch, by SGD with momentum. After each step the weights are read back from the device. The figures and the
date go to results/device.json. Without an accelerator it says so and ends with 1; --processor tries it on the
processor, which is slow in float16, in mixed_bfloat16, and writes nothing. It takes a few minutes.
"""

import argparse
import datetime
import importlib.util
import sys
import time

import side_by_side as bench

BACKENDS = ("tf_keras", "jax", "torch")
STEPS, REWIND, BATCH, SHAPE = 16, 5, 32, (16, 16, 3)


def device(backend):
    """The name of the first accelerator of a backend; None if it has none."""
    if backend == "tf_keras":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU") + tf.config.list_physical_devices("TPU")
        return tf.config.experimental.get_device_details(found[0]).get("device_name") if found else None
    if backend == "jax":
        import jax

        first = jax.devices()[0]
        return None if first.platform == "cpu" else first.device_kind
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def measure(backend, precision):
    """A row of the results: one backend and precision, in this process."""
    import numpy as np

    import keras_lottery as lottery
    from keras_lottery import engines, models
    from keras_lottery.experiments import machine, optimizers
    from keras_lottery.experiments.precision import set_precision

    keras = machine.kind(machine.choose_backend(backend))
    on = device(backend)
    set_precision(precision, backend)
    model = lottery.wrap(models.build("resnet8", SHAPE, 10, keras=keras), verbose=False)
    optimizers.compile_classifier(model, optimizers.make_optimizer("sgd", 0.05, keras=keras))
    handle = engines.of(model)
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(4 * BATCH, *SHAPE)).astype("float32"), rng.integers(0, 10, 4 * BATCH)
    begun, came_back, counts, point, rewound = time.perf_counter(), 0, [], None, []
    for one in lottery.rounds(model, steps=STEPS, rounds=2, rate=0.5, rewind=REWIND):
        masks, values = handle.masks(), handle.values()
        counts.append(sum(int(mask.sum()) for mask in masks.values()))
        if one.number:
            kept = {
                path: np.where(masks[path], point[path], 0) if path in masks else point[path]
                for path in point
            }
            rewound.append(all(np.array_equal(values[path], kept[path]) for path in point))
        for step in range(one.start, one.stop):
            if not one.number and step == REWIND:
                point = handle.values()
            batch = slice(step % 4 * BATCH, (step % 4 + 1) * BATCH)
            model.train_on_batch(images[batch], labels[batch])
            one.stepped()
            values = handle.values()
            came_back += sum(int(np.count_nonzero(values[path][~mask])) for path, mask in masks.items())
    return {
        "backend": backend,
        "precision": precision,
        "device": on,
        "steps": 3 * STEPS - 2 * REWIND,
        "pruned_weights_not_zero": came_back,
        "kept": counts,
        "rewound_to_the_bit": rewound,
        "finite": all(bool(np.isfinite(value).all()) for value in values.values()),
        "seconds": round(time.perf_counter() - begun, 1),
    }


def holds(row):
    """Whether what always holds did."""
    first, *later = row["kept"]
    halves = all(abs(kept - first / 2**number) <= number for number, kept in enumerate(later, 1))
    return row["pruned_weights_not_zero"] == 0 and halves and all(row["rewound_to_the_bit"]) and row["finite"]


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--backends", nargs="+", default=BACKENDS, choices=BACKENDS)
    options.add_argument("--processor", action="store_true", help="try it without an accelerator")
    options.add_argument("--case", type=bench.json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return bench.answer(device(*given.case) if len(given.case) == 1 else measure(*given.case))
    there = [name for name in given.backends if importlib.util.find_spec(name)]
    found = {name: bench.in_a_process(__file__, [name]) for name in there}
    if not given.processor:
        there = [name for name in there if found[name]]
    if not there:
        return f"none of {', '.join(found)} sees an accelerator here"
    rows = []
    for backend in there:
        for precision in ("float32", "mixed_bfloat16" if given.processor else "mixed_float16"):
            rows.append(bench.in_a_process(__file__, [backend, precision]))
            print(f"{'held' if holds(rows[-1]) else 'FAILED'}: {rows[-1]}", flush=True)
    if not given.processor:
        bench.write("device", rows, date=f"{datetime.date.today()}")
    return not all(map(holds, rows))


if __name__ == "__main__":
    sys.exit(main())
