"""What the bytes of the smallest file of the photo ticket are, and so what more zeros cannot make smaller.

python docs/phone/floor.py    # writes the table in docs/phone/README.md
"""

from pathlib import Path

import numpy as np

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.experiments.report.between import put
from keras_lottery.tflite import flatbuffer
from keras_lottery.tflite.conversion import to_tflite
from keras_lottery.tflite.flatbuffer import schema

HERE = Path(__file__).parent
TICKET = HERE.parents[1] / "saved_models" / "efficientnet_lite0-sign_digits-95"
FORM = "int8-weights", "sparse"


def parts(content):
    """{part: bytes of a file}, of equal vectors, which a file holds once, the first."""
    model, found, seen = flatbuffer.read(content), {}, set()

    def add(part, array):
        array = np.asarray(array)
        if (array.dtype.str, array.tobytes()) not in seen:
            seen.add((array.dtype.str, array.tobytes()))
            found[part] = found.get(part, 0) + array.nbytes

    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None:
                add(_what(tensor), data)
            for level in tensor.sparsity.dimMetadata if tensor.sparsity else ():
                for which in (level.arraySegments, level.arrayIndices):
                    if which is not None:
                        add("where the surviving weights are", which.values)
            quantization = tensor.quantization
            if quantization is not None and quantization.scale is not None:
                add("scale of each channel, float32", quantization.scale)
                add("zero point of each channel, which the format asks for", quantization.zeroPoint)
    found["the graph, and the rest"] = len(content) - sum(found.values())
    return found


def _what(tensor):
    if tensor.sparsity is not None:
        return "surviving weights, 8 bits each"
    if tensor.type == schema.TensorType.INT8:
        return "depthwise kernels and other dense ones, 8 bits a weight"
    return "biases, with BatchNorm folded in, float32"


def table(content):
    found = parts(content)
    yield "| part | kB |"
    yield "|---|---|"
    for part, count in sorted(found.items(), key=lambda item: -item[1]):
        yield f"| {part} | {count / 1000:.1f} |"
    yield f"| all | {len(content) / 1000:.1f} |"


def main():
    handle = engines.of(lottery.strip(lottery.load_ticket(TICKET).model("rewind")))
    content = to_tflite(handle.model, [FORM[0]])[FORM]
    put(HERE / "README.md", "floor", table(flatbuffer.small(flatbuffer.read(content))))


if __name__ == "__main__":
    main()
