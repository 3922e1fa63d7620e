"""TFLite's sparse encoding of a tensor: for each row along one dimension, where its values, or blocks of
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
    """The array that stored values stand for; None for an encoding that neither TFLite's converter nor
    `encode` makes.

    Args:
      values: flat array, in the order they are stored.
      shape: the array's.
      sparsity: a `schema.SparsityParametersT`, or None where all values are stored.
    """
    if sparsity is None:
        return values.reshape(shape)
    kinds = [level.format for level in sparsity.dimMetadata]
    at = len(shape) - 1
    if kinds not in ([DENSE] * at + [SPARSE], [DENSE] * at + [SPARSE, DENSE]):
        return None
    order = list(sparsity.traversalOrder)[: len(shape)]
    if sorted(order) != list(range(len(shape))):
        return None
    *rows, along = (shape[axis] for axis in order)
    ends, places = (
        np.asarray(part.values).astype("int64")
        for part in (sparsity.dimMetadata[at].arraySegments, sparsity.dimMetadata[at].arrayIndices)
    )
    block = sparsity.dimMetadata[-1].denseSize if kinds[-1] == DENSE else 1
    if along % block:
        return None
    made = np.zeros((len(ends) - 1, along // block, block), values.dtype)
    made[np.repeat(np.arange(len(ends) - 1), np.diff(ends)), places] = values.reshape(-1, block)
    return made.reshape(*rows, along).transpose(np.argsort(order))


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
    """(the values to store, a `schema.SparsityParametersT`) of an array, in the rows and the blocks that take
    the fewest bytes. An index takes one byte where rows have at most 256 values or blocks.
    """
    ways = [
        (axis, block)
        for axis in reversed(range(array.ndim))
        for block in BLOCKS
        if array.shape[axis] % block == 0
    ]
    return min((_encoded(array, *way) for way in ways), key=lambda made: size(*made))


def _encoded(array, axis, block):
    """Rows along `axis`, in blocks of so many values, of which those with any value are stored whole."""
    order = [*(other for other in range(array.ndim) if other != axis), axis]
    turned = array.transpose(order)
    rows = turned.reshape(-1, array.shape[axis] // block, block)
    kept = (rows != 0).any(2)
    made = schema.SparsityParametersT()
    made.traversalOrder = np.array(order + [array.ndim] * (block > 1), "int32")
    made.dimMetadata = [_level(DENSE, side) for side in turned.shape[:-1]] + [_level(SPARSE)]
    last = made.dimMetadata[-1]
    last.arraySegmentsType, last.arraySegments = _indices(np.concatenate([[0], np.cumsum(kept.sum(1))]))
    last.arrayIndicesType, last.arrayIndices = _indices(np.nonzero(kept)[1])
    if block > 1:
        made.blockMap = np.array([axis], "int32")
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
