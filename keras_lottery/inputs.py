"""What a search trains on, looked at before anything is trained."""

import hashlib
import warnings

import numpy as np

from . import pruning
from .errors import LotteryError

_WANTED = "give a tf.data.Dataset, (x, y) or (x, y, sample_weight)"
_CLASS_NUMBERS = ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy")
_KERAS = ("keras.", "tf_keras.", "keras_lottery.")  # modules
_ONE_HOT = ("CategoricalCrossentropy", "categorical_crossentropy")


def open_data(model, train, seed, name="train"):
    """`train` as fit takes it again and again: (it, batches an epoch or None, what tells it from other data).

    Args:
      model: the compiled model.
      train: a tf.data.Dataset or the like, or a tuple of arrays, which are served in
        batches of 32 in an order that `seed` and the epoch set.
      name: what errors call it.

    Raises:
      LotteryError: nothing to train on, or nothing that this model can be trained on.
    """
    if isinstance(train, (tuple, list)):
        train = train[:2] if len(train) == 3 and train[2] is None else train
        if not 2 <= len(train) <= 3:
            raise LotteryError(f"{name} has {len(train)} parts: {_WANTED}.")
        train = tuple(_arrays(part, name) for part in train)
        if isinstance(train[1], np.ndarray):
            _check_classes(model, train[1])
        account = _hash(train)
        train = pruning.engine(model).batches(*train, batch_size=32, seed=seed)
    elif isinstance(train, (np.ndarray, str, bytes, dict)) or not hasattr(train, "__iter__") or hasattr(train, "__next__"):
        raise LotteryError(f"{name} is a {type(train).__name__}: {_WANTED}.")
    else:
        account = str(getattr(train, "element_spec", type(train).__name__))
    _check_inputs(model, train, name)
    return train, _steps(train, name), account


def check_labels(model, train, name="train"):
    """Raises LotteryError for batches without labels, or with class numbers where the loss takes one-hot vectors, or the reverse."""
    given = getattr(train, "element_spec", None)
    if given is None or pruning.engine(model).loss(model) is None or not type(model).train_step.__module__.startswith(_KERAS):
        return
    if not isinstance(given, tuple) or len(given) < 2:
        raise LotteryError(f"{name} gives no labels, and the model was compiled with a loss of them: give batches of (x, y).")
    output, shape = _sides(getattr(model, "output_shape", None)), _sides(getattr(given[1], "shape", None))
    loss, settings = _own_loss(model)
    if not output or not shape or output[-1] in (None, 1) or settings.get("axis", -1) != -1:
        return
    if loss in _CLASS_NUMBERS and len(shape) == len(output) and shape[-1] == output[-1]:
        raise LotteryError(f"{name} gives one-hot labels, of shape {shape}, and {loss} takes class numbers: give y.argmax(-1), or compile "
                           "the model with categorical_crossentropy.")
    if loss in _ONE_HOT and (len(shape) == len(output) - 1 or len(shape) == len(output) and shape[-1] == 1):
        raise LotteryError(f"{name} gives labels of shape {shape}, and {loss} takes one-hot vectors of {output[-1]}: compile the model with "
                           f"sparse_categorical_crossentropy, or give keras.utils.to_categorical(y, {output[-1]}).")


def _sides(shape):
    """A shape as a tuple of ints and None; () where it is unknown or of several tensors."""
    if shape is None or getattr(shape, "rank", 0) is None or isinstance(shape, dict) or any(isinstance(side, (tuple, dict)) for side in shape):
        return ()
    return tuple(shape)


def warn_of_order(train):
    """Say what a run that is killed will not do: go on in the order of data that no file keeps, as far as they tell."""
    how = _shuffles(train)
    if how:
        warnings.warn(f"train shuffles {how}, in an order that no file can keep: killed, this run goes on in another order. "
                      "lottery.data.batches(x, y, batch_size=..., seed=...) shuffles by seed and epoch alone.", stacklevel=3)


def _shuffles(dataset):
    """How a tf.data.Dataset shuffles, if another process would not find its order again; None if it would."""
    if hasattr(dataset, "_lottery_epoch"):
        return None
    if hasattr(dataset, "_reshuffle_each_iteration"):
        if dataset._reshuffle_each_iteration:
            return "anew in each pass"
        if not int(dataset._seed) and not int(dataset._seed2):
            return "without a seed"
    inputs = getattr(dataset, "_inputs", None)
    return next(filter(None, map(_shuffles, inputs())), None) if callable(inputs) else None


def _arrays(part, name):
    """x, y or sample_weight as arrays. A list of arrays is several inputs or outputs, any other is one of numbers."""
    if isinstance(part, dict):
        return {key: _arrays(item, name) for key, item in part.items()}
    if isinstance(part, (list, tuple)) and any(np.ndim(leaf) if hasattr(leaf, "shape") else False for leaf in _leaves(part)):
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
        raise LotteryError(f"{name} holds objects such as {next(iter(array.flat), None)!r}: give arrays of numbers.")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _steps(train, name):
    try:
        steps = train.num_batches if hasattr(type(train), "num_batches") else len(train)  # of a PyDataset, None: no end
        endless = steps is None
    except (TypeError, NotImplementedError) as error:
        steps, endless = None, isinstance(error, NotImplementedError) or "infinite" in str(error)
    if endless:
        raise LotteryError(f"{name} never ends: give as many batches as one epoch has, such as {name}.take(STEPS).")
    if steps is None and not any(True for _ in train):
        steps = 0
    if steps == 0:
        raise LotteryError(f"{name} is empty: it holds no batch.")
    return steps


def _hash(arrays):
    content = hashlib.sha256()
    for array in map(np.asarray, _leaves(arrays)):
        content.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return content.hexdigest()[:12]


def _leaves(structure):
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in _leaves(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for item in structure for leaf in _leaves(item)]
    return [structure]


def _check_inputs(model, train, name):
    """Raises LotteryError if a model of one input cannot take the batches of `train`."""
    wanted, given = getattr(model, "input_shape", None), getattr(train, "element_spec", None)
    given = given[0] if isinstance(given, tuple) and given else given
    if not isinstance(wanted, tuple) or any(isinstance(side, (tuple, list, dict)) for side in wanted):
        return
    if len(_leaves(given)) > 1:
        raise LotteryError(f"{name} gives {len(_leaves(given))} inputs, the model takes one: change one of them.")
    if getattr(given, "shape", None) is not None:
        forms = [wanted, (*wanted, 1)] + [wanted[:-1]] * (wanted[-1] == 1)  # Keras adds or drops an axis of 1
        if not any(_fits(given.shape, form) for form in forms):
            raise LotteryError(f"{name} gives batches of shape {given.shape}, the model takes {wanted}: change one of them.")


def _fits(shape, form):
    if getattr(shape, "rank", 0) is None:  # a tf.TensorShape that is not known
        return True
    return len(shape) == len(form) and all(None in (side, wanted) or side == wanted for side, wanted in zip(shape, form))


def _check_classes(model, labels):
    """Raises LotteryError for a class that a model trained on class numbers has no output for."""
    if labels.dtype.kind in "US":
        raise LotteryError(f"the labels are text, such as {labels.flat[0]!r}: give numbers, as np.unique(y, return_inverse=True)[1] does.")
    if labels.dtype.kind in "mM":
        raise LotteryError(f"the labels are of type {labels.dtype}: give numbers.")
    output, (loss, settings) = _sides(getattr(model, "output_shape", None)), _own_loss(model)
    if output and output[-1] is not None and loss in _CLASS_NUMBERS and settings.get("ignore_class") is None:
        wrong = labels[(labels < 0) | (labels >= output[-1])]
        if wrong.size:
            raise LotteryError(
                f"{wrong.size} labels are out of range, such as {wrong[0]}: the model has outputs for 0 to {output[-1] - 1}."
            )


def _own_loss(model):
    """(name, settings) of the model's loss if it is one of Keras' own, alone or the only one in a list or dict; else (None, {})."""
    loss = pruning.engine(model).loss(model)
    if isinstance(loss, (dict, list, tuple)) and len(loss) == 1:
        (loss,) = loss.values() if isinstance(loss, dict) else loss
    if isinstance(loss, str):
        return loss, {}
    named = loss if hasattr(loss, "__name__") else type(loss)
    if not str(named.__module__).startswith(_KERAS):
        return None, {}
    return named.__name__, loss.get_config() if hasattr(loss, "get_config") else {}
