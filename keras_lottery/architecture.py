"""One net, two notations: the JSON of a tf_keras model as that of a Keras 3 model, and back.

Pure JSON to JSON, without any Keras. What is not known to compute the same in both is an error.
"""

import copy

from . import architecture_tables as tables
from .errors import LotteryError

KINDS = ("tf_keras", "keras")
_MODULES = {  # where each keeps its models, applications and operations
    "tf_keras": ("tf_keras.src.engine.functional", "tf_keras.src.applications.", "tf_keras.src.layers.core.tf_op_layer"),
    "keras": ("keras.src.models.functional", "keras.src.applications.", "keras.src.ops."),
}


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
    raise LotteryError(f"{str(architecture)[:60]!r} is no architecture: give the JSON of a tf_keras or Keras 3 model.")


def translate(architecture, to):
    """The same net as JSON of the other Keras; a copy where it already is of that kind.

    Layers keep their names, weights of the same layer their shapes and meaning (Keras 3 calls a depthwise layer's
    depthwise_kernel `kernel`). Seeds and the shapes that layers were built with are left out.

    Args:
      architecture: functional or Sequential model as JSON-able dict, of either kind.
      to: "tf_keras" or "keras".

    Raises:
      LotteryError: a layer, a setting or a call of a layer has no exact counterpart.

    Example:
      >>> net = keras_lottery.load_ticket("saved_models/lenet-fashion_mnist-90").architecture
      >>> model = keras.models.model_from_json(json.dumps(translate(net, "keras")))
    """
    if to not in KINDS:
        raise LotteryError(f"to={to!r}: expected one of {', '.join(KINDS)}.")
    if kind(architecture) == to:
        return copy.deepcopy(architecture)
    _check(list(_entries(architecture)), to)
    model = _layer(copy.deepcopy(architecture), to)
    return {**model, "backend": "tensorflow"} if to == "tf_keras" else model


def _other(to):
    return next(kind for kind in KINDS if kind != to)


def _refuse(entry, to, why):
    """Raises LotteryError: `why` says what a layer has that cannot be carried."""
    raise LotteryError(
        f"layer {entry['config'].get('name')!r} ({entry['class_name']}) cannot go from {_other(to)} to {to}: {why}. "
        f"The ticket can be used with {_other(to)}, which it was found with."
    )


# The whole net.
def _entries(value):
    """Every {"class_name", "config"} at or below a JSON value, outer ones first."""
    if isinstance(value, dict):
        if "class_name" in value and isinstance(value.get("config"), dict):
            yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _entries(item)


def _check(entries, to):
    """Raises LotteryError for what no layer shows alone: masks, layers shared between models in the model."""
    masked = [entry for entry in entries if entry["class_name"] == "Masking" or entry["config"].get("mask_zero")]
    shared = set()
    for entry in entries:
        if masked and entry["class_name"] in tables.MASK_DIFFERS and _is_layer(entry) and not _is_operation(entry):
            _refuse(entry, to, f"it treats the mask that {masked[0]['config'].get('name')!r} makes otherwise there")
        if masked and entry["class_name"] == "NotEqual" and _is_operation(entry):
            _refuse(masked[0], to, "Keras 3 writes its mask into the graph as operations, which are not carried")
        if entry.get("shared_object_id") in shared and _is_layer(entry):
            _refuse(entry, to, "models in the model share it, which is not carried; share one model that holds it")
        shared |= {entry.get("shared_object_id")} - {None}


def _is_operation(entry):
    return str(entry.get("module")).startswith(tuple(modules[2] for modules in _MODULES.values()))


def _is_model(entry):
    return "layers" in entry["config"]


def _is_own(entry):
    """Whether the user registered the class or function."""
    name = entry["config"] if entry["class_name"] == "function" else entry.get("registered_name")
    return ">" in str(name) and entry["class_name"] not in tables.APPLICATIONS


def _is_layer(entry):
    return entry["class_name"] in tables.LAYERS or entry["class_name"] in tables.APPLICATIONS or _is_model(entry)


# A layer and its settings.
def _layer(entry, to):
    """A layer, model or operation, without its calls."""
    if to == "keras" and "/" in str(entry["config"].get("name")):
        _refuse(entry, to, "Keras 3 allows no '/' in a layer's name; rename the layer and find the ticket again")
    if _is_operation(entry):
        return _operation(entry, to)
    name, registered = entry["class_name"], None
    models, applications, _ = _MODULES[to]
    if _is_own(entry):
        module, registered = entry.get("module"), entry["registered_name"]
    elif _is_model(entry) and name in ("Functional", "Model"):
        module, name, registered = models, "Functional", "Functional"
    elif name in tables.APPLICATIONS and ".applications." in str(entry.get("module")):
        file, registered = tables.APPLICATIONS[name]
        module, registered = applications + file, registered if to == "tf_keras" else name
    elif name == "Sequential":
        module = "keras"
    elif name in tables.LAYERS and str(entry.get("module")).startswith("keras."):
        module = "keras.layers"
    elif name == "Lambda":
        _refuse(entry, to, "its code is not carried; use a layer of Keras or a registered one of your own")
    else:
        _refuse(entry, to, "no layer there is exactly the same; if it is yours, register it in both by the same name")
    config = _model(entry, to) if _is_model(entry) else _config(entry, to, entry)
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def _config(entry, to, layer):
    """The settings of a layer, or of an initializer or the like of `layer`."""
    config, name = dict(entry["config"]), entry["class_name"]
    if name in tables.RENAMED:
        old, new = tables.RENAMED[name] if to == "keras" else tables.RENAMED[name][::-1]
        config = {new if key == old else key: value for key, value in config.items()}
    for names, only in tables.ONLY[_other(to)]:
        for setting in only.keys() & config.keys() if not names or name in names.split() else ():
            value = config.pop(setting)
            if value not in only[setting]:
                _refuse(layer, to, f"{setting}={value!r} does not exist there, only {only[setting]} does")
    if name in _FIXES:
        _FIXES[name](config, entry, to)
    return {key: _setting(key, value, to, layer) for key, value in config.items()}


def _setting(key, value, to, layer):
    if key == "dtype":
        return _precision(value, to, layer)
    if key == "seed" and isinstance(value, dict):
        return None
    if isinstance(value, str) and (key == "activation" or key.endswith("_activation")):
        if value not in tables.ACTIVATIONS and ">" not in value:
            _refuse(layer, to, f"{key}={value!r} is not the same function there")
        return {"silu": "swish"}.get(value, value) if to == "tf_keras" else {"swish": "silu"}.get(value, value)
    if isinstance(value, list):
        return [_setting(key, item, to, layer) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {name: _setting(name, item, to, layer) for name, item in value.items()}
    if _is_own(value) and not isinstance(value["config"], dict):
        return value
    if _is_layer(value) and value["class_name"] not in tables.OBJECTS:
        return _layer(value, to)
    if value["class_name"] not in tables.OBJECTS and not _is_own(value):
        name = value["config"] if value["class_name"] == "function" else value["class_name"]
        _refuse(layer, to, f"its {key} {name!r} is not known to be the same there; if it is yours, register it in both")
    return {
        "module": value.get("module"),
        "class_name": value["class_name"],
        "config": _config(value, to, layer),
        "registered_name": value.get("registered_name"),
    }


def _precision(value, to, layer):
    if isinstance(value, dict) and value["class_name"] in ("Policy", "DTypePolicy"):
        value = value["config"]["name"]
    if isinstance(value, dict):
        _refuse(layer, to, f"its precision {value['class_name']!r} does not exist there")
    if value is None or layer["class_name"] == "InputLayer" or (to == "tf_keras" and not value.startswith("mixed_")):
        return value
    module, name = ("keras", "DTypePolicy") if to == "keras" else ("keras.mixed_precision", "Policy")
    return {"module": module, "class_name": name, "config": {"name": value}, "registered_name": None}


def _fix_input(config, entry, to):
    for setting in ("sparse", "ragged", "optional"):
        if config.get(setting):
            _refuse(entry, to, f"{setting}=True is not carried, only dense inputs are")


def _fix_batch_normalization(config, entry, to):
    if to == "keras" and isinstance(config["axis"], list):
        if len(config["axis"]) != 1:
            _refuse(entry, to, f"axis={config['axis']} does not exist there, only a single axis does")
        config["axis"] = config["axis"][0]


def _fix_attention(config, entry, to):
    if to == "tf_keras":
        shapes = (entry.get("build_config") or {}).get("shapes_dict", {})
        config["query_shape"], config["value_shape"] = shapes.get("query_shape"), shapes.get("value_shape")
        config["key_shape"] = shapes.get("key_shape") or config["value_shape"]


def _fix_contrast(config, entry, to):
    if to == "keras":
        factor = config["factor"] if isinstance(config["factor"], list) else [config["factor"]] * 2
        if factor[0] > factor[1]:
            _refuse(entry, to, f"factor={factor} would be sorted there; give the smaller number first")
        config["factor"] = factor


_FIXES = {
    "InputLayer": _fix_input,
    "BatchNormalization": _fix_batch_normalization,
    "MultiHeadAttention": _fix_attention,
    "RandomContrast": _fix_contrast,
}


def _operation(entry, to):
    """An operation on tensors. Its arguments that are no tensors are settings in Keras 3, see `_operands`."""
    name, module = entry["class_name"], _MODULES[to][2]
    function = entry["config"].get("function") if to == "keras" else tables.OPERATIONS.get(name, (0, 0))[1]
    if function not in tables.FUNCTIONS:
        _refuse(entry, to, f"{function or name} is not carried; use a layer such as Add, Concatenate, Reshape or Cropping")
    config = {"name": entry["config"]["name"]}
    if to == "tf_keras":
        name, config = "TFOpLambda", {**config, "trainable": True, "function": function}
    else:
        name = tables.FUNCTIONS[function]
        module += tables.OPERATIONS[name][0]
    return {"module": module, "class_name": name, "config": config, "registered_name": name}


# A model and the calls of its layers.
def _model(entry, to):
    old = dict(entry["config"])
    layers, inputs, outputs = (old.pop(key, None) for key in ("layers", "input_layers", "output_layers"))
    old.pop("build_input_shape", None)
    config = _config({**entry, "config": old}, to, entry)
    if inputs is None:
        return {**config, "layers": [_layer(layer, to) for layer in layers]}
    graph = {layer["name"]: layer for layer in layers}

    def ends(tensors):
        """tf_keras has a list where Keras 3 may have one tensor."""
        tensors = _map(tensors, lambda tensor: list(_moved(tensor, graph, to, ends=True)))
        if to == "tf_keras":
            return [tensors] if _is_tensor(tensors) else tensors
        return tensors[0] if isinstance(tensors, list) and len(tensors) == 1 else tensors

    made = [{**_layer(layer, to), "name": layer["name"], "inbound_nodes": []} for layer in layers]
    for layer, new in zip(layers, made):
        new["inbound_nodes"] = [_call(layer, node, new["config"], graph, to) for node in layer["inbound_nodes"]]
    return {**config, "layers": made, "input_layers": ends(inputs), "output_layers": ends(outputs)}


def _call(layer, node, config, graph, to):
    """One call of a layer. In between, tensors are tuples (layer's name, number of its call, number of its output)."""
    inputs, others = (_from_tf if to == "keras" else _from_keras)(layer, node, graph, to)
    if _is_operation(layer):
        inputs, others = _operands(layer, inputs, others, config, graph, to)
    else:
        inputs, others = _arguments(layer, inputs, others, to)
    if to == "keras":
        return {"args": _map(inputs, _keras_tensor), "kwargs": _map(others, _keras_tensor)}
    others, first = _map(others, list), inputs[0]
    if _is_operation(layer) and not isinstance(first, list):
        return [*first, others] if _is_tensor(first) else ["_CONSTANT_VALUE", -1, first, others]
    return [[*first, others]] if _is_tensor(first) else _map(first, lambda tensor: [*tensor, others])


def _from_tf(layer, node, graph, to):
    """([first argument], {name: argument}) of a tf_keras node, where each tensor of the first brings the others."""
    found = [{}]

    def read(tensor):
        found.extend(tensor[3:])
        return tensor[2] if tensor[0] == "_CONSTANT_VALUE" else _moved(tensor, graph, to)

    first = _map(node, read)
    first = first[0] if isinstance(first, list) and len(first) == 1 else first
    return [first], _map(found[-1], lambda tensor: _moved(tensor, graph, to))


def _from_keras(layer, node, graph, to):
    """([arguments], {name: argument}) of a Keras 3 node."""

    def read(value):
        if isinstance(value, list):
            return [read(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class_name") == "__keras_tensor__":
            return _moved(value["config"]["keras_history"], graph, to)
        if "class_name" in value:
            _refuse(layer, to, f"it is called with a {value['class_name'].strip('_')}, which is not carried")
        return {key: read(item) for key, item in value.items()}

    return read(node["args"]), read(node["kwargs"])


def _keras_tensor(tensor):
    # A shape and dtype must be there, but are not read.
    return {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": list(tensor)}}


def _arguments(layer, inputs, others, to):
    """The arguments as the other takes them: all but the first by name."""
    name = layer["class_name"]
    names = tables.ARGUMENTS.get(name, ["inputs", "training", "mask"] if _is_model(layer) else ["inputs"])
    given = {**dict(zip(names, inputs)), **others}
    if len(inputs) > len(names) or names[0] not in given:
        _refuse(layer, to, "it is called in a way not carried; give the first argument by position, others by name")
    first = given.pop(names[0])
    known = {*names, "mask", "training", "initial_state", "constants"}
    given = {key: value for key, value in given.items() if not (key in known and _is_none(value))}
    if given.pop("training", None) is not None and to == "keras":  # which follows the model's in any case
        _refuse(layer, to, "a call with training=... does not hold there; set trainable=False of the layer instead")
    if not _is_own(layer) or _is_model(layer):
        carried = tables.CARRIED - ({"mask"} if name in tables.MASK_DIFFERS else set())
        odd = [key for key, value in given.items() if key not in carried or not _is_plain(value)]
        if odd or not _has_tensors(first):
            _refuse(layer, to, f"it is called with {odd[0] if odd else 'a constant'}, which is not carried")
    if name in [*tables.RECURRENT.split(), "Bidirectional"]:
        if to == "keras" and isinstance(first, list):
            first, given["initial_state"] = first[0], first[1:]
        elif to == "tf_keras" and "initial_state" in given:
            states = given.pop("initial_state")
            first = [first, *(states if isinstance(states, list) else [states])]
    return [first], given


def _operands(layer, inputs, others, config, graph, to):
    """The arguments of an operation; on the way to Keras 3, its settings go to `config`."""
    name = layer["class_name"] if to == "tf_keras" else tables.FUNCTIONS[layer["config"]["function"]]
    settings = tables.OPERATIONS[name][2]
    rest = {key: value for key, value in others.items() if (key, value) != ("name", None)}
    if to == "keras":
        config.update({setting: rest.pop(argument, default) for setting, (argument, default) in settings.items()})
        inputs, others = inputs + [rest.pop("y") for _ in range("y" in rest)], {}
    else:
        own = layer["config"]
        rest.update({key: own[key] for key in own if key not in ("name", "dtype", *settings) and own[key] is not None})
        others = {argument: own.get(setting, default) for setting, (argument, default) in settings.items()}
    operands = inputs[0] if isinstance(inputs[0], list) else inputs
    plain = all(_is_tensor(operand) or type(operand) in (int, float) for operand in operands)
    if rest or not plain or len(inputs) > 2 or _has_tensors(config):
        _refuse(layer, to, f"it is called with {', '.join(rest) or 'arrays'}; only tensors and numbers are carried")
    types = [str(one["config"].get("dtype")) for one in graph.values() if one["class_name"] == "InputLayer"]
    if name == "Mean" and any("int" in dtype for dtype in types):
        _refuse(layer, to, "the mean of integers is not the same there; cast them first")
    if to == "tf_keras" and len(inputs) == 2:
        inputs, others = inputs[:1], {"y": inputs[1], **others}
    return inputs, others


# Nested values that hold tensors.
def _is_tensor(value):
    """Whether this is [layer, number of its call, number of its output], in tf_keras followed by other arguments."""
    return isinstance(value, (list, tuple)) and 2 < len(value) < 5 and isinstance(value[0], str) and type(value[1]) is int


def _map(value, change):
    if _is_tensor(value):
        return change(value)
    if isinstance(value, dict):
        return {key: _map(item, change) for key, item in value.items()}
    return [_map(item, change) for item in value] if isinstance(value, list) else value


def _moved(tensor, graph, to, ends=False):
    """A tensor with its layer's call numbered as the other does."""
    name, call, output = tensor[:3]
    call += _first_call(graph[name], to, ends) - _first_call(graph[name], _other(to), ends)
    if call < 0:
        _refuse(graph[name], to, f"the model has no call {tensor[1]} of it; build the model anew")
    return name, call, output


def _first_call(layer, kind, ends):
    """The number of a layer's first call: models count their own making, in Keras 3 only among a model's outputs."""
    if kind == "keras":
        return int(ends and "input_layers" in layer["config"])
    return int(_is_model(layer) and layer["config"]["layers"][0]["class_name"] == "InputLayer")


def _is_none(value):
    values = value.values() if isinstance(value, dict) else value
    return value is None or (isinstance(value, (dict, list)) and all(map(_is_none, values)))


def _is_plain(value):
    inside = isinstance(value, list) and all(map(_is_plain, value))
    return inside or _is_tensor(value) or value is None or isinstance(value, bool)


def _has_tensors(value):
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return _is_tensor(value) or any(map(_has_tensors, values))
