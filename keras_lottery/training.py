"""What the commands train with: precision, optimizer and learning-rate schedule by name."""

import difflib
from pathlib import Path

from .errors import LotteryError
from .legacy import tf_keras

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
OPTIMIZERS = tuple(_OPTIMIZERS)


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
    if optimizer not in _OPTIMIZERS:
        near = difflib.get_close_matches(optimizer, OPTIMIZERS, 1)
        raise LotteryError(
            f"optimizer={optimizer!r} is unknown: choose {', '.join(OPTIMIZERS)}." + (f" Did you mean {near[0]}?" if near else "")
        )
    if not learning_rate > 0:
        raise LotteryError(f"learning_rate={learning_rate!r} is impossible: give a number above 0, for example 0.1.")
    if weight_decay < 0:
        raise LotteryError(f"weight_decay={weight_decay!r} is impossible: give 0 or more, for example 1e-4.")
    rate = learning_rate
    if schedule == "cosine":
        rate = tf_keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    elif schedule == "step":
        rate = tf_keras.optimizers.schedules.PiecewiseConstantDecay(
            [steps // 2, steps * 3 // 4], [learning_rate, learning_rate / 10, learning_rate / 100]
        )
    elif schedule != "constant":
        raise LotteryError(f"schedule={schedule!r} is unknown: choose {', '.join(SCHEDULES)}.")
    return _OPTIMIZERS[optimizer](rate, weight_decay or None)


def compile_classifier(model, optimizer):
    """Compile a model with logits for integer labels, reporting accuracy."""
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])


def _has_bfloat16():
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
