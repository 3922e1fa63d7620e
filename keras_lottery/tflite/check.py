"""What a file is compared on, and how far it is from the Keras model."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from ..core.errors import LotteryError
from ..core.finite import check_examples
from . import tracing
from .measure.examples import whole_numbers

RANDOM_INPUTS = 8


def examples(images, structure, specs):
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
        raise LotteryError(
            f"images must be a list of {len(specs)} arrays, one for each input: {', '.join(names)}."
        )
    arrays = [_fitting(array, spec) for array, spec in zip(images, specs)]
    if len({len(array) for array in arrays}) != 1:
        raise LotteryError(
            f"images differ in how many examples they hold: {[len(array) for array in arrays]}."
        )
    return arrays


def _random(rng, spec):
    shape, dtype = (RANDOM_INPUTS, *spec.shape[1:]), spec.dtype
    if dtype == "float32":
        return rng.standard_normal(shape).astype(dtype)
    return whole_numbers(rng, shape, dtype)


def _fitting(array, spec):
    try:
        given = np.asarray(array)
        array = given.astype(spec.dtype)
    except (TypeError, ValueError):
        raise LotteryError(
            "images holds something other than numbers, or rows of different shapes."
        ) from None
    check_examples(array, "images")
    if array.dtype.kind in "iu" and not np.array_equal(array, given):
        raise LotteryError(
            f"images holds {given.dtype} numbers from {given.min():g} to {given.max():g}: input "
            f"{spec.name!r} takes {spec.dtype}, so give whole numbers of its range, pixels as they are."
        )
    if array.ndim == 0 or len(array) == 0 or array.shape[1:] != tuple(spec.shape[1:]):
        raise LotteryError(
            f"images has shape {array.shape}: input {spec.name!r} takes (examples, "
            f"{', '.join(map(str, spec.shape[1:]))}), at least one example."
        )
    return array


def run(call, specs, examples):
    """{output name: array (examples, ...)} of a function that takes one example, its inputs by name."""
    rows = [
        call(**{spec.name: array[i : i + 1] for spec, array in zip(specs, examples)})
        for i in range(len(examples[0]))
    ]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def expected(handle, specs, examples, pixels):
    try:
        outputs = run(tracing.call(handle, pixels), specs, examples)
    except LotteryError:
        raise
    except Exception as error:  # whatever it is, the model cannot do what its file should
        raise LotteryError(
            f"{handle.model.name!r} cannot be run on one example at a time: {tracing.first_line(error)}."
        ) from error
    wrong = [name for name, value in outputs.items() if not np.isfinite(value).all()]
    if wrong:
        raise LotteryError(
            f"the Keras model itself gives NaN or infinity in {', '.join(wrong)}: check its weights "
            "and the images."
        )
    return outputs


def outputs(content, specs, examples):
    """{output name: array (examples, ...)} of a .tflite file, by its signature."""
    return run(Interpreter(model_content=content).get_signature_runner(), specs, examples)


def differences(found, wanted):
    """(the largest difference, the largest over its output's largest absolute value) of outputs by name."""
    largest = [np.abs(found[key].astype("float64") - value).max() for key, value in wanted.items()]
    scales = [np.abs(value).max() or 1.0 for value in wanted.values()]
    return float(np.max(largest)), float(np.max(np.divide(largest, scales)))
