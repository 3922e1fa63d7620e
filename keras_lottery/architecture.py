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


_KWARGS = {"training", "mask", "initial_state", "value", "key", "attention_mask", "return_attention_scores", "use_causal_mask"}


def _other(to):
    return next(kind for kind in KINDS if kind != to)


def _refuse(entry, to, why):
    """Raises LotteryError: `why` says what is wrong with a layer and what can be done."""
    raise LotteryError(
        f"layer {entry['config'].get('name')!r} ({entry['class_name']}) cannot go from {_other(to)} to {to}: {why}. "
        f"The ticket can be used with {_other(to)}, which it was found with."
    )


def _entries(value):
    """Every {"class_name", "config"} object at or below a JSON value, parents first."""
    if isinstance(value, dict):
        if "class_name" in value and isinstance(value.get("config"), dict):
            yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _entries(item)


def _check(entries, to):
    """Raises LotteryError for what only the whole net shows: masks, layers shared between nested models."""
    for entry in entries:
        masked = entry["class_name"] == "Masking" or entry["config"].get("mask_zero")
        differ = [other for other in entries if other["class_name"] in _MASK_DIFFERS and not _is_op(other)]
        if masked and differ:
            _refuse(differ[0], to, f"the masks that {entry['config'].get('name')!r} makes are treated otherwise there")
    shared = set()
    for entry in entries:
        number = entry.get("shared_object_id")
        if number in shared and _is_layer(entry):
            _refuse(entry, to, "it is shared between models in the model, which is not carried: share the inner model")
        shared |= {number} - {None}


def _is_op(entry):
    return str(entry.get("module")).startswith((_K3_OP, _TF_OP))


def _is_model(entry):
    return "layers" in entry["config"]


def _is_custom(entry):
    return ">" in str(entry.get("registered_name"))


def _is_layer(entry):
    return entry["class_name"] in _LAYERS | _CONVNEXT or _is_model(entry)


def _layer(entry, to):
    """A layer, model or operation without its inbound nodes."""
    name = str(entry["config"].get("name"))
    if to == "keras" and "/" in name:
        _refuse(entry, to, "Keras 3 allows no '/' in names: name it otherwise and find the ticket again")
    if _is_op(entry):
        return _op(entry, to)
    kind, module = entry["class_name"], entry.get("module")
    if _is_model(entry):
        model = {"tf_keras": "tf_keras.src.engine.functional", "keras": "keras.src.models.functional"}
        module = module if _is_custom(entry) else "keras" if kind == "Sequential" else model[to]
        known = kind in ("Functional", "Model", "Sequential")
        kind = "Functional" if kind == "Model" else kind
    else:
        known = kind in _LAYERS | _CONVNEXT and "keras" in str(module)
        if kind in _CONVNEXT and not _is_custom(entry):
            module = {"tf_keras": "tf_keras.src", "keras": "keras.src"}[to] + ".applications.convnext"
    if not known and not _is_custom(entry):
        why = {
            "Lambda": "its code is not carried; use layers that Keras has, or a registered layer of your own",
            None: f"it has no exact counterpart in {to}; if it is yours, register it under the same name in both",
        }
        _refuse(entry, to, why.get(kind, why[None]))
    registered = kind if module and ".src." in module else None
    return {
        "module": module,
        "class_name": kind,
        "config": _model(entry, to) if _is_model(entry) else _config(entry, to, entry),
        "registered_name": entry["registered_name"] if _is_custom(entry) else registered,
    }


def _config(entry, to, layer):
    """The config of a layer, or of an initializer or the like that `layer` has."""
    config, kind = dict(entry["config"]), entry["class_name"]
    here = _other(to)
    for kinds, setting, values in _ONLY[here]:
        if setting in config and (kinds == "*" or kind == kinds or kind in kinds):
            if (kind, setting) != ("InputLayer", "batch_input_shape") and config.pop(setting) not in values:
                _refuse(layer, to, f"{setting}={entry['config'][setting]!r} has no counterpart there; only {values} can go")
    if kind in _RENAMED:
        old, new = _RENAMED[kind][:: 1 if to == "keras" else -1]
        config = {new if key == old else key: value for key, value in config.items()}
    if kind in _FIXES:
        _FIXES[kind](config, entry, to)
    return {key: _value(key, value, to, layer) for key, value in config.items()}


def _value(key, value, to, layer):
    """A setting of a layer."""
    if key == "dtype":
        return _dtype(value, to, layer)
    if key == "seed" and isinstance(value, dict):
        return None
    if isinstance(value, str) and (key == "activation" or key.endswith("_activation")):
        if value not in _ACTIVATIONS and ">" not in value:
            _refuse(layer, to, f"{key}={value!r} is not the same function there")
        return value.replace("silu", "swish") if to == "tf_keras" else value.replace("swish", "silu")
    if isinstance(value, list):
        return [_value(key, item, to, layer) for item in value]
    if not isinstance(value, dict) or "class_name" not in value:
        return {k: _value(k, v, to, layer) for k, v in value.items()} if isinstance(value, dict) else value
    if isinstance(value["config"], dict) and (_is_layer(value) and value["class_name"] not in _OBJECTS):
        return _layer(value, to)
    if value["class_name"] not in _OBJECTS and not _is_custom(value):
        _refuse(layer, to, f"{key} is a {value['class_name']}, which has no exact counterpart there")
    config = _config(value, to, layer) if isinstance(value["config"], dict) else value["config"]
    return {"module": value.get("module"), "class_name": value["class_name"], "config": config, "registered_name": value.get("registered_name")}


def _dtype(value, to, layer):
    name = value["config"].get("name") if isinstance(value, dict) and value["class_name"] in ("Policy", "DTypePolicy") else value
    if name is not None and not isinstance(name, str):
        _refuse(layer, to, f"its precision {str(value)[:80]} has no counterpart there")
    if name is None or layer["class_name"] == "InputLayer":
        return name
    if to == "keras":
        return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}
    policy = {"module": "keras.mixed_precision", "class_name": "Policy", "config": {"name": name}, "registered_name": None}
    return policy if name.startswith("mixed_") else name


def _fix_batch_normalization(config, entry, to):
    if to == "keras" and isinstance(config["axis"], list):
        if len(config["axis"]) != 1:
            _refuse(entry, to, f"axis={config['axis']}: Keras 3 normalizes one axis")
        config["axis"] = config["axis"][0]


def _fix_attention(config, entry, to):
    if to == "tf_keras":
        shapes = (entry.get("build_config") or {}).get("shapes_dict", {})
        query, value = shapes.get("query_shape"), shapes.get("value_shape")
        config.update(query_shape=query, value_shape=value, key_shape=shapes.get("key_shape") or value)


def _fix_contrast(config, entry, to):
    if to == "keras":
        low, high = config["factor"] if isinstance(config["factor"], list) else [config["factor"]] * 2
        if low > high:
            _refuse(entry, to, f"factor={config['factor']}: Keras 3 would swap them; give the smaller one first")
        config["factor"] = [low, high]


def _fix_input(config, entry, to):
    for setting in ("sparse", "ragged", "optional"):
        if config.get(setting):
            _refuse(entry, to, f"{setting}=True; only dense inputs can go")


_FIXES = {
    "BatchNormalization": _fix_batch_normalization,
    "MultiHeadAttention": _fix_attention,
    "RandomContrast": _fix_contrast,
    "InputLayer": _fix_input,
}


def _op(entry, to):
    """An operation on tensors; its arguments that are no tensors are settings in Keras 3, see `_arguments`."""
    name = entry["config"]["name"]
    if to == "tf_keras":
        if entry["class_name"] in _OPS and entry["module"] == _K3_OP + _OPS[entry["class_name"]][0]:
            config = {"name": name, "trainable": True, "function": _OPS[entry["class_name"]][1]}
            return {"module": _TF_OP, "class_name": "TFOpLambda", "config": config, "registered_name": "TFOpLambda"}
    elif entry["config"].get("function") in _FROM_TF:
        kind = _FROM_TF[entry["config"]["function"]]
        return {"module": _K3_OP + _OPS[kind][0], "class_name": kind, "config": {"name": name}, "registered_name": kind}
    what = entry["config"].get("function", "this operation")
    _refuse(entry, to, f"{what} is not carried; use a layer such as Add, Multiply, Concatenate, Reshape or Activation")


def _model(entry, to):
    config = entry["config"]
    rest = {key: value for key, value in config.items() if key not in ("layers", "input_layers", "output_layers", "build_input_shape")}
    new = _config({**entry, "config": rest}, to, entry)
    if "input_layers" not in config:
        return {**new, "layers": [_layer(layer, to) for layer in config["layers"]]}
    graph = {layer["config"]["name"]: layer for layer in config["layers"]}

    def ends(tensors):
        """What "input_layers" or "output_layers" becomes: tf_keras has a list where Keras 3 has one tensor."""
        tensors = _map(tensors, lambda ref: list(_move(ref, graph, to, True)))
        if to == "keras":
            return tensors[0] if isinstance(tensors, list) and len(tensors) == 1 else tensors
        return [tensors] if _is_ref(tensors) else tensors

    new["layers"] = []
    for layer in config["layers"]:
        made = _layer(layer, to)
        calls = [_call(layer, node, made, graph, to) for node in layer["inbound_nodes"]]
        new["layers"].append({**made, "name": made["config"]["name"], "inbound_nodes": calls})
    return {**new, "input_layers": ends(config["input_layers"]), "output_layers": ends(config["output_layers"])}


def _is_ref(value):
    """Whether this is a tensor: [layer, call of it, output of it], in tf_keras with arguments of the call."""
    return isinstance(value, (list, tuple)) and len(value) in (3, 4) and isinstance(value[0], str) and type(value[1]) is int


def _map(value, change):
    """A nested value with every tensor in it changed."""
    if _is_ref(value):
        return change(value)
    if isinstance(value, dict):
        return {key: _map(item, change) for key, item in value.items()}
    return [_map(item, change) for item in value] if isinstance(value, list) else value


def _move(ref, graph, to, ends=False):
    """(layer, call, output) as the other Keras counts calls."""
    name, call, output = ref[:3]
    call += _first_call(graph[name], to, ends) - _first_call(graph[name], _other(to), ends)
    if call < 0:
        _refuse(graph[name], to, f"its call {ref[1]} is not in the model; make the model anew")
    return name, call, output


def _first_call(layer, kind, ends):
    """The number of a layer's first call in a graph: models count their own making in tf_keras, in Keras 3 in outputs."""
    if kind == "keras":
        return int(ends and "input_layers" in layer["config"])
    return int(_is_model(layer) and layer["config"]["layers"][0]["class_name"] == "InputLayer")


def _call(entry, node, made, graph, to):
    """One inbound node in the other notation. Tensors are tuples in between, so that they differ from lists."""
    args, kwargs = (_read_tf if to == "keras" else _read_keras)(entry, node, graph, to)
    if _is_op(entry):
        args, kwargs = _arguments(entry, args, kwargs, made["config"], graph, to)
    else:
        args, kwargs = _named(entry, args, kwargs, to)
    if to == "keras":
        return {"args": _map(args, _keras_tensor), "kwargs": _map(kwargs, _keras_tensor)}
    kwargs = _map(kwargs, list)
    if _is_op(entry) and not isinstance(args[0], list):
        return [*args[0], kwargs] if _is_ref(args[0]) else ["_CONSTANT_VALUE", -1, args[0], kwargs]
    inputs = _map(args[0], lambda ref: [*ref, kwargs])
    return [inputs] if isinstance(args[0], tuple) else inputs


def _keras_tensor(ref):
    # Shape and dtype must be there, but are those of the layer that makes it.
    return {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": list(ref)}}


def _read_keras(entry, node, graph, to):
    def read(value):
        if isinstance(value, list):
            return [read(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class_name") == "__keras_tensor__":
            return _move(value["config"]["keras_history"], graph, to)
        if "class_name" in value:
            _refuse(entry, to, f"it is called with a {value['class_name']}; only tensors and plain values are carried")
        return {key: read(item) for key, item in value.items()}

    return read(node["args"]), read(node["kwargs"])


def _read_tf(entry, node, graph, to):
    found = []

    def read(ref):
        found.extend(ref[3:])
        if ref[0] == "_CONSTANT_VALUE":
            return ref[2]
        return _move(ref, graph, to)

    inputs = _map(node, read)
    if isinstance(inputs, list) and len(inputs) == 1:
        inputs = inputs[0]
    return [inputs], _map(found[0] if found else {}, lambda ref: _move(ref, graph, to))


def _named(entry, args, kwargs, to):
    """One argument and the others by name, checked for layers of Keras."""
    kind, custom = entry["class_name"], _is_custom(entry)
    names = _CALL.get(kind, ("inputs", "training", "mask") if _is_model(entry) else ("inputs",))
    if len(args) > len(names):
        _refuse(entry, to, f"it is called with {len(args)} arguments; give all but the first by name")
    kwargs = {**dict(zip(names, args)), **kwargs}
    if names[0] not in kwargs:
        _refuse(entry, to, "it is called without a first argument; give the first by position")
    first = kwargs.pop(names[0])
    kwargs = {key: value for key, value in kwargs.items() if not (key in (*_CALL_NAMES, *names) and _is_empty(value))}
    if not custom:
        odd = [key for key, value in kwargs.items() if key not in _KWARGS or not _is_plain(value)]
        if odd or not _has_tensors(first):
            _refuse(entry, to, f"it is called with {odd[0] if odd else 'a constant'}, which is not carried")
    if kind in (*_RNN, "Bidirectional"):
        if to == "keras" and isinstance(first, list):
            first, kwargs["initial_state"] = first[0], first[1:]
        elif to == "tf_keras" and "initial_state" in kwargs:
            states = kwargs.pop("initial_state")
            first = [first, *(states if isinstance(states, list) else [states])]
    return [first], kwargs


def _arguments(entry, args, kwargs, config, graph, to):
    """The arguments of an operation; puts its settings in `config` on the way to Keras 3."""
    kind = entry["class_name"] if to == "tf_keras" else _FROM_TF[entry["config"]["function"]]
    settings = _OPS[kind][2]
    kwargs = {key: value for key, value in kwargs.items() if (key, value) != ("name", None)}
    if to == "keras":
        for setting, (name, default) in settings.items():
            config[setting] = kwargs.pop(name, default)
        args, rest = [*args, *([kwargs.pop("y")] if "y" in kwargs else [])], kwargs
        kwargs = {}
    else:
        rest = {key: value for key, value in entry["config"].items() if key not in ("name", "dtype", *settings) and value is not None}
        rest.update(kwargs)
        kwargs = {name: entry["config"].get(setting, default) for setting, (name, default) in settings.items()}
        args, kwargs = args[:1], {**kwargs, **({"y": args[1]} if len(args) == 2 else {})}
    tensors = args[0] if isinstance(args[0], list) else [*args, *kwargs.values()] if "y" in kwargs else args
    if rest or not all(_is_ref(item) or type(item) in (int, float) for item in tensors) or _has_tensors([*config.values()]):
        _refuse(entry, to, f"it is called with {rest or 'other values'}; only tensors and single numbers are carried")
    inputs = [layer["config"].get("dtype") for layer in graph.values() if layer["class_name"] == "InputLayer"]
    if kind == "Mean" and any("int" in str(dtype) for dtype in inputs):
        _refuse(entry, to, "means of integers differ there")
    return args, kwargs


_CALL_NAMES = {name for names in _CALL.values() for name in names} | {"constants"}


def _is_empty(value):
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return value is None if values is None else all(map(_is_empty, values))


def _is_plain(value):
    if _is_ref(value) or value is None or isinstance(value, bool):
        return True
    return isinstance(value, list) and all(map(_is_plain, value))


def _has_tensors(value):
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return _is_ref(value) or any(map(_has_tensors, values))
