"""The operations that unpack a kernel when a file is loaded: DENSIFY for sparse ones, DEQUANTIZE for rounded
ones."""

import numpy as np

from . import flatbuffer
from .flatbuffer import Op, schema

VERSIONS = {Op.DENSIFY: 1, Op.DEQUANTIZE: 5}  # the first that take int8, per channel
OPTIONS = {
    Op.DENSIFY: (schema.BuiltinOptions.DensifyOptions, schema.DensifyOptionsT()),
    Op.DEQUANTIZE: (schema.BuiltinOptions.DequantizeOptions, schema.DequantizeOptionsT()),
}


def step(model, builtin, source, result):
    """An operation that unpacks the tensor `source` into the tensor `result`; the caller puts it into the
    graph."""
    made = schema.OperatorT()
    made.opcodeIndex = flatbuffer.code(model, builtin, VERSIONS[builtin])
    made.inputs, made.outputs = np.array([source], "int32"), np.array([result], "int32")
    made.builtinOptionsType, made.builtinOptions = OPTIONS[builtin]
    return made


def densify_what_dequantize_reads(model):
    """Put in the DENSIFY that TensorFlow's converter leaves out before the DEQUANTIZE of a float16 kernel in
    blocks (2.21).

    Without it, DEQUANTIZE reads past the end of the stored values.
    """
    for graph in model.subgraphs:
        for at, (operation, builtin) in reversed(list(enumerate(flatbuffer.operations(model, graph)))):
            if builtin != Op.DEQUANTIZE:
                continue
            source = graph.tensors[operation.inputs[0]]
            if source.sparsity is not None:
                whole = flatbuffer.add_tensor(
                    model, graph, source.shape, source.type, quantization=source.quantization
                )
                graph.operators.insert(at, step(model, Op.DENSIFY, operation.inputs[0], whole))
                operation.inputs = np.array([whole], "int32")
