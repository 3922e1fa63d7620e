"""What a masked training step costs beside a plain one and beside stock TF-MOT's, and the mask alone.

    python benchmarks/step.py [--pairs 40] [--cases tf_keras,conv2 tf_keras,conv2,mixed_bfloat16]

Each backend and net is a process of its own, one thread. The same net is trained plainly, plainly again,
wrapped at 90% zeros by this package and, on tf_keras in float32, by TF-MOT's prune_low_magnitude with a
schedule that does not prune in these steps (its best case; it refuses mixed precision). One step of each
follows the other, in an order that turns; a ratio is the median over the neighbours. The mask alone is what
holds the zeros after an update, on all weights. The first step traces and compiles.
"""

import argparse
import statistics

import side_by_side as bench

NETS = ("conv2", "resnet20", "mobilenet", "vgg19")
CASES = (
    *(f"tf_keras,{net}" for net in NETS),
    *(f"tf_keras,{net},mixed_bfloat16" for net in NETS),
    "tensorflow,resnet20",
    "tensorflow,conv2",
    "jax,resnet20",
    "jax,conv2",
    "torch,resnet20",
    "torch,conv2",
)


def measure(backend, name, precision, pairs, batch_size=128):
    """A row of the results: one model on one backend, in this process."""
    import numpy as np

    import keras_lottery as lottery
    from keras_lottery import engines, models
    from keras_lottery.experiments import machine, optimizers
    from keras_lottery.experiments.precision import set_precision

    keras = machine.kind(machine.choose_backend(backend))
    if backend == "torch":
        import torch

        torch.set_num_threads(1)
    set_precision(precision, backend)
    shape = (28, 28, 1) if name in ("conv2", "lenet") else (32, 32, 3)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(batch_size, *shape)).astype("float32"), rng.integers(0, 10, batch_size)
    plain = models.build(name, shape, 10, keras=keras)
    engine = engines.engine_of(keras)
    wrapped = lottery.wrap(plain)
    engine.set_masks(
        wrapped, {path: rng.random(mask.shape) < 0.1 for path, mask in lottery.masks(wrapped).items()}
    )
    again = engine.keras.models.clone_model(plain)
    sides = {
        "plain": plain,
        "again": again,
        "masked": wrapped,
        **({"tfmot": _stock(plain)} if (backend, precision) == ("tf_keras", "float32") else {}),
    }
    steps, first = {}, {}
    for side, model in sides.items():
        optimizers.compile_classifier(model, optimizers.make_optimizer("sgd", 0.01, keras=keras))
        model.optimizer.build(model.trainable_variables)
        steps[side] = stepper(backend, model, data)
        first[side] = bench.seconds(steps[side])
    taken = {side: seconds[3:] for side, seconds in bench.in_turn(steps, pairs + 3).items()}
    base = statistics.median(taken["plain"])
    mask_alone = _mask_alone(backend, wrapped)
    mask_alone()
    alone = statistics.median(bench.seconds(mask_alone) for _ in range(max(20, pairs)))
    weights = sum(int(np.prod(v.shape)) for v in plain.trainable_variables)
    return {
        "backend": backend,
        "model": name,
        "batch_size": batch_size,
        "precision": precision,
        "pairs": pairs,
        "weights": weights,
        "plain_step_seconds": round(base, 4),
        "first_step_seconds": {side: round(value, 2) for side, value in first.items()},
        **{side: bench.ratio(taken[side], taken["plain"]) for side in taken if side != "plain"},
        "mask_alone_share": round(alone / base, 4),
        "mask_bytes_per_weight_byte": round(
            sum(mask.size for mask in lottery.masks(wrapped).values()) / (4 * weights), 3
        ),
    }


def _stock(model):
    """The model as TF-MOT wraps it, at 90% zeros by a schedule that never falls due here."""
    import tensorflow_model_optimization as tfmot

    never = tfmot.sparsity.keras.ConstantSparsity(0.9, begin_step=10**6)
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=never)
    for layer in wrapped.layers:
        if hasattr(layer, "pruning_step"):
            layer.pruning_step.assign(0)  # as its callback does when training begins
    return wrapped


def stepper(backend, model, data):
    """A function that takes one optimizer step and waits for it."""
    if backend == "jax":
        import jax

        step = jax.jit(model.train_step, donate_argnums=0)
        model._symbolic_build(data_batch=data)
        groups = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        state = [tuple([jax.numpy.array(v.value) for v in group] for group in groups)]

        def run():
            logs, state[0] = step(state[0], data)
            jax.block_until_ready(state[0])

        return run
    if backend == "torch":
        import torch

        model._symbolic_build(data_batch=data)
        given = tuple(map(torch.as_tensor, data))
        return lambda: model.train_step(given)
    import tensorflow as tf

    if backend == "tensorflow":
        model._symbolic_build(data_batch=data)
    given = tuple(map(tf.constant, data))
    step = tf.function(model.train_step)
    return lambda: [value.numpy() for value in tf.nest.flatten(step(given))]


def _mask_alone(backend, model):
    """A function that masks all held weights once, as an optimizer step does."""
    from keras_lottery import prunable

    variables = list(prunable(model).values())
    if backend == "jax":
        import jax

        masks = [jax.numpy.array(hold.mask.value) for hold in model.holds]
        values = [[jax.numpy.array(v.value) for v in variables]]
        keep = jax.jit(
            lambda values: [jax.numpy.where(m, v, 0) for m, v in zip(masks, values)], donate_argnums=0
        )

        def run():
            values[0] = jax.block_until_ready(keep(values[0]))

        return run
    if backend == "torch":
        return lambda: [v.assign(v.constraint(v)) for v in variables]
    import tensorflow as tf

    held = [getattr(v, "_variable", v) for v in variables]
    run = tf.function(lambda: [v.assign(v.constraint(v)) for v in held] and tf.constant(0))
    return lambda: run().numpy()


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--cases", nargs="+", default=CASES, metavar="BACKEND,NET[,PRECISION]")
    options.add_argument("--pairs", type=int, default=40)
    options.add_argument("--case", type=bench.json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.case:
        return bench.answer(measure(*given.case, given.pairs))
    rows = []
    for case in given.cases:
        backend, name, precision = [*case.split(","), "float32"][:3]
        environment = {**bench.ONE_THREAD, **({} if backend == "tf_keras" else {"KERAS_BACKEND": backend})}
        row = bench.in_a_process(__file__, [backend, name, precision], environment, f"--pairs={given.pairs}")
        rows.append(row)
        stock = f", TF-MOT {row['tfmot']['median']:.3f}" if "tfmot" in row else ""
        print(
            f"{backend:>10} {name:>9} {precision}: masked {row['masked']['median']:.3f} times the plain step "
            f"({row['masked']['quartiles'][0]:.3f} to {row['masked']['quartiles'][1]:.3f}){stock}; the "
            f"mask alone {row['mask_alone_share']:.2%}; first step {row['first_step_seconds']}",
            flush=True,
        )
    bench.write("step", rows, threads=1)


if __name__ == "__main__":
    main()
