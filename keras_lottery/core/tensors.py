"""A safetensors file, written one array after the other: no more memory than the largest array takes."""

import json

import numpy as np
from safetensors import TensorSpec


def write(file, arrays, metadata):
    """Write {name: array} to an open binary file. A Mapping may make each array when it is asked for, which
    is twice: first for its dtype and shape, then for its numbers.

    Args:
      metadata: {str: str}.

    Raises:
      SafetensorError: an array of a dtype that the format does not have.

    Source: the format's description, https://github.com/huggingface/safetensors#format.
    """
    forms = {name: _form(arrays[name]) for name in arrays}  # one array at a time
    header, end = {"__metadata__": metadata}, 0
    for name in sorted(forms, key=lambda name: (-forms[name][2], name)):  # so that each array is aligned
        code, shape, itemsize = forms[name]
        begin, end = end, end + itemsize * int(np.prod(shape, dtype=int))
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in list(header)[1:]:
        file.write(_little_endian(arrays[name]).reshape(-1).view(np.uint8))


def _form(array):
    """(the format's name of the dtype, shape, bytes of a number)."""
    array = np.asarray(array)
    return (
        TensorSpec(dtype=array.dtype.name, shape=array.shape, data_ptr=0, data_len=array.nbytes).dtype,
        array.shape,
        array.itemsize,
    )


def _little_endian(array):
    array = np.asarray(array, order="C")
    return array if array.dtype.isnative else array.byteswap().view(array.dtype.newbyteorder())
