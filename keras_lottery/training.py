"""What the commands train, and with what: model, precision, optimizer and learning-rate schedule by name."""

import contextlib
import json
import zipfile
from pathlib import Path

from . import models, pruning
from .checks import above_zero, known
from .errors import LotteryError
from .pruning.tfmot.legacy import tf_keras
from .pruning.tfmot import walk

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
SCHEDULES = ("constant", "cosine", "step")
_OPTIMIZERS = {
    "sgd": lambda rate, decay: tf_keras.optimizers.SGD(rate, momentum=0.9, weight_decay=decay),
    "nesterov": lambda rate, decay: tf_keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay),
    "adam": lambda rate, decay: tf_keras.optimizers.Adam(rate, weight_decay=decay),
    "adamw": lambda rate, decay: tf_keras.optimizers.AdamW(rate, weight_decay=decay or 0.0),
    "rmsprop": lambda rate, decay: tf_keras.optimizers.RMSprop(rate, weight_decay=decay),
    "lion": lambda rate, decay: tf_keras.optimizers.Lion(rate, weight_decay=decay),
}
_PROBABILITIES = (tf_keras.activations.softmax, tf_keras.activations.sigmoid)
OPTIMIZERS = tuple(_OPTIMIZERS)


def builder(model, width=1.0):
    """What makes a plain model: a function of (input_shape, num_classes).

    Args:
      model: a name in `models.names()`, or a saved .keras or .h5 file, read here.
      width: for the names: times as many filters as the literature's net.

    Raises:
      LotteryError: unknown name, or a file that tf_keras cannot read. The function raises
        it where a saved model is of another shape.
    """
    above_zero("width", width)
    if not str(model).endswith((".keras", ".h5")):
        if model not in models.names():
            models.build(model, (8, 8, 1), 2)  # which says what is near
        return lambda input_shape, num_classes: models.build(model, input_shape, num_classes, width=width)
    if width != 1:
        raise LotteryError(f"width={width!r} is for the builders: a saved model has the width it has. Leave it out.")
    loaded = _load(model)

    def fitting(input_shape, num_classes):
        for what, has, needs in (
            ("input", loaded.input_shape, (None, *input_shape)),
            ("output", loaded.output_shape, (None, num_classes)),
        ):
            fits = isinstance(has, tuple) and len(has) == len(needs) and all(h in (None, n) for h, n in zip(has[1:], needs[1:]))
            if not fits:
                raise LotteryError(f"model={str(model)!r}: its {what} shape is {has}, the data need {needs}.")
        return loaded

    return fitting


def _load(path):
    path = Path(path)
    if not path.is_file():
        raise LotteryError(f"model={str(path)!r}: there is no such file.")
    version = _keras_version(path)
    if version.split(".")[0] not in ("", "2"):
        raise LotteryError(f"model={str(path)!r} was saved by Keras {version}: build and save it with tf_keras.")
    try:
        loaded = tf_keras.models.load_model(path, compile=False)
    except Exception as error:  # of many kinds, from zip and h5 files, JSON and layers
        if "Lambda" in str(error):
            raise LotteryError(f"model={str(path)!r} holds a Lambda layer, whose code is not run: make it a layer class.") from error
        first = str(error).strip().partition("\n")[0][:200].rstrip(".")
        raise LotteryError(f"model={str(path)!r} cannot be read by tf_keras: {first}. Is it a whole, saved model?") from error
    if not walk.is_graph(loaded):
        raise LotteryError(f"model={str(path)!r} is not built, or no Sequential or functional model: give it an Input layer.")
    return pruning.strip(loaded) if pruning.is_wrapped(loaded) else loaded


def _keras_version(path):
    """Of the Keras that saved the file, "" where it does not say."""
    with contextlib.suppress(zipfile.BadZipFile, KeyError, ValueError, OSError), zipfile.ZipFile(path) as archive:
        return str(json.loads(archive.read("metadata.json")).get("keras_version", ""))
    return ""


def set_precision(name="auto"):
    """Set Keras' global policy; "auto" is mixed_bfloat16 where the processor computes in it, else float32.

    Weights are float32 in each case. Returns the policy's name.
    """
    if name == "auto":
        name = "mixed_bfloat16" if _has_bfloat16() else "float32"
    tf_keras.mixed_precision.set_global_policy(name)
    return name


def make_optimizer(optimizer, learning_rate, schedule="constant", steps=None, weight_decay=0.0):
    """A tf_keras optimizer.

    Args:
      optimizer: sgd and nesterov (momentum 0.9), adam, adamw, rmsprop or lion.
      learning_rate: > 0, at the start.
      schedule: "constant", "cosine" (to 0 over `steps`) or "step" (a tenth after one half
        and again after three quarters of `steps`).
      steps: optimizer steps of one training.
      weight_decay: >= 0, decoupled, times the learning rate.

    Raises:
      LotteryError: unknown name or impossible value.

    Example:
      >>> make_optimizer("sgd", 0.1, "cosine", steps=1000).name
      'SGD'
    """
    known("optimizer", optimizer, OPTIMIZERS)
    known("schedule", schedule, SCHEDULES)
    above_zero("learning_rate", learning_rate)
    if not 0 <= weight_decay < float("inf"):
        raise LotteryError(f"weight_decay={weight_decay!r} is impossible: give 0 or more, for example 1e-4.")
    rate = learning_rate
    if schedule == "cosine":
        rate = tf_keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    elif schedule == "step":
        rate = tf_keras.optimizers.schedules.PiecewiseConstantDecay(
            [steps // 2, steps * 3 // 4], [learning_rate, learning_rate / 10, learning_rate / 100]
        )
    return _OPTIMIZERS[optimizer](rate, weight_decay or None)


def compile_classifier(model, optimizer):
    """Compile a model with logits or probabilities for integer labels, reporting accuracy."""
    probabilities = _gives_probabilities(model.outputs[0]._keras_history.layer)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=not probabilities)
    model.compile(optimizer, loss, metrics=["accuracy"])


def _gives_probabilities(layer):
    """Whether this layer, the last of a model, ends in a softmax or sigmoid."""
    layer = walk.unwrap(layer)
    if walk.is_graph(layer):
        return _gives_probabilities(layer.outputs[0]._keras_history.layer)
    activation = getattr(layer, "activation", None)
    if type(layer) is tf_keras.layers.Activation and activation is tf_keras.activations.linear:  # a cast to float32
        return _gives_probabilities(layer._inbound_nodes[0].inbound_layers)
    return isinstance(layer, tf_keras.layers.Softmax) or activation in _PROBABILITIES


def _has_bfloat16():
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
