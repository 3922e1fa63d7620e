"""Each file of an export made small, run and measured beside the others."""

import dataclasses

import numpy as np

from . import check, flatbuffer, padding, sparse_kernels, unpack
from . import labels as label_file
from .measure import local
from .record import Variant
from .tracing import first_line

SECONDS = 0.3  # to invoke each file for


def ready(made, names):
    """A converter's file made small, with its labels, or why there is none."""
    if isinstance(made, str):
        return made
    parts = flatbuffer.read(made)
    unpack.densify_what_dequantize_reads(parts)
    padding.pad_symmetrically(parts)
    return label_file.packed(flatbuffer.small(parts), names)


def measured(files, specs, examples, expected, right):
    """A `Variant` for each file, measured side by side; what has no file has its reason.

    right: the function of `accuracy.judge`, or None.
    """
    contents = {name: made for name, made in files.items() if not isinstance(made, str)}
    rows = local.latencies(contents, seconds=SECONDS * len(contents)) if contents else []
    rows = dict(zip(contents, rows))
    return [
        _variant(name, made, rows.get(name), specs, examples, expected, right) for name, made in files.items()
    ]


def _variant(name, made, row, specs, examples, expected, right):
    if row is None:
        return Variant(*name, problem=made.rstrip("."))
    parts = flatbuffer.read(made)
    variant = Variant(
        *name,
        row.bytes,
        row.gzip,
        row.zstd,
        sparse_tensors=flatbuffer.sparse_tensors(parts),
        sparse_kernels=sum(one.sparse for one in sparse_kernels.rows(parts)),
    )
    if row.latency is None:
        return dataclasses.replace(variant, problem=row.problem)
    try:
        actual = check.outputs(made, specs, examples)
    except Exception as error:  # whatever the runtime says, the file is of no use
        return dataclasses.replace(variant, problem=f"does not run: {first_line(error)}")
    variant = dataclasses.replace(
        variant, load_ms=row.load.median, latency_ms=row.latency.median, latency=row.ratio.median
    )
    if not all(np.isfinite(value).all() for value in actual.values()):
        return dataclasses.replace(variant, problem="gives NaN or infinity where the Keras model does not")
    largest, relative = check.differences(actual, expected)
    return dataclasses.replace(
        variant,
        largest_difference=largest,
        relative_difference=relative,
        accuracy=right and right(actual),
    )
