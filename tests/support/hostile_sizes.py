"""Files that would take gigabytes or hang, opened one after another.

    python tests/support/hostile_sizes.py FOLDER

Prints JSON that names each file that was not refused in one line, took over 10 s, or took the process 1 GB
above what opening a good file takes.
"""

import gzip
import json
import resource
import sys
import time
import zipfile
from pathlib import Path

import h5py
import hostile
import numpy as np
from hostile import layer
from world import KERAS3, keras

import keras_lottery as lottery

L = keras.layers


def units(count):
    return lambda config: layer(config, "a")["config"].update(units=count)


def become(config, kind, **settings):
    """Make the first Dense layer another one."""
    entry = json.loads(keras.Sequential([L.Input((3,)), kind]).to_json())["config"]["layers"][1]
    new = layer(config, "a")
    new.update(class_name=entry["class_name"], config={**entry["config"], "name": "a", **settings})
    new.pop("build_config", None)


def wide_input(config):
    layer(config, "given")["config"]["batch_shape" if KERAS3 else "batch_input_shape"] = [None, 10**12]


def wide_normalization(config):
    wide_input(config)
    become(config, L.Normalization())


def rewired(name, old, new):
    def change(config):
        text = json.dumps(layer(config, name)["inbound_nodes"])
        assert old in text
        layer(config, name)["inbound_nodes"] = json.loads(text.replace(old, new, 1))

    return change


def own_mask(config):
    """Waits for an output that no layer has."""
    if KERAS3:
        return rewired("inner", ", 0, 0", ", 0, 7")(config)
    layer(config, "inner")["inbound_nodes"] = [[["a", 0, 0, {"mask": ["a", 0, 7]}]]]


def deep(config):
    return "[" * 5000 + "]" * 5000


def rather_deep(config):
    for _ in range(900):
        config = [config]
    return config


def constant(function, value, operation="Full", **settings):
    def change(config):
        if KERAS3:
            entry = {
                "module": "keras.src.ops.numpy",
                "class_name": operation,
                "registered_name": operation,
                "config": {"name": "made", **settings},
                "inbound_nodes": [{"args": [1.0], "kwargs": {}}],
            }
        else:
            entry = {
                "module": "tf_keras.src.layers.core.tf_op_layer",
                "class_name": "TFOpLambda",
                "registered_name": "TFOpLambda",
                "config": {"name": "made", "trainable": True, "dtype": "float32", "function": function},
                "inbound_nodes": [["_CONSTANT_VALUE", -1, value, {}]],
            }
        config["config"]["layers"].append({**entry, "name": "made"})

    return change


def filled(config):
    """Takes a tensor, and makes gigabytes of a constant whatever it is."""
    if KERAS3:
        tensor = layer(config, "head")["inbound_nodes"][0]
        entry = {
            "module": "keras.src.ops.numpy",
            "class_name": "BroadcastTo",
            "registered_name": "BroadcastTo",
            "name": "made",
            "config": {"name": "made", "shape": [60000, 60000, 3]},
            "inbound_nodes": [tensor],
        }
        text = json.dumps(tensor).replace(json.dumps(first_tensor(tensor)), '["head", 0, 0]')
        entry["inbound_nodes"] = [json.loads(text)]
        config["config"]["output_layers"] = ["made", 0, 0]
    else:
        entry = {
            "module": "tf_keras.src.layers.core.tf_op_layer",
            "class_name": "TFOpLambda",
            "registered_name": "TFOpLambda",
            "name": "made",
            "config": {"name": "made", "trainable": True, "dtype": "float32", "function": "broadcast_to"},
            "inbound_nodes": [["head", 0, 0, {"shape": [60000, 60000, 3]}]],
        }
        config["config"]["output_layers"] = [["made", 0, 0]]
    config["config"]["layers"].append(entry)


def first_tensor(value):
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return value
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for item in below if (found := first_tensor(item))), None)


def more(*kinds):
    """Puts layers before all others, one after the other, the first on the model's input: (module, class,
    settings)."""

    def change(config):
        graph, last = config["config"]["layers"], "given"
        for number, (module, name, settings) in enumerate(kinds):
            settings = dict(settings)
            tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 8], "dtype": "float32"}}
            tensor["config"]["keras_history"] = [last, 0, 0]
            arguments = settings.pop("call", {})
            call = [last, 0, 0, arguments]
            call = call if name == "TFOpLambda" else [call]
            node = {"args": [tensor], "kwargs": arguments} if KERAS3 else call
            last = f"more{number}"
            graph.insert(
                1 + number,
                {
                    "module": module,
                    "class_name": name,
                    "registered_name": None,
                    "name": last,
                    "config": {"name": last, **settings},
                    "inbound_nodes": [node],
                },
            )

    return change


def layers(*kinds):
    return more(
        *(("keras.layers", name, {"trainable": True, "dtype": "float32", **told}) for name, told in kinds)
    )


def operation(of_keras, function, told, call):
    """Takes the model's input, as an operation of Keras 3 or a function of TensorFlow."""
    if KERAS3:
        return lambda config: more((f"keras.src.ops.{of_keras[0]}", of_keras[1], dict(told)))(config)
    settings = {"trainable": True, "dtype": "float32", "function": function}
    module = "tf_keras.src.layers.core.tf_op_layer"
    return lambda config: more((module, "TFOpLambda", {**settings, "call": dict(call)}))(config)


def widely(change):
    def both(config):
        layer(config, "given")["config"]["batch_shape" if KERAS3 else "batch_input_shape"] = [None, 10**8]
        return change(config)

    return both


COUNTED = {  # what Keras does one by one
    "layers": lambda config: layers(*[("Flatten", {})] * 40_000)(config),
    "parts": operation(
        ("numpy", "Split"), "split", {"indices_or_sections": 10**8, "axis": 0}, {"num_or_size_splits": 10**8}
    ),
    "parts of the input": widely(operation(("core", "Unstack"), "unstack", {"axis": 1}, {"axis": 1})),
    "normalization by one number": widely(
        lambda config: become(config, L.Normalization(mean=0.0, variance=1.0))
    ),
    "ngrams": lambda config: layers(("TextVectorization", {"dtype": "string", "ngrams": 10**9}))(config),
}
if not KERAS3:
    COUNTED.update(
        {
            "repeated": operation((), "keras.backend.repeat_elements", {}, {"rep": 10**8, "axis": 1}),
            "upsampling": lambda config: layers(
                ("RepeatVector", {"n": 6}), ("UpSampling1D", {"size": 10**8})
            )(config),
            "unrolled": lambda config: layers(
                ("RepeatVector", {"n": 10**6}), ("SimpleRNN", {"units": 2, "unroll": True})
            )(config),
            "locally": lambda config: layers(
                ("RepeatVector", {"n": 10**8}),
                ("LocallyConnected1D", {"filters": 2, "kernel_size": 3, "implementation": 3}),
            )(config),
        }
    )

CHANGES = {
    **COUNTED,
    "units": units(3 * 10**6),
    "more units": units(10**9),
    "no such units": units(10**30),
    "negative": units(-1),
    "text": units("x" * 10**6),
    "embedding": lambda config: become(config, L.Embedding(3, 6), input_dim=2**62),
    "wide input": wide_input,
    "normalization": wide_normalization,
    "its own input": rewired("a", '"given"', '"a"'),
    "no such call": rewired("head", ", 0, 0", ", 1000000000, 0"),
    "no such output": rewired("head", ", 0, 0", ", 0, 1000000000"),
    "own mask": own_mask,
    "deep": deep,
    "rather deep": rather_deep,
    "filled": filled,
    "eye": constant("eye", 60000, shape=[60000, 60000]),
    "bincount": constant("math.bincount", [2**31 - 2], shape=[2**31]),
    "null": lambda config: "null",
    "text for JSON": lambda config: '"' + "x" * 2**25 + '"',
}


def good(folder):
    return hostile.write("ticket", folder, lambda config: None)


def replaced(ticket, name):
    """The ticket with a file that unpacks to a gigabyte of zeros."""
    (ticket / name).write_bytes(gzip.compress(bytes(2**24)) * 64)
    return hostile.rehashed(ticket)


def many_weights(folder):
    def tell(content):
        content["masks"]["a/kernel"] = {"shape": [10**6, 10**6], "kept": 3}

    return hostile.rehashed(good(folder), tell)


def bomb(folder):
    """A .keras file whose weights unpack to far more than it has."""
    path = hostile.write(".keras", folder, lambda config: None)
    with (
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(folder / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name) if name != "model.weights.h5" else bytes(2**27))
    return folder / "bomb.keras"


def changed_h5(change):
    """A .h5 file with its kernel of the first layer as `change(group, name)` makes it."""

    def write(folder):
        path = hostile.write(".h5", folder, lambda config: None)
        with h5py.File(path, "r+") as file:
            found = []
            file.visititems(
                lambda name, item: (
                    found.append(name) if isinstance(item, h5py.Dataset) and item.shape == (8, 6) else None
                )
            )
            group, name = file[found[0]].parent, found[0].rpartition("/")[2]
            del group[name]
            change(group, name, folder)
        return path

    return write


def elsewhere(group, name, folder):
    (folder / "secret").write_bytes(np.ones((8, 6), "float32").tobytes())
    group.create_dataset(name, (8, 6), "float32", external=[(str(folder / "secret"), 0, h5py.h5f.UNLIMITED)])


def linked(group, name, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["kernel"] = np.ones((8, 6), "float32")
    group[name] = h5py.ExternalLink(str(folder / "secret.h5"), "/kernel")


def hollow(group, name, folder):
    group.create_dataset(name, (2**20, 2**20), "float32", chunks=(1024, 1024), compression="gzip")


def many_names(group, name, folder):
    """The same 4 MB read a thousand times at once, each under a name of its own."""
    group[name] = np.ones((8, 6), "float32")
    group["w"] = np.ones(2**20, "float32")
    for number in range(1000):
        group[f"w{number}"] = group["w"]
    listing = next(item for item in (group, *_above(group)) if "weight_names" in item.attrs)
    path = group.name[len(listing.name) :].strip("/")
    names = [f"{path}/w{number}".strip("/") for number in range(1000)]
    del listing.attrs["weight_names"]
    listing.attrs["weight_names"] = np.array(names, "S")


def _above(group):
    while group.name != "/":
        group = group.parent
        yield group


def one_text_often(group, name, folder):
    """An array of which each item is the same megabyte."""
    group[name] = np.ones((8, 6), "float32")
    made = group.create_dataset("w", (4000,), h5py.vlen_dtype("float32"))
    made[0] = np.ones(2**18, "float32")
    group.file.flush()
    at, file = made.id.get_offset(), group.file.filename
    listing = next(item for item in (group, *_above(group)) if "weight_names" in item.attrs)
    del listing.attrs["weight_names"]
    listing.attrs["weight_names"] = np.array([group.name[len(listing.name) :].strip("/") + "/w"], "S")
    group.file.close()
    with open(file, "r+b") as raw:
        raw.seek(at)
        first = raw.read(16)  # where in the file the item is
        raw.seek(at)
        raw.write(first * 4000)


def twice(group, name, folder):
    group[name] = np.ones((8, 6), "float32")
    listing = next(item for item in _above(group) if "layer_names" in item.attrs)
    names = listing.attrs["layer_names"]
    del listing.attrs["layer_names"]
    listing.attrs["layer_names"] = np.array([*names] * 300, "S")


def texts(group, name, folder):
    """An attribute that names one text six thousand times."""
    group[name] = np.ones((8, 6), "float32")
    at, path = group.name, group.file.filename
    group.file.close()
    with h5py.File(path, "r+", libver="latest") as file:
        file[at].create_group("more")
        many = np.array(["w"] * 6000, dtype=object)
        file[at]["more"].attrs.create("texts", many, dtype=h5py.string_dtype())


FILES = {
    "many names": changed_h5(many_names),
    "one text often": changed_h5(one_text_often),
    "layers twice": changed_h5(twice),
    "texts": changed_h5(texts),
    "gzip architecture": lambda folder: replaced(good(folder), "architecture.json.gz"),
    "gzip masks": lambda folder: replaced(good(folder), "masks.safetensors.gz"),
    "many weights": many_weights,
    "zip bomb": bomb,
    "numbers elsewhere": changed_h5(elsewhere),
    "linked": changed_h5(linked),
    "hollow": changed_h5(hollow),
}


def main(folder):
    folder.mkdir(exist_ok=True)
    cases = {
        (container, name): lambda where, container=container, change=change: hostile.write(
            container, where, change
        )
        for container in hostile.CONTAINERS
        for name, change in CHANGES.items()
    }
    cases.update({("file", name): write for name, write in FILES.items()})
    (folder / "good").mkdir()
    hostile.open_file(good(folder / "good"))
    said, most = [], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, (case, write) in enumerate(cases.items()):
        (folder / str(number)).mkdir()
        path = write(folder / str(number))
        begin = time.monotonic()
        try:
            hostile.open_file(path)
            said.append([case, "was opened"])
        except lottery.LotteryError as error:
            if "\n" in str(error) or len(str(error)) > 600:
                said.append([case, str(error)])
        except BaseException as error:
            said.append([case, repr(error)[:300]])
        seconds = time.monotonic() - begin
        taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most
        if seconds > 10 or taken > 2**20:
            said.append([case, f"took {seconds:.1f} s, {taken / 2**20:.1f} GB"])
            most += max(0, taken)
    print(json.dumps({"cases": len(cases), "said": said}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
