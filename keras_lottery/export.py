"""A trained model as a .tflite file: dense or sparse-encoded, whichever is smaller, and never before it was run."""

import contextlib
import dataclasses
import os
import pathlib
import re

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from rich.console import Console
from rich.table import Table

from . import runs
from .errors import LotteryError
from .pruning.tfmot.legacy import tf_keras
from .pruning import engine, is_wrapped, strip
from .pruning.tfmot.float32 import in_float32, is_float32

# Of the largest output. Float32 on two runtimes differs by about 1e-6; a file that is off by more than this is wrong.
TOLERANCE = 1e-3
RANDOM_INPUTS = 8


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to encode the model: what it weighs, and how far its outputs are from the Keras model's.

    `largest_difference` is absolute, `relative_difference` that over the output's largest absolute value, the worst
    of all outputs. Both are None where the file does not load or run; `problem` says in words why it cannot be used.
    """
    name: str                               # "dense" or "sparse"
    bytes: int
    loads: bool
    largest_difference: float | None
    relative_difference: float | None
    problem: str | None
    chosen: bool = False


@dataclasses.dataclass(frozen=True)
class Export:
    """What `export` wrote: the file's path and a row for each variant that was tried, the written one `chosen`."""
    path: str
    variants: tuple[Variant, ...]

    @property
    def chosen(self):
        return next(variant for variant in self.variants if variant.chosen)

    def to_dict(self):
        """The record as plain dicts, lists and numbers, ready for json.dump."""
        return {"path": self.path, "chosen": self.chosen.name,
                "variants": [dataclasses.asdict(variant) for variant in self.variants]}


def export(model, path, *, images=None, sparse=None, overwrite=False):
    """Write a tf_keras model as a float32 .tflite file, checked by running it; print and return an `Export`.

    Both variants are made, loaded with LiteRT as a phone would, run and compared with `model`: "dense", and "sparse",
    where a tensor with enough zeros keeps only its non-zero values. The smaller one that loads and agrees is written.
    A wrapped model is stripped first; a mixed-precision model is exported, and compared, as float32.

    The file takes one example at a time: a batch of 1 is what phones run, recurrent layers do not convert with an
    open batch size, and with every shape known the file is smaller. Only TFLite's own operations are used.

    Args:
      model: a built tf_keras model, wrapped or plain, any number of inputs and outputs, all sizes but the batch known.
      path: the file to write, ending in .tflite; its folder is made. It appears whole or not at all.
      images: what to compare on: an array (examples, ...) of the input's shape, or for several inputs a list or a
        dict of such arrays, as for `model.predict`. By default 8 random examples: normal, or whole numbers for
        whole-number inputs.
      sparse: True or False writes that variant whatever its size.
      overwrite: replace a file that is there.

    Raises:
      LotteryError: the model is not a built tf_keras model or has open sizes; it does not convert; no variant loads
        and agrees to 1e-3 of the output's scale; `images` do not fit; the file exists or cannot be written.

    >>> from keras_lottery import models
    >>> record = export(models.build("lenet", (8, 8, 1), 10), "lenet.tflite")  # doctest: +ELLIPSIS
    ┏...
    wrote lenet.tflite
    >>> record.chosen.loads
    True
    """
    if sparse not in (None, True, False):
        raise LotteryError(f"sparse is {sparse!r}: expected True, False, or None for the smaller of the two.")
    path = _checked_path(path, overwrite)
    structure, specs = _inputs(model)
    examples = _examples(images, structure, specs)

    with _quiet():
        plain = in_float32(strip(model) if is_wrapped(model) else model)
        traced = _trace(plain, structure, specs)
        # The caller's own model is the truth, wrappers included; under mixed precision its float32 form.
        own = plain is not model and is_float32(model)
        expected = _expected(_trace(model, structure, specs) if own else traced, specs, examples)
        files = {"dense": _convert(traced, plain, []),
                 "sparse": _convert(traced, plain, [tf.lite.Optimize.EXPERIMENTAL_SPARSITY])}
        variants = [_check(name, content, specs, examples, expected) for name, content in files.items()]

    wanted = [variant for variant in variants if sparse is None or (variant.name == "sparse") == sparse]
    good = [variant for variant in wanted if variant.problem is None]
    if not good:
        raise LotteryError("nothing was written: " + "; ".join(f"the {v.name} file {v.problem}" for v in wanted) + ".")
    best = min(good, key=lambda variant: variant.bytes)
    _write(path, files[best.name])
    record = Export(str(path), tuple(dataclasses.replace(variant, chosen=variant is best) for variant in variants))
    _print(record)
    return record


def _checked_path(path, overwrite):
    if not isinstance(path, (str, os.PathLike)) or pathlib.Path(path).suffix != ".tflite":
        raise LotteryError(f"path is {str(path)!r}: expected a file name that ends in .tflite.")
    path = pathlib.Path(path)
    try:
        if path.exists() and not overwrite:
            raise LotteryError(f"{path} exists: choose another path, or pass overwrite=True.")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
    except OSError as error:
        raise LotteryError(f"cannot write {path}: {error.strerror}.") from error
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "it is a folder" if path.is_dir() else f"{folder} is not a folder that you may write in"
        raise LotteryError(f"cannot write {path}: {what}.")
    return path


def _inputs(model):
    """The nest of the model's inputs, and for each a TensorSpec of one example with a name TFLite accepts."""
    engine(model)       # which says what it cannot take: Keras 3 models, things that are no model
    saved = model.save_spec() if model.built else None
    if saved is None:
        raise LotteryError(f"{model.name!r} does not know its input shape yet: call it once on a batch first.")
    specs = []
    for spec in tf.nest.flatten(saved[0][0]):
        if spec.shape.rank is None or None in spec.shape[1:]:
            raise LotteryError(f"input {spec.name!r} of {model.name!r} has shape {spec.shape}: a .tflite file needs "
                               "every size but the batch; build the model with a fixed input shape.")
        if not (spec.dtype.is_floating or spec.dtype.is_integer or spec.dtype.is_bool):
            raise LotteryError(f"input {spec.name!r} takes {spec.dtype.name}: a .tflite file takes numbers.")
        dtype = tf.float32 if spec.dtype.is_floating else spec.dtype
        specs.append(tf.TensorSpec([1, *spec.shape[1:]], dtype, _identifier(spec.name)))
    return saved[0][0], specs


def _identifier(name):
    return re.sub(r"\W", "_", name if name[:1].isalpha() else f"input_{name}")


def _examples(images, structure, specs):
    """One array (examples, ...) for each input, in the order of `specs`."""
    if images is None:
        rng = np.random.default_rng(0)
        return [_random(rng, spec) for spec in specs]
    names = [spec.name for spec in tf.nest.flatten(structure)]
    if isinstance(images, dict):
        keys = sorted(structure) if isinstance(structure, dict) else names
        if set(images) != set(keys):
            raise LotteryError(f"images has the keys {sorted(images)}: expected the model's inputs, {keys}.")
        images = [images[key] for key in keys]
    elif len(specs) == 1:
        images = [images]
    elif not (isinstance(images, (list, tuple)) and len(images) == len(specs)):
        raise LotteryError(f"images must be a list of {len(specs)} arrays, one for each input: {', '.join(names)}.")
    arrays = [_fitting(array, spec) for array, spec in zip(images, specs)]
    if len({len(array) for array in arrays}) != 1:
        raise LotteryError(f"images differ in how many examples they hold: {[len(array) for array in arrays]}.")
    return arrays


def _random(rng, spec):
    shape, dtype = (RANDOM_INPUTS, *spec.shape[1:]), spec.dtype.as_numpy_dtype
    if spec.dtype.is_floating:
        return rng.standard_normal(shape).astype(dtype)
    # uint8 is an image. Any other whole number may be an index, of which only the first two are sure to exist.
    return rng.integers(256 if spec.dtype == tf.uint8 else 2, size=shape).astype(dtype)


def _fitting(array, spec):
    try:
        array = np.asarray(array).astype(spec.dtype.as_numpy_dtype)
    except (TypeError, ValueError):
        raise LotteryError("images holds something other than numbers, or rows of different shapes.") from None
    if array.ndim == 0 or len(array) == 0 or array.shape[1:] != tuple(spec.shape[1:]):
        raise LotteryError(f"images has shape {array.shape}: input {spec.name!r} takes (examples, "
                           f"{', '.join(map(str, spec.shape[1:]))}), at least one example.")
    return array


# Conversion. One concrete function per model, because it does not depend on how the process resolves tf.keras.

def _trace(model, structure, specs):
    names = getattr(model, "output_names", None) or []

    def call(*flat):
        outputs = tf.nest.flatten(model(tf.nest.pack_sequence_as(structure, list(flat)), training=False))
        keys = names if len(names) == len(outputs) else [f"output_{i}" for i in range(len(outputs))]
        return {_identifier(key): tf.identity(output) for key, output in zip(keys, outputs)}

    # TFLite would fuse these into an operation that keeps its state from one call to the next, so that all answers but
    # the first are wrong, and that cannot be sparse. As a loop they are right.
    fused = [layer for layer in model._flatten_layers()
             if isinstance(layer, tf_keras.layers.LSTM) and layer._could_use_gpu_kernel]
    try:
        for layer in fused:
            layer._could_use_gpu_kernel = False
        with tf.device("/CPU:0"):       # a GPU may multiply in TF32, which is too coarse to compare with
            return tf.function(call).get_concrete_function(*specs)
    except Exception as error:
        raise LotteryError(f"{model.name!r} cannot be called on a batch of 1 with inputs "
                           f"{[tuple(spec.shape) for spec in specs]}: {_first_line(error)}.") from error
    finally:
        for layer in fused:
            layer._could_use_gpu_kernel = True


def _convert(traced, model, optimizations):
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], model)
    converter.optimizations = optimizations
    try:
        return converter.convert()
    except Exception as error:
        missing = sorted({one.operator.name for one in getattr(error, "errors", ()) if one.operator.name})
        reason = f"TFLite has no operation for {', '.join(missing)}" if missing else _first_line(error)
        raise LotteryError(f"{model.name!r} does not convert: {reason}.") from error


def _first_line(error):
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


# The comparison.

def _run(call, specs, examples):
    """{output name: array (examples, ...)} of a function that takes one example, its inputs by name."""
    rows = [call(**{spec.name: array[i:i + 1] for spec, array in zip(specs, examples)})
            for i in range(len(examples[0]))]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _expected(traced, specs, examples):
    expected = _run(lambda **inputs: traced(*map(tf.constant, inputs.values())), specs, examples)
    wrong = [name for name, value in expected.items() if not np.isfinite(value).all()]
    if wrong:
        raise LotteryError(f"the Keras model itself gives NaN or infinity in {', '.join(wrong)}: check its weights "
                           "and the images.")
    return expected


def _check(name, content, specs, examples, expected):
    try:
        actual = _run(Interpreter(model_content=content).get_signature_runner(), specs, examples)
    except Exception as error:      # whatever the runtime says, the file is of no use
        return Variant(name, len(content), False, None, None, f"does not load: {_first_line(error)}")
    differences = [np.abs(actual[key].astype("float64") - value).max() for key, value in expected.items()]
    scales = [np.abs(value).max() or 1.0 for value in expected.values()]
    largest, relative = float(np.max(differences)), float(np.max(np.divide(differences, scales)))
    if not np.isfinite(largest):
        return Variant(name, len(content), True, None, None, "gives NaN or infinity where the Keras model does not")
    problem = f"differs from the Keras model by {largest:.2g}, {relative:.2g} of the output's scale"
    return Variant(name, len(content), True, largest, relative, problem if relative > TOLERANCE else None)


# The file and the table.

def _write(path, content):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LotteryError(f"cannot write {path}: {error.strerror}.") from error
    with runs.new_file(path) as aside:
        aside.write_bytes(content)


def _print(record):
    table = Table("variant", "bytes", "loads", "largest difference", "relative", "")
    for row in record.variants:
        numbers = ["–" if number is None else f"{number:.1e}"
                   for number in (row.largest_difference, row.relative_difference)]
        table.add_row(row.name, f"{row.bytes:,}", "yes" if row.loads else "no", *numbers,
                      "written" if row.chosen else row.problem or "")
    console = Console()
    console.print(table)
    console.print(f"wrote {record.path}", soft_wrap=True, highlight=False, markup=False)


@contextlib.contextmanager
def _quiet():
    """Keep TensorFlow's, MLIR's and XNNPACK's notes about a conversion, written by C++ to file 2, off the terminal."""
    terminal = os.dup(2)
    with open(os.devnull, "w") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
