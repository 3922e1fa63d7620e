"""The layers of the literature's networks, in the notation of either Keras."""

# A builder takes Keras' layers, the input tensor and `scale` (a layer's count in the literature -> its count
# at this width), and gives the features under the last layer, with the initialiser its source uses for all
# kernels.


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
    """Basic blocks: `blocks` of them for each of `stacks`' filters; every stack but the first halves the
    image."""

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
    """Stacks of (filters, convolutions), each closed by a pool. The convolutions have biases, as in the
    source."""

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
    """Blocks of (filters, stride). Padding is explicit where the stride is 2: 'same' would pad one side
    more."""

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
    # The momentum and epsilon of the PyTorch code that the field's figures come from. Keras' own momentum of
    # 0.99 also needs several hundred steps before the moving averages mean anything.
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
