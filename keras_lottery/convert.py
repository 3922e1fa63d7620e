"""A plain float32 Keras model, of either Keras and on any backend, as .tflite bytes."""

import dataclasses
import importlib
import itertools
import operator
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from . import pruning, runs
from .errors import LotteryError

VARIANTS = ("dense", "sparse")


@dataclasses.dataclass(frozen=True)
class Spec:
    """One input of a model: its name in the file and in the model, the shape of one example with a batch of 1, its dtype."""
    name: str
    label: str
    shape: tuple
    dtype: str


def inputs(model):
    """(the nest of the model's inputs, a Spec for each in the nest's order).

    Raises:
      LotteryError: the model does not know its inputs' shapes, or TFLite has no such inputs.
    """
    engine = pruning.engine(model)      # which says what is no Keras model
    structure = engine.inputs(model)
    if structure is None:
        raise LotteryError(f"{model.name!r} does not know its input shape yet: call it once on a batch first.")
    specs, tensors = [], engine.nest.flatten(structure)
    for tensor, name in zip(tensors, _identifiers([tensor.name for tensor in tensors])):
        shape, kind = tensor.shape, getattr(tensor.dtype, "name", tensor.dtype)
        if getattr(shape, "rank", 0) is None or None in tuple(shape)[1:]:
            raise LotteryError(f"input {tensor.name!r} of {model.name!r} has shape {shape}: a .tflite file needs "
                               "every size but the batch; build the model with a fixed input shape.")
        if kind != "bool" and not re.match(r"u?int|b?float", kind):
            raise LotteryError(f"input {tensor.name!r} takes {kind}: a .tflite file takes numbers.")
        specs.append(Spec(name, tensor.name, (1, *tuple(shape)[1:]), "float32" if "float" in kind else kind))
    return structure, specs


def call(model):
    """A function of one example, arrays by input name, that gives the model's outputs as {name: array}."""
    engine = pruning.engine(model)
    structure, specs = inputs(model)
    if engine.keras.__name__ == "tf_keras":
        traced = _trace(model, structure, specs)
        return lambda **given: {name: value.numpy() for name, value in traced(*_constants(given, specs)).items()}

    def run(**given):
        flat = [engine.keras.ops.convert_to_tensor(given[spec.name]) for spec in specs]
        outputs = model(engine.nest.pack_sequence_as(structure, flat), training=False)
        return {name: np.asarray(engine.keras.ops.convert_to_numpy(value)) for name, value in _named(model, engine, outputs).items()}

    return run


def to_tflite(model):
    """{variant: bytes} of "dense" and "sparse", where a tensor with enough zeros keeps only its non-zero values.

    TensorFlow converts. A model on JAX or PyTorch is saved and converted by another process, where Keras runs on
    TensorFlow.

    Raises:
      LotteryError: it does not convert, or cannot be saved.
    """
    engine = pruning.engine(model)
    keras = engine.keras
    if keras.__name__ == "tf_keras" or keras.backend.backend() == "tensorflow":
        return _converted(model)
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.save(os.path.join(folder, "model.keras"))
        except Exception as error:
            raise LotteryError(f"{model.name!r} cannot be saved: {first_line(error)}.") from error
        own = {name: [kind.__module__, kind.__qualname__] for name, kind in engine.walk.custom_objects(model).items()}
        runs.write_json(pathlib.Path(folder, "classes.json"), own)
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run([sys.executable, "-m", __name__, folder], env=environment, capture_output=True, text=True)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("error: ")] or done.stderr.splitlines()[-1:]
            raise LotteryError("".join(said).removeprefix("error: ") or f"{model.name!r} does not convert.")
        return {name: pathlib.Path(folder, f"{name}.tflite").read_bytes() for name in VARIANTS}


def first_line(error):
    """What an error says, in a line without its full stop."""
    return str(error).strip().partition("\n")[0].rstrip(".")[:300] or type(error).__name__


def _identifiers(names):
    """Names as a signature takes them, each once: what Keras calls alike ("o", "o") is told apart ("o", "o_1")."""
    made = []
    for name in names:
        name = re.sub(r"\W", "_", name if name[:1].isalpha() else f"input_{name}")
        others = (f"{name}_{n}" for n in itertools.count(1))
        made.append(name if name not in made else next(other for other in others if other not in made))
    return made


def _named(model, engine, outputs):
    outputs = engine.nest.flatten(outputs)
    names = getattr(model, "output_names", None) or []
    names = names if len(names) == len(outputs) else [f"output_{n}" for n in range(len(outputs))]
    return dict(zip(_identifiers(names), outputs))


def _constants(given, specs):
    import tensorflow as tf

    return [tf.constant(given[spec.name]) for spec in specs]


def _converted(model):
    import tensorflow as tf

    traced = _trace(model, *inputs(model))
    held = tf.Module()
    held.variables_of_the_model = list(traced.variables)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(held, folder, signatures=traced)
        return {"dense": _convert(tf, model, folder, []),
                "sparse": _convert(tf, model, folder, [tf.lite.Optimize.EXPERIMENTAL_SPARSITY])}


def _trace(model, structure, specs):
    """One concrete function, because it does not depend on how the process resolves tf.keras."""
    import tensorflow as tf

    engine = pruning.engine(model)

    def run(*flat):
        outputs = model(engine.nest.pack_sequence_as(structure, list(flat)), training=False)
        return {name: tf.identity(output) for name, output in _named(model, engine, outputs).items()}

    signature = [tf.TensorSpec(spec.shape, spec.dtype, spec.name) for spec in specs]
    try:
        with engine.unfused(model), tf.device("/CPU:0"):       # a GPU may multiply in TF32, too coarse to compare with
            return tf.function(run).get_concrete_function(*signature)
    except Exception as error:
        raise LotteryError(f"{model.name!r} cannot be called on a batch of 1 with inputs "
                           f"{[spec.shape for spec in specs]}: {first_line(error)}.") from error


def _convert(tf, model, folder, optimizations):
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.optimizations = optimizations
    try:
        return converter.convert()
    except Exception as error:
        missing = sorted({one.operator.name for one in getattr(error, "errors", ()) if one.operator.name})
        reason = f"TFLite has no operation for {', '.join(missing)}" if missing else first_line(error)
        raise LotteryError(f"{model.name!r} does not convert: {reason}.") from error


def _main(folder):
    import keras

    try:
        own = {name: operator.attrgetter(path)(importlib.import_module(module))
               for name, (module, path) in runs.read_json(pathlib.Path(folder, "classes.json")).items() if module != "__main__"}
        model = keras.saving.load_model(os.path.join(folder, "model.keras"), custom_objects=own, compile=False)
    except Exception as error:
        sys.exit(f"error: the model cannot be loaded by the process that converts it: {first_line(error)}. Put layer classes "
                 "of your own into a module, which both can import, or export on the TensorFlow backend.")
    try:
        files = _converted(model)
    except LotteryError as error:
        sys.exit(f"error: {error}")
    for name, content in files.items():
        pathlib.Path(folder, f"{name}.tflite").write_bytes(content)


if __name__ == "__main__":
    _main(sys.argv[1])
