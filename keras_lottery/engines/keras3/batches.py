"""Arrays in batches, without TensorFlow."""

import keras
import numpy as np
from keras import tree

from ...core import epochs
from ...core.errors import LotteryError
from ...core.fingerprint import fingerprint


class Batches(keras.utils.PyDataset):
    """(x, y) or (x, y, sample_weight) in shuffled batches; epoch n of a seed is the same in every process.

    With fewer than 100 batches, a last, partial batch is filled up with the first examples of the epoch's
    order; with more, it is left out. A set smaller than one batch is one batch.

    Args:
      arrays: arrays or structures of arrays, first axis the examples.
      batch_size: examples a batch.
      seed: int; with `epoch`, which counts up at each epoch's end, it fixes the order.

    Raises:
      LotteryError: no examples, or arrays of different lengths.
    """

    def __init__(self, *arrays, batch_size, seed):
        super().__init__()
        self.arrays = tree.map_structure(_as_fit_takes, arrays)
        sizes = {len(array) for array in tree.flatten(self.arrays)}
        if len(sizes) != 1:
            raise LotteryError(
                f"arrays of {sorted(sizes)} examples: x, y and sample_weight must have the same number"
            )
        self.examples = sizes.pop()
        if not self.examples:
            raise LotteryError("0 examples: expected at least one")
        self.size = min(batch_size, self.examples)
        self.seed, self.epoch = seed, 0
        self.element_spec = tree.map_structure(
            lambda a: keras.KerasTensor((self.size, *a.shape[1:]), str(a.dtype), name="batch"), self.arrays
        )

    def _lottery_content(self):
        return fingerprint(self.arrays, self.size, self.seed)

    def __len__(self):
        return epochs.steps(self.examples, self.size)

    def __getitem__(self, index):
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.examples)
        order = np.append(order, order[: epochs.fill(self.examples, self.size)])
        rows = order[index * self.size : (index + 1) * self.size]
        return tree.map_structure(lambda array: array[rows], self.arrays)

    def on_epoch_end(self):
        self.epoch += 1


def _as_fit_takes(array):
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype == np.float64 else array
