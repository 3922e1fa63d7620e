"""Images normalised, flipped and cropped while they are served."""

import tensorflow as tf

from ..core.errors import LotteryError
from ..core.pixels import Pixels

PAD = 4  # pixels that a training image may be shifted by


def finisher(tensors, size, augment, mean, std):
    """(gathered x, key of the batch) -> x as the model gets it."""
    x = tensors[0]
    normalise = _as_it_is if mean is None and std is None else _normaliser(mean, std, x)
    if not augment:
        return lambda images, key: normalise(images)
    if tf.nest.is_nested(x) or x.shape.rank != 4:
        shape = "a structure" if tf.nest.is_nested(x) else f"shape {tuple(x.shape)}"
        raise LotteryError(
            f"augment=True with x of {shape}: expected images of shape (n, height, width, channels)"
        )
    shifted = _compiled(lambda images, draws: flip_and_crop(images, draws, normalise), x, size)
    return lambda images, key: shifted(images, tf.random.stateless_uniform([size, 3], key))


def _as_it_is(x):
    return x


def _normaliser(mean, std, x):
    if tf.nest.is_nested(x) or not x.shape.rank or not (x.dtype.is_floating or x.dtype.is_integer):
        raise LotteryError(
            "mean and std are for images, one array of numbers with the channels last: leave them out."
        )
    pixels = Pixels.of((mean, std), x.shape[-1])
    return lambda images: pixels.normalise(tf.cast(images, tf.float32))


def flip_and_crop(images, draws, normalise=_as_it_is):
    """Flip and crop each image of a batch by its own three draws from [0, 1): flip, down, right.

    As one gather of rows and one of columns, so that the padded images are never made.
    """
    height, width = images.shape[1:3]
    flip = draws[:, :1] < 0.5
    down, right = [tf.cast(draws[:, i : i + 1] * (2 * PAD + 1), tf.int32) - PAD for i in (1, 2)]
    row = tf.range(height) + down
    column = tf.range(width) + right
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    row, column = tf.clip_by_value(row, 0, height - 1), tf.clip_by_value(column, 0, width - 1)
    column = tf.where(flip, width - 1 - column, column)
    images = tf.gather(tf.gather(images, row, axis=1, batch_dims=1), column, axis=2, batch_dims=1)
    images = normalise(images)
    return tf.where(inside[..., None], images, tf.zeros([], images.dtype))


def _compiled(function, x, size):
    """`function` through XLA, which is several times faster, or plainly where there is no XLA for this
    processor."""
    compiled = tf.function(function, jit_compile=True)
    try:
        with tf.device("/CPU:0"):
            compiled(tf.zeros([size, *x.shape[1:]], x.dtype), tf.zeros([size, 3]))
    except (tf.errors.OpError, ValueError):
        return function
    return compiled
