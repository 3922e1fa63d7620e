"""The calls of layers: which tensors and settings go into each, and how each notation writes them."""

from . import tables
from .entries import is_model, is_operation, is_own, other, refuse
from .tensors import has_tensors, is_none, is_plain, is_tensor, map_tensors


def call(layer, node, config, graph, to):
    """One call of a layer. In between, tensors are tuples (layer's name, number of its call, number of its
    output)."""
    inputs, others = (_from_tf if to == "keras" else _from_keras)(layer, node, graph, to)
    if is_operation(layer):
        inputs, others = _operands(layer, inputs, others, config, graph, to)
    else:
        inputs, others = _arguments(layer, inputs, others, to)
    if to == "keras":
        return {"args": map_tensors(inputs, _keras_tensor), "kwargs": map_tensors(others, _keras_tensor)}
    others, first = map_tensors(others, list), inputs[0]
    if is_operation(layer) and not isinstance(first, list):
        return [*first, others] if is_tensor(first) else ["_CONSTANT_VALUE", -1, first, others]
    return [[*first, others]] if is_tensor(first) else map_tensors(first, lambda tensor: [*tensor, others])


def _from_tf(layer, node, graph, to):
    """([first argument], {name: argument}) of a tf_keras node, where each tensor of the first brings the
    others."""
    found = [{}]

    def read(tensor):
        found.extend(tensor[3:])
        return tensor[2] if tensor[0] == "_CONSTANT_VALUE" else moved(tensor, graph, to)

    first = map_tensors(node, read)
    first = first[0] if isinstance(first, list) and len(first) == 1 else first
    return [first], map_tensors(found[-1], lambda tensor: moved(tensor, graph, to))


def _from_keras(layer, node, graph, to):
    """([arguments], {name: argument}) of a Keras 3 node."""

    def read(value):
        if isinstance(value, list):
            return [read(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class_name") == "__keras_tensor__":
            return moved(value["config"]["keras_history"], graph, to)
        if "class_name" in value:
            refuse(layer, to, f"it is called with a {value['class_name'].strip('_')}, which is not carried")
        return {key: read(item) for key, item in value.items()}

    return read(node["args"]), read(node["kwargs"])


def _keras_tensor(tensor):
    # A shape and dtype must be there, but are not read.
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [], "dtype": "float32", "keras_history": list(tensor)},
    }


def _arguments(layer, inputs, others, to):
    """The arguments as the other takes them: all but the first by name."""
    name = layer["class_name"]
    names = tables.ARGUMENTS.get(name, ["inputs", "training", "mask"] if is_model(layer) else ["inputs"])
    given = {**dict(zip(names, inputs)), **others}
    if len(inputs) > len(names) or names[0] not in given:
        refuse(
            layer,
            to,
            "it is called in a way not carried; give the first argument by position, others by name",
        )
    first = given.pop(names[0])
    known = {*names, "mask", "training", "initial_state", "constants"}
    given = {key: value for key, value in given.items() if not (key in known and is_none(value))}
    if given.pop("training", None) is not None and to == "keras":  # which follows the model's in any case
        refuse(
            layer,
            to,
            "a call with training=... does not hold there; set trainable=False of the layer instead",
        )
    if not is_own(layer) or is_model(layer):
        carried = tables.CARRIED - ({"mask"} if name in tables.MASK_DIFFERS else set())
        odd = [key for key, value in given.items() if key not in carried or not is_plain(value)]
        if odd or not has_tensors(first):
            refuse(layer, to, f"it is called with {odd[0] if odd else 'a constant'}, which is not carried")
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
        config.update(
            {setting: rest.pop(argument, default) for setting, (argument, default) in settings.items()}
        )
        inputs, others = inputs + [rest.pop("y") for _ in range("y" in rest)], {}
    else:
        own = layer["config"]
        rest.update(
            {key: own[key] for key in own if key not in ("name", "dtype", *settings) and own[key] is not None}
        )
        others = {argument: own.get(setting, default) for setting, (argument, default) in settings.items()}
    operands = inputs[0] if isinstance(inputs[0], list) else inputs
    plain = all(is_tensor(operand) or type(operand) in (int, float) for operand in operands)
    if rest or not plain or len(inputs) > 2 or has_tensors(config):
        refuse(
            layer,
            to,
            f"it is called with {', '.join(rest) or 'arrays'}; only tensors and numbers are carried",
        )
    types = [str(one["config"].get("dtype")) for one in graph.values() if one["class_name"] == "InputLayer"]
    if name == "Mean" and any("int" in dtype for dtype in types):
        refuse(layer, to, "the mean of integers is not the same there; cast them first")
    if to == "tf_keras" and len(inputs) == 2:
        inputs, others = inputs[:1], {"y": inputs[1], **others}
    return inputs, others


def moved(tensor, graph, to, ends=False):
    """A tensor with its layer's call numbered as the other does."""
    name, call, output = tensor[:3]
    call += _first_call(graph[name], to, ends) - _first_call(graph[name], other(to), ends)
    if call < 0:
        refuse(graph[name], to, f"the model has no call {tensor[1]} of it; build the model anew")
    return name, call, output


def _first_call(layer, kind, ends):
    """The number of a layer's first call: models count their own making, in Keras 3 only among a model's
    outputs."""
    if kind == "keras":
        return int(ends and "input_layers" in layer["config"])
    return int(is_model(layer) and layer["config"]["layers"][0]["class_name"] == "InputLayer")
