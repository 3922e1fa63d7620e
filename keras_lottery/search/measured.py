"""What scores measure: gradients, inputs and flow, of a float32 copy of the model in inference mode."""

import itertools

import numpy as np

from ..core.errors import LotteryError
from ..core.told import told_in_one_line
from ..engines.input_norms import input_norms
from ..engines.own import own_methods

BATCHES = 16
ANY_SIDE = 16  # of an input, where the model takes any


def first_batches(handle, train, most=BATCHES):
    """The first batches of the first epoch, [(x, y, sample_weight)] as arrays; None for what is not there."""
    handle.set_epoch(train, 0)
    if hasattr(train, "__getitem__"):
        size = train.num_batches if hasattr(type(train), "num_batches") else len(train)
        found = (train[number] for number in range(min(most, size)))
    else:
        found = itertools.islice(train, most)

    def arrays(part):
        return None if part is None else handle.nest.map_structure(np.asarray, part)

    with told_in_one_line("train"):
        return [tuple(map(arrays, handle.keras.utils.unpack_x_y_sample_weight(batch))) for batch in found]


def gradients(handle, paths, batches):
    """(mean, mean of squares) over the batches of the gradient of the loss that the model was compiled with,
    its own losses included; each {path: array}."""
    _check_trains_plainly(handle)
    copy = _copy(handle)
    copy.compile_like(handle.model)

    def loss(outputs, x, y, sample_weight):
        return copy.model.compute_loss(x, y, outputs, sample_weight)

    mean, squares = ({path: 0.0 for path in paths} for _ in range(2))
    for batch in batches:
        with told_in_one_line("train"):
            slope = copy.gradient(paths, batch, loss)
        for path, value in slope.items():
            mean[path] = mean[path] + value / len(batches)
            squares[path] = squares[path] + np.square(value) / len(batches)
    return mean, squares


def inputs(handle, paths, batches):
    """What `input_norms.input_norms` gives of the model."""
    _check_trains_plainly(handle)
    with told_in_one_line("train"):
        return input_norms(_copy(handle), paths, batches)


def flow(handle, paths):
    """{path: array}: the gradient of the sum of the outputs for an input of ones, where every weight and
    statistic is its absolute value and the output layer has no activation.

    Raises:
      LotteryError: the input is no numbers, or more flows than float32 holds, or nothing.
    """
    copy = _copy(handle)
    copy.load_state(
        {path: np.abs(value) if value.dtype.kind == "f" else value for path, value in copy.values().items()}
    )
    last = copy.last_layer(copy.model)
    if hasattr(last, "activation"):  # the outputs of a softmax sum to 1, whatever flows
        last.activation = copy.keras.activations.linear
    structure = copy.inputs()
    if structure is None:
        raise LotteryError("score='synflow' needs the shape of the input: give the model an Input layer.")
    ones = copy.nest.map_structure(_ones, structure)
    with told_in_one_line("an input of ones"):
        found = copy.gradient(paths, (ones,))
    if not all(np.isfinite(value).all() for value in found.values()):
        raise LotteryError(
            "score='synflow': more flows through this net than float32 holds, for what flows is multiplied "
            "from layer to layer. Give another score."
        )
    still = [path for path, value in found.items() if not value.any()]
    if still and all(mask.all() for mask in handle.masks().values()):
        raise LotteryError(
            f"score='synflow': nothing flows through {still[0]!r}, as where a Softmax layer makes the sum of "
            "the outputs 1 or relu6 is at its bound. Build it with logits and relu, or give another score."
        )
    return found


def _check_trains_plainly(handle):
    """Raises LotteryError where batches are not what the model itself takes, or compile does not name the
    loss."""
    if own := own_methods(handle.model, handle.keras.Model, ("fit", "train_step")):
        raise LotteryError(
            f"{type(handle.model).__name__} has its own {own}, so that no score can tell what the model is "
            "given or what it loses: give one that measures nothing on data, such as magnitude or synflow."
        )


def _copy(handle):
    """The handle of a plain float32 copy."""
    copy = handle.on(handle.strip())
    return copy.on(copy.in_float32())


def _ones(tensor):
    kind = str(getattr(tensor.dtype, "name", tensor.dtype))
    if "string" in kind:
        raise LotteryError("score='synflow' lets ones flow through the net, and this one takes text.")
    shape = (tensor.shape[0] or 1, *(ANY_SIDE if side is None else side for side in tensor.shape[1:]))
    return np.ones(shape, "float32" if "float" in kind else kind)
