"""What a net is, whatever its layers are called."""

from .tensors import is_tensor


def form(architecture):
    """The architecture with "layer 0", "layer 1", ... for the names of layers.

    Keras counts names up for each model that it builds, so that they do not tell one net from another.
    A name is replaced where it stands as one: of a model, of a layer of a graph or of a layer inside
    another, and in the calls that say what goes into a layer. Values stay, though they be spelled alike.

    Args:
      architecture: what json.loads(model.to_json()) gives, of either Keras.

    >>> config = {"name": "relu", "trainable": True, "activation": "relu"}
    >>> layer = {"class_name": "Activation", "config": config}
    >>> form(layer)["config"]
    {'name': 'layer 0', 'trainable': True, 'activation': 'relu'}
    """
    return _layer(architecture, _Names())


class _Names(dict):
    """{name: what stands for it}, numbered as they are met."""

    def __missing__(self, name):
        return self.setdefault(name, f"layer {len(self)}")


def _layer(entry, names):
    """An entry of a layer or a model."""
    config = dict(entry["config"])
    entry = {**entry, "config": config}
    for place in (config, entry):
        if isinstance(place.get("name"), str):
            place["name"] = names[place["name"]]
    graph = config.get("layers")
    if not isinstance(graph, list):
        return {
            key: value if key == "inbound_nodes" else _value(value, names) for key, value in entry.items()
        }
    own = {layer["config"].get("name", layer.get("name")) for layer in graph}
    config["layers"] = [_layer(layer, names) for layer in graph]
    for layer in config["layers"]:
        if "inbound_nodes" in layer:
            layer["inbound_nodes"] = _calls(layer["inbound_nodes"], own, names)
    for ends in ("input_layers", "output_layers"):
        if ends in config:
            config[ends] = _calls(config[ends], own, names)
    return entry


def _value(value, names):
    """Any value of an entry: layers may be in it."""
    if isinstance(value, list):
        return [_value(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    config = value.get("config")
    # Each layer says whether it trains; a dtype policy, say, has a name too, but that is what it is.
    if "class_name" in value and isinstance(config, dict) and "name" in config:
        if {"trainable", "layers"} & config.keys():
            return _layer(value, names)
    return {key: _value(item, names) for key, item in value.items()}


def _calls(value, own, names):
    """Calls of layers, in which tensors stand as [name, call, output]: the names of the graph's `own` layers
    replaced."""
    if isinstance(value, dict):
        return {key: _calls(item, own, names) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if is_tensor(value) and value[0] in own:
        return [names[value[0]], *(_calls(item, own, names) for item in value[1:])]
    return [_calls(item, own, names) for item in value]
