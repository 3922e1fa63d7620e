"""What a search trains on, looked at before anything is trained."""

import warnings

import numpy as np

from ..core import tf_data
from ..core.errors import LotteryError
from ..core.fingerprint import fingerprint, leaves
from ..core.finite import check_examples
from ..core.told import told_in_one_line
from ..engines.own import own_methods
from . import labels
from .callback import Callback

_KERAS = ("keras.", "tf_keras.", "keras_lottery.")  # modules
_WANTED = "give a tf.data.Dataset, (x, y) or (x, y, sample_weight)"


def open_data(handle, train, seed, name="train"):
    """Return (data that can be iterated repeatedly, batches per epoch or None, fingerprint).

    Args:
      handle: that of the compiled model.
      train: a tf.data.Dataset or the like, or a tuple of arrays, which are served in
        batches of 32 in an order that `seed` and the epoch set.
      name: what errors call it.

    Raises:
      LotteryError: nothing to train on, or nothing that this model can be trained on.
    """
    model = handle.model
    preprocesses = bool(own_methods(model, handle.keras.Model, ("fit",)))  # takes what its inputs do not
    if preprocesses and handle.keras.__name__ == "keras" and isinstance(train, (tuple, list)):
        raise LotteryError(
            f"{type(model).__name__} has its own fit: give {name} as that takes it, such as a "
            "tf.data.Dataset of batches."
        )
    if isinstance(train, (tuple, list)):
        train = train[:2] if len(train) == 3 and train[2] is None else train
        if not 2 <= len(train) <= 3:
            raise LotteryError(f"{name} has {len(train)} parts: {_WANTED}.")
        train = tuple(_arrays(part, name) for part in train)
        _check_lengths(train, name)
        check_examples(train[0], "x", f" of {name}")
        if isinstance(train[1], np.ndarray):
            labels.check(handle, train[1], name)
        if len(train) == 3:
            labels.check_numbers(train[2], "sample_weight", name)
        if any(leaf.dtype.kind in "US" for leaf in leaves(train[0])):
            _check_takes_text(model, name)
        account = fingerprint(train)
        train = handle.batches(*train, batch_size=32, seed=seed)
    elif (
        isinstance(train, (np.ndarray, str, bytes, dict))
        or not hasattr(train, "__iter__")
        or hasattr(train, "__next__")
    ):
        raise LotteryError(f"{name} is a {type(train).__name__}: {_WANTED}.")
    else:
        account = str(getattr(train, "element_spec", type(train).__name__))
    if not preprocesses:
        _check_inputs(model, train, name)
    return train, _steps(train, name), account


def content(data):
    """What tells our own batches from others of the same shapes; None where that is not known, or told by
    `open_data`."""
    digest = getattr(data, "_lottery_content", None)
    return digest and digest()


def warn_of_order(train, kept=True, step=0):
    """Say what cannot be done with data whose order is lost, as far as they tell.

    Args:
      train: the data.
      kept: whether the run is to go on after a kill.
      step: the step that rounds begin at, with the batches of the dense training from there on.
    """
    how = _shuffles(train)
    anew = how and how != _UNSEEDED
    lost = [
        *(
            [f"rounds that rewind to step {step} take other batches than the dense training took after it"]
            if anew and step
            else []
        ),
        *(["if this run is killed, it continues in another order"] if how and kept else []),
    ]
    if lost:
        warnings.warn(
            f"train shuffles {how}, in an order that no file can keep: {', and '.join(lost)}. To avoid this, "
            "use lottery.data.batches(x, y, batch_size=..., seed=...), which shuffles by seed and epoch.",
            stacklevel=3,
        )


_UNSEEDED = "without a seed"  # but once, for all passes of this process


def _shuffles(dataset):
    """How data shuffle, if another pass or another process would not find their order again; None if it
    would."""
    if hasattr(dataset, "_lottery_epoch"):
        return None
    if tf_data.shuffles_anew(dataset):
        return "anew in each pass"
    if tf_data.shuffles_unseeded(dataset):
        return _UNSEEDED
    loader = (dataset, getattr(dataset, "batch_sampler", None))  # of PyTorch
    if any("Random" in type(getattr(part, "sampler", None)).__name__ for part in loader):
        return "anew in each pass"
    for name in ("on_epoch_begin", "on_epoch_end"):
        own = getattr(type(dataset), name, None)
        if own is not None and not own.__module__.startswith(_KERAS):
            return f"by its {name}"
    return next(filter(None, map(_shuffles, tf_data.inputs(dataset))), None)


def _arrays(part, name):
    """x, y or sample_weight as arrays. A list of arrays is several inputs or outputs, any other is one of
    numbers."""
    if isinstance(part, dict):
        return {key: _arrays(item, name) for key, item in part.items()}
    if isinstance(part, (list, tuple)) and any(
        np.ndim(leaf) if hasattr(leaf, "shape") else False for leaf in leaves(part)
    ):
        return tuple(_arrays(item, name) for item in part)
    try:
        array = np.asarray(part)
    except ValueError as error:
        raise LotteryError(f"{name} holds rows of different lengths: {error}.") from error
    if not array.ndim:
        raise LotteryError(f"{name} holds a {type(part).__name__} where an array is expected: {_WANTED}.")
    if array.dtype == object:  # as pandas gives columns of several kinds
        array = np.asarray(array.tolist())
    if array.dtype == object:
        raise LotteryError(
            f"{name} holds objects such as {next(iter(array.flat), None)!r}: give arrays of numbers."
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_lengths(arrays, name):
    """Raises LotteryError unless all of the arrays hold the same number of examples, one or more."""
    sizes = sorted({len(leaf) for leaf in leaves(arrays)})
    if len(sizes) > 1:
        raise LotteryError(
            f"{name} holds arrays of {sizes} examples: x, y and sample_weight must have the same number."
        )
    if sizes == [0]:
        raise LotteryError(f"{name} holds 0 examples: give one or more.")


def _steps(train, name):
    try:
        steps = (
            train.num_batches if hasattr(type(train), "num_batches") else len(train)
        )  # of a PyDataset, None: no end
        endless = steps is None
    except (TypeError, NotImplementedError) as error:
        steps, endless = (
            None,
            isinstance(error, NotImplementedError) or "infinite" in str(error) or _is_endless(train),
        )
    if endless:
        raise LotteryError(
            f"{name} never ends: give as many batches as one epoch has, such as {name}.take(STEPS)."
        )
    if steps is None:
        with told_in_one_line(name):
            steps = None if any(True for _ in train) else 0
    if steps == 0:
        raise LotteryError(f"{name} is empty: it holds no batch.")
    return steps


def _is_endless(dataset):
    """Whether a tf.data.Dataset never ends, though it may not know: one that passes on what an endless one
    gives."""
    if hasattr(dataset, "cardinality") and int(dataset.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        return True
    inputs = tf_data.inputs(dataset)
    return len(inputs) == 1 and not tf_data.may_end_before(dataset) and _is_endless(inputs[0])


class LongEpochs(Callback):
    """Tells once of an epoch, of data that do not say their length, which is longer than nearly any."""

    BATCHES = 100_000

    def __init__(self):
        super().__init__()
        self.told = False

    def on_train_batch_end(self, batch, logs=None):
        if batch >= self.BATCHES and not self.told:
            self.told = True
            warnings.warn(
                f"the epoch has had {batch:,} batches and goes on: if the data never end, stop this and "
                "give as many batches as one epoch should have, such as train.take(STEPS).",
                stacklevel=2,
            )

    on_test_batch_end = on_train_batch_end

    def _implements_test_batch_hooks(self):
        return True


def _check_inputs(model, train, name):
    """Raises LotteryError if a model of one input cannot take the batches of `train`."""
    wanted, given = getattr(model, "input_shape", None), getattr(train, "element_spec", None)
    given = given[0] if isinstance(given, tuple) and given else given
    if not isinstance(wanted, tuple) or any(isinstance(side, (tuple, list, dict)) for side in wanted):
        return
    if len(leaves(given)) > 1:
        raise LotteryError(
            f"{name} gives {len(leaves(given))} inputs, the model takes one: change one of them."
        )
    if "string" in str(getattr(given, "dtype", "")):
        _check_takes_text(model, name)
    if getattr(given, "shape", None) is not None:
        forms = [wanted, (*wanted, 1)] + [wanted[:-1]] * (wanted[-1] == 1)  # Keras adds or drops an axis of 1
        if not any(_fits(given.shape, form) for form in forms):
            raise LotteryError(
                f"{name} gives batches of shape {given.shape}, the model takes {wanted}: change one of them."
            )


def _check_takes_text(model, name):
    takes = [
        getattr(tensor.dtype, "name", tensor.dtype) for tensor in getattr(model, "inputs", None) or ()
    ]  # TensorFlow's or Keras' own
    if takes and "string" not in takes:
        raise LotteryError(f"{name} gives text, and the model takes {takes[0]}: give numbers.")


def _fits(shape, form):
    if getattr(shape, "rank", 0) is None:  # a tf.TensorShape that is not known
        return True
    return len(shape) == len(form) and all(
        None in (side, wanted) or side == wanted for side, wanted in zip(shape, form)
    )
