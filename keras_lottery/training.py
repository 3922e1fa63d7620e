"""What the commands train, and with what: model, precision, optimizer and learning-rate schedule by name."""

import importlib.metadata
import importlib.util
import math
import os
import sys
from pathlib import Path

import numpy as np

from . import model_file, models, pruning, runs
from .checks import above_zero, known, whole, zero_or_more
from .errors import LotteryError
from .pruning.sizes import short

MOST_NUMBERS = 2**24  # that a model is tried on
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
SCHEDULES = ("constant", "cosine", "step")
BACKENDS = ("auto", "tf_keras", "tensorflow", "jax", "torch")
_OPTIMIZERS = {
    "sgd": lambda of, rate, decay: of.SGD(rate, momentum=0.9, weight_decay=decay),
    "nesterov": lambda of, rate, decay: of.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay),
    "adam": lambda of, rate, decay: of.Adam(rate, weight_decay=decay),
    "adamw": lambda of, rate, decay: of.AdamW(rate, weight_decay=decay or 0.0),
    "rmsprop": lambda of, rate, decay: of.RMSprop(rate, weight_decay=decay),
    "lion": lambda of, rate, decay: of.Lion(rate, weight_decay=decay),
}
OPTIMIZERS = tuple(_OPTIMIZERS)


def choose_backend(name="auto"):
    """The backend to train with; Keras 3 is told, so call it before Keras is imported.

    Args:
      name: "tf_keras", or "tensorflow", "jax" or "torch" for Keras 3 on it. "auto" is
        tf_keras, which is the fastest on processors (benchmarks/step.py), unless
        only JAX has an accelerator or TensorFlow is not installed.

    Raises:
      LotteryError: unknown name, not installed, or Keras 3 is on another backend already.
    """
    known("backend", name, BACKENDS)
    if name == "auto":
        name = _fastest()
    package = "tensorflow" if name == "tf_keras" else name
    if not importlib.util.find_spec(package):
        raise LotteryError(f"backend={name!r} needs the package {package!r}, which is not installed: pip install {package}.")
    if name != "tf_keras":
        keras = sys.modules.get("keras")
        if keras is not None and keras.backend.backend() != name:
            raise LotteryError(
                f"backend={name!r}: Keras runs on {keras.backend.backend()} in this process already: start Python with "
                f"the environment variable KERAS_BACKEND={name}."
            )
        os.environ["KERAS_BACKEND"] = name
    return name


def _fastest():
    if not importlib.util.find_spec("tensorflow"):
        return "jax" if importlib.util.find_spec("jax") else "torch"
    if importlib.metadata.entry_points(group="jax_plugins"):  # JAX's accelerators
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            return "jax"
    return "tf_keras"


def kind(backend):
    """The Keras of a backend: "tf_keras" or "keras"."""
    return "tf_keras" if backend == "tf_keras" else "keras"


def of_file(model):
    """What tells a saved model from another of the same name; nothing of a builder's name."""
    return {"model_sha256": runs.sha256(model)} if Path(model).is_file() else {}


def builder(model, width=1.0, keras="tf_keras"):
    """What makes a plain model: a function of (input_shape, num_classes).

    Args:
      model: a name in `models.names()`, or a saved .keras or .h5 file, read here.
      width: for the names: times as many filters as the literature's net.
      keras: "tf_keras" or "keras" (Keras 3).

    Raises:
      LotteryError: unknown name, or a file that this Keras cannot read. The function raises
        it where a saved model is of another shape.
    """
    width = above_zero("width", width)
    if not str(model).endswith((".keras", ".h5")):
        if model not in models.names():
            models.build(model, (8, 8, 1), 2, keras=keras)  # which says what is near
        return lambda input_shape, num_classes: models.build(model, input_shape, num_classes, width=width, keras=keras)
    if width != 1:
        raise LotteryError(f"width={width!r} is for the builders: a saved model has the width it has. Leave it out.")
    loaded = _load(model, pruning.engine_of(keras))

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


def _load(path, engine):
    path = Path(path)
    if not path.is_file():
        raise LotteryError(f"model={str(path)!r}: there is no such file.")
    version, name = model_file.keras_version(path), engine.keras.__name__
    if version and (version.split(".")[0] == "2") != (name == "tf_keras"):
        other = "backend='tensorflow', or jax or torch" if name == "tf_keras" else "backend='tf_keras'"
        raise LotteryError(f"model={str(path)!r} was saved by Keras {version[:20]}: give {other}.")
    try:
        loaded = model_file.load(path, engine)
    except LotteryError as error:
        raise LotteryError(f"model={str(path)!r} cannot be read by {name}: {str(error).rstrip('.')}.") from error
    except Exception as error:  # of many kinds, from zip and h5 files and layers
        raise LotteryError(f"model={str(path)!r} cannot be read by {name}: {short(error)}. Is it a whole, saved model?") from error
    if not engine.walk.is_graph(loaded):
        raise LotteryError(f"model={str(path)!r} is not built, or no Sequential or functional model: give it an Input layer.")
    return pruning.strip(loaded) if pruning.is_wrapped(loaded) else loaded


def set_precision(name="auto", backend="tf_keras", strategy="none"):
    """Set Keras' global policy; "auto" is the fastest that TensorFlow has on these devices, on other backends float32.

    On processors that is mixed_bfloat16 where they compute in it (docs/fast measures what it
    costs), on accelerators what tensorflow.org/guide/mixed_precision says: mixed_float16 on
    GPUs with tensor cores, mixed_bfloat16 on TPUs; else float32. Weights are float32 in each
    case. Returns the policy's name.
    """
    known("precision", name, PRECISIONS)
    if name == "auto":
        name = _fastest_policy(strategy) if backend in ("tf_keras", "tensorflow") else "float32"
    pruning.engine_of(kind(backend)).keras.mixed_precision.set_global_policy(name)
    return name


def make_optimizer(optimizer, learning_rate, schedule="constant", steps=None, weight_decay=0.0, keras="tf_keras", end=0.0):
    """A Keras optimizer.

    Args:
      optimizer: sgd and nesterov (momentum 0.9), adam, adamw, rmsprop or lion.
      learning_rate: > 0, at the start; with "step" it may be a list of rates.
      schedule: "constant", "cosine" (to `end` times the rate over `steps`) or "step": the
        first rate for half of `steps`, each next one for half of what is left. Of a single
        rate the next ones are a tenth and a hundredth.
      steps: optimizer steps of one training.
      weight_decay: >= 0, decoupled, times the learning rate. PyTorch's SGD with momentum 0.9
        takes it through the momentum, so there the same number decays ten times as much.
      keras: "tf_keras" or "keras" (Keras 3).

    Raises:
      LotteryError: unknown name or impossible value.

    Example:
      >>> make_optimizer("sgd", 0.1, "cosine", steps=1000).name
      'SGD'
    """
    known("optimizer", optimizer, OPTIMIZERS)
    known("schedule", schedule, SCHEDULES)
    rates = learning_rate if isinstance(learning_rate, (list, tuple)) else [learning_rate]
    rates = [above_zero("learning_rate", rate) for rate in rates]
    if not rates:
        raise LotteryError("learning_rate=[] holds no rate: give one, for example 0.1.")
    if len(rates) != 1 and schedule != "step":
        raise LotteryError(f"learning_rate={learning_rate!r}: several rates are for schedule='step', not {schedule!r}.")
    weight_decay, end = zero_or_more("weight_decay", weight_decay), zero_or_more("end", end)
    if schedule != "constant":
        if steps is None:
            raise LotteryError(f"schedule={schedule!r} goes by the steps of one training: give steps=NUMBER, or schedule='constant'.")
        steps = whole("steps", steps, most=2**63 - 1)
    rate, optimizers = rates[0], pruning.engine_of(keras).keras.optimizers
    if schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(rate, steps, alpha=end)
    elif schedule == "step":
        rates = rates if len(rates) > 1 else [rate, rate / 10, rate / 100]
        # Keras keeps the old rate at the boundary itself.
        ends = [steps - steps // 2**n - 1 for n in range(1, len(rates))]
        rate = optimizers.schedules.PiecewiseConstantDecay(ends, rates)
    return _OPTIMIZERS[optimizer](optimizers, rate, weight_decay or None)


def compile_classifier(model, optimizer):
    """Compile a model with logits or probabilities for integer labels, reporting accuracy."""
    model.compile(optimizer, classifier_loss(model), metrics=["accuracy"])


def classifier_loss(model, **how):
    """The loss of a model with logits or probabilities for integer labels; `how` is for Keras' loss, such as its reduction."""
    engine = pruning.engine(model)
    return engine.keras.losses.SparseCategoricalCrossentropy(from_logits=not _gives_probabilities(engine, model), **how)


def _gives_probabilities(engine, model):
    """Whether a model ends in a softmax or sigmoid: its last layer is one, or its outputs for any numbers sum to 1."""
    keras, layer = engine.keras, engine.walk.last(model)
    activation = getattr(layer, "activation", None)
    if isinstance(layer, keras.layers.Softmax) or activation in (keras.activations.softmax, keras.activations.sigmoid):
        return True
    structure = engine.inputs(model)
    numbers = [] if structure is None else [_numbers(tensor) for tensor in engine.nest.flatten(structure)]
    stateful = any(getattr(layer, "stateful", False) for layer in model._flatten_layers())  # a call would change it
    if stateful or not numbers or any(array is None for array in numbers):
        return False
    outputs = model(engine.nest.pack_sequence_as(structure, numbers), training=False)
    if not hasattr(outputs, "shape"):
        return False
    outputs = np.asarray(outputs.numpy() if keras.__name__ == "tf_keras" else keras.ops.convert_to_numpy(outputs), "float32")
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(-1), 1, atol=0.02))


def _numbers(tensor):
    """Some examples of an input: any numbers, zeros where they are whole; None where there can be none."""
    kind, shape = str(getattr(tensor.dtype, "name", tensor.dtype)), tuple(tensor.shape)
    if "string" in kind or None in shape[1:]:
        return None
    shape = (shape[0] or 4, *shape[1:])
    if math.prod(shape) > MOST_NUMBERS:  # of a file that is made for batches of a billion
        return None
    return np.random.default_rng(0).normal(size=shape).astype("float32") if "float" in kind else np.zeros(shape, kind)


def _fastest_policy(strategy):
    import tensorflow as tf

    if strategy == "tpu":
        return "mixed_bfloat16"
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.get_visible_devices("GPU")]
    if details:
        return "mixed_float16" if all(of.get("compute_capability", (0, 0)) >= (7, 0) for of in details) else "float32"
    return "mixed_bfloat16" if _has_bfloat16() else "float32"


def _has_bfloat16():
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
