"""What callbacks remember, in the file from which a killed training goes on."""

import contextlib
import hashlib
import sys
from pathlib import Path

import numpy as np

from ..core import files, team


def recall(backup, callbacks):
    """Give callbacks what the file remembers of them, if there is one; what they held before, for several
    calls of `fit`."""
    held = [held_by(callback) for callback in callbacks]
    if backup is not None and Path(backup).exists():
        remind(callbacks, remembered(backup))
    return held


def keep(backup, callbacks, held):
    """Bring up to date what the file of an ended training remembers of callbacks, which on_train_end may have
    changed."""
    if not team.is_chief():
        return
    arrays, notes = files.read_arrays(backup, "callback/")
    memories, now = memories_of(callbacks, held)
    if notes["callbacks"] | memories != notes["callbacks"] or _digests(arrays | now) != _digests(arrays):
        arrays, notes = files.read_arrays(backup)
        files.write_arrays(backup, arrays | now, **notes | {"callbacks": notes["callbacks"] | memories})


def _names(callbacks):
    """Of each callback its class and which of that class it is, so that others may come and go."""
    kinds = [type(callback).__qualname__ for callback in callbacks]
    return [f"{kind} {kinds[:n].count(kind)}" for n, kind in enumerate(kinds)]


def remind(callbacks, memories):
    """Give callbacks what `remembered` has of them."""
    for name, callback in zip(_names(callbacks), callbacks):
        for attribute, value in memories.get(name, {}).items():
            here = vars(callback).get(attribute)
            if isinstance(here, dict) and isinstance(
                value, dict
            ):  # of a class of its own, such as a defaultdict
                here.clear()
                here.update(value)
            else:
                setattr(callback, attribute, value)


def remembered(path):
    """{callback: {attribute: value}} of a backup."""
    arrays, notes = files.read_arrays(path, "callback/")
    found = {}
    for callback, memory in notes["callbacks"].items():
        own = {
            name.removeprefix(f"callback/{callback}/"): array
            for name, array in arrays.items()
            if name.startswith(f"callback/{callback}/")
        }
        found[callback] = {name: _unpack(form, own) for name, form in memory.items()}
    return found


def memories_of(callbacks, held):
    """({callback: {attribute: JSON-able form}}, their arrays by their names in a backup) of what is not as it
    was held."""
    memories, arrays = {}, {}
    for own, callback, before in zip(_names(callbacks), callbacks, held):
        memory = {name: item for name, item in _memory(callback).items() if _changed(item, before.get(name))}
        memories[own] = {name: form for name, (form, _) in memory.items()}
        arrays |= {
            f"callback/{own}/{name}": array for _, found in memory.values() for name, array in found.items()
        }
    return memories, arrays


def _memory(callback):
    """{attribute: (JSON-able form, its arrays)} of a callback, but for what no file can hold."""
    found = {}
    for name, value in vars(callback).items():
        if name == "params":  # which each fit gives anew, and all callbacks share
            continue
        arrays = {}
        # A model, a function, an open file, a list that holds itself.
        with contextlib.suppress(TypeError, RecursionError):
            found[name] = _pack(value, name, arrays), arrays
    return found


def held_by(callback):
    """What it remembers now: {attribute: (JSON-able form, digests of its arrays)}."""
    return {name: (form, _digests(arrays)) for name, (form, arrays) in _memory(callback).items()}


def _changed(item, before):
    form, arrays = item
    return before is None or form != before[0] or _digests(arrays) != before[1]


def _digests(arrays):
    return {
        name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest() for name, array in arrays.items()
    }


# What safetensors holds. Other arrays, of text, dates or complex numbers, go there as their bytes.
_NUMBERS = {
    "bool",
    "bfloat16",
    "float16",
    "float32",
    "float64",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
}


def _pack(value, name, arrays):
    """`value` as JSON, its arrays moved to `arrays`; raises TypeError for what cannot be written."""
    if type(value) is np.ndarray and not value.dtype.hasobject:
        key = f"{name}/{len(arrays)}"
        if value.dtype.name in _NUMBERS and value.dtype.isnative:
            arrays[key] = value
            return {"array": key}
        if np.dtype(value.dtype.str) == value.dtype:  # records lose their fields there
            arrays[key] = np.frombuffer(value.tobytes(), np.uint8)
            return {"array": key, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic) and not isinstance(value, str):
        if value.dtype.name not in _NUMBERS:
            return {"scalar": _pack(np.asarray(value), name, arrays)}
        value = value.item()
    if isinstance(value, list):
        return [_pack(item, name, arrays) for item in value]
    if type(value) is tuple:
        return {"tuple": _pack(list(value), name, arrays)}
    if isinstance(value, dict) and all(type(key) in (int, float, bool) for key in value) and value:
        return {"pairs": [[key, _pack(item, name, arrays)] for key, item in value.items()]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _pack(item, name, arrays) for key, item in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    names = [getattr(value, name, "") for name in ("__module__", "__name__")]
    if callable(value) and _function(*names) is value:
        return {"function": names}
    raise TypeError(type(value).__name__)


def _unpack(form, arrays):
    """What `_pack` was given."""
    if isinstance(form, list):
        return [_unpack(item, arrays) for item in form]
    if isinstance(form, dict) and "array" in form:
        array = arrays[form["array"]]
        return np.ndarray(form["shape"], form["dtype"], array.tobytes()).copy() if "dtype" in form else array
    if isinstance(form, dict) and "scalar" in form:
        return _unpack(form["scalar"], arrays)[()]
    if isinstance(form, dict) and "tuple" in form:
        return tuple(_unpack(form["tuple"], arrays))
    if isinstance(form, dict) and "pairs" in form:
        return {key: _unpack(item, arrays) for key, item in form["pairs"]}
    if isinstance(form, dict) and "function" in form:
        return _function(*form["function"])
    if isinstance(form, dict):
        return {key: _unpack(item, arrays) for key, item in form["dict"].items()}
    return form


def _function(module, name):
    """What Keras calls so: its callbacks keep functions of its own, such as the comparison of a monitored
    figure."""
    return (
        getattr(sys.modules.get(module), name, None)
        if module.partition(".")[0] in ("keras", "tf_keras")
        else None
    )
