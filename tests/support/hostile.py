"""Hostile files: what runs code or opens files when Keras builds a model, at each place of each kind of
file."""

import gzip
import json
import zipfile

import h5py
import numpy as np
from world import KERAS3, keras

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.core import files
from keras_lottery.models import saved
from keras_lottery.tickets.ticket import from_model
from keras_lottery.tickets.ticket_file import ARCHITECTURE, checksum

L = keras.layers
KIND = keras.__name__
CONTAINERS = ("ticket", ".keras", ".h5")
KINDS = ("lambda", "function", "bytecode", "passive", "typespec", "operation", "path")
PLACES = (
    "layer",
    "activation",
    "initializer",
    "regularizer",
    "constraint",
    "policy",
    "constant",
    "inner",
    "wrapper",
)


def model():
    """With a model inside, and an operator."""
    given = L.Input((8,), name="given")
    inner = keras.Sequential([L.Input((6,)), L.Dense(5, "relu", name="deep")], name="inner")
    return keras.Model(given, L.Dense(3, name="head")(inner(L.Dense(6, name="a")(given)) * 2.0), name="base")


def thing(kind, marker):
    """What, where Keras makes an object of it, touches the file `marker`, or would read or load it."""
    code = L.Lambda(lambda x, path=str(marker): (__import__("pathlib").Path(path).touch(), x)[1])
    lambda_layer = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "registered_name": None,
        "config": code.get_config(),
    }
    if kind == "lambda":
        return lambda_layer
    if kind == "passive":
        return {"class_name": "Lambda", "config": code.get_config(), "__passive_serialization__": True}
    if kind == "bytecode":
        function = lambda_layer["config"]["function"]
        return (
            function
            if isinstance(function, dict)
            else {"class_name": "__lambda__", "config": {"value": function}}
        )
    function = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    if kind == "function":
        return {
            **lambda_layer,
            "config": {
                **code.get_config(),
                "name": "called",
                "function": function,
                "function_type": "function",
                "arguments": {},
            },
        }
    if kind == "typespec":
        return {
            "class_name": "__typespec__",
            "module": "subprocess",
            "spec_name": "Popen",
            "registered_name": None,
            "config": [f"touch {marker}"],
        }
    if kind == "operation":
        if KERAS3:
            return {
                "module": "keras.src.ops.core",
                "class_name": "Map",
                "registered_name": "Map",
                "config": {"name": "mapped"},
            }
        return {
            "module": "tf_keras.src.layers.core.tf_op_layer",
            "class_name": "TFOpLambda",
            "registered_name": "TFOpLambda",
            "config": {"name": "written", "trainable": True, "dtype": "float32", "function": "io.write_file"},
        }
    return {
        "module": "keras.layers",
        "class_name": "TFSMLayer",
        "registered_name": None,
        "config": {"name": "loaded", "filepath": str(marker), "call_endpoint": "serve"},
    }


def layer(config, name):
    """The entry of a layer of the model's JSON."""
    return next(one for one in config["config"]["layers"] if one["config"].get("name") == name)


def put(config, place, what, marker):
    """Put what `thing` made at a place of a model's JSON, which is changed."""
    layers = config["config"]["layers"]
    dense, inner = layer(config, "a"), layer(config, "inner")
    if place == "layer":
        operation = what["class_name"] == "TFOpLambda"
        text = str(marker) if operation else f"touch {marker}"
        constant = ["_CONSTANT_VALUE", -1, text, {"contents": "by a file"} if operation else {}]
        node = {"args": [text], "kwargs": {}} if KERAS3 else constant
        layers.append({**what, "name": "more", "inbound_nodes": [node]})
    elif place in ("activation", "policy"):
        dense["config"][{"policy": "dtype"}.get(place, place)] = what
    elif place in ("initializer", "regularizer", "constraint"):
        dense["config"][f"kernel_{place}"] = what
    elif place == "constant":
        node = dense["inbound_nodes"][0]
        if isinstance(node, dict):
            node["kwargs"]["training"] = what
        else:
            node[0][3:] = [{"training": what}]
    elif place == "inner":
        inner["config"]["layers"].insert(1, what)
    else:
        dense["config"] = {"name": "a", "trainable": True, "layer": what}
        dense["class_name"] = "TimeDistributed"


def write(container, folder, change, base=None):
    """A file of a model whose JSON is changed by `change(config)`, hashes made to fit; its path."""
    made = base or model()
    if container == "ticket":
        return altered(saved_ticket(made, folder / "ticket"), change)
    path = folder / f"net{container}"
    made.save(path)
    if container == ".h5":
        with h5py.File(path, "r+") as file:
            text = file.attrs["model_config"]
            file.attrs["model_config"] = changed(json.loads(text), change)
        return path
    other = folder / "plain.keras"
    path.rename(other)
    with zipfile.ZipFile(other) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                content = changed(json.loads(content), change)
            new.writestr(name, content)
    other.unlink()
    return path


def changed(config, change):
    """The JSON of `config` after `change(config)`, which may return another or the text itself."""
    new = change(config)
    return (new if isinstance(new, str) else json.dumps(config if new is None else new)).encode()


def saved_ticket(made, folder):
    wrapped = lottery.wrap(made)
    handle = engines.of(wrapped)
    rng = np.random.default_rng(0)
    handle.set_masks({path: rng.random(mask.shape) < 0.5 for path, mask in handle.masks().items()})
    from_model(wrapped, handle.values(), []).save(folder)
    return folder


def altered(folder, change):
    """The ticket with its architecture changed and its hashes made to fit."""
    file = folder / ARCHITECTURE
    file.write_bytes(gzip.compress(changed(json.loads(gzip.decompress(file.read_bytes())), change)))
    return rehashed(folder)


def rehashed(folder, change=None):
    """The ticket with what `change(content)` does to ticket.json, and all its hashes made to fit."""
    file = folder / "ticket.json"
    content = json.loads(file.read_text())
    content.pop("checksum", None)
    for name in content["sha256"]:
        if (folder / name).is_file():
            content["sha256"][name] = files.sha256(folder / name)
    content = change(content) or content if change else content
    file.write_text(json.dumps({**content, "checksum": checksum(content)}))
    return folder


def open_file(path):
    """All that the package does with a file: build, transfer."""
    if path.suffix in (".keras", ".h5"):
        return saved.builder(path, keras=KIND)((8,), 3)
    ticket = lottery.load_ticket(path)
    ticket.model()
    return lottery.transfer(ticket, num_classes=4)
