"""A trained model as a .tflite file: of all ways to encode it, the best for a goal, and never one that was
not run."""

import contextlib
import dataclasses
import os
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import engines
from ..channels.compacting import compact as without_dead_channels
from ..core.checks import known, true_or_false
from ..core.errors import LotteryError
from ..core.types import Model, PathLike
from . import camera, check
from . import labels as label_file
from .choose import GOALS, pick, problem_of
from .conversion import to_tflite
from .convert import FORMATS
from .record import Export
from .show import show
from .tracing import inputs
from .trying import measured, ready
from .writing import checked_path, places_of, write, write_kept

REPRESENTATIVE = 200  # examples that int8 takes its ranges from, at most


def export(
    model: Model,
    path: PathLike,
    *,
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
    measured. The best for the goal is written, of those that load and are as good as the model: with
    labels, that lose at most `max_loss` points of its accuracy; without, whose outputs agree to 1e-3 of
    their scale.

    A wrapped model is stripped first; a mixed-precision model is exported, and compared, as float32.
    The file takes one example at a time: a batch of 1 is what phones run, recurrent layers do not convert
    with an open batch size, and with every shape known the file is smaller. Inputs and outputs are float32 in
    every format, so that one file can take another's place, and only TFLite's own operations are used.

    Args:
      model: a built Keras model, wrapped or plain, any number of inputs and outputs, all sizes but the batch
        known.
      path: the file to write, ending in .tflite; its folder is made. It appears whole or not at all.
      goal: "size" for the fewest bytes, "download" for the fewest after zstd, "latency" for the fastest here,
        "accuracy" for the one nearest to the model.
      formats: those of `convert.FORMATS` to try, all by default: float32, float16, int8-weights,
        int8-dynamic, int8.
      images: what to compare on, and what int8 takes its ranges from: an array (examples, ...) of the input's
        shape, or for several inputs a list or a dict of such arrays, as for `model.predict`. By default 8
        random examples: normal, or whole numbers for whole-number inputs; int8 is then left out.
      labels: int array (examples,), the classes of the images, for a model whose first output has a score a
        class; it alone is then judged.
      max_loss: points of accuracy, 0..100, that the file may lose on the labelled images.
      normalization: (mean, std) of x / 255, one number each or one a channel: the file takes uint8 images as
        a camera gives them and normalises them itself, and so are `images`.
      class_names: one name a class, packed into the file as labels.txt.
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
    structure, specs, pixels = _inputs(handle, normalization)
    examples = check.examples(images, structure, specs)
    truth = _checked_labels(labels, images, examples, max_loss)
    names = label_file.checked(class_names)

    with _quiet():
        plain = _plain(handle)
        # The caller's own model is the truth, wrappers included; under mixed precision its float32 form.
        judged = handle if handle.is_float32() else handle.on(plain)
        expected = check.expected(judged, specs, examples, pixels)
        accuracy = None if truth is None else check.accuracy(expected, truth)
        names = label_file.fitting(names, expected)
        plain = without_dead_channels(plain, verbose=verbose) if compact else plain
        samples = None if images is None else _samples(specs, examples, pixels)
        made = to_tflite(plain, formats, samples, pixels)
        files = {name: ready(content, names) for name, content in made.items()}
        variants = [
            dataclasses.replace(variant, problem=problem_of(variant, accuracy, max_loss))
            for variant in measured(files, specs, examples, expected, truth)
        ]

    best = pick(variants, goal)
    write_kept(variants, kept, files)
    write(path, files[best.format, best.encoding])
    told = tuple(dataclasses.replace(variant, chosen=variant is best) for variant in variants)
    record = Export(str(path), goal, accuracy, told)
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


def _plain(handle):
    plain = handle.on(handle.strip()) if handle.masks() else handle
    return plain.in_float32()


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


def _checked_labels(labels, images, examples, max_loss):
    if not (isinstance(max_loss, (int, float)) and 0 <= max_loss <= 100):
        raise LotteryError(f"max_loss is {max_loss!r}: expected points of accuracy, 0 to 100.")
    if labels is None:
        return None
    if images is None:
        raise LotteryError("labels without images: give the images that they belong to.")
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise LotteryError(
            "labels holds rows of different lengths: expected a whole number for each image."
        ) from None
    if labels.shape != (len(examples[0]),) or labels.dtype.kind not in "iu":
        raise LotteryError(
            f"labels has shape {labels.shape} of {labels.dtype}: expected {len(examples[0])} whole "
            "numbers, one for each image."
        )
    return labels


def accuracies(model, path, images, labels, normalization=None):
    """What a Keras model and its .tflite file get right of labelled images, both 0..1: {"keras": .., "file":
    .., "examples": n}.

    Args: as `export`.
    """
    handle = engines.of(model)
    structure, specs, pixels = _inputs(handle, normalization)
    examples = check.examples(images, structure, specs)
    truth = _checked_labels(labels, images, examples, 0)
    with _quiet():
        plain = _plain(handle)
        of_file = check.outputs(pathlib.Path(path).read_bytes(), specs, examples)
        return {
            "keras": check.accuracy(check.expected(handle.on(plain), specs, examples, pixels), truth),
            "file": check.accuracy(of_file, truth),
            "examples": len(truth),
        }


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
