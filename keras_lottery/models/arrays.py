"""The arrays in an HDF5 file, checked before Keras reads them."""

import math

import numpy as np

from ..architecture.loops import LAYERS
from ..architecture.trust import line
from ..core.errors import LotteryError


def stored(file):
    """The bytes of numbers in an open HDF5 file.

    Raises:
      LotteryError: some lie elsewhere, or are told to be more than the file holds.
    """
    import h5py

    seen, stack, total, listed = set(), [file], 0, 0
    while stack:
        group = stack.pop()
        _check_attributes(group)
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
                _check_attributes(item)
                if (
                    item.size is not None
                    and item.size * item.dtype.itemsize > item.id.get_storage_size() + 64
                ):
                    raise LotteryError(
                        f"its {line(name)} is told as {item.shape}, of which the file does not hold all: "
                        "save it by Keras again"
                    )
                total += item.id.get_storage_size()
    if listed > total:
        raise LotteryError("it lists its weights more often than it holds them")
    return total


def _check_attributes(item):
    """Raises LotteryError for an attribute of more texts than a model has layers: they may be one text many
    times."""
    for name in item.attrs:
        told = item.attrs.get_id(name)
        if told.dtype.hasobject and math.prod(told.shape or ()) > LAYERS:
            raise LotteryError(f"its attribute {line(name)} holds more texts than any model has layers")


def _listed(h5py, group):
    """The bytes of what Keras reads at once where a group of a .h5 file lists its weights."""
    listed = 0
    for attribute in group.attrs:
        names = group.attrs[attribute] if attribute.startswith(("weight_names", "layer_names")) else ()
        names = [name for name in np.ravel(names).tolist() if isinstance(name, (str, bytes))]
        if len(set(names)) < len(names):
            raise LotteryError(f"its {line(attribute)} hold a name twice")
        for item in map(group.get, names) if attribute.startswith("weight_names") else ():
            listed += item.id.get_storage_size() if isinstance(item, h5py.Dataset) else 0
    return listed
