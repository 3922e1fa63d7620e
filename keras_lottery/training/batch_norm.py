"""BatchNorm statistics taken anew, for weights that they do not belong to."""

import itertools

import numpy as np

from .. import engines
from ..core.checks import whole
from .check_data import open_data

BATCHES = 50


class BatchNormStatistics:
    """Re-estimates the BatchNorm statistics of a state: those of a mean of two weights are not the mean of
    theirs.

    Each mean and variance becomes that of all the layer's inputs in the first `batches`
    batches of `train`, computed in training mode, and not a decayed average over them. A
    layer that the model calls several times has those of its last call. Frozen layers
    keep theirs. Nothing else changes, and the model is not touched.

    Args:
      model: a wrapped or plain model of either Keras, nested models included.
      train: a tf.data.Dataset of batches or a PyDataset, in its own order, or arrays (x, y).
      batches: how many batches.

    Source: Izmailov et al. 2018 (arXiv 1803.05407), section 3.2.
    """

    def __init__(self, model, train, batches=BATCHES):
        self.handle, self.batches = engines.of(model), whole("batches", batches)
        self.layers = _batch_norms(self.handle)
        if self.layers:
            self.train, *_ = open_data(self.handle, train, seed=0)
            self.handle = self.handle.on(self.handle.strip())  # a copy
            self.layers = _batch_norms(self.handle)
        for layer in self.layers.values():
            layer.momentum = 0.0  # after a batch it then knows that batch alone
            if getattr(layer, "fused", False):
                layer.fused = False  # which would take the sample's variance for the population's

    def __call__(self, values):
        """`values`, a state {path: array} of the model, with the statistics that belong to its weights."""
        if not self.layers:
            return values
        self.handle.load_state(values)
        variables = self.handle.variables()
        count, sums = 0, {path: (0.0, 0.0) for path in self.layers}
        for x in self._inputs():
            size = len(self.handle.nest.flatten(x)[0])
            self.handle.model(x, training=True)
            count += size
            for path, (first, second) in sums.items():
                mean, variance = (variables[name].numpy().astype(np.float64) for name in _names(path))
                sums[path] = first + size * mean, second + size * (variance + mean**2)
        found = dict(values)
        for path, (first, second) in sums.items():
            mean = first / count
            for name, value in zip(_names(path), (mean, np.maximum(second / count - mean**2, 0))):
                found[name] = value.astype(values[name].dtype)
        return found

    def _inputs(self):
        """x of the same first batches each time."""
        train = self.train
        self.handle.set_epoch(train, 0)
        if hasattr(train, "__getitem__"):  # a PyDataset, whose iterator does not end
            train = map(train.__getitem__, range(len(train)))
        for batch in itertools.islice(train, self.batches):
            x = batch[0] if isinstance(batch, (tuple, list)) else batch
            yield self.handle.nest.map_structure(np.asarray, x)


def _batch_norms(handle):
    """{path: layer} of all layers that normalise by the batch, train and learn its statistics."""
    return {
        path: layer for path, layer in handle.layers().items() if layer.trainable and learns_statistics(layer)
    }


def learns_statistics(layer):
    """Whether a layer normalises by statistics that it gathers from batch to batch, unless it is frozen."""
    return all(
        getattr(layer, name, None) is not None for name in ("moving_mean", "moving_variance", "momentum")
    )


def _names(path):
    return f"{path}/moving_mean", f"{path}/moving_variance"
