"""The arrays in an HDF5 file, checked before Keras reads them."""

import math

import numpy as np

from ..architecture.trust import line
from ..core.errors import LotteryError
from .attributes import text_bytes

_LISTS = "weight_names", "layer_names"  # of a .h5 file, in one attribute or, numbered, in several


def stored(file, raw):
    """The bytes of numbers in an open HDF5 file.

    Args:
      raw: the same file, opened as bytes.

    Raises:
      LotteryError: some lie elsewhere, or are told to be more than the file holds.
    """
    import h5py

    seen, stack, total, listed, texts = set(), [file], 0, 0, _Texts(file, raw)
    while stack:
        group = stack.pop()
        texts.check(group)
        listed += _listed(h5py, group)
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise LotteryError(f"its {line(name)} is a link to elsewhere")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                stack.append(item)
            elif not isinstance(item, h5py.Dataset):
                raise LotteryError(f"its {line(name)} is no array")
            elif item.external or item.is_virtual:
                raise LotteryError(f"the numbers of its {line(name)} are in another file")
            elif item.dtype.hasobject and item.size != 1:
                raise LotteryError(f"its {line(name)} is an array of texts or arrays, which may all be one")
            else:
                texts.check(item)
                size = max(item.size or 0, math.prod(item.chunks or (0,)))  # a chunk is read whole
                if size * item.dtype.itemsize > item.id.get_storage_size() + 64:
                    raise LotteryError(
                        f"its {line(name)} is told as {item.shape}, of which the file does not hold all: "
                        "save it by Keras again"
                    )
                total += item.id.get_storage_size()
    if listed > total:
        raise LotteryError("it lists its weights more often than it holds them")
    return total


def text(file, name):
    """The text of an attribute of an open HDF5 file; None where it is missing or no single text."""
    if name not in file.attrs or not _is_one_text(file.attrs.get_id(name)):
        return None
    told = np.ravel(file.attrs[name])[0]
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)


def _is_one_text(attribute):
    """Whether an attribute is one text, so that reading it takes no more than the file has."""
    import h5py

    return math.prod(attribute.shape or ()) == 1 and h5py.check_string_dtype(attribute.dtype) is not None


class _Texts:
    """The texts in a file's attributes: together no more than the file has, or they are one many times."""

    def __init__(self, file, raw):
        self.raw, self.left = raw, file.id.get_filesize()
        if file.userblock_size:
            raise LotteryError("it begins with something else than Keras writes")

    def check(self, item):
        """Count those of a group or an array, before they are read."""
        import h5py

        told = {name: item.attrs.get_id(name).dtype for name in item.attrs}
        told = {name: dtype for name, dtype in told.items() if dtype.hasobject}
        sizes = text_bytes(self.raw, h5py.h5o.get_info(item.id).addr) if told else {}
        for name, dtype in told.items():
            if name not in sizes or h5py.check_string_dtype(dtype) is None:
                raise LotteryError(f"its attribute {line(name)} is stored in a way that Keras does not write")
            self.left -= sizes[name]
            if self.left < 0:
                raise LotteryError(f"its attribute {line(name)} holds one text many times")


def _listed(h5py, group):
    """The bytes of what Keras reads at once where a group of a .h5 file lists its weights."""
    listed = 0
    for attribute in group.attrs:
        names = group.attrs[attribute] if attribute.startswith(_LISTS) else ()
        names = [name for name in np.ravel(names).tolist() if isinstance(name, (str, bytes))]
        if len(set(names)) < len(names):
            raise LotteryError(f"its {line(attribute)} hold a name twice")
        for item in map(group.get, names) if attribute.startswith("weight_names") else ():
            if isinstance(item, h5py.Dataset):
                if item.dtype.hasobject:
                    raise LotteryError(f"its {line(item.name)} is listed as a weight and is a text")
                listed += item.id.get_storage_size()
    return listed
