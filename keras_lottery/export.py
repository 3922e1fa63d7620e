"""A trained model as a .tflite file: dense or sparse-encoded, whichever is smaller, and never before it was run."""

import contextlib
import dataclasses
import os
import pathlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from rich.console import Console
from rich.table import Table

from . import convert, runs
from .errors import LotteryError
from .pruning import engine, is_wrapped, strip

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
    """Write a Keras model, of either Keras, as a float32 .tflite file, checked by running it; print and return an `Export`.

    Both variants are made, loaded with LiteRT as a phone would, run and compared with `model`: "dense", and "sparse",
    where a tensor with enough zeros keeps only its non-zero values. The smaller one that loads and agrees is written.
    A wrapped model is stripped first; a mixed-precision model is exported, and compared, as float32.

    The file takes one example at a time: a batch of 1 is what phones run, recurrent layers do not convert with an
    open batch size, and with every shape known the file is smaller. Only TFLite's own operations are used.

    Args:
      model: a built Keras model, wrapped or plain, any number of inputs and outputs, all sizes but the batch known.
      path: the file to write, ending in .tflite; its folder is made. It appears whole or not at all.
      images: what to compare on: an array (examples, ...) of the input's shape, or for several inputs a list or a
        dict of such arrays, as for `model.predict`. By default 8 random examples: normal, or whole numbers for
        whole-number inputs.
      sparse: True or False writes that variant whatever its size.
      overwrite: replace a file that is there.

    Raises:
      LotteryError: the model is not a built Keras model or has open sizes; it does not convert; no variant loads
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
    structure, specs = convert.inputs(model)
    examples = _examples(images, structure, specs)

    with _quiet():
        plain = engine(model).in_float32(strip(model) if is_wrapped(model) else model)
        # The caller's own model is the truth, wrappers included; under mixed precision its float32 form.
        expected = _expected(model if engine(model).is_float32(model) else plain, specs, examples)
        files = convert.to_tflite(plain)
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


def _examples(images, structure, specs):
    """One array (examples, ...) for each input, in the order of `specs`."""
    if images is None:
        rng = np.random.default_rng(0)
        return [_random(rng, spec) for spec in specs]
    names = [spec.label for spec in specs]
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
    shape, dtype = (RANDOM_INPUTS, *spec.shape[1:]), spec.dtype
    if dtype == "float32":
        return rng.standard_normal(shape).astype(dtype)
    # uint8 is an image. Any other whole number may be an index, of which only the first two are sure to exist.
    return rng.integers(256 if dtype == "uint8" else 2, size=shape).astype(dtype)


def _fitting(array, spec):
    try:
        array = np.asarray(array).astype(spec.dtype)
    except (TypeError, ValueError):
        raise LotteryError("images holds something other than numbers, or rows of different shapes.") from None
    if array.ndim == 0 or len(array) == 0 or array.shape[1:] != tuple(spec.shape[1:]):
        raise LotteryError(f"images has shape {array.shape}: input {spec.name!r} takes (examples, "
                           f"{', '.join(map(str, spec.shape[1:]))}), at least one example.")
    return array


# The comparison.

def _run(call, specs, examples):
    """{output name: array (examples, ...)} of a function that takes one example, its inputs by name."""
    rows = [call(**{spec.name: array[i:i + 1] for spec, array in zip(specs, examples)})
            for i in range(len(examples[0]))]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _expected(model, specs, examples):
    expected = _run(convert.call(model), specs, examples)
    wrong = [name for name, value in expected.items() if not np.isfinite(value).all()]
    if wrong:
        raise LotteryError(f"the Keras model itself gives NaN or infinity in {', '.join(wrong)}: check its weights "
                           "and the images.")
    return expected


def _check(name, content, specs, examples, expected):
    try:
        actual = _run(Interpreter(model_content=content).get_signature_runner(), specs, examples)
    except Exception as error:      # whatever the runtime says, the file is of no use
        return Variant(name, len(content), False, None, None, f"does not load: {convert.first_line(error)}")
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
