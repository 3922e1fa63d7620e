"""A trained model as a .tflite file: of all ways to encode it, the best for a goal, and never one that was
not run."""

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import engines
from ..channels.compacting import compact as without_dead_channels
from ..core.checks import known, true_or_false
from ..core.errors import LotteryError
from ..core.types import Model, PathLike
from . import accuracy, camera, check
from . import labels as label_file
from .choose import GOALS, pick, problem_of
from .conversion import to_tflite
from .convert import FORMATS
from .given import of_data
from .record import Export
from .show import show
from .statistics import in_float32
from .tracing import inputs
from .trying import measured, ready
from .writing import checked_path, places_of, write, write_kept

if TYPE_CHECKING:
    from ..data import Data

REPRESENTATIVE = 200  # examples that int8 takes its ranges from, at most


def export(
    model: Model,
    path: PathLike,
    *,
    data: "Data | None" = None,
    goal: str = "size",
    formats: str | Sequence[str] | None = None,
    images: Any = None,
    labels: Any = None,
    max_loss: float = 0.5,
    normalization: tuple | None = None,
    class_names: Sequence[str] | None = None,
    compact: bool = False,
    variants_dir: PathLike | None = None,
    overwrite: bool = False,
    verbose: bool = True,
) -> Export:
    """Write a Keras model, of either Keras, as a .tflite file, checked by running it; print and return an
    `Export`.

    Each number format is made dense and sparse-encoded, where a tensor with enough zeros keeps only its
    non-zero values. Each file is loaded with LiteRT as a phone would, run, compared with `model` and
    measured. Of the files that load and are as good as the model, the best for the goal is written. With
    labels, a file is as good if it loses at most `max_loss` points of accuracy; without labels, if its
    outputs agree with the model's to 1e-3 of their scale.

    With `data` the file takes pictures as uint8, normalises them as the data are, and holds the names of
    the classes. The variant is chosen, and int8 takes its ranges, on validation images, 1,000 at most; the
    test images, 10,000 at most, choose nothing, and the record says what model and file get right of them.

    A wrapped model is stripped first; a mixed-precision model is exported, and compared, as float32: with
    `data`, and where that loses more than `max_loss` points, with BatchNorm statistics taken anew on training
    images.
    The file takes one example at a time: a batch of 1 is what phones run, recurrent layers do not convert
    with an open batch size, and with every shape known the file is smaller. Inputs and outputs are float32 in
    every format, so that one file can take another's place, and only TFLite's own operations are used.

    Args:
      model: a built Keras model, wrapped or plain, any number of inputs and outputs, all sizes but the batch
        known.
      path: the file to write, ending in .tflite; its folder is made. It appears whole or not at all.
      data: what `lottery.data.load` returns, in the scaling that the model was trained on. It takes the
        place of images, labels and normalization.
      goal: "size" for the fewest bytes, "download" for the fewest after zstd, "latency" for the fastest here,
        "accuracy" for the one nearest to the model.
      formats: those of `convert.FORMATS` to try, all by default: float32, float16, int8-weights,
        int8-dynamic, int8.
      images: what to compare on, and what int8 takes its ranges from: an array (examples, ...) of the input's
        shape, or for several inputs a list or a dict of such arrays, as for `model.predict`. By default 8
        random examples: normal, or whole numbers for whole-number inputs; int8 is then left out.
      labels: whole numbers for the images, of the first output: classes (examples,) or one-hot rows, of which
        the largest score must be right; 0 and 1 for a single score; or rows with any number of ones, of
        which each score counts. For other outputs a dict {output name: labels}: accuracy is then their mean.
      max_loss: points of accuracy, 0..100, that the file may lose on the labelled images.
      normalization: (mean, std) of x / 255, one number each or one a channel: the file takes uint8 images as
        a camera gives them and normalises them itself, and so are `images`.
      class_names: one name a class, packed into the file as labels.txt; by default the data's.
      compact: take dead channels out first, as `lottery.compact`; the file is compared with the model as it
        was.
      variants_dir: a folder to keep every variant in that works, such as float32-sparse.tflite, for
        `lottery-benchmark`.
      overwrite: replace files that are there.
      verbose: print a row for each variant, and which was written.

    Raises:
      LotteryError: the model is not a built Keras model or has open sizes; it does not convert; no variant
        loads and is as good as the model; another argument does not fit; the file exists or cannot be
        written.

    >>> from keras_lottery import models
    >>> record = export(models.build("lenet", (8, 8, 1), 10), "lenet.tflite")  # doctest: +ELLIPSIS
    variant ...
    wrote lenet.tflite: float16 dense, the best for size
    >>> record.chosen.format
    'float16'
    """
    known("goal", goal, GOALS)
    true_or_false(compact=compact, overwrite=overwrite, verbose=verbose)
    formats = _checked_formats(formats)
    path = checked_path(path, overwrite)
    kept = places_of(variants_dir, formats, path, overwrite)
    handle = engines.of(model)
    given = of_data(data, images, labels, normalization, class_names)
    structure, specs, pixels = _inputs(handle, given.normalization)
    examples = check.examples(given.images, structure, specs)
    truth = _checked_labels(given, examples, max_loss)
    names = label_file.checked(given.class_names)

    with _quiet():
        plain, restated = in_float32(handle, data, max_loss)
        # The caller's own model is the truth, wrappers included; under mixed precision its float32 form.
        judged = handle if handle.is_float32() else handle.on(plain)
        expected = check.expected(judged, specs, examples, pixels)
        right = accuracy.judge(truth, expected)
        names = label_file.fitting(names, expected)
        plain = without_dead_channels(plain, verbose=verbose) if compact else plain
        samples = None if given.images is None else _samples(specs, examples, pixels)
        made = to_tflite(plain, formats, samples, pixels)
        files = {name: ready(content, names) for name, content in made.items()}
        of_model = right and right(expected)
        variants = [
            dataclasses.replace(variant, problem=problem_of(variant, of_model, max_loss))
            for variant in measured(files, specs, examples, expected, right)
        ]
        best = pick(variants, goal)
        content = files[best.format, best.encoding]
        test = data and _tested(judged, content, given)

    write_kept(variants, kept, files)
    write(path, content)
    told = tuple(dataclasses.replace(variant, chosen=variant is best) for variant in variants)
    record = Export(str(path), goal, of_model, told, test, restated)
    if verbose:
        show(record)
    return record


def _samples(specs, examples, pixels):
    """{input: the examples that int8 takes its ranges from}."""
    first = [array[:REPRESENTATIVE] for array in examples]
    return {spec.name: camera.extremes(array) if pixels else array for spec, array in zip(specs, first)}


def _inputs(handle, normalization):
    """(the nest of the model's inputs, their specs in the file, a `Pixels` where the file normalises)."""
    structure, specs = inputs(handle)
    pixels = camera.checked(normalization, specs)
    return (
        structure,
        [dataclasses.replace(spec, dtype="uint8") for spec in specs] if pixels else specs,
        pixels,
    )


def _checked_formats(formats):
    given = (
        list(FORMATS)
        if formats is None
        else list(formats)
        if isinstance(formats, (list, tuple))
        else [formats]
    )
    for name in given:
        known("formats", name, FORMATS)
    if not given:
        raise LotteryError(f"formats is empty: give some of {', '.join(FORMATS)}, or none to try them all.")
    return list(dict.fromkeys(given))


def _checked_labels(given, examples, max_loss):
    if not (isinstance(max_loss, (int, float)) and 0 <= max_loss <= 100):
        raise LotteryError(f"max_loss is {max_loss!r}: expected points of accuracy, 0 to 100.")
    if given.labels is not None and given.images is None:
        raise LotteryError("labels without images: give the images that they belong to.")
    return accuracy.checked(given.labels, len(examples[0]))


def _tested(judged, content, given):
    """What the Keras model and a file get right of the test images, both 0..1: {"keras": .., "file": ..,
    "examples": n}."""
    structure, specs, pixels = _inputs(judged, given.normalization)
    images, labels = given.tested
    examples = check.examples(images, structure, specs)
    expected = check.expected(judged, specs, examples, pixels)
    right = accuracy.judge(accuracy.checked(labels, len(images)), expected)
    of_file = right(check.outputs(content, specs, examples))
    return {"keras": right(expected), "file": of_file, "examples": len(images)}


@contextlib.contextmanager
def _quiet():
    """Keep TensorFlow's, MLIR's and XNNPACK's notes about a conversion off the terminal; C++ writes them to
    file 2."""
    terminal = os.dup(2)
    with open(os.devnull, "w") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
