"""Kernels kept as int8 that multiply as float32: the smallest file that every runtime loads.

TFLite's converter has no such form. Its sparse int8 kernels feed integer operations, which the default
runtime refuses; here each kernel is unpacked to float32 when the file is loaded.
"""

import numpy as np

from . import encoding, flatbuffer
from .flatbuffer import KERNELS, Op, schema
from .unpack import step

SMALLEST = 256  # values of a kernel for which the added operation is worth its bytes
LARGEST_CODE = (
    63  # of 127: a download is 6% smaller for it, at half the error of rounding what flows between layers
)
# A fully connected layer of a later version reads sparse kernels itself. XNNPACK leaves such a layer to
# TFLite, but still takes the DENSIFY two steps before it for its own and never runs it
# (prepare_ops_to_delegate, TensorFlow 2.21).
WITHOUT_BLOCKS = 6


def quantize_weights(content):
    """A float32 file, dense or sparse-encoded, with its large kernels rounded to int8 per output channel.

    Zeros stay zeros and no other weight becomes one. Scales are positive float32 with eight significant bits,
    biases float32 with ten: the zeros below them take no bytes of a download.

    Args:
      content: the file's bytes.
    Returns:
      The new file's bytes.
    """
    model = flatbuffer.read(content)
    for graph in model.subgraphs:
        kernels, biases = {}, set()
        for operation, builtin in flatbuffer.operations(model, graph):
            if builtin in KERNELS:
                kernel, bias, channels = KERNELS[builtin]
                kernels[operation.inputs[kernel]] = channels
                biases |= set(operation.inputs[bias : bias + 1])
        unpacked = {
            operation.outputs[0]: operation
            for operation, builtin in flatbuffer.operations(model, graph)
            if builtin == Op.DENSIFY
        }
        for index, channels in kernels.items():
            _quantize(model, graph, index, channels, unpacked.get(index))
        for index in biases - {-1}:
            _shorten(model, graph.tensors[index])
    read_sparse = any(
        builtin == Op.FULLY_CONNECTED and graph.tensors[operation.inputs[1]].sparsity is not None
        for graph in model.subgraphs
        for operation, builtin in flatbuffer.operations(model, graph)
    )
    for entry in model.operatorCodes:
        if entry.builtinCode == Op.FULLY_CONNECTED and not read_sparse:
            entry.version = min(entry.version, WITHOUT_BLOCKS)
    return flatbuffer.write(model)


def _quantize(model, graph, index, channels, densify):
    """Round the kernel at `index`, behind its DENSIFY if it has one."""
    kernel = graph.tensors[index]
    source = graph.tensors[densify.inputs[0]] if densify else kernel
    values = flatbuffer.constant(model, source, "<f4") if source.type == schema.TensorType.FLOAT32 else None
    if values is None or values.size < SMALLEST:
        return
    values = encoding.decode(values, tuple(source.shape), source.sparsity)
    if values is None:
        return
    codes, scales = rounded(values, channels)
    scale = schema.QuantizationParametersT()
    scale.scale, scale.zeroPoint, scale.quantizedDimension = scales, np.zeros(len(scales), "int64"), channels
    if source.sparsity is None:
        integers, steps = (
            flatbuffer.add_tensor(model, graph, codes.shape, schema.TensorType.INT8, codes, scale),
            [],
        )
    else:
        stored, sparsity = encoding.encode(codes)
        encoded = (
            densify.inputs[0]
            if densify
            else flatbuffer.add_tensor(model, graph, codes.shape, schema.TensorType.INT8)
        )
        graph.tensors[encoded].type, graph.tensors[encoded].sparsity = schema.TensorType.INT8, sparsity
        graph.tensors[encoded].buffer = flatbuffer.add_buffer(model, stored)
        integers = flatbuffer.add_tensor(
            model, graph, codes.shape, schema.TensorType.INT8, quantization=scale
        )
        steps = [step(model, Op.DENSIFY, encoded, integers)]
    if densify:
        graph.operators.remove(densify)
    kernel.buffer, kernel.sparsity = 0, None  # from now on computed, when the file is loaded
    graph.operators[:0] = [*steps, step(model, Op.DEQUANTIZE, integers, index)]


def _shorten(model, bias):
    """Round a constant bias to ten significant bits."""
    values = flatbuffer.constant(model, bias, "<f4") if bias.type == schema.TensorType.FLOAT32 else None
    if values is not None:
        short = (values.view("uint32") + np.uint32(0x2000)) & np.uint32(0xFFFFC000)
        bias.buffer = flatbuffer.add_buffer(model, short)


def rounded(values, dimension):
    """(int8 codes, float32 scale of each channel) of a kernel whose channels lie along `dimension`.

    >>> codes, scales = rounded(np.array([[1, -.5], [0, .001]], "float32"), 0)
    >>> codes.tolist()
    [[63, -31], [0, 63]]
    """
    others = tuple(axis for axis in range(values.ndim) if axis != dimension)
    largest = np.abs(values).max(others)
    scales = np.where(largest == 0, 1, largest) / LARGEST_CODE
    scales = _upwards(np.maximum(scales, np.finfo("float32").tiny).astype("float32"))
    codes = np.rint(values / np.expand_dims(scales, others))
    return np.where((codes == 0) & (values != 0), np.sign(values), codes).astype("int8"), scales


def _upwards(scales):
    """Scales rounded up to the upper 16 of their 32 bits, so that a scale takes half the bytes of a
    download."""
    return ((scales.view("uint32") + np.uint32(0xFFFF)) & np.uint32(0xFFFF0000)).view("float32")
