"""A .tflite file as objects, and written small: equal parts once, without the names of inner tensors."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Op = schema.BuiltinOperator
# The inputs that hold kernel and bias, and the kernel's dimension that counts output channels.
KERNELS = {
    Op.CONV_2D: (1, 2, 0),
    Op.CONV_3D: (1, 2, 4),
    Op.DEPTHWISE_CONV_2D: (1, 2, 3),
    Op.FULLY_CONNECTED: (1, 2, 0),
    Op.TRANSPOSE_CONV: (1, 3, 0),
}
ALIGNMENT = 16  # bytes, of a buffer's data; the schema asks for it


def read(content):
    """The file as the schema's objects."""
    return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)


def small(model):
    """The objects as bytes, without what no runtime reads: names of inner tensors, ranges, buffers that
    nothing uses."""
    _drop_what_nothing_reads(model)
    return write(model)


def write(model):
    """The objects as bytes."""
    builder = _Sharing(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def operations(model, graph):
    """(operation, its code in `Op`) for each operation of a subgraph of the file."""
    return [
        (operation, model.operatorCodes[operation.opcodeIndex].builtinCode) for operation in graph.operators
    ]


def code(model, builtin, version=1):
    """The index of a built-in operation among the file's codes; added if it is not there."""
    for index, entry in enumerate(model.operatorCodes):
        if entry.builtinCode == builtin:
            entry.version = max(entry.version, version)
            return index
    entry = schema.OperatorCodeT()
    entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = builtin, min(builtin, 127), version
    model.operatorCodes.append(entry)
    return len(model.operatorCodes) - 1


def add_tensor(model, graph, shape, kind, data=None, quantization=None):
    """A new tensor's index; a constant one where there is data, an array."""
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.quantization, tensor.hasRank = (
        np.asarray(shape, "int32"),
        kind,
        quantization,
        True,
    )
    tensor.buffer = 0 if data is None else add_buffer(model, data)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def add_buffer(model, data):
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), "uint8")
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def constant(model, tensor, dtype):
    """A constant tensor's data as a flat array, the non-zero ones alone if it is sparse-encoded; None if it
    is no constant."""
    data = model.buffers[tensor.buffer].data
    return None if data is None or not len(data) else np.frombuffer(bytes(data), dtype)


def sparse_tensors(model):
    """How many tensors keep only their non-zero values."""
    return sum(tensor.sparsity is not None for graph in model.subgraphs for tensor in graph.tensors)


def has_loops(content):
    """Whether a file's bytes hold loops or branches: graphs that operations of another run."""
    return len(read(content).subgraphs) > 1


def _drop_what_nothing_reads(model):
    for graph in model.subgraphs:
        ends = {*graph.inputs, *graph.outputs}
        for index, tensor in enumerate(graph.tensors):
            if index not in ends:
                tensor.name = None
            if tensor.shapeSignature is not None and np.array_equal(tensor.shapeSignature, tensor.shape):
                tensor.shapeSignature = None
            if tensor.quantization is not None:  # the range is a converter's, not a runtime's
                tensor.quantization.min = tensor.quantization.max = None
    holders = [tensor for graph in model.subgraphs for tensor in graph.tensors] + (model.metadata or [])
    used = sorted({0, *(holder.buffer for holder in holders)})
    model.buffers = [model.buffers[index] for index in used]
    for holder in holders:
        holder.buffer = used.index(holder.buffer)


class _Sharing(flatbuffers.Builder):
    """Writes equal vectors and strings once."""

    def __init__(self, size):
        super().__init__(size)
        self._written = {}

    def CreateNumpyVector(self, x):
        key = x.dtype.str, x.tobytes()
        if key not in self._written:
            if x.dtype == np.uint8 and x.size >= ALIGNMENT:
                self.Prep(ALIGNMENT, x.size)
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]

    def CreateString(self, s, *given, **named):
        key = "string", s
        if key not in self._written:
            self._written[key] = super().CreateString(s, *given, **named)
        return self._written[key]
