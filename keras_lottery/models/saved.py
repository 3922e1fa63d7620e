"""A saved model, .keras or .h5, read as data: its JSON and sizes are checked before Keras sees the file."""

import contextlib
import difflib
import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from .. import engines, models, wrapping
from ..architecture.trust import LONGEST, line, parsed, trusted
from ..core import files
from ..core.checks import above_zero
from ..core.errors import LotteryError
from ..engines.sizes import short
from . import arrays

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
ASSETS = "assets/"  # vocabularies
_VERSION = re.compile(r"[\w.+-]{1,40}", re.ASCII)


def load(path, engine):
    """The uncompiled model in a file of `engine`'s Keras.

    Raises:
      LotteryError: the file is of another kind, cut or altered, or holds what no file may. The message begins
        with "it".
    """
    import h5py

    try:
        if not zipfile.is_zipfile(path):
            with h5py.File(path, "r") as file, open(path, "rb") as raw:
                stored = arrays.stored(file, raw)
                text = arrays.text(file, "model_config")
                if text is None:
                    raise LotteryError(
                        "it holds weights without their model: save it whole, by model.save('NAME.keras')"
                    )
                config = parsed(text)
            if json.dumps(trusted(config, engine.NAMES)) != json.dumps(config):
                raise LotteryError(
                    "its model's config holds training settings, which an .h5 file may not hold: "
                    "save it as .keras"
                )
            engine.shapes(config, stored)
            return engine.keras.models.load_model(path, compile=False)
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            config = parsed(_members(archive, path)[CONFIG])
            raw = io.BytesIO(archive.read(WEIGHTS))
            with h5py.File(raw, "r") as file:
                stored = arrays.stored(file, raw)
            engine.shapes(config, stored)
            # What was checked is what Keras reads.
            checked = Path(folder, "model.keras")
            _rewrite(archive, checked, trusted(config, engine.NAMES))
            return engine.keras.models.load_model(checked, compile=False)
    except (OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise LotteryError(f"it is no whole, saved model: {' '.join(str(error).split())[:200]}") from error


def is_file(model) -> bool:
    """Whether what is given for a model is the name of a file, not of a net that `models.build` knows."""
    return str(model).endswith((".keras", ".h5"))


def keras_version(path):
    """Of the Keras that saved a .keras or .h5 file, "" where it does not say."""
    told = ""
    with contextlib.suppress(Exception):  # of many kinds, from damaged files
        told = _told_version(path)
    return told if isinstance(told, str) and _VERSION.fullmatch(told) else ""


def _told_version(path):
    import h5py

    if not zipfile.is_zipfile(path):
        with h5py.File(path, "r") as file:
            return arrays.text(file, "keras_version")
    with zipfile.ZipFile(path) as archive:
        short = archive.getinfo(METADATA).file_size < 2**16
        return json.loads(archive.read(METADATA))["keras_version"] if short else ""


def keras_of(path):
    """The Keras that saved a .keras or .h5 file: "tf_keras" or "keras" (Keras 3); None where it does not say.

    Raises:
      LotteryError: there is no such file.
    """
    if not os.path.isfile(path):
        beside = Path(path).parent.glob("*") if os.path.isdir(Path(path).parent) else ()
        there = [file.name for file in beside if is_file(file)]
        near = difflib.get_close_matches(Path(path).name, there, 1)
        cure = (
            f"did you mean {str(Path(path).parent / near[0])!r}?" if near else "give that of a saved model."
        )
        raise LotteryError(f"model={str(path)!r}: there is no such file; {cure}")
    version = keras_version(path)
    return None if not version else "tf_keras" if version.split(".")[0] == "2" else "keras"


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


def of_file(model):
    """What tells a saved model from another of the same name; nothing of a builder's name."""
    return {"model_sha256": files.sha256(model)} if Path(model).is_file() else {}


def builder(model, width=1.0, keras="tf_keras", weights=None):
    """What makes a plain model: a function of (input_shape, num_classes).

    Args:
      model: a name that `models.build` knows, or a saved .keras or .h5 file, read here.
      width: for the names: times as many filters as the literature's net.
      keras: "tf_keras" or "keras" (Keras 3).
      weights: for keras.applications' networks, see `models.build`.

    Raises:
      LotteryError: unknown name, or a file that this Keras cannot read. The function raises
        it where a saved model is of another shape.
    """
    width = above_zero("width", width)
    if not is_file(model):
        models.check_name(model, width, weights, keras)
        return lambda input_shape, num_classes: models.build(
            model, input_shape, num_classes, width, keras, weights
        )
    if weights not in (None, "none"):
        raise LotteryError(
            f"weights={weights!r} is for names: the saved model {str(model)!r} has its own. Leave it out."
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


def opened(path, keras="tf_keras"):
    """The uncompiled model in a .keras or .h5 file; raises LotteryError for what this Keras cannot read."""
    return _load(path, engines.engine_of(keras))


def _load(path, engine):
    path, name = Path(path), engine.keras.__name__
    if keras_of(path) not in (None, name):
        other = "backend='tensorflow', or jax or torch" if name == "tf_keras" else "backend='tf_keras'"
        raise LotteryError(f"model={str(path)!r} was saved by Keras {keras_version(path)}: give {other}.")
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
