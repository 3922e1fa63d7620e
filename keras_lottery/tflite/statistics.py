"""A model in float32, as files compute, with BatchNorm statistics that fit.

Those of a very sparse net that was trained in 16 bits may belong to its rounded activations: a channel that
hardly varies is then shifted far where nothing is rounded, and tens of points of accuracy are lost.
"""

import numpy as np

from ..training.batch_norm import BatchNormStatistics
from .accuracy import judge

BATCHES = 16  # of training images


def in_float32(handle, data, max_loss):
    """(a plain model in float32, what it gets right of the validation images before and after its statistics
    were taken anew).

    They are where it gets more than `max_loss` points less right than the model itself in 16 bits; else, and
    without data, the second is None.
    """
    plain = handle.on(handle.strip()) if handle.masks() else handle
    other = handle.on(plain.in_float32())
    if data is None or handle.is_float32():
        return other.model, None
    statistics = BatchNormStatistics(other.model, data.train, BATCHES)
    if not statistics.layers:
        return other.model, None
    in_16_bits, before, values = _accuracy(handle, data), _accuracy(other, data), other.values()
    if 100 * (in_16_bits - before) <= max_loss:
        return other.model, None
    other.load_state(statistics(values))
    after = _accuracy(other, data)
    if after <= before:
        other.load_state(values)
        return other.model, None
    return other.model, {"in_16_bits": in_16_bits, "before": before, "after": after}


def _accuracy(handle, data):
    """What a model's first output gets right of the validation images."""
    answers = [(handle.model.predict(x.numpy(), verbose=0), y.numpy()) for x, y in data.validation]
    scores = np.concatenate([handle.nest.flatten(given)[0] for given, _ in answers]).astype("float32")
    return judge({None: np.concatenate([y for _, y in answers])}, {"": scores})({"": scores})
