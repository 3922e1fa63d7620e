"""Whether a model can be trained on the labels it is given, asked before anything is trained."""

import itertools
import time

import numpy as np

from ..core.errors import LotteryError
from ..core.finite import check_examples
from ..core.told import told_in_one_line

SECONDS = 1.0  # that a look at the batches of a data set may take
_CLASS_NUMBERS = ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy")
_ONE_HOT = ("CategoricalCrossentropy", "categorical_crossentropy")
_SHARES = (*_ONE_HOT, "BinaryCrossentropy", "binary_crossentropy")
_KERAS = ("keras.", "tf_keras.", "keras_lottery.")  # modules


def check_labels(handle, data, name="train"):
    """Raises LotteryError for batches without labels, or with such as the model's loss cannot mean.

    Of data that `data.batches` or `data.load` made all labels are looked at, of others the first batches,
    whose x must be finite, too: that of the first is returned, None where none was looked at.
    """
    if handle.loss() is None or not type(handle.model).train_step.__module__.startswith(_KERAS):
        return None
    given = getattr(data, "element_spec", None)
    if given is not None:
        _check_spec(handle, given, name)
    ours = getattr(data, "_lottery_labels", lambda: None)()
    if ours is not None:  # all of them, in memory
        check(handle, ours, name)
        return None
    until, first = time.monotonic() + SECONDS, None
    with told_in_one_line(name):
        for batch in _batches(data):
            if not isinstance(batch, tuple) or len(batch) < 2:
                return None
            first = batch[0] if first is None else first
            check_examples(handle.nest.map_structure(_as_array, batch[0]), "x", f" of a batch of {name}")
            labels = _as_array(batch[1])
            if isinstance(labels, np.ndarray):  # one output, on one device
                check(handle, labels, name)
            if time.monotonic() > until:
                break
    return first


def _check_spec(handle, given, name):
    if not isinstance(given, tuple) or len(given) < 2:
        raise LotteryError(
            f"{name} gives no labels, and the model was compiled with a loss of them: give batches of (x, y)."
        )
    output, shape = (
        _sides(getattr(handle.model, "output_shape", None)),
        _sides(getattr(given[1], "shape", None)),
    )
    loss, settings = _own_loss(handle)
    if not output or not shape or output[-1] in (None, 1) or settings.get("axis", -1) != -1:
        return
    if loss in _CLASS_NUMBERS and len(shape) == len(output) and shape[-1] == output[-1]:
        raise LotteryError(
            f"{name} gives one-hot labels, of shape {shape}, and {loss} takes class numbers: give "
            "y.argmax(-1), or compile the model with categorical_crossentropy."
        )
    if loss in _ONE_HOT and (len(shape) == len(output) - 1 or len(shape) == len(output) and shape[-1] == 1):
        raise LotteryError(
            f"{name} gives labels of shape {shape}, and {loss} takes one-hot vectors of {output[-1]}: "
            "compile the model with sparse_categorical_crossentropy, or give "
            f"keras.utils.to_categorical(y, {output[-1]})."
        )


def check(handle, labels, name="train"):
    """Raises LotteryError for labels, an array, that are no numbers or that the model's loss cannot mean."""
    check_numbers(labels, "labels", name)
    if labels.dtype.kind not in "biuf":  # of two numbers, or few bits
        return
    output, (loss, settings) = _sides(getattr(handle.model, "output_shape", None)), _own_loss(handle)
    one_hot = len(output) > 1 and labels.ndim == len(output) and labels.shape[-1] == output[-1]
    wrong = labels[(labels < -1e-6) | (labels > 1 + 1e-6)] if loss in _SHARES and one_hot else labels[:0]
    if wrong.size:
        raise LotteryError(
            f"{wrong.size} labels of {name} are out of range, such as {wrong.flat[0]}: {loss} takes shares "
            "from 0 to 1."
        )
    if (
        loss not in _CLASS_NUMBERS
        or one_hot
        or not output
        or output[-1] is None
        or settings.get("axis", -1) != -1
    ):
        return
    fractions = labels[labels != np.floor(labels)]
    if fractions.size:
        raise LotteryError(
            f"{fractions.size} labels of {name} are no class numbers, such as {fractions.flat[0]}: give "
            f"whole numbers, 0 to {output[-1] - 1}, or compile the model with another loss."
        )
    fits = (labels >= 0) & (labels < output[-1])
    if settings.get("ignore_class") is not None:
        fits |= labels == settings["ignore_class"]
    if not fits.all():
        raise LotteryError(
            f"{(~fits).sum()} labels of {name} are out of range, such as {labels[~fits].flat[0]}: the "
            f"model has outputs for 0 to {output[-1] - 1}."
        )


def _sides(shape):
    """A shape as a tuple of ints and None; () where it is unknown or of several tensors."""
    if (
        shape is None
        or getattr(shape, "rank", 0) is None
        or isinstance(shape, dict)
        or any(isinstance(side, (tuple, dict)) for side in shape)
    ):
        return ()
    return tuple(shape)


def _own_loss(handle):
    """(name, settings) of the model's loss if it is one of Keras' own, alone or the only one in a list or
    dict; else (None, {})."""
    loss = handle.loss()
    if isinstance(loss, (dict, list, tuple)) and len(loss) == 1:
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    if isinstance(loss, str):
        return loss, {}
    named = loss if hasattr(loss, "__name__") else type(loss)
    if not str(named.__module__).startswith(_KERAS):
        return None, {}
    return named.__name__, loss.get_config() if hasattr(loss, "get_config") else {}


def check_numbers(array, what, name):
    """Raises LotteryError unless an array holds finite numbers; `what` says what they are, `name` of which
    data."""
    if not isinstance(array, np.ndarray):
        return
    if array.dtype.kind in "USO":
        cure = (
            "give numbers, as np.unique(y, return_inverse=True)[1] does."
            if what == "labels"
            else "give numbers."
        )
        raise LotteryError(f"the {what} of {name} are text, such as {_first(array)!r}: {cure}")
    if array.dtype.kind in "mM":
        raise LotteryError(f"the {what} of {name} are of type {array.dtype}: give numbers.")
    wrong = array[~np.isfinite(array)] if array.dtype.kind == "f" else array[:0]
    if wrong.size:
        raise LotteryError(
            f"{wrong.size} {what} of {name} are no numbers, such as {wrong.flat[0]}: leave out their "
            "examples."
        )


def _batches(data):
    """Batches of a tf.data.Dataset or a PyDataset, from the first; none of what may start processes to make
    them."""
    if hasattr(data, "element_spec"):
        return data
    if hasattr(type(data), "num_batches"):
        return (
            data[number] for number in (range(data.num_batches) if data.num_batches else itertools.count())
        )
    return ()


def _as_array(tensor):
    return tensor.numpy() if hasattr(tensor, "numpy") else tensor


def _first(labels):
    first = next(iter(labels.flat), None)
    return first.decode(errors="replace") if isinstance(first, bytes) else first
