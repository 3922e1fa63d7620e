"""Names for what public functions take and give."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

Model = Any  # a model of tf_keras or of Keras 3, neither of which is imported before it is needed
Masks = dict[str, np.ndarray]  # {weight path: bool array of the weight's shape}, True = kept
Score = Callable[[str, np.ndarray, Any], np.ndarray]  # (weight path, weight, `scores.State`) -> its scores
Arrays = dict[str, np.ndarray]  # by the path of the weight
PathLike = str | os.PathLike
