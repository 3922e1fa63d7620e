"""How much memory the weights of a model from a file may take, told before they are made."""

import math

from ..architecture.trust import line
from ..core.errors import LotteryError

_LARGE = 2**26  # bytes that an operation on constants may make in any model
_WHY = "Exception encountered: "  # before it Keras quotes the config
MOST_TENSORS = 30_000  # NASNetLarge makes 6,113 in tf_keras, an unrolled LSTM about 18 a step
MOST_PARTS = 10_000  # of one tensor
SLACK = 2**20  # bytes of counts and random states, which tickets do not list


class Budget:
    """Bytes that the weights of a model may take, and a little more."""

    def __init__(self, most):
        self.most, self.left = most, most + SLACK

    def take(self, shape, itemsize):
        """Take the bytes of a weight; returns its number of values.

        Raises:
          LotteryError: there are not so many left.
        """
        size = math.prod(int(side) for side in shape)
        self.left -= size * itemsize
        if self.left < 0:
            raise LotteryError(
                f"its weights take more than the {self.most:,.0f} bytes that the file holds, one of them "
                f"{tuple(shape)}"
            )
        return size


class Tensors:
    """Counts what operations make, of which each takes its time, however short the file that asks for it."""

    def __init__(self):
        self.left = MOST_TENSORS

    def take(self, count=1):
        """Raises LotteryError if there are more than in any model."""
        self.left -= count
        if self.left < 0:
            raise LotteryError(f"it makes more than {MOST_TENSORS:,} tensors, more than any model")


def check_statistics(layer, shape):
    """Raises LotteryError where a Normalization that is given its statistics makes a large array of them."""
    sides = [shape[axis] or 1 for axis in layer.axis or ()] if layer.input_mean is not None else []
    if 8 * math.prod(sides) > _LARGE:
        raise LotteryError(f"its layer {line(layer.name)} makes {tuple(sides)} out of constants")


def check_constants(made, inputs, shapes):
    """Raises LotteryError for an operation that makes a large tensor which is the same for every example.

    made: (name of a layer, shape with None for the batch, bytes a value) of each tensor in the graph.
    inputs: shapes of the model's inputs, of which some may be for batches of one size.
    shapes: {path: (shape, dtype)} of the weights.
    """
    batches = {shape[0] for shape in inputs if shape} - {None}
    sizes = [(name, shape, math.prod(side or 1 for side in shape) * each) for name, shape, each in made]
    of_examples = [None in shape or bool(shape) and shape[0] in batches for _, shape, _ in sizes]
    weights = (4 * math.prod(shape) for shape, _ in shapes.values())
    most = max([_LARGE, *weights, *(size for (_, _, size), one in zip(sizes, of_examples) if one)])
    for (name, shape, size), one in zip(sizes, of_examples):
        if size > most and not one:
            raise LotteryError(
                f"its layer {line(name)} makes {tuple(shape)} out of constants, {size:,} bytes"
            )


def built(make, said, register):
    """What `make()` returns.

    Raises:
      LotteryError: for whatever error Keras has on what a file says; `said` makes a line of it.
    """
    try:
        return make()
    except LotteryError as error:
        why = said(error) if "\n" in str(error) else error  # Keras puts around it where it was called
        raise LotteryError(f"the architecture cannot be built: {why}.") from error
    except Exception as error:  # of any kind: the file says what Keras does
        why = str(error).rpartition(_WHY)[2] if _WHY in str(error) else said(error)
        raise LotteryError(
            f"the architecture cannot be built: {short(why)}. Check the input shape; register custom layers "
            f"with {register} before loading."
        ) from error


def short(text):
    """One line of an error, without the config that Keras may quote at its end."""
    text = (
        " ".join(str(text).split())
        .partition("Full object config")[0]
        .partition("Received: config")[0]
        .rstrip(". ")
    )
    return text if len(text) <= 200 else f"{text[:197]}..."


def check_sizes(shapes, given):
    """Raises LotteryError unless `shapes` ({path: (shape, dtype)}) are those of `given` ({path: array})."""
    for path in sorted({*shapes, *given}):
        needed = shapes[path][0] if path in shapes else None
        told = given[path].shape if path in given else None
        if needed != told:
            break
        needed, told = shapes[path][1], given[path].dtype
        if kind(needed) != kind(told):
            break
    else:
        return
    raise LotteryError(
        f"the ticket's architecture does not fit its weights: {line(path)} is {needed} in the one, {told} "
        "in the other."
    )


def dtype_name(dtype):
    """The name of a dtype of NumPy, TensorFlow or Keras 3."""
    return str(getattr(dtype, "name", dtype))


def kind(dtype):
    """What numbers a dtype has: "float", "int", "bool" or another's name."""
    name = (
        dtype_name(dtype).removeprefix("<dtype: '").removeprefix("b" * dtype_name(dtype).startswith("bfloat"))
    )
    return next((of for of in ("float", "int", "bool") if name.removeprefix("u").startswith(of)), name)
