"""How long the texts in an HDF5 file's attributes are, told before they are read: many may be one text."""

import struct

from ..core.errors import LotteryError

_ATTRIBUTE, _CONTINUED = 0x0C, 0x10  # kinds of messages
_REFERENCE = struct.Struct("<IQI")  # a text's length, and where it is
_MOST = 2**20  # bytes of a block; an attribute has at most 2**16
_BLOCKS = 1000


def text_bytes(raw, address):
    """{name: bytes} of the texts of any length that each attribute of an object refers to.

    Of attributes that hold something else the figure means nothing.

    Args:
      raw: the file, opened as bytes.
      address: of the object's header.

    Raises:
      LotteryError: the header is of a form that Keras does not write.

    Source: HDF5 File Format Specification 3.0, IV.A.1.a and IV.A.2.m (version 1 headers, attributes).
    """
    found = {}
    try:
        for name, data in _attributes(raw, address):
            whole = data[: len(data) // _REFERENCE.size * _REFERENCE.size]
            sizes = (size for size, *_ in _REFERENCE.iter_unpack(whole))
            found[name.decode(errors="surrogateescape")] = sum(sizes)
    except struct.error as error:
        raise LotteryError("an object in it is cut") from error
    return found


def _attributes(raw, address):
    """(name, data) of each attribute in an object's header."""
    raw.seek(address)
    version, _, _, _, size = struct.unpack("<BBHII", raw.read(12))
    if version != 1:
        raise LotteryError(
            "it is of a version of HDF5 that Keras does not write: save it by model.save('NAME.keras')"
        )
    ahead = [(address + 16, size)]
    for begin, size in ahead:  # which grows
        raw.seek(begin)
        block, at = raw.read(min(size, _MOST)), 0
        while at + 8 <= len(block):
            kind, size = struct.unpack_from("<HH", block, at)
            body, at = block[at + 8 : at + 8 + size], at + 8 + size
            if kind == _CONTINUED and len(ahead) < _BLOCKS:
                ahead.append(struct.unpack_from("<QQ", body))
            elif kind == _ATTRIBUTE:
                yield _parts(body)


def _parts(body):
    """(name, data) of an attribute's message."""
    version, _, *sizes = struct.unpack_from("<BBHHH", body)  # of the name, the dtype and the shape
    begin = 9 if version == 3 else 8
    ends = [-(-size // 8) * 8 if version == 1 else size for size in sizes]
    return body[begin : begin + sizes[0]].rstrip(b"\0"), body[begin + sum(ends) :]
