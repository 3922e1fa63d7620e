"""A plain float32 Keras model whose Keras computes with TensorFlow as .tflite files in memory."""

import itertools
import os
import tempfile

from ..core.errors import LotteryError
from .encoding import has_broken_blocks
from .flatbuffer import has_loops
from .sparsify import sparsify
from .tracing import first_line, inputs, trace
from .weights8 import quantize_weights

FORMATS = {
    "float32": "as trained",
    "float16": "weights of 16 bits, unpacked to float32 by the runtime",
    "int8-weights": "kernels of 8 bits, unpacked to float32 by the runtime",
    "int8-dynamic": "kernels of 8 bits, inputs of each operation rounded to 8 bits as they come",
    "int8": "all in 8 bits, ranges taken from representative examples",
}
ENCODINGS = ("dense", "sparse")  # sparse: a tensor with enough zeros keeps only its non-zero values


def converted(handle, formats, samples, pixels):
    """As `conversion.to_tflite`, in this process."""
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
    traced = trace(handle, *inputs(handle), pixels)
    held = tf.Module()
    held.variables_of_the_model = list(traced.variables)
    try:
        tf.saved_model.save(held, folder, signatures=traced)
    except (OSError, tf.errors.OpError) as error:  # no space left, for one
        raise LotteryError(
            f"the converter's own files cannot be written to {tempfile.gettempdir()!r}: "
            f"{first_line(error)}. TMPDIR names another folder."
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
