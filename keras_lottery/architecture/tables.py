"""What the layers of tf_keras and Keras 3 have in common, and where they differ: data for `architecture`.

Found by making every layer of tf_keras 2.21 and Keras 3.15 in both and comparing configs and outputs.
"""

# Layers that compute the same from the same weights. Left out, though both have them: RandomCrop (Keras 3
# crops in training only), SpectralNormalization (tf_keras cannot read its own), Lambda (code), lookups and
# hashes (tables).
LAYERS = set(
    """Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
    AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop
    Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D
    ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot
    Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
    GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization Identity InputLayer LSTM LSTMCell
    LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum
    MultiHeadAttention Multiply Normalization PReLU Permute RNN RandomBrightness RandomContrast RandomFlip
    RandomRotation RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D
    SeparableConv2D SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D
    StackedRNNCells Subtract TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D
    ZeroPadding1D ZeroPadding2D ZeroPadding3D""".split()
)
# Layers of stock applications: {class: (module below applications, name that tf_keras registered it under)}.
APPLICATIONS = {
    "LayerScale": ("convnext", "LayerScale"),
    "StochasticDepth": ("convnext", "StochasticDepth"),
    "CustomScaleLayer": ("inception_resnet_v2", "Custom>CustomScaleLayer"),
}
# Initializers, regularizers, constraints.
OBJECTS = set(
    """Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones
    Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros L1 L2 L1L2
    OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm""".split()
)
# Not hard_sigmoid: its slope is 1/5 in tf_keras, 1/6 in Keras 3.
ACTIVATIONS = set(
    """elu exponential gelu leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax
    softplus softsign swish tanh""".split()
)
# With a mask these do something else in one than in the other: merges where not all inputs have one, the last
# two where everything is masked.
MASK_DIFFERS = set(
    """Add Average Concatenate GroupNormalization Identity Maximum Minimum Multiply Normalization
    Rescaling Subtract MultiHeadAttention Softmax""".split()
)

RECURRENT = "RNN SimpleRNN GRU LSTM ConvLSTM1D ConvLSTM2D ConvLSTM3D"
_RANDOM = "RandomBrightness RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom"
_SEPARABLE = "SeparableConv1D SeparableConv2D"
_SPATIAL = "SpatialDropout1D SpatialDropout2D SpatialDropout3D"


class _Any:
    """Holds every value: the setting says nothing about the net."""

    def __contains__(self, value):
        return True


_ANY = _Any()

# Settings that only one has: {kind: [(layers or "" for all, {setting: values that mean what the other
# does})]}.
ONLY = {
    "tf_keras": [
        ("", {"dynamic": [False], "batch_input_shape": _ANY}),
        (RECURRENT, {"time_major": [False]}),
        ("GRU GRUCell LSTM LSTMCell", {"implementation": _ANY}),
        ("Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D", {"groups": [1]}),
        (
            _SEPARABLE,
            {
                "groups": [1],
                "kernel_initializer": _ANY,
                "kernel_regularizer": _ANY,
                "kernel_constraint": _ANY,
            },
        ),
        ("BatchNormalization", {"renorm": [False], "virtual_batch_size": [None], "fused": _ANY}),
        ("Embedding", {"input_length": _ANY, "sparse": [False]}),
        ("CategoryEncoding", {"sparse": [False]}),
        ("MultiHeadAttention", {"softmax_robust_masking": [False]}),
        ("MultiHeadAttention", {"query_shape": _ANY, "key_shape": _ANY, "value_shape": _ANY}),
        ("Softmax", {"robust_masking": [False]}),
        (_SPATIAL, {"noise_shape": [None], "trainable": _ANY}),
        ("Discretization", {"trainable": _ANY}),
        ("", {"rng_type": _ANY}),
    ],
    "keras": [
        ("", {"quantization_config": [None], "lora_rank": [None], "lora_alpha": _ANY, "autocast": [True]}),
        ("Sequential", {"dtype": _ANY}),
        ("SimpleRNN GRU LSTM ConvLSTM1D ConvLSTM2D ConvLSTM3D", {"seed": _ANY}),
        ("SimpleRNNCell GRUCell LSTMCell Attention AdditiveAttention MultiHeadAttention", {"seed": _ANY}),
        ("GRU LSTM", {"use_cudnn": _ANY}),
        ("AlphaDropout", {"noise_shape": [None]}),
        ("BatchNormalization", {"renorm": [False], "renorm_clipping": _ANY, "renorm_momentum": _ANY}),
        ("Conv3DTranspose", {"dilation_rate": [1, [1, 1, 1]]}),
        ("LayerNormalization", {"rms_scaling": [False]}),
        ("MultiHeadAttention", {"use_gate": [False], "sliding_window": [None], "flash_attention": _ANY}),
        (f"{_RANDOM} CenterCrop Resizing ZeroPadding1D", {"data_format": ["channels_last"]}),
        ("RandomContrast", {"value_range": [[0, 255]]}),
        (
            "Resizing",
            {"pad_to_aspect_ratio": [False], "antialias": [False], "fill_mode": _ANY, "fill_value": _ANY},
        ),
        (" ".join(OBJECTS), {"input_axes": [None], "output_axes": [None]}),
    ],
}
# A setting with two names: {layer: (tf_keras, Keras 3)}.
RENAMED = {"InputLayer": ("batch_input_shape", "batch_shape"), "LeakyReLU": ("alpha", "negative_slope")}

# Operations on tensors: {Keras 3 class: (its module, tf function, {Keras 3 setting: (tf argument, its
# default)})}.
_REDUCE = {"axis": ("axis", None), "keepdims": ("keepdims", False)}
OPERATIONS = {
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
    "Mean": ("numpy", "math.reduce_mean", _REDUCE),
    "Sum": ("numpy", "math.reduce_sum", _REDUCE),
    "Max": ("numpy", "math.reduce_max", _REDUCE),
    "Min": ("numpy", "math.reduce_min", _REDUCE),
    "Reshape": ("numpy", "reshape", {"newshape": ("shape", None)}),
    "Concatenate": ("numpy", "concat", {"axis": ("axis", None)}),
}
FUNCTIONS = {function: name for name, (_, function, _) in reversed(OPERATIONS.items())}
FUNCTIONS.update({"math.add": "Add", "math.divide": "TrueDivide"})

# The names of a call's arguments, first the layer's input; other layers have one.
ARGUMENTS = {
    **dict.fromkeys(
        [*RECURRENT.split(), "Bidirectional"], ["sequences", "initial_state", "mask", "training"]
    ),
    **dict.fromkeys(
        ["Attention", "AdditiveAttention"],
        ["inputs", "mask", "training", "return_attention_scores", "use_causal_mask"],
    ),
    "MultiHeadAttention": """query value key query_mask value_mask key_mask attention_mask
    return_attention_scores training use_causal_mask""".split(),
}
# Those that mean the same in both.
CARRIED = {"mask", "initial_state", "value", "key", "return_attention_scores", "use_causal_mask"}
