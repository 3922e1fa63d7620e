"""Arrays in memory -> batches whose order and augmentation are a function of (seed, epoch) alone."""

import functools
import os

import numpy as np
import tensorflow as tf

from keras_lottery.core import epochs, tf_data
from keras_lottery.core.checks import shown, true_or_false, whole
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.fingerprint import fingerprint
from keras_lottery.core.finite import check_examples
from keras_lottery.data.augmentation import finisher


def batches(
    x, y=None, sample_weight=None, *, batch_size, seed=0, shuffle=True, augment=False, mean=None, std=None
):
    """Batch arrays, each new pass over the result being the next epoch.

    Epoch n of a given seed is bit for bit the same in every process. The batches of a shuffled dataset are
    all of one size: with fewer than 100 of them, a last, partial batch is filled up with the first examples
    of the epoch's order; with more, it is left out. A set smaller than one batch is one batch. An unshuffled
    dataset has each example once, and its last batch may be smaller.

    Args:
        x: images or anything else, an array or a structure of arrays, first axis the examples. Kept in memory
            once and handed out in its own dtype, but for float64, which becomes float32, and for images with
            `mean`.
        y: labels, the same number of examples, any dtype; or None.
        sample_weight: one weight an example; or None.
        batch_size: examples a batch, int >= 1.
        seed: int; with the epoch's number it fixes order and augmentation.
        shuffle: a new order every epoch.
        augment: flip left-right with probability 1/2 and crop from a frame of 4 zeros (after normalising),
            for x of shape (n, height, width, channels); as in Chen et al. 2020, "The Lottery Tickets
            Hypothesis for Supervised and Self-supervised Pre-training in Computer Vision Models".
        mean, std: one value a channel, of x / 255. Given, x becomes float32 (x / 255 - mean) / std.

    Returns:
        A tf.data.Dataset of x, (x, y) or (x, y, sample_weight); see `set_epoch`.

    Raises:
        LotteryError: no examples, arrays of different lengths, NaN or infinity in them, batch_size < 1, or
            augment without 4-D images.

    Example:
        >>> train = batches(np.zeros((256, 8, 8, 1), "uint8"), np.zeros(256, "int64"), batch_size=64, seed=1)
        >>> len(train), train.element_spec[0].shape
        (4, TensorShape([64, 8, 8, 1]))
    """
    true_or_false(shuffle=shuffle, augment=augment)
    arrays = tf.nest.map_structure(_as_fit_takes, _packed(x, y, sample_weight))
    for name, part in zip(("x", "y", "sample_weight"), arrays):
        check_examples(part, name)
    sizes = {a.shape[0] if a.ndim else 0 for a in tf.nest.flatten(arrays)}
    if len(sizes) > 1:
        raise LotteryError(
            f"arrays of {sorted(sizes)} examples: x, y and sample_weight must have the same number"
        )
    tensors = tf.nest.map_structure(lambda a: hold(_aligned_copy(a)), arrays)
    return stream(
        tensors,
        np.arange(sizes.pop()),
        batch_size=batch_size,
        seed=seed,
        shuffle=shuffle,
        augment=augment,
        mean=mean,
        std=std,
    )


def set_epoch(dataset, epoch):
    """Make the next pass over `dataset` be epoch `epoch` (0-based); later passes count on from there.

    Call it before fit, as fit takes its passes in order and does not tell a dataset its `initial_epoch`.

    Args:
        dataset: what `batches` or `load` made, or a tf.data transformation of it (map, take, prefetch, ...).
        epoch: int >= 0.

    Returns:
        True; False if the dataset is not one of ours, and then nothing was done.

    Example:
        >>> train = batches(np.arange(6), batch_size=6, seed=1)
        >>> first, second = [next(iter(train)).numpy().tolist() for epoch in range(2)]
        >>> set_epoch(train, 1), next(iter(train)).numpy().tolist() == second
        (True, True)
    """
    epoch = whole("epoch", epoch, least=0, most=2**63 - 1)
    counter = getattr(dataset, "_lottery_epoch", None)
    if counter is not None:
        _set(counter, int(epoch))
        return True
    passes = max(tf_data.repeats(dataset), 1)  # of repeat(2) an epoch takes two
    return any([set_epoch(given, epoch * passes) for given in tf_data.inputs(dataset)])


def from_batch(dataset, first):
    """The next pass over `dataset` without its first batches, which ours do not make only to drop them.

    Args:
        dataset: a tf.data.Dataset of batches.
        first: how many to leave out, int >= 0.

    Example:
        >>> train = batches(np.arange(6), batch_size=2, seed=1)
        >>> whole = [batch.numpy().tolist() for batch in train]
        >>> set_epoch(train, 0), [batch.numpy().tolist() for batch in from_batch(train, 1)] == whole[1:]
        (True, True)
    """
    ours = getattr(dataset, "_lottery_from", None)
    return dataset.skip(first) if ours is None else ours(first)


def aligned(shape, dtype):
    """An empty array that TensorFlow can use where it lies: its kernels abort on one not aligned to 64
    bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = np.empty(size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size].view(dtype).reshape(shape)


def hold(array):
    """An array of `aligned` -> a tensor in host memory that shares it, so do not write to it; any other is
    copied.

    tf.constant takes three times the memory on its way, and puts the tensor on a GPU, where tf.data cannot
    use it.
    """
    if array.dtype.kind not in "iuf":
        with tf.device("/CPU:0"):
            return tf.constant(array)
    if array.ctypes.data % 64 or not array.flags.c_contiguous or not array.flags.writeable:
        array = _aligned_copy(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def stream(tensors, rows, *, batch_size, seed, shuffle, augment=False, mean=None, std=None):
    """As `batches`, over the given rows of tensors made by `hold`; no copy of them is taken."""
    batch_size = whole("batch_size", batch_size, most=2**63 - 1)
    seed = whole("seed", seed, least=-(2**63), most=2**63 - 1)
    if not len(rows):
        raise LotteryError("0 examples: expected at least one")
    size = min(int(batch_size), len(rows)) if shuffle else int(batch_size)
    steps = epochs.steps(len(rows), size) if shuffle else -(-len(rows) // size)
    filled = epochs.fill(len(rows), size) if shuffle else 0
    finish = finisher(tensors, size, augment, mean, std)
    with tf.device("/CPU:0"):
        # Not a tf.Variable: made inside a strategy's scope that would be mirrored onto the devices.
        counter = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, default_value=0)
        rows = tf.constant(np.asarray(rows, np.int64))

    def one_batch(epoch, step, index):
        batch = tf.nest.map_structure(lambda t: tf.gather(t, index), tensors)
        key = tf.random.experimental.stateless_fold_in(
            tf.stack([tf.constant(int(seed), tf.int64), epoch]), step
        )
        return (finish(batch[0], key), *batch[1:]) if len(batch) > 1 else finish(batch[0], key)

    def first_images():
        """The images of the first rows, as they are served, an array; no pass is made for them."""
        zero = tf.constant(0, tf.int64)
        made = one_batch(zero, zero, rows[: min(size, 32)])
        return tf.nest.flatten(made)[0].numpy()

    @functools.cache
    def content():
        arrays = [tensor.numpy() for tensor in (rows, *tf.nest.flatten(tensors))]
        return fingerprint(arrays, size, int(seed), shuffle, augment, mean, std)

    def labels():
        """Those of the rows that are served, as an array; None where there are none, or several outputs'."""
        return tf.gather(tensors[1], rows).numpy() if len(tensors) > 1 and tf.is_tensor(tensors[1]) else None

    def starting_at(first):
        def one_pass(_):
            epoch = _next(counter)
            shuffled = tf.random.experimental.stateless_shuffle
            order = shuffled(rows, seed=[int(seed), epoch]) if shuffle else rows
            order = tf.concat([order, order[:filled]], 0)
            index = tf.data.Dataset.from_tensor_slices(order).batch(size, drop_remainder=shuffle)
            return index.enumerate().skip(first).map(lambda step, index: (epoch, step, index))

        dataset = tf.data.Dataset.range(1).flat_map(one_pass)
        dataset = dataset.map(one_batch, num_parallel_calls=min(os.cpu_count(), 8))
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps - first)).prefetch(2)
        dataset = dataset.with_options(_options())
        dataset._lottery_epoch, dataset._lottery_from = counter, starting_at
        dataset._lottery_content, dataset._lottery_labels = content, labels
        dataset._lottery_first = first_images
        return dataset

    return starting_at(0)


def generated(batches, count, like):
    """A tf.data.Dataset of what a generator function gives, `count` batches of the shapes and dtypes of the
    dataset `like`."""
    dataset = tf.data.Dataset.from_generator(batches, output_signature=like.element_spec)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2).with_options(_options())


def _options():
    options = tf.data.Options()
    options.autotune.enabled = (
        False  # which may take 0.4 s to end with a pass, and finds nothing to gain here
    )
    # The default rewrites do nothing for these pipelines, and keep a second copy of the images.
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return options


def _packed(x, y, sample_weight):
    if y is None and sample_weight is not None:
        raise LotteryError("sample_weight without y: expected labels too")
    return (x,) if y is None else (x, y) if sample_weight is None else (x, y, sample_weight)


def _as_fit_takes(array):
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise LotteryError(f"an array has rows of different lengths: {error}") from error
    if array.dtype == object:
        raise LotteryError(
            f"an array holds objects such as {shown(next(iter(array.flat), None))}: give arrays of numbers "
            "or text"
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)  # DLPack takes no other
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _aligned_copy(array):
    if array.dtype.kind not in "iuf":
        return array  # which `hold` copies
    copy = aligned(array.shape, array.dtype)
    copy[...] = array
    return copy


_KEY = 0  # the counter is a table of one entry


def _next(counter):
    epoch = counter.lookup(tf.constant(_KEY, tf.int64))
    with tf.control_dependencies([counter.insert(tf.constant(_KEY, tf.int64), epoch + 1)]):
        return tf.identity(epoch)


def _set(counter, epoch):
    with tf.device("/CPU:0"):
        counter.insert(tf.constant(_KEY, tf.int64), tf.constant(epoch, tf.int64))
