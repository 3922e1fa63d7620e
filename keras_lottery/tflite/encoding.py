"""TFLite's sparse encoding of a tensor: for each row along the last dimension, where its values, or blocks of
them, are."""

import numpy as np

from .flatbuffer import read, schema

BLOCKS = (1, 4, 16)
DENSE, SPARSE = schema.DimensionType.DENSE, schema.DimensionType.SPARSE_CSR
INDICES = {
    np.dtype("uint8"): (schema.SparseIndexVector.Uint8Vector, schema.Uint8VectorT),
    np.dtype("uint16"): (schema.SparseIndexVector.Uint16Vector, schema.Uint16VectorT),
    np.dtype("int32"): (schema.SparseIndexVector.Int32Vector, schema.Int32VectorT),
}


def decode(values, shape, sparsity):
    """The array that stored values stand for; None for an encoding that TFLite's converter does not make.

    Args:
      values: flat array, in the order they are stored.
      shape: the array's.
      sparsity: a `schema.SparsityParametersT`, or None where all values are stored.
    """
    if sparsity is None:
        return values.reshape(shape)
    kinds = [level.format for level in sparsity.dimMetadata]
    at = len(shape) - 1
    order = list(sparsity.traversalOrder)
    if kinds not in ([DENSE] * at + [SPARSE], [DENSE] * at + [SPARSE, DENSE]) or order != sorted(order):
        return None
    ends, places = (
        np.asarray(part.values).astype("int64")
        for part in (sparsity.dimMetadata[at].arraySegments, sparsity.dimMetadata[at].arrayIndices)
    )
    block = sparsity.dimMetadata[-1].denseSize if kinds[-1] == DENSE else 1
    if shape[-1] % block:
        return None
    made = np.zeros((len(ends) - 1, shape[-1] // block, block), values.dtype)
    made[np.repeat(np.arange(len(ends) - 1), np.diff(ends)), places] = values.reshape(-1, block)
    return made.reshape(shape)


def has_broken_blocks(content):
    """Whether some tensor of a file's bytes is in blocks that do not fill its rows.

    TensorFlow's converter writes such files (2.21) and its runtime reads other values from them.
    """
    encoded = [
        tensor for graph in read(content).subgraphs for tensor in graph.tensors if tensor.sparsity is not None
    ]
    return any(
        tensor.shape[-1] % max(1, tensor.sparsity.dimMetadata[-1].denseSize)
        for tensor in encoded
        if tensor.sparsity.dimMetadata[-1].format == DENSE
    )


def encode(array):
    """(the values to store, a `schema.SparsityParametersT`) of an array, in the blocks that take the fewest
    bytes."""
    blocks = [block for block in BLOCKS if array.shape[-1] % block == 0]
    return min((_encoded(array, block) for block in blocks), key=lambda made: size(*made))


def _encoded(array, block):
    """Blocks of so many values along the last dimension, of which those with any value are stored whole."""
    rows = array.reshape(-1, array.shape[-1] // block, block)
    kept = (rows != 0).any(2)
    made = schema.SparsityParametersT()
    made.traversalOrder = np.arange(array.ndim + (block > 1), dtype="int32")
    made.dimMetadata = [_level(DENSE, side) for side in array.shape[:-1]] + [_level(SPARSE)]
    last = made.dimMetadata[-1]
    last.arraySegmentsType, last.arraySegments = _indices(np.concatenate([[0], np.cumsum(kept.sum(1))]))
    last.arrayIndicesType, last.arrayIndices = _indices(np.nonzero(kept)[1])
    if block > 1:
        made.blockMap = np.array([array.ndim - 1], "int32")
        made.dimMetadata.append(_level(DENSE, block))
    return rows[kept].ravel(), made


def size(values, sparsity):
    """Bytes that an encoding takes."""
    last = next(level for level in sparsity.dimMetadata if level.format == SPARSE)
    return sum(part.nbytes for part in (values, last.arraySegments.values, last.arrayIndices.values))


def _level(kind, size=0):
    level = schema.DimensionMetadataT()
    level.format, level.denseSize = kind, int(size)
    return level


def _indices(numbers):
    largest = numbers.max(initial=0)
    dtype = np.dtype(next(kind for kind in ("uint8", "uint16", "int32") if largest <= np.iinfo(kind).max))
    number, kind = INDICES[dtype]
    made = kind()
    made.values = numbers.astype(dtype)
    return number, made
