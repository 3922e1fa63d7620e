"""Small models and data for the tests of searches, tickets and commands, and what "the same" means."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from world import BACKEND, KERAS3, KIND, array, keras

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.core.masking import prune
from keras_lottery.tickets.ticket import Ticket, from_model

ROOT = Path(__file__).resolve().parents[2]
L = keras.layers
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
ENGINE = engines.engine_of(KIND)


def arrays(examples=96, classes=3, seed=0):
    """x of (examples, 8) and labels that follow from it."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, 8)).astype("float32")
    return x, (x @ rng.normal(size=(8, classes))).argmax(-1)


def dense(classes=3, **head):
    """Two prunable kernels, 8x12 and 12x10, and a head."""
    return keras.Sequential(
        [
            L.Input((8,)),
            L.Dense(12, "relu", name="a"),
            L.Dense(10, "relu", name="b"),
            L.Dense(classes, name="head", **head),
        ],
        name="small",
    )


def noisy(classes=3):
    """With BatchNorm, and Dropout of Keras' default kind."""
    return keras.Sequential(
        [
            L.Input((8,)),
            L.Dense(12, name="a"),
            L.BatchNormalization(momentum=0.8, name="bn"),
            L.ReLU(),
            L.Dropout(0.4),
            L.Dense(10, "relu", name="b"),
            L.GaussianNoise(0.1),
            L.Dense(classes, name="head"),
        ],
        name="noisy",
    )


def conv(shape=(8, 8, 1), classes=5, **head):
    """Ends in global pooling, so that it takes any image size; with BatchNorm and Dropout."""
    return keras.Sequential(
        [
            L.Input(shape),
            L.Conv2D(6, 3, padding="same", use_bias=False, name="c1"),
            L.BatchNormalization(momentum=0.8, name="bn"),
            L.ReLU(),
            L.Conv2D(8, 3, padding="same", activation="relu", name="c2"),
            L.GlobalAveragePooling2D(),
            L.Dropout(0.3),
            L.Dense(classes, name="head", **head),
        ],
        name="conv",
    )


def compiled(model, optimizer="adam", loss=LOGITS, metrics=("accuracy",), **arguments):
    model.compile(optimizer, loss, metrics=list(metrics), **arguments)
    return model


def in_order(arrays, batch_size, epochs=1):
    """The arrays' batches, in order: a tf.data.Dataset on TensorFlow, else a PyDataset."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size).repeat(epochs)
    return InOrder(arrays, batch_size, epochs)


class InOrder(keras.utils.PyDataset if KERAS3 else object):
    def __init__(self, arrays, batch_size, epochs):
        super().__init__()
        self.arrays, self.size, self.epochs = arrays, batch_size, epochs

    def __len__(self):
        return len(self.arrays[0]) // self.size * self.epochs

    def __getitem__(self, step):
        first = step * self.size % len(self.arrays[0])
        return tuple(array[first : first + self.size] for array in self.arrays)


def mirrored():
    """Two replicas. Without collective operations, which break on the second strategy of a process."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def search(model=None, train=None, **arguments):
    """find_ticket with two rounds of two epochs unless told otherwise, saying nothing."""
    arguments = {"epochs": 2, "rounds": 2, "rate": 0.5, "verbose": 0, **arguments}
    return lottery.find_ticket(model or compiled(dense()), arrays() if train is None else train, **arguments)


def pruned_ticket(model, sparsity=0.9, trained=True, rounds=(), **wrap):
    """A ticket of `model` without a search."""
    wrapped = lottery.wrap(model, **wrap)
    scores = {path: np.abs(state_of(wrapped)[path]) for path in lottery.prunable(wrapped)}
    ENGINE.set_masks(wrapped, prune(scores, lottery.masks(wrapped), sparsity))
    start = state_of(wrapped)
    for variable in wrapped.trainable_variables:
        variable.assign(variable * 1.5 + 0.25)
    ticket = from_model(
        wrapped, start, list(rounds), {"data": {"name": "none", "classes": ["a|b", "c"]}, "note": None}
    )
    return ticket if trained else Ticket(**{**vars(ticket), "trained": None})


def scaled(optimizer, growth_steps=2000):
    """The optimizer, scaling the loss."""
    if KERAS3:
        return keras.optimizers.LossScaleOptimizer(optimizer, dynamic_growth_steps=growth_steps)
    return keras.mixed_precision.LossScaleOptimizer(optimizer, dynamic_growth_steps=growth_steps)


def state_of(model):
    """{path: array} of the whole state but masks."""
    return ENGINE.values(model)


def weights(model):
    """Everything in a model, masks included, comparable to the bit."""
    ENGINE.variables(model)  # on JAX this brings the state of a training into the model
    return [bits({"": array(weight)}) for weight in model.weights]


def bits(values):
    """Something that is equal only for values of the same names, dtypes, shapes and bits."""
    return {
        path: (np.asarray(value).dtype, np.shape(value), np.asarray(value).tobytes())
        for path, value in values.items()
    }


def everything(ticket):
    """All of a ticket, comparable to the bit."""
    return {
        "masks": bits(ticket.masks),
        "weights": bits(ticket.weights),
        "trained": ticket.trained and bits(ticket.trained),
        "rest": json.dumps(
            [ticket.architecture, ticket.heads, ticket.rounds, ticket.info, ticket.settings], sort_keys=True
        ),
    }


def files(folder):
    """{relative path: content} of every file below a folder."""
    folder = Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def python(*arguments, timeout=300, **options):
    """A fresh Python with this checkout on its path, ended after `timeout` seconds; its CompletedProcess."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=timeout,
        **options,
    )


def start(*arguments, **options):
    """Start the same and return its Popen. It hears Ctrl-C, which a shell makes background jobs ignore, these
    tests too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
            **options,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def _environment():
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/support'}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def well(err):
    """Whether a command said nothing on stderr but that a training had few steps."""
    return all(re.search(r": note: .* steps are few", line) for line in err.splitlines())


def command(app, *arguments):
    """Run a command in this process; (exit code, what it printed, what it said on stderr)."""
    from apps import flags

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = flags.execute(
            f"lottery-{app.__name__.split('.')[-1].split('_')[0]}",
            app.main,
            app.FLAGS,
            ["", *map(str, arguments)],
        )
    return code, out.getvalue(), err.getvalue()
