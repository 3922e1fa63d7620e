"""A layer, model or operation in the other notation, with its settings."""

from . import tables
from .calls import call, moved
from .entries import MODULES, is_layer, is_model, is_operation, is_own, other, refuse
from .tensors import is_tensor, map_tensors


def translated(entry, to):
    """A layer, model or operation, without its calls."""
    if to == "keras" and "/" in str(entry["config"].get("name")):
        refuse(
            entry, to, "Keras 3 allows no '/' in a layer's name; rename the layer and find the ticket again"
        )
    if is_operation(entry):
        return _operation(entry, to)
    name, registered = entry["class_name"], None
    models, applications, _ = MODULES[to]
    if is_own(entry):
        module, registered = entry.get("module"), entry["registered_name"]
    elif is_model(entry) and name in ("Functional", "Model"):
        module, name, registered = models, "Functional", "Functional"
    elif name in tables.APPLICATIONS and ".applications." in str(entry.get("module")):
        file, registered = tables.APPLICATIONS[name]
        module, registered = applications + file, registered if to == "tf_keras" else name
    elif name == "Sequential":
        module = "keras"
    elif name in tables.LAYERS and str(entry.get("module")).startswith("keras."):
        module = "keras.layers"
    elif name == "Lambda":
        refuse(entry, to, "its code is not carried; use a layer of Keras or a registered one of your own")
    else:
        refuse(
            entry,
            to,
            "no layer there is exactly the same; if it is yours, register it in both by the same name",
        )
    config = _model(entry, to) if is_model(entry) else _config(entry, to, entry)
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def _config(entry, to, layer):
    """The settings of a layer, or of an initializer or the like of `layer`."""
    config, name = dict(entry["config"]), entry["class_name"]
    if name in tables.RENAMED:
        old, new = tables.RENAMED[name] if to == "keras" else tables.RENAMED[name][::-1]
        config = {new if key == old else key: value for key, value in config.items()}
    for names, only in tables.ONLY[other(to)]:
        for setting in only.keys() & config.keys() if not names or name in names.split() else ():
            value = config.pop(setting)
            if value not in only[setting]:
                refuse(layer, to, f"{setting}={value!r} does not exist there, only {only[setting]} does")
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
            refuse(layer, to, f"{key}={value!r} is not the same function there")
        return (
            {"silu": "swish"}.get(value, value) if to == "tf_keras" else {"swish": "silu"}.get(value, value)
        )
    if isinstance(value, list):
        return [_setting(key, item, to, layer) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {name: _setting(name, item, to, layer) for name, item in value.items()}
    if is_own(value) and not isinstance(value["config"], dict):
        return value
    if is_layer(value) and value["class_name"] not in tables.OBJECTS:
        return translated(value, to)
    if value["class_name"] not in tables.OBJECTS and not is_own(value):
        name = value["config"] if value["class_name"] == "function" else value["class_name"]
        refuse(
            layer,
            to,
            f"its {key} {name!r} is not known to be the same there; if it is yours, register it in both",
        )
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
        refuse(layer, to, f"its precision {value['class_name']!r} does not exist there")
    if (
        value is None
        or layer["class_name"] == "InputLayer"
        or (to == "tf_keras" and not value.startswith("mixed_"))
    ):
        return value
    module, name = ("keras", "DTypePolicy") if to == "keras" else ("keras.mixed_precision", "Policy")
    return {"module": module, "class_name": name, "config": {"name": value}, "registered_name": None}


def _fix_input(config, entry, to):
    for setting in ("sparse", "ragged", "optional"):
        if config.get(setting):
            refuse(entry, to, f"{setting}=True is not carried, only dense inputs are")


def _fix_batch_normalization(config, entry, to):
    if to == "keras" and isinstance(config["axis"], list):
        if len(config["axis"]) != 1:
            refuse(entry, to, f"axis={config['axis']} does not exist there, only a single axis does")
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
            refuse(entry, to, f"factor={factor} would be sorted there; give the smaller number first")
        config["factor"] = factor


_FIXES = {
    "InputLayer": _fix_input,
    "BatchNormalization": _fix_batch_normalization,
    "MultiHeadAttention": _fix_attention,
    "RandomContrast": _fix_contrast,
}


def _operation(entry, to):
    """An operation on tensors. Its arguments that are no tensors are settings in Keras 3, see `_operands`."""
    name, module = entry["class_name"], MODULES[to][2]
    function = entry["config"].get("function") if to == "keras" else tables.OPERATIONS.get(name, (0, 0))[1]
    if function not in tables.FUNCTIONS:
        refuse(
            entry,
            to,
            f"{function or name} is not carried; use a layer such as Add, Concatenate, Reshape or Cropping",
        )
    config = {"name": entry["config"]["name"]}
    if to == "tf_keras":
        name, config = "TFOpLambda", {**config, "trainable": True, "function": function}
    else:
        name = tables.FUNCTIONS[function]
        module += tables.OPERATIONS[name][0]
    return {"module": module, "class_name": name, "config": config, "registered_name": name}


def _model(entry, to):
    old = dict(entry["config"])
    layers, inputs, outputs = (old.pop(key, None) for key in ("layers", "input_layers", "output_layers"))
    old.pop("build_input_shape", None)
    config = _config({**entry, "config": old}, to, entry)
    if inputs is None:
        return {**config, "layers": [translated(layer, to) for layer in layers]}
    graph = {layer["name"]: layer for layer in layers}

    def ends(tensors):
        """tf_keras has a list where Keras 3 may have one tensor."""
        tensors = map_tensors(tensors, lambda tensor: list(moved(tensor, graph, to, ends=True)))
        if to == "tf_keras":
            return [tensors] if is_tensor(tensors) else tensors
        return tensors[0] if isinstance(tensors, list) and len(tensors) == 1 else tensors

    made = [{**translated(layer, to), "name": layer["name"], "inbound_nodes": []} for layer in layers]
    for layer, new in zip(layers, made):
        new["inbound_nodes"] = [
            call(layer, node, new["config"], graph, to) for node in layer["inbound_nodes"]
        ]
    return {**config, "layers": made, "input_layers": ends(inputs), "output_layers": ends(outputs)}
