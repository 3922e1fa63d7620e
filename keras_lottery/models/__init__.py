"""The networks of the lottery ticket literature, small enough to train here.

`build` gives an uncompiled functional model, of either Keras, that ends in float32 logits. Layer names depend on the network
alone, never on what was built before, so that a mask saved under a layer's name finds the same layer later.
"""

import difflib
import math
import operator

from .. import engines
from ..core import memory
from ..core.checks import above_zero
from ..core.errors import LotteryError
from . import counted

SMALLEST_SIDE = 8
TRAINED = 12  # bytes that training takes for a weight: itself, its gradient and one slot of the optimizer


def names():
    """The names `build` knows, a tuple of str.

    >>> "resnet20" in names()
    True
    """
    return tuple(BUILDERS)


def build(name, input_shape, num_classes, width=1, keras=None):
    """A new, uncompiled functional model: (batch, h, w, c) in, float32 logits (batch, num_classes) out.

    lenet: fully connected, 300-100. LeCun et al. 1998; Frankle & Carbin 2019 (arXiv 1803.03635), figure 2.
    conv2, conv4, conv6: pairs of 3x3 convolutions, 64 / 128 / 256 filters, a pool after each pair; dense 256, 256.
      Frankle & Carbin 2019, figure 2.
    resnet8, 14, 20, 32, 56: 6n+2 layers, 16/32/64 filters. He et al. 2016 (arXiv 1512.03385), section 4.2, with
      projection shortcuts as in OpenLTH and Renda et al. 2020.
    resnet18: 64/128/256/512 filters, two blocks each, 3x3 stem. He et al. 2016, table 1, in the CIFAR form of
      Mehta 2019 (arXiv 1905.07785).
    vgg19: 16 convolutions with BatchNorm, one linear layer. Simonyan & Zisserman 2015 (arXiv 1409.1556), column E, in
      the CIFAR form of Mehta 2019.
    mobilenet: 13 pairs of a depthwise and a 1x1 convolution, for RGB images of 64 pixels and more. Howard et al. 2017
      (arXiv 1704.04861), table 1; padded explicitly, as the sparse kernels of mobile runtimes need it (`tflite.sparse_kernels`).

    Args:
      name: one of `names()`.
      input_shape: (h, w, c), h and w at least 8.
      num_classes: int, at least 2. The last layer is called "logits" and stays float32 under mixed precision.
      width: multiplies every hidden layer's filters and units (rounded, at least 1); may be a fraction.
      keras: "tf_keras" or "keras" (Keras 3); None for tf_keras where it is installed, else Keras 3.

    Raises:
      LotteryError: an unknown name, a shape, class count or width out of range, or a Keras that is not installed.

    >>> build("resnet8", (32, 32, 3), num_classes=10).count_params()
    78714
    """
    builder = _builder(name)
    shape, num_classes, width = (
        _checked_shape(input_shape),
        _checked_classes(num_classes),
        above_zero("width", width),
    )
    keras = engines.engine_of(keras).keras
    layers = keras.layers

    def scale(count):
        return max(1, math.floor(count * width + 0.5))

    weights = _count(builder, shape, scale, num_classes)
    memory.check(
        f"width={width:g}: the {weights:.3g} weights of {name} for images of {'x'.join(map(str, shape))}, in training,",
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


# A builder takes Keras' layers, the input tensor and `scale` (a layer's count in the literature -> its count at this
# width), and gives the features under the last layer, with the initialiser its source uses for all kernels.


def _lenet(layers, x, scale):
    init = "glorot_normal"
    x = layers.Flatten(name="flatten")(x)
    for i, units in enumerate((300, 100), 1):
        x = layers.Dense(scale(units), "relu", kernel_initializer=init, name=f"dense{i}")(x)
    return x, init


def _conv(*pairs):
    def builder(layers, x, scale):
        init = "glorot_normal"
        for i, filters in enumerate(pairs, 1):
            for j in (1, 2):
                x = layers.Conv2D(
                    scale(filters),
                    3,
                    padding="same",
                    activation="relu",
                    kernel_initializer=init,
                    name=f"conv{i}_{j}",
                )(x)
            x = layers.MaxPooling2D(padding="same", name=f"pool{i}")(x)
        x = layers.Flatten(name="flatten")(x)
        for i in (1, 2):
            x = layers.Dense(scale(256), "relu", kernel_initializer=init, name=f"dense{i}")(x)
        return x, init

    return builder


def _resnet(stacks, blocks):
    """Basic blocks: `blocks` of them for each of `stacks`' filters; every stack but the first halves the image."""

    def builder(layers, x, scale):
        x = _conv_bn(layers, x, scale(stacks[0]), "stem")
        x = layers.ReLU(name="stem_relu")(x)
        for i, filters in enumerate(stacks, 1):
            for j in range(1, blocks + 1):
                x = _block(layers, x, scale(filters), 2 if i > 1 and j == 1 else 1, f"stack{i}_block{j}")
        return layers.GlobalAveragePooling2D(name="pool")(x), "he_normal"

    return builder


def _block(layers, x, filters, stride, name):
    shortcut = x
    if stride != 1 or x.shape[-1] != filters:
        shortcut = _conv_bn(layers, x, filters, f"{name}_shortcut", size=1, stride=stride)
    x = _conv_bn(layers, x, filters, f"{name}_conv1", stride=stride)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _conv_bn(layers, x, filters, f"{name}_conv2")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu2")(x)


def _vgg(*stacks):
    """Stacks of (filters, convolutions), each closed by a pool. The convolutions have biases, as in the source."""

    def builder(layers, x, scale):
        for i, (filters, depth) in enumerate(stacks, 1):
            for j in range(1, depth + 1):
                x = _conv_bn(layers, x, scale(filters), f"conv{i}_{j}", use_bias=True)
                x = layers.ReLU(name=f"conv{i}_{j}_relu")(x)
            # 'same', so that an 8x8 image outlives five pools.
            x = layers.MaxPooling2D(padding="same", name=f"pool{i}")(x)
        return layers.GlobalAveragePooling2D(name="pool")(x), "he_normal"

    return builder


def _mobilenet(*blocks):
    """Blocks of (filters, stride). Padding is explicit where the stride is 2: 'same' would pad one side more."""

    def builder(layers, x, scale):
        x = layers.ZeroPadding2D(1, name="stem_pad")(x)
        x = layers.Conv2D(
            scale(32), 3, strides=2, use_bias=False, kernel_initializer="he_normal", name="stem"
        )(x)
        x = _bn_relu(layers, x, "stem")
        for i, (filters, stride) in enumerate(blocks, 1):
            name = f"block{i}_depthwise"
            x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x) if stride == 2 else x
            x = layers.DepthwiseConv2D(
                3,
                strides=stride,
                padding="valid" if stride == 2 else "same",
                use_bias=False,
                depthwise_initializer="he_normal",
                name=name,
            )(x)
            x = _bn_relu(layers, x, name)
            x = layers.Conv2D(
                scale(filters), 1, use_bias=False, kernel_initializer="he_normal", name=f"block{i}_pointwise"
            )(x)
            x = _bn_relu(layers, x, f"block{i}_pointwise")
        return layers.GlobalAveragePooling2D(name="pool")(x), "he_normal"

    return builder


def _bn_relu(layers, x, name):
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _conv_bn(layers, x, filters, name, size=3, stride=1, use_bias=False):
    x = layers.Conv2D(
        filters,
        size,
        strides=stride,
        padding="same",
        use_bias=use_bias,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    # The momentum and epsilon of the PyTorch code that the field's figures come from. Keras' own momentum of 0.99
    # also needs several hundred steps before the moving averages mean anything.
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


BUILDERS = {
    "lenet": _lenet,
    "conv2": _conv(64),
    "conv4": _conv(64, 128),
    "conv6": _conv(64, 128, 256),
    "resnet8": _resnet((16, 32, 64), blocks=1),
    "resnet14": _resnet((16, 32, 64), blocks=2),
    "resnet20": _resnet((16, 32, 64), blocks=3),
    "resnet32": _resnet((16, 32, 64), blocks=5),
    "resnet56": _resnet((16, 32, 64), blocks=9),
    "resnet18": _resnet((64, 128, 256, 512), blocks=2),
    "vgg19": _vgg((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)),
    "mobilenet": _mobilenet(
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)
    ),
}


def _builder(name):
    if name in names():
        return BUILDERS[name]
    plain = "".join(filter(str.isalnum, str(name).lower()))
    near = [plain] if plain in names() else difflib.get_close_matches(plain, names(), n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    raise LotteryError(f"no model is called {name!r}{hint} Known: {', '.join(names())}.")


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
