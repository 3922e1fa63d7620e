"""What the commands train, and with what: model, precision, optimizer and learning-rate schedule by name."""

import math

import numpy as np

from .. import engines
from ..config import Recipe
from ..core.checks import whole, zero_or_more
from ..core.errors import LotteryError

MOST_NUMBERS = 2**24  # that a model is tried on
_OPTIMIZERS = {
    "sgd": lambda of, rate, decay: of.SGD(rate, momentum=0.9, weight_decay=decay),
    "nesterov": lambda of, rate, decay: of.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay),
    "adam": lambda of, rate, decay: of.Adam(rate, weight_decay=decay),
    "adamw": lambda of, rate, decay: of.AdamW(rate, weight_decay=decay or 0.0),
    "rmsprop": lambda of, rate, decay: of.RMSprop(rate, weight_decay=decay),
    "lion": lambda of, rate, decay: of.Lion(rate, weight_decay=decay),
}


def make_optimizer(
    optimizer,
    learning_rate,
    schedule="constant",
    steps=None,
    weight_decay=0.0,
    warmup=0.0,
    keras="tf_keras",
    end=0.0,
):
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
      warmup: share of `steps`, 0 to below 1, in which the rate rises to its value before it falls as a
        cosine.
      keras: "tf_keras" or "keras" (Keras 3).

    Raises:
      LotteryError: unknown name or impossible value.

    Source: a rate that falls to 0 by the end of a training of any length, Loshchilov and Hutter 2017 (arXiv
    1608.03983), section 3; warm-up, Goyal et al. 2017 (arXiv 1706.02677), section 2.2.

    Example:
      >>> make_optimizer("sgd", 0.1, "cosine", steps=1000).name
      'SGD'
    """
    recipe = Recipe(optimizer, learning_rate, schedule, weight_decay, warmup)
    rates = recipe.learning_rate if isinstance(recipe.learning_rate, list) else [recipe.learning_rate]
    end = zero_or_more("end", end)
    if schedule != "constant":
        if steps is None:
            raise LotteryError(
                f"schedule={schedule!r} goes by the steps of one training: give steps=NUMBER, or "
                "schedule='constant'."
            )
        steps = whole("steps", steps, most=2**63 - 1)
    rate, optimizers = rates[0], engines.engine_of(keras).keras.optimizers
    rising = min(round(steps * warmup), steps - 1) if warmup else 0
    if rising:
        rate = optimizers.schedules.CosineDecay(
            rate / (rising + 1), steps - rising, alpha=end, warmup_target=rate, warmup_steps=rising
        )
    elif schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(rate, steps, alpha=end)
    elif schedule == "step":
        rates = rates if len(rates) > 1 else [rate, rate / 10, rate / 100]
        # Keras keeps the old rate at the boundary itself.
        ends = [steps - steps // 2**n - 1 for n in range(1, len(rates))]
        rate = optimizers.schedules.PiecewiseConstantDecay(ends, rates)
    return _OPTIMIZERS[optimizer](optimizers, rate, recipe.weight_decay or None)


def compile_classifier(model, optimizer):
    """Compile a model with logits or probabilities for integer labels, reporting accuracy."""
    model.compile(optimizer, classifier_loss(model), metrics=["accuracy"])


def classifier_loss(model, **how):
    """The loss of a model with logits or probabilities for integer labels; `how` is for Keras' loss, such as
    its reduction."""
    handle = engines.of(model)
    return handle.keras.losses.SparseCategoricalCrossentropy(
        from_logits=not _gives_probabilities(handle), **how
    )


def _gives_probabilities(handle):
    """Whether a model ends in a softmax or sigmoid: its last layer is one, or its outputs for any numbers sum
    to 1."""
    keras, model = handle.keras, handle.model
    layer = handle.last_layer(model)
    activation = getattr(layer, "activation", None)
    if isinstance(layer, keras.layers.Softmax) or activation in (
        keras.activations.softmax,
        keras.activations.sigmoid,
    ):
        return True
    structure = handle.inputs()
    numbers = [] if structure is None else [_numbers(tensor) for tensor in handle.nest.flatten(structure)]
    stateful = any(
        getattr(layer, "stateful", False) for layer in handle.flat_layers(model)
    )  # a call changes it
    if stateful or not numbers or any(array is None for array in numbers):
        return False
    outputs = model(handle.nest.pack_sequence_as(structure, numbers), training=False)
    if not hasattr(outputs, "shape"):
        return False
    outputs = np.asarray(
        outputs.numpy() if keras.__name__ == "tf_keras" else keras.ops.convert_to_numpy(outputs), "float32"
    )
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(-1), 1, atol=0.02))


def _numbers(tensor):
    """Some examples of an input: any numbers, zeros where they are whole; None where there can be none."""
    kind, shape = str(getattr(tensor.dtype, "name", tensor.dtype)), tuple(tensor.shape)
    if "string" in kind or None in shape[1:]:
        return None
    shape = (shape[0] or 4, *shape[1:])
    if math.prod(shape) > MOST_NUMBERS:  # of a file that is made for batches of a billion
        return None
    return (
        np.random.default_rng(0).normal(size=shape).astype("float32")
        if "float" in kind
        else np.zeros(shape, kind)
    )
