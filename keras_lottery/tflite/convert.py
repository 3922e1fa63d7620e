"""A plain float32 Keras model, of either Keras and on any backend, as .tflite files in memory."""

import contextlib
import dataclasses
import importlib
import itertools
import keyword
import operator
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import numpy as np

from .. import engines
from ..core.errors import LotteryError
from ..core.files import read_json, write_json
from ..core.pixels import Pixels
from .encoding import has_broken_blocks
from .flatbuffer import has_loops
from .sparsify import sparsify
from .weights8 import quantize_weights

FORMATS = {
    "float32": "as trained",
    "float16": "weights of 16 bits, unpacked to float32 by the runtime",
    "int8-weights": "kernels of 8 bits, unpacked to float32 by the runtime",
    "int8-dynamic": "kernels of 8 bits, inputs of each operation rounded to 8 bits as they come",
    "int8": "all in 8 bits, ranges taken from representative examples",
}
ENCODINGS = ("dense", "sparse")  # sparse: a tensor with enough zeros keeps only its non-zero values


@dataclasses.dataclass(frozen=True)
class Spec:
    """One input of a model: its name in the file and in the model, the shape of one example with a batch of
    1, its dtype."""

    name: str
    label: str
    shape: tuple
    dtype: str


def inputs(handle):
    """(the nest of the model's inputs, a Spec for each in the nest's order).

    Raises:
      LotteryError: the model does not know its inputs' shapes, or TFLite has no such inputs.
    """
    model, structure = handle.model, handle.inputs()
    if structure is None:
        raise LotteryError(
            f"{model.name!r} does not know its input shape yet: call it once on a batch first."
        )
    specs, tensors = [], handle.nest.flatten(structure)
    if not all(hasattr(tensor, "name") for tensor in tensors):
        raise LotteryError(f"{model.name!r} takes sparse or ragged tensors: a .tflite file takes dense ones.")
    for tensor, name in zip(tensors, _identifiers([tensor.name for tensor in tensors])):
        shape, kind = tensor.shape, getattr(tensor.dtype, "name", tensor.dtype)
        if getattr(shape, "rank", 0) is None or None in tuple(shape)[1:]:
            raise LotteryError(
                f"input {tensor.name!r} of {model.name!r} has shape {shape}: a .tflite file needs "
                "every size but the batch; build the model with a fixed input shape."
            )
        if kind != "bool" and not re.match(r"u?int|b?float", kind):
            raise LotteryError(f"input {tensor.name!r} takes {kind}: a .tflite file takes numbers.")
        specs.append(Spec(name, tensor.name, (1, *tuple(shape)[1:]), "float32" if "float" in kind else kind))
    return structure, specs


def call(handle, pixels=None):
    """A function of one example, arrays by input name, that gives the model's outputs as {name: array}."""
    model, keras, (structure, specs) = handle.model, handle.keras, inputs(handle)
    if keras.__name__ == "tf_keras":
        traced = _trace(handle, structure, specs)
        return lambda **given: {
            name: value.numpy() for name, value in traced(*_constants(given, specs, pixels)).items()
        }

    def run(**given):
        flat = [keras.ops.convert_to_tensor(_prepared(given[spec.name], pixels)) for spec in specs]
        outputs = model(handle.nest.pack_sequence_as(structure, flat), training=False)
        return {
            name: np.asarray(keras.ops.convert_to_numpy(value))
            for name, value in _named(handle, outputs).items()
        }

    return run


def to_tflite(model, formats, samples=None, pixels=None):
    """The model as files: {(format, encoding): bytes, or in words why there is no such file}.

    TensorFlow converts. A model on JAX or PyTorch is saved and converted by another process, where Keras runs
    on TensorFlow.

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
        return _converted(handle, formats, samples, pixels)
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


def first_line(error):
    """What an error says, in a line without its full stop."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    if text.startswith("in user code:"):  # the traceback of a traced function comes first
        found = re.search(r"^\s+\w+(Error|Exception): ", text, re.MULTILINE)
        text = text[found.start() :].strip() if found else text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    parts = (
        2 if "Exception encountered when calling" in text.partition("\n")[0] else 1
    )  # the layer, then the reason
    return " ".join(lines[:parts]).rstrip(".")[:300] or type(error).__name__


def _identifiers(names):
    """Names as a signature takes them, each once: what Keras calls alike ("o", "o") is told apart ("o",
    "o_1")."""
    made = []
    for name in names:
        name = re.sub(r"\W", "_", name if re.match("[A-Za-z]", name) else f"input_{name}", flags=re.ASCII)
        others = (f"{name}_{n}" for n in itertools.count(1))
        taken = {
            *made,
            *keyword.kwlist,
            "self",
            "file",
        }  # Python's, and those of the functions that they are given to
        made.append(name if name not in taken else next(other for other in others if other not in taken))
    return made


def _named(handle, outputs):
    outputs = handle.nest.flatten(outputs)
    names = getattr(handle.model, "output_names", None) or []
    names = names if len(names) == len(outputs) else [f"output_{n}" for n in range(len(outputs))]
    return dict(zip(_identifiers(names), outputs))


def _constants(given, specs, pixels):
    import tensorflow as tf

    return [tf.constant(_prepared(given[spec.name], pixels)) for spec in specs]


def _prepared(array, pixels):
    return array if pixels is None else pixels.normalise(array.astype("float32"))


def _converted(handle, formats, samples, pixels):
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        places = {"float32": os.path.join(folder, "model")}
        _save(tf, handle, places["float32"], pixels and ("uint8", pixels))
        if (
            "int8" in formats and pixels
        ):  # whose input is rounded like any tensor: to uint8, without an operation that casts
            places["int8"] = os.path.join(folder, "pixels")
            _save(tf, handle, places["int8"], ("float32", pixels))
        made = {}
        for form, encoding in itertools.product(dict.fromkeys(("float32", *formats)), ENCODINGS):
            try:
                if form == "int8" and has_loops(made["float32", "dense"]):
                    raise LotteryError(
                        "TensorFlow cannot take ranges inside loops: build recurrent layers with unroll=True"
                    )
                if form == "int8-weights":
                    made[form, encoding] = quantize_weights(made["float32", encoding])
                else:
                    place = places.get(form, places["float32"])
                    made[form, encoding] = _convert(tf, handle.model, place, form, encoding, samples, pixels)
                    if encoding == "sparse" and has_broken_blocks(made[form, encoding]):
                        made[form, encoding] = sparsify(made[form, "dense"])
            except LotteryError as error:
                if form == "float32":
                    raise
                made[form, encoding] = str(error)
    return {name: content for name, content in made.items() if name[0] in formats}


def _save(tf, handle, folder, pixels):
    traced = _trace(handle, *inputs(handle), pixels)
    held = tf.Module()
    held.variables_of_the_model = list(traced.variables)
    try:
        tf.saved_model.save(held, folder, signatures=traced)
    except (OSError, tf.errors.OpError) as error:  # no space left, for one
        raise LotteryError(
            f"the converter's own files cannot be written to {tempfile.gettempdir()!r}: "
            f"{first_line(error)}. TMPDIR names another folder."
        ) from error


def _trace(handle, structure, specs, pixels=None):
    """One concrete function, because it does not depend on how the process resolves tf.keras.

    pixels: (dtype, `Pixels`) of images that the function normalises itself.
    """
    import tensorflow as tf

    model = handle.model

    def run(*flat):
        if pixels:
            flat = [pixels[1].normalise(tf.cast(flat[0], "float32"))]
        outputs = model(handle.nest.pack_sequence_as(structure, list(flat)), training=False)
        return {name: tf.identity(output) for name, output in _named(handle, outputs).items()}

    signature = [tf.TensorSpec(spec.shape, pixels[0] if pixels else spec.dtype, spec.name) for spec in specs]
    try:
        with (
            handle.unfused(),
            tf.device("/CPU:0"),
        ):  # a GPU may multiply in TF32, too coarse to compare with
            return tf.function(run).get_concrete_function(*signature)
    except Exception as error:
        raise LotteryError(
            f"{model.name!r} cannot be called on a batch of 1 with inputs "
            f"{[spec.shape for spec in specs]}: {first_line(error)}."
        ) from error


def _convert(tf, model, folder, form, encoding, samples, pixels):
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY] * (encoding == "sparse") + [
        tf.lite.Optimize.DEFAULT
    ] * (form != "float32")
    if form == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if form == "int8":
        if samples is None:
            raise LotteryError("needs representative examples")
        count = len(next(iter(samples.values())))
        kind = "float32" if pixels else None
        converter.representative_dataset = lambda: (
            {name: array[n : n + 1].astype(kind or array.dtype) for name, array in samples.items()}
            for n in range(count)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8 if pixels else tf.float32
    try:
        return converter.convert()
    except Exception as error:
        missing = sorted({one.operator.name for one in getattr(error, "errors", ()) if one.operator.name})
        reason = f"TFLite has no operation for {', '.join(missing)}" if missing else first_line(error)
        raise LotteryError(f"{model.name!r} does not convert: {reason}.") from error


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
        files = _converted(engines.of(model), given["formats"], samples, pixels)
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
