"""A ticket's model in float32, as files compute, with BatchNorm statistics that fit.

Those of a very sparse net that was trained in 16 bits may belong to its rounded activations: a channel that
hardly varies is then shifted far where nothing is rounded, and tens of points of accuracy are lost.
"""

import numpy as np

from .. import engines
from ..training.batch_norm import BatchNormStatistics

BATCHES = 16  # of training images


def in_float32(ticket, start, loaded, max_loss):
    """(the model in float32, what it gets right of the validation images before and after its statistics were
    taken anew).

    They are where it gets more than `max_loss` points less right than in 16 bits; else the second is None.
    """
    handle = engines.of(ticket.model(start))
    plain = handle.on(handle.strip())
    handle = plain.on(plain.in_float32())
    model = handle.model
    statistics = BatchNormStatistics(model, loaded.train, BATCHES)
    if not statistics.layers:
        return model, None
    precision = handle.keras.mixed_precision
    policy = precision.global_policy()
    precision.set_global_policy("mixed_bfloat16")
    try:
        in_16_bits = _accuracy(ticket.model(start), loaded)
    finally:
        precision.set_global_policy(policy)
    before, values = _accuracy(model, loaded), handle.values()
    if 100 * (in_16_bits - before) <= max_loss:
        return model, None
    handle.load_state(statistics(values))
    after = _accuracy(model, loaded)
    if after <= before:
        handle.load_state(values)
        return model, None
    print(
        f"BatchNorm statistics taken anew in float32, on training images: {before:.1%} of the validation "
        f"images were right ({in_16_bits:.1%} in 16 bits), now {after:.1%}"
    )
    return model, {"in_16_bits": in_16_bits, "before": before, "after": after}


def _accuracy(model, loaded):
    right = [model.predict(x.numpy(), verbose=0).argmax(-1) == y.numpy() for x, y in loaded.validation]
    return float(np.concatenate(right).mean())
