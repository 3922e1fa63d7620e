"""Sparse encoding where TensorFlow's converter gets it wrong: in blocks that do not fill a kernel's rows."""

from . import encoding, flatbuffer
from .flatbuffer import KERNELS, Op, schema
from .unpack import step

DTYPES = {
    schema.TensorType.FLOAT32: "float32",
    schema.TensorType.FLOAT16: "float16",
    schema.TensorType.INT8: "int8",
}
READS = {
    **{builtin: kernel for builtin, (kernel, *_) in KERNELS.items()},
    Op.DEQUANTIZE: 0,
}  # the input that is a kernel, or unpacked to one
OPERATION = 200  # bytes that one more operation and tensor take, about


def sparsify(content):
    """A dense file with each kernel that is smaller so sparse-encoded, and unpacked when the file is loaded.

    Args:
      content: the file's bytes.
    Returns:
      The new file's bytes.
    """
    model = flatbuffer.read(content)
    for graph in model.subgraphs:
        for index in sorted(
            {
                operation.inputs[READS[builtin]]
                for operation, builtin in flatbuffer.operations(model, graph)
                if builtin in READS
            }
        ):
            tensor = graph.tensors[index]
            values = (
                flatbuffer.constant(model, tensor, DTYPES[tensor.type]) if tensor.type in DTYPES else None
            )
            if values is None or not len(tensor.shape):
                continue
            stored, sparsity = encoding.encode(values.reshape(tensor.shape))
            if encoding.size(stored, sparsity) + OPERATION < values.nbytes:
                encoded = flatbuffer.add_tensor(
                    model, graph, tensor.shape, tensor.type, stored, tensor.quantization
                )
                graph.tensors[encoded].sparsity, tensor.buffer = sparsity, 0
                graph.operators.insert(0, step(model, Op.DENSIFY, encoded, index))
    return flatbuffer.write(model)
