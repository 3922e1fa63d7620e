"""What the JSON of a model from a file may hold: data, and names that Keras exports or this process
registered.

Everything that Keras makes from a file is in the JSON that it is given, at some depth. The JSON is therefore
checked whole, against a list of allowed names, before Keras sees it. Nothing is looked up, imported or run
for any other name.
"""

import dataclasses
import json
from collections.abc import Callable

from ..core.errors import LotteryError
from .loops import check_layers, check_loops

DEEPEST = 200  # about 40 models in one another
LONGEST = 2**24  # characters of JSON; EfficientNetB7 has 0.6 million
# Keys whose value Keras opens as a file if it is text.
FILES = ("vocabulary", "idf_weights")
# What runs code that is in the file, or loads another file, though Keras exports some of it.
NEVER = {
    **dict.fromkeys(("Lambda", "__lambda__"), "a Lambda layer, whose code is not run: make it a layer class"),
    **dict.fromkeys(("__typespec__", "TypeSpec", "CompositeTensor"), "a type spec"),
    **dict.fromkeys(
        (
            "TFSMLayer",
            "TorchModuleWrapper",
            "JaxLayer",
            "FlaxLayer",
            "DenseFeatures",
            "TensorFlowOpLayer",
            "ClassMethod",
        ),
        "a layer that runs what is not Keras'",
    ),
}
# Plain data that Keras writes as a class: no more than its items, or an array.
_PLAIN = ("__tuple__", "TensorShape", "__ellipsis__", "__slice__", "__bytes__", "__keras_tensor__")
_ARRAYS = ("__tensor__", "__numpy__")
_NUMBERS = {
    "bool",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "string",
    "complex64",
    "complex128",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
}


@dataclasses.dataclass(frozen=True)
class Names:
    """What may be named.

    Attributes:
      classes: {class: modules that have it}; an entry with any other module is refused.
      functions: the same of functions.
      symbols: {class of an operation that Keras looks up by name: (the setting that holds it, the allowed
        names)}.
      registered: function of a name that returns what this process registered under it, or None.
      register: how a class is registered, for messages.
    """

    classes: dict[str, frozenset]
    functions: dict[str, frozenset]
    symbols: dict[str, tuple[str, frozenset]]
    registered: Callable
    register: str


def parsed(text: str | bytes):
    """JSON from a file, as data.

    Raises:
      LotteryError: it is none, or longer or deeper than that of any model.
    """
    if len(text) > LONGEST:
        raise LotteryError(f"it has {len(text):,} characters of JSON, more than any model's")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise LotteryError("its JSON is deeper than any model's") from error
    except ValueError as error:
        raise LotteryError(f"it is no JSON: {error}") from error


def trusted(architecture: dict, names: Names) -> dict:
    """A copy of `architecture` without what only training needs, checked.

    Raises:
      LotteryError: it holds what is not allowed; the message says what.
    """
    check_depth(architecture)
    # An optimizer or loss of a model in the model is not needed to build it.
    copy = json.loads(json.dumps(architecture), object_hook=_without_training)
    called = set()  # the ids of what stands in the graph of a model
    for value in _below(copy):
        if "__passive_serialization__" in value:
            _refuse("passive serialization")
        if "_TYPE" in value:
            _refuse("a composite tensor")
        for key in FILES:
            text = value.get(key)
            if isinstance(text, (str, int, float)) or is_marker(text, "__bytes__"):
                _refuse(f"the file {line(text)} as {key}; save the model with its list")
        if "class_name" in value:
            _check_entry(value, names)
            check_loops(value)
        if value.get("inbound_nodes") and id(value) not in called:
            _refuse(f"the layer {line(value.get('name'))}, which is called outside a model's graph")
        if isinstance(value.get("layers"), list) and {"input_layers", "output_layers"} <= value.keys():
            called |= {id(layer) for layer in value["layers"]}
            check_layers(len(called))
            _check_calls(value["layers"])
    return copy


def _without_training(value):
    return {key: item for key, item in value.items() if key != "compile_config" or not item}


def check_depth(value):
    """Raises LotteryError for JSON-able data deeper than any model's."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise LotteryError(f"its JSON is more than {DEEPEST} levels deep, deeper than any model's")
        level = [
            item
            for one in level
            if isinstance(one, (dict, list))
            for item in (one.values() if isinstance(one, dict) else one)
            if isinstance(item, (dict, list))
        ]


def line(value) -> str:
    """A value of a file, short enough for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_marker(value, name):
    return isinstance(value, dict) and value.get("class_name") == name


def _check_entry(entry, names):
    """Raises LotteryError unless what Keras would make of the entry is allowed."""
    name, module = entry["class_name"], entry.get("module")
    if not isinstance(name, str) or not isinstance(module, (str, type(None))):
        _refuse(f"the class {line(name)}")
    if name in _PLAIN:
        return
    if name in _ARRAYS:
        config = entry.get("config")
        if not isinstance(config, dict) or config.get("dtype") not in _NUMBERS:
            _refuse(f"an array of {line(config.get('dtype') if isinstance(config, dict) else config)}")
        return
    if name.rpartition(">")[2] in NEVER:
        _refuse(f"{NEVER[name.rpartition('>')[2]]} ({line(name)})")
    if name == "function":
        function = entry.get("config")
        if not isinstance(function, str) or not (
            names.registered(function) or module in names.functions.get(function, ())
        ):
            _refuse_name(function, module, names)
        return
    if (
        name in names.classes
        and (module is None or module in names.classes[name])
        and _is_own_name(entry, name)
    ):
        if name in names.symbols:
            key, allowed = names.symbols[name]
            symbol = (entry.get("config") or {}).get(key)
            if not isinstance(symbol, str) or symbol.removeprefix("compat.v1.") not in allowed:
                _refuse(
                    f"the operation tf.{str(symbol)[:60]}, which is not known only to compute; put it into a "
                    "registered layer"
                )
        return
    # Keras goes by the registered name, or by the class alone where there is no module.
    told = entry.get("registered_name") or name
    found = isinstance(told, str) and names.registered(told)
    if (
        found
        and getattr(found, "__name__", None) == name.rpartition(">")[2]
        or module is None
        and names.registered(name)
    ):
        return
    _refuse_name(name, module, names)


def _is_own_name(entry, name):
    """Whether the registered name of one of Keras' own classes says nothing else than the class does."""
    told = entry.get("registered_name")
    return told is None or isinstance(told, str) and told.rpartition(">")[2] == name


def _check_calls(layers):
    """Raises LotteryError for a call without a tensor of the model, which Keras would compute at once.

    Keras itself never writes such a call.
    """
    names = {
        layer.get("name")
        for layer in layers
        if isinstance(layer, dict) and isinstance(layer.get("name"), str)
    }
    for layer in layers:
        calls = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        if not isinstance(calls, (list, type(None))):
            _refuse(f"{line(calls)} as the calls of the layer {line(layer.get('name'))}")
        for call in calls or ():
            if not _takes_tensor(call, names):
                _refuse(f"the layer {line(layer.get('name'))}, which is called on constants alone")


def _takes_tensor(call, names):
    """Whether a call takes a tensor of one of the layers `names`, where Keras reads it as one."""
    as_entries = isinstance(call, dict) and {"args", "kwargs"} <= call.keys()  # of Keras 3
    stack = [call["args"], call["kwargs"]] if as_entries else [call]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            if not as_entries and len(value) in (3, 4) and _is_tensor(value, names):
                return True
            stack += value
        elif isinstance(value, dict) and "class_name" not in value:
            stack += value.values()
        elif is_marker(value, "__keras_tensor__"):
            config = value.get("config")
            if isinstance(config, dict) and _is_tensor(config.get("keras_history"), names):
                return True
        elif is_marker(value, "__tuple__"):  # in others Keras drops what it does not read
            stack += [value.get("items"), value.get("config")]
    return False


def _is_tensor(value, names):
    """Whether a value is [name of a layer, call, output, ...]."""
    return (
        isinstance(value, list)
        and len(value) > 2
        and isinstance(value[0], str)
        and value[0] in names
        and type(value[1]) is int
        and type(value[2]) is int
    )


def _below(value):
    """Every dict at or below a JSON value, outer ones first."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack += value.values()
        elif isinstance(value, list):
            stack += value


def _refuse_name(name, module, names):
    where = f" of {line(module)}" if module else ""
    raise LotteryError(
        f"it names {line(name)}{where}, which neither Keras has nor this process has registered; if it is "
        "yours or a package's, "
        f"import what registers it first ({names.register})"
    )


def _refuse(what):
    raise LotteryError(f"it holds {what}")
