"""A saved model, .keras or .h5, read as data: its JSON and sizes are checked before Keras sees the file."""

import contextlib
import io
import json
import math
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from .. import engines, models, wrapping
from ..architecture.loops import LAYERS
from ..architecture.trust import LONGEST, line, parsed, trusted
from ..core import files
from ..core.checks import above_zero
from ..core.errors import LotteryError
from ..engines.sizes import short

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
ASSETS = "assets/"  # vocabularies


def load(path, engine):
    """The uncompiled model in a file of `engine`'s Keras.

    Raises:
      LotteryError: the file is of another kind, cut or altered, or holds what no file may. The message begins
        with "it".
    """
    import h5py

    try:
        if not zipfile.is_zipfile(path):
            with h5py.File(path, "r") as file:
                stored = _stored(h5py, file)
                text = file.attrs.get("model_config")
                if text is None:
                    raise LotteryError("it holds no model's config")
                config = parsed(text)
            if json.dumps(trusted(config, engine.NAMES)) != json.dumps(config):
                raise LotteryError("it holds settings of a training inside its model; save it as .keras")
            engine.shapes(config, stored)
            return engine.keras.models.load_model(path, compile=False)
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            config = parsed(_members(archive, path)[CONFIG])
            with h5py.File(io.BytesIO(archive.read(WEIGHTS)), "r") as file:
                stored = _stored(h5py, file)
            engine.shapes(config, stored)
            # What was checked is what Keras reads.
            checked = Path(folder, "model.keras")
            _rewrite(archive, checked, trusted(config, engine.NAMES))
            return engine.keras.models.load_model(checked, compile=False)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise LotteryError(f"it is no whole, saved model: {' '.join(str(error).split())[:200]}") from error


def keras_version(path):
    """Of the Keras that saved a .keras file, "" where it does not say."""
    with (
        contextlib.suppress(zipfile.BadZipFile, KeyError, ValueError, OSError),
        zipfile.ZipFile(path) as archive,
    ):
        info = archive.getinfo(METADATA)
        told = json.loads(archive.read(METADATA)) if info.file_size < 2**16 else None
        return str(told.get("keras_version", "")) if isinstance(told, dict) else ""
    return ""


def _members(archive, path):
    """{CONFIG: its text} of an archive that holds what Keras writes, uncompressed as Keras does."""
    found = archive.infolist()
    names = [info.filename for info in found]
    odd = [
        name
        for name in names
        if name not in (CONFIG, METADATA, WEIGHTS) and not name.startswith(ASSETS) or ".." in name
    ]
    if odd or len(set(names)) < len(names):
        raise LotteryError(f"it holds {line((odd or names)[0])}, which Keras does not write, or twice")
    for name in (CONFIG, WEIGHTS):
        if name not in names:
            raise LotteryError(f"it holds no {name}")
    if sum(info.file_size for info in found) > os.path.getsize(path):
        raise LotteryError(
            "it unpacks to more than its own size, and Keras does not compress: save it by Keras again"
        )
    if archive.getinfo(CONFIG).file_size > LONGEST:
        raise LotteryError(f"its {CONFIG} is longer than any model's")
    return {CONFIG: archive.read(CONFIG)}


def _rewrite(archive, path, config):
    """A copy of an archive with another config."""
    with zipfile.ZipFile(path, "w") as new:
        for info in archive.infolist():
            if info.filename == CONFIG:
                new.writestr(CONFIG, json.dumps(config))
            elif not info.is_dir():
                with archive.open(info) as source, new.open(info.filename, "w") as target:
                    shutil.copyfileobj(source, target)


def _stored(h5py, file):
    """The bytes of numbers in an HDF5 file; LotteryError if some lie elsewhere."""
    seen, stack, stored, listed = set(), [file], 0, 0
    while stack:
        group = stack.pop()
        _check_attributes(group)
        listed += _listed(h5py, group)
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise LotteryError(f"its {line(name)} is a link to elsewhere")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                stack.append(item)
            elif not isinstance(item, h5py.Dataset):
                raise LotteryError(f"its {line(name)} is no array")
            elif item.external or item.is_virtual:
                raise LotteryError(f"the numbers of its {line(name)} are in another file")
            elif item.dtype.hasobject and item.size != 1:
                raise LotteryError(f"its {line(name)} is an array of texts or arrays, which may all be one")
            else:
                _check_attributes(item)
                if (
                    item.size is not None
                    and item.size * item.dtype.itemsize > item.id.get_storage_size() + 64
                ):
                    raise LotteryError(
                        f"its {line(name)} is told as {item.shape}, of which the file does not hold all: save it "
                        "by Keras again"
                    )
                stored += item.id.get_storage_size()
    if listed > stored:
        raise LotteryError("it lists its weights more often than it holds them")
    return stored


def _check_attributes(item):
    """Raises LotteryError for an attribute of more texts than a model has layers: they may be one text many times."""
    for name in item.attrs:
        told = item.attrs.get_id(name)
        if told.dtype.hasobject and math.prod(told.shape or ()) > LAYERS:
            raise LotteryError(f"its attribute {line(name)} holds more texts than any model has layers")


def _listed(h5py, group):
    """The bytes of what Keras reads at once where a group of a .h5 file lists its weights."""
    listed = 0
    for attribute in group.attrs:
        names = group.attrs[attribute] if attribute.startswith(("weight_names", "layer_names")) else ()
        names = [name for name in np.ravel(names).tolist() if isinstance(name, (str, bytes))]
        if len(set(names)) < len(names):
            raise LotteryError(f"its {line(attribute)} hold a name twice")
        for item in map(group.get, names) if attribute.startswith("weight_names") else ():
            listed += item.id.get_storage_size() if isinstance(item, h5py.Dataset) else 0
    return listed


def of_file(model):
    """What tells a saved model from another of the same name; nothing of a builder's name."""
    return {"model_sha256": files.sha256(model)} if Path(model).is_file() else {}


def builder(model, width=1.0, keras="tf_keras"):
    """What makes a plain model: a function of (input_shape, num_classes).

    Args:
      model: a name in `models.names()`, or a saved .keras or .h5 file, read here.
      width: for the names: times as many filters as the literature's net.
      keras: "tf_keras" or "keras" (Keras 3).

    Raises:
      LotteryError: unknown name, or a file that this Keras cannot read. The function raises
        it where a saved model is of another shape.
    """
    width = above_zero("width", width)
    if not str(model).endswith((".keras", ".h5")):
        if model not in models.names():
            models.build(model, (8, 8, 1), 2, keras=keras)  # which says what is near
        return lambda input_shape, num_classes: models.build(
            model, input_shape, num_classes, width=width, keras=keras
        )
    if width != 1:
        raise LotteryError(
            f"width={width!r} is for the builders: a saved model has the width it has. Leave it out."
        )
    loaded = _load(model, engines.engine_of(keras))

    def fitting(input_shape, num_classes):
        for what, has, needs in (
            ("input", loaded.input_shape, (None, *input_shape)),
            ("output", loaded.output_shape, (None, num_classes)),
        ):
            fits = (
                isinstance(has, tuple)
                and len(has) == len(needs)
                and all(h in (None, n) for h, n in zip(has[1:], needs[1:]))
            )
            if not fits:
                raise LotteryError(f"model={str(model)!r}: its {what} shape is {has}, the data need {needs}.")
        return loaded

    return fitting


def _load(path, engine):
    path = Path(path)
    if not path.is_file():
        raise LotteryError(f"model={str(path)!r}: there is no such file.")
    version, name = keras_version(path), engine.keras.__name__
    if version and (version.split(".")[0] == "2") != (name == "tf_keras"):
        other = "backend='tensorflow', or jax or torch" if name == "tf_keras" else "backend='tf_keras'"
        raise LotteryError(f"model={str(path)!r} was saved by Keras {version[:20]}: give {other}.")
    try:
        loaded = load(path, engine)
    except LotteryError as error:
        raise LotteryError(
            f"model={str(path)!r} cannot be read by {name}: {str(error).rstrip('.')}."
        ) from error
    except Exception as error:  # of many kinds, from zip and h5 files and layers
        raise LotteryError(
            f"model={str(path)!r} cannot be read by {name}: {short(error)}. Is it a whole, saved model?"
        ) from error
    if not engine.is_graph(loaded):
        raise LotteryError(
            f"model={str(path)!r} is not built, or no Sequential or functional model: give it an Input layer."
        )
    return wrapping.strip(loaded) if wrapping.is_wrapped(loaded) else loaded
