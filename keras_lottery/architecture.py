"""One net, two notations: the JSON of a tf_keras model as that of a Keras 3 model, and back.

Pure JSON to JSON; imports no Keras. What is not known to compute the same in both is an error.
"""

import copy

from .errors import LotteryError

KINDS = ("tf_keras", "keras")


def kind(architecture):
    """Which Keras an architecture is of: "tf_keras" or "keras" (Keras 3).

    Args:
      architecture: what json.loads(model.to_json()) gives.

    Raises:
      LotteryError: it is neither's.
    """
    if isinstance(architecture, dict) and isinstance(architecture.get("config"), dict):
        if "backend" in architecture or "module" in architecture:
            return "tf_keras" if "backend" in architecture else "keras"
    raise LotteryError(f"{str(architecture)[:60]!r} is no architecture: expected the JSON of a tf_keras or Keras 3 model.")


def translate(architecture, to):
    """The same net as JSON of the other Keras; a copy where it already is of that kind.

    Layers keep their names. Weights of the same layer have the same shape and meaning, except that Keras 3
    names a DepthwiseConv's depthwise_kernel `kernel`. Seeds and the shapes layers were built with are left out.

    Args:
      architecture: functional or Sequential model as JSON-able dict, of either kind.
      to: "tf_keras" or "keras".

    Raises:
      LotteryError: a layer, setting or call has no exact counterpart.

    Example:
      >>> net = keras_lottery.load_ticket("saved_models/lenet-fashion_mnist-90").architecture
      >>> keras.models.model_from_json(json.dumps(translate(net, "keras")))
    """
    if to not in KINDS:
        raise LotteryError(f"to={to!r}: expected one of {', '.join(KINDS)}.")
    if kind(architecture) == to:
        return copy.deepcopy(architecture)
    top = dict(architecture)
    if to == "keras":
        top.setdefault("registered_name", top["class_name"])
    found = list(_entries(top))
    _check(found, to)
    model = _layer(top, to)
    if to == "tf_keras":
        model["backend"] = "tensorflow"
    return model


# Layers of both that compute the same, from the same weights.
_LAYERS = set(
    """Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
    AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D
    Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D
    Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten GRU
    GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization Identity InputLayer LSTM LSTMCell
    LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention
    Multiply Normalization PReLU Permute RNN RandomBrightness RandomContrast RandomCrop RandomFlip RandomRotation
    RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D SimpleRNN
    SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells
    Subtract TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
    ZeroPadding3D""".split()
)
_CONVNEXT = {"LayerScale", "StochasticDepth"}
_OBJECTS = set(
    """Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones Orthogonal
    RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros L1 L2 L1L2 OrthogonalRegularizer MaxNorm
    MinMaxNorm NonNeg UnitNorm""".split()
)
# Not hard_sigmoid: its slope is 1/5 in tf_keras, 1/6 in Keras 3.
_ACTIVATIONS = set(
    """elu exponential gelu leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax softplus softsign
    swish tanh""".split()
)
_RNN = ("RNN", "SimpleRNN", "GRU", "LSTM", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_RANDOM = tuple(f"Random{kind}" for kind in ("Brightness", "Contrast", "Crop", "Flip", "Rotation", "Translation", "Zoom"))
# With a mask these do something else in one than in the other.
_MASK_DIFFERS = {"GroupNormalization", "Identity", "Normalization", "Rescaling"}


class _Any:
    """Every value is fine: the setting says nothing about the net."""

    def __contains__(self, value):
        return True


_ANY = _Any()

# Settings that only one of both has: {kind: [(layers, setting, values that mean what the other does)]}.
_ONLY = {
    "tf_keras": [
        ("*", "dynamic", [False]),
        ("*", "batch_input_shape", _ANY),
        (_RNN, "time_major", [False]),
        (("GRU", "GRUCell", "LSTM", "LSTMCell"), "implementation", _ANY),
        (("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), "groups", [1]),
        (("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"), "groups", [1]),
        *((("SeparableConv1D", "SeparableConv2D"), f"kernel_{what}", _ANY) for what in ("initializer", "regularizer", "constraint")),
        ("BatchNormalization", "renorm", [False]),
        ("BatchNormalization", "virtual_batch_size", [None]),
        ("BatchNormalization", "fused", _ANY),
        ("Embedding", "input_length", _ANY),
        ("Embedding", "sparse", [False]),
        ("CategoryEncoding", "sparse", [False]),
        ("MultiHeadAttention", "softmax_robust_masking", [False]),
        *(("MultiHeadAttention", f"{what}_shape", _ANY) for what in ("query", "key", "value")),
        ("Softmax", "robust_masking", [False]),
        (("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"), "noise_shape", [None]),
        (("Discretization", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"), "trainable", _ANY),
        (_RANDOM, "rng_type", _ANY),
    ],
    "keras": [
        ("*", "quantization_config", [None]),
        ("*", "lora_rank", [None]),
        ("*", "lora_alpha", _ANY),
        ("*", "autocast", [True]),
        (("Sequential",), "dtype", _ANY),
        (("SimpleRNN", "GRU", "LSTM", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), "seed", _ANY),
        (("SimpleRNNCell", "GRUCell", "LSTMCell", "Attention", "AdditiveAttention", "MultiHeadAttention"), "seed", _ANY),
        (("GRU", "LSTM"), "use_cudnn", _ANY),
        ("AlphaDropout", "noise_shape", [None]),
        ("BatchNormalization", "renorm", [False]),
        ("BatchNormalization", "renorm_clipping", _ANY),
        ("BatchNormalization", "renorm_momentum", _ANY),
        ("Conv3DTranspose", "dilation_rate", [1, [1, 1, 1]]),
        ("LayerNormalization", "rms_scaling", [False]),
        ("MultiHeadAttention", "use_gate", [False]),
        ("MultiHeadAttention", "sliding_window", [None]),
        ("MultiHeadAttention", "flash_attention", _ANY),
        ((*_RANDOM, "CenterCrop", "Resizing", "ZeroPadding1D"), "data_format", ["channels_last"]),
        ("RandomContrast", "value_range", [[0, 255]]),
        ("Resizing", "pad_to_aspect_ratio", [False]),
        ("Resizing", "antialias", [False]),
        ("Resizing", "fill_mode", _ANY),
        ("Resizing", "fill_value", _ANY),
        *((kind, f"{side}put_axes", [None]) for kind in _OBJECTS for side in ("in", "out")),
    ],
}
# The same setting under two names: {layer: (tf_keras, Keras 3)}.
_RENAMED = {"InputLayer": ("batch_input_shape", "batch_shape"), "LeakyReLU": ("alpha", "negative_slope")}

# Operations that are layers of a graph: {Keras 3 class: (its module, tf function, {Keras 3 setting: (tf argument, default)})}.
_AXES = {"axis": ("axis", None), "keepdims": ("keepdims", False)}
_OPS = {
    "Add": ("numpy", "__operators__.add", {}),
    "Subtract": ("numpy", "math.subtract", {}),
    "Multiply": ("numpy", "math.multiply", {}),
    "TrueDivide": ("numpy", "math.truediv", {}),
    "Divide": ("numpy", "math.truediv", {}),
    "Power": ("numpy", "math.pow", {}),
    "Maximum": ("numpy", "math.maximum", {}),
    "Minimum": ("numpy", "math.minimum", {}),
    "Negative": ("numpy", "math.negative", {}),
    "Absolute": ("numpy", "math.abs", {}),
    "Exp": ("numpy", "math.exp", {}),
    "Log": ("numpy", "math.log", {}),
    "Sqrt": ("numpy", "math.sqrt", {}),
    "Square": ("numpy", "math.square", {}),
    "Tanh": ("numpy", "math.tanh", {}),
    "Sigmoid": ("nn", "math.sigmoid", {}),
    "Relu": ("nn", "nn.relu", {}),
    "Relu6": ("nn", "nn.relu6", {}),
    "Silu": ("nn", "nn.silu", {}),
    "Gelu": ("nn", "nn.gelu", {"approximate": ("approximate", False)}),
    "Softmax": ("nn", "nn.softmax", {"axis": ("axis", -1)}),
    "Mean": ("numpy", "math.reduce_mean", _AXES),
    "Sum": ("numpy", "math.reduce_sum", _AXES),
    "Max": ("numpy", "math.reduce_max", _AXES),
    "Min": ("numpy", "math.reduce_min", _AXES),
    "Reshape": ("numpy", "reshape", {"newshape": ("shape", None)}),
    "Concatenate": ("numpy", "concat", {"axis": ("axis", None)}),
}
_FROM_TF = {function: name for name, (_, function, _) in reversed(_OPS.items())} | {"math.add": "Add", "math.divide": "TrueDivide"}
_TF_OP, _K3_OP = "tf_keras.src.layers.core.tf_op_layer", "keras.src.ops."

# What calls of built-in layers may be given beside their input, and under which names by position.
_CALL = {
    **dict.fromkeys((*_RNN, "Bidirectional"), ("sequences", "initial_state", "mask", "training")),
    "MultiHeadAttention": (
        *("query", "value", "key", "query_mask", "value_mask", "key_mask"),
        *("attention_mask", "return_attention_scores", "training", "use_causal_mask"),
    ),
    "Attention": ("inputs", "mask", "training", "return_attention_scores", "use_causal_mask"),
    "AdditiveAttention": ("inputs", "mask", "training", "return_attention_scores", "use_causal_mask"),
}


def _refuse(entry, to, why):
    name, kind = entry["config"].get("name"), entry["class_name"]
    other = next(kind for kind in KINDS if kind != to)
    raise LotteryError(
        f"layer {name!r} ({kind}) cannot go from {other} to {to}: {why}. Use the ticket with {other}, which it was found with."
    )
