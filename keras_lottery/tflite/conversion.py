"""A plain float32 Keras model, of either Keras and on any backend, as .tflite files in memory.

TensorFlow converts. A model on JAX or PyTorch is saved and converted by another process, where Keras runs on
TensorFlow: this file as a program.
"""

import contextlib
import importlib
import itertools
import operator
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import numpy as np

from .. import engines
from ..core.errors import LotteryError
from ..core.files import read_json, write_json
from ..core.pixels import Pixels
from .convert import ENCODINGS, converted
from .tracing import first_line


def to_tflite(model, formats, samples=None, pixels=None):
    """The model as files: {(format, encoding): bytes, or in words why there is no such file}.

    Args:
      formats: some of FORMATS.
      samples: {input name: array (examples, ...)}, which int8 takes its ranges from.
      pixels: a `Pixels`: the file takes uint8 images and normalises them so. None for the model's own input.

    Raises:
      LotteryError: the model does not convert even to float32, or cannot be saved.
    """
    handle = engines.of(model)
    keras = handle.keras
    if keras.__name__ == "tf_keras" or keras.backend.backend() == "tensorflow":
        return converted(handle, formats, samples, pixels)
    return _aside(handle, formats, samples, pixels)


def _aside(handle, formats, samples, pixels):
    """`to_tflite` by another process."""
    model, keras = handle.model, handle.keras
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.save(os.path.join(folder, "model.keras"))
        except Exception as error:
            raise LotteryError(f"{model.name!r} cannot be saved: {first_line(error)}.") from error
        own = {name: [kind.__module__, kind.__qualname__] for name, kind in handle.custom_objects().items()}
        modules = {
            getattr(registered, "__module__", None)
            for registered in keras.saving.get_custom_objects().values()
        }
        given = {
            "modules": sorted(modules - {"__main__", None}),
            "classes": own,
            "formats": list(formats),
            "samples": samples is not None,
            "pixels": pixels and pixels.to_dict(),
        }
        write_json(pathlib.Path(folder, "given.json"), given)
        if samples is not None:
            np.savez(os.path.join(folder, "samples.npz"), **samples)
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        done = subprocess.run(
            [sys.executable, "-m", __name__, folder], env=environment, capture_output=True, text=True
        )
        if done.returncode < 0:
            raise LotteryError(
                f"{model.name!r} does not convert: TensorFlow's converter ended with "
                f"{signal.Signals(-done.returncode).name}."
            )
        if done.returncode:
            said = [
                line for line in done.stderr.splitlines() if line.startswith("error: ")
            ] or done.stderr.splitlines()[-1:]
            raise LotteryError("".join(said).removeprefix("error: ") or f"{model.name!r} does not convert.")
        problems = read_json(pathlib.Path(folder, "problems.json"))
        names = itertools.product(formats, ENCODINGS)
        return {
            name: problems.get(_file(*name)) or pathlib.Path(folder, _file(*name)).read_bytes()
            for name in names
        }


def _file(form, encoding):
    return f"{form}-{encoding}.tflite"


def _main(folder):
    import keras

    folder = pathlib.Path(folder)
    given = read_json(folder / "given.json")
    try:
        for module in given[
            "modules"
        ]:  # which register what the model may need; one that it does not need may be out of reach
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        own = {
            name: operator.attrgetter(path)(importlib.import_module(module))
            for name, (module, path) in given["classes"].items()
            if module != "__main__"
        }
        model = keras.saving.load_model(folder / "model.keras", custom_objects=own, compile=False)
    except Exception as error:
        sys.exit(
            f"error: the model cannot be loaded by the process that converts it: {first_line(error)}. Put "
            "layer classes of your own into a module, which both can import, or export on the TensorFlow "
            "backend."
        )
    samples = dict(np.load(folder / "samples.npz")) if given["samples"] else None
    try:
        pixels = given["pixels"] and Pixels(**given["pixels"])
        files = converted(engines.of(model), given["formats"], samples, pixels)
    except LotteryError as error:
        sys.exit(f"error: {error}")
    write_json(
        folder / "problems.json",
        {_file(*name): content for name, content in files.items() if isinstance(content, str)},
    )
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / _file(*name)).write_bytes(content)


if __name__ == "__main__":
    _main(sys.argv[1])
