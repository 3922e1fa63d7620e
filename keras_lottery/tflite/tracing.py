"""A Keras model as one function of one example, and what its inputs and outputs are called in a file."""

import dataclasses
import itertools
import keyword
import re

import numpy as np

from ..core.errors import LotteryError


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
        traced = trace(handle, structure, specs)
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


def trace(handle, structure, specs, pixels=None):
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
