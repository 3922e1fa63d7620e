"""Data from one of their batches on, for an epoch that is begun within."""

import itertools


def rest(train, first, dataset):
    """`train` without the first batches of its next pass: what fit takes for one epoch.

    Args:
      train: a tf.data.Dataset, one of `dataset`, or anything that gives batches when it is iterated.
      first: how many batches to leave out.
      dataset: the Keras' class of data that are read by the batch's number (PyDataset, Sequence).
    """
    if isinstance(train, dataset):
        return _rest_of(dataset)(train, first)
    if hasattr(train, "skip"):
        from ..data import from_batch  # with TensorFlow, which who has a tf.data.Dataset has too

        return from_batch(train, first)
    # A generator, as fit takes them: of tuples, where a DataLoader of PyTorch gives lists.
    return (
        tuple(batch) if isinstance(batch, list) else batch for batch in itertools.islice(train, first, None)
    )


def of_length(train, batches):
    """`train`, which has so many batches, and says so if it is a tf.data.Dataset that did not."""
    if not hasattr(train, "cardinality"):
        return train
    import tensorflow as tf

    unknown = int(train.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    return train.apply(tf.data.experimental.assert_cardinality(batches)) if unknown else train


def _rest_of(dataset):
    class Rest(dataset):
        def __init__(self, train, first):
            settings = {
                name: getattr(train, name)
                for name in ("workers", "use_multiprocessing", "max_queue_size")
                if hasattr(train, name)
            }
            super().__init__(**settings)
            self.train, self.first = train, first

        def __len__(self):
            return (getattr(self.train, "num_batches", None) or len(self.train)) - self.first

        def __getitem__(self, index):
            return self.train[index + self.first]

        def on_epoch_begin(self):
            getattr(self.train, "on_epoch_begin", lambda: None)()

        def on_epoch_end(self):
            self.train.on_epoch_end()

    return Rest
