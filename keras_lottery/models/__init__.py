"""The networks of the lottery ticket literature, small enough to train here.

`build` gives an uncompiled functional model, of either Keras, that ends in float32 logits. Layer names depend
on the network alone, never on what was built before, so that a mask saved under a layer's name finds the same
layer later.
"""

import difflib
import math
import operator
from collections.abc import Sequence

from .. import engines
from ..core import memory
from ..core.checks import above_zero
from ..core.errors import LotteryError
from ..core.types import Model, PathLike
from . import applications, counted
from .builders import BUILDERS

SMALLEST_SIDE = 8
TRAINED = 12  # bytes that training takes for a weight: itself, its gradient and one slot of the optimizer


def names() -> tuple[str, ...]:
    """The names `build` knows, a tuple of str.

    >>> "resnet20" in names()
    True
    """
    return tuple(BUILDERS)


def build(
    name: str,
    input_shape: Sequence[int],
    num_classes: int,
    width: float = 1,
    keras: str | None = None,
    weights: PathLike | None = None,
) -> Model:
    """A new, uncompiled functional model: (batch, h, w, c) in, float32 logits (batch, num_classes) out.

    lenet: fully connected, 300-100. LeCun et al. 1998; Frankle & Carbin 2019 (arXiv 1803.03635), figure 2.
    conv2, conv4, conv6: pairs of 3x3 convolutions, 64 / 128 / 256 filters, a pool after each pair; dense 256,
      256. Frankle & Carbin 2019, figure 2.
    resnet8, 14, 20, 32, 56: 6n+2 layers, 16/32/64 filters. He et al. 2016 (arXiv 1512.03385), section 4.2,
      with projection shortcuts as in OpenLTH and Renda et al. 2020.
    resnet18: 64/128/256/512 filters, two blocks each, 3x3 stem. He et al. 2016, table 1, in the CIFAR form of
      Mehta 2019 (arXiv 1905.07785).
    vgg19: 16 convolutions with BatchNorm, one linear layer. Simonyan & Zisserman 2015 (arXiv 1409.1556),
      column E, in the CIFAR form of Mehta 2019.
    mobilenet: 13 pairs of a depthwise and a 1x1 convolution, for RGB images of 64 pixels and more. Howard et
      al. 2017 (arXiv 1704.04861), table 1; padded explicitly, as the sparse kernels of mobile runtimes need
      it (`tflite.sparse_kernels`).

    Every other name is one of keras.applications, such as MobileNetV2: its network up to the average pooling,
    and a new last layer; see `applications.build`.

    Args:
      name: one of `names()`, or of `applications.names()`.
      input_shape: (h, w, c), h and w at least 8.
      num_classes: int, at least 2. The last layer is called "logits" and stays float32 under mixed precision.
      width: multiplies every hidden layer's filters and units (rounded, at least 1); may be a fraction.
      keras: "tf_keras" or "keras" (Keras 3); None for tf_keras where it is installed, else Keras 3.
      weights: of keras.applications' networks: "imagenet", an .h5 file written by save_weights, or None for
        new ones.

    Raises:
      LotteryError: an unknown name, a shape, class count or width out of range, a Keras that is not
        installed, or weights that cannot be fetched or do not fit.

    >>> build("resnet8", (32, 32, 3), num_classes=10).count_params()
    78714
    """
    is_application = check_name(name, width, weights, keras)
    shape, num_classes, width = (
        _checked_shape(input_shape),
        _checked_classes(num_classes),
        above_zero("width", width),
    )
    if is_application:
        return applications.build(name, shape, num_classes, weights, keras)
    builder = BUILDERS[name]
    keras = engines.engine_of(keras).keras
    layers = keras.layers

    def scale(count):
        return max(1, math.floor(count * width + 0.5))

    weights = _count(builder, shape, scale, num_classes)
    memory.check(
        f"width={width:g}: the {weights:.3g} weights of {name} for images of {'x'.join(map(str, shape))}, "
        "in training,",
        TRAINED * weights,
        "give a smaller width" if width > 1 else "give smaller images, or another net",
    )
    image = layers.Input(shape, name="image")
    features, init = builder(layers, image, scale)
    logits = layers.Dense(num_classes, kernel_initializer=init, dtype="float32", name="logits")(features)
    return keras.Model(image, logits, name=name)


def _count(builder, shape, scale, num_classes):
    """How many weights the net will have."""
    layers = counted.Layers()
    features, _ = builder(layers, counted.Tensor((None, *shape)), scale)
    layers.Dense(num_classes)(features)
    return layers.weights


def check_name(
    name: str, width: float = 1, weights: PathLike | None = None, keras: str | None = None
) -> bool:
    """Whether `name` is a network of keras.applications, and not a builder's.

    Raises:
      LotteryError: it is neither, or `width` or `weights` are given for one that does not take them.
    """
    if name in names():
        if weights not in (None, "none"):
            raise LotteryError(
                f"weights={weights!r} is for the networks of keras.applications, such as MobileNetV2: "
                f"{name} has none. Leave it out."
            )
        return False
    if name not in applications.names(keras):
        raise LotteryError(
            f"no model is called {name!r}{_near(name, keras)} Known: {', '.join(names())}; the name of a "
            "saved model ends in .keras or .h5."
        )
    if above_zero("width", width) != 1:
        raise LotteryError(
            f"width={width!r} is for {', '.join(names())}: {name} of keras.applications has the width it "
            "has. Leave it out."
        )
    return True


def _near(name, keras):
    """ "; did you mean ...?" where a name is near."""
    plain = "".join(filter(str.isalnum, str(name).lower()))
    known = {one.lower(): f"{one} of keras.applications" for one in applications.names(keras)}
    known.update(zip(names(), names()))
    near = [plain] if plain in known else difflib.get_close_matches(plain, known, n=3)
    return f"; did you mean {' or '.join(known[one] for one in near)}?" if near else "."


def _checked_shape(shape):
    try:
        height, width, channels = (operator.index(side) for side in shape)
    except (TypeError, ValueError):
        height = None
    if height is None or channels < 1:
        raise LotteryError(
            f"input_shape is {shape!r}: expected (height, width, channels) as whole numbers, "
            "such as (32, 32, 3), without the batch size."
        )
    if min(height, width) < SMALLEST_SIDE:
        raise LotteryError(
            f"input_shape is {shape!r}: images must be at least {SMALLEST_SIDE}x{SMALLEST_SIDE} "
            "pixels, (height, width, channels); resize them first."
        )
    return height, width, channels


def _checked_classes(count):
    try:
        checked = operator.index(count)
    except TypeError:
        checked = 0
    if checked < 2:
        raise LotteryError(f"num_classes is {count!r}: expected a whole number of at least 2.")
    return checked
