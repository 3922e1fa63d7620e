"""tf_keras and TF-MOT, imported without changing what `tf.keras` means to the user."""

import os

import tensorflow as tf

_before = os.environ.get("TF_USE_LEGACY_KERAS")
# TF-MOT sets TF_USE_LEGACY_KERAS=1 and then touches the lazy tf.keras, which fixes it for
# the whole process. Touch it first, so that it is what the user's environment says.
getattr(tf.keras, "layers")
import tf_keras  # noqa: E402
import tensorflow_model_optimization as tfmot  # noqa: E402

if _before is None:
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
else:
    os.environ["TF_USE_LEGACY_KERAS"] = _before

__all__ = ["tf_keras", "tfmot"]
