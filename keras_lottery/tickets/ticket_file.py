"""A ticket's folder, read as data: each file is what its hash says, and holds what the counts allow."""

import hashlib
import json
import math
import zlib

import numpy as np

from ..architecture import kind
from ..architecture.trust import LONGEST, check_depth, line, parsed
from ..core.counts import SCOPES
from ..core.errors import LotteryError
from ..core.files import decompressed, read_arrays, read_json, sha256
from ..core.masking import BLOCKS
from ..engines.sizes import MOST_TENSORS
from ..engines.sizes import kind as numbers
from ..training import older

FORMAT = 2
READ = (1, FORMAT)  # in 1 settings were among the notes
TICKET = "ticket.json"
MASKS = "masks.safetensors.gz"
WEIGHTS = "weights.safetensors"
TRAINED = "trained.safetensors"
ARCHITECTURE = "architecture.json.gz"
_UNCOMPRESSED = "masks.safetensors"  # as the first tickets had them
FILES = (TICKET, ARCHITECTURE, MASKS, _UNCOMPRESSED, WEIGHTS, TRAINED)  # all that a ticket is read from
_LONGEST = 2**26  # bytes of ticket.json: a search of 30 rounds of 1,000 epochs takes about 8 million
_HEADER = 2**16  # bytes of a safetensors header, and for each array _NAME more than its name takes
_NAME = 256
_SPARSEST = 10_000, 2**28  # a ticket takes no more than so many times its files' bytes, and so many more


def read(folder):
    """{name of a field of Ticket: value} of the ticket in a folder.

    Raises:
      LotteryError: a file of it is missing, cut or altered, or it does not fit together.
    """
    try:
        size = (folder / TICKET).stat().st_size
        if size > _LONGEST:
            raise LotteryError(f"its {TICKET} has {size:,} bytes, more than any ticket's")
        content = read_json(folder / TICKET)
        if not isinstance(content, dict) or content.get("format") not in READ:
            raise LotteryError(
                f"{str(folder)!r} is no ticket of format {FORMAT}: it was made by another version."
            )
        check_depth(content)
        if content.pop("checksum", None) != checksum(content):
            raise LotteryError(
                f"{str(folder / 'ticket.json')!r} was altered: its checksum differs. Restore it from a copy."
            )
        return _fields(folder, content)
    except LotteryError as error:
        if str(folder) in str(error):
            raise
        raise LotteryError(
            f"{str(folder)!r} is damaged: {str(error).rstrip('.')}. Restore it from a copy."
        ) from error
    except OSError as error:
        raise LotteryError(f"{str(folder)!r} cannot be read: {error.strerror or error}.") from error
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        EOFError,
        AttributeError,
        OverflowError,
        MemoryError,
        zlib.error,
    ) as error:
        said = f"{type(error).__name__} {error}"[:200]
        raise LotteryError(
            f"{str(folder)!r} is damaged: {' '.join(said.split())}. Restore it from a copy."
        ) from error


def checksum(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _fields(folder, content):
    files = _files(folder, content["sha256"])
    counts = _counts(content["masks"])
    packed_in = MASKS if MASKS in files else _UNCOMPRESSED
    size = sum(math.prod(shape) for shape, _ in counts.values())
    times, more = _SPARSEST
    if (
        5 * size > times * sum((folder / name).stat().st_size for name in files) + more
    ):  # a mask's byte, a weight's four
        raise LotteryError(f"it tells of {size:,} pruned weights, more than its files can hold")
    most = (
        sum(-(-math.prod(shape) // 8) + len(name) * 6 + _NAME for name, (shape, _) in counts.items())
        + _HEADER
    )
    packed, _ = read_arrays(folder / packed_in, most=most)
    masks = {name: _mask(name, packed[name], *counts[name]) for name in counts}
    rest = _rest(content, masks)
    text = decompressed(folder / ARCHITECTURE, LONGEST)
    architecture = parsed(text)
    check_depth(architecture)
    kind(architecture)
    weights = _values(folder / WEIGHTS, masks)
    trained = _trained(folder, files, content.get("trained"), weights, masks)
    if trained is not None and _told(trained) != _told(weights):
        raise LotteryError("its trained weights are of other shapes than the weights to rewind to")
    return {"masks": masks, "weights": weights, "trained": trained, "architecture": architecture, **rest}


def _files(folder, digests):
    """The names of the ticket's files, each of them what its hash says."""
    if not isinstance(digests, dict):
        raise LotteryError(f"its hashes are {line(digests)}")
    for name in digests:
        if name not in (MASKS, _UNCOMPRESSED, WEIGHTS, TRAINED, ARCHITECTURE):
            raise LotteryError(f"it has a hash of {line(name)}, which is no file of a ticket")
    for name in (WEIGHTS, ARCHITECTURE, _UNCOMPRESSED if _UNCOMPRESSED in digests else MASKS):
        if name not in digests:
            raise LotteryError(f"it has no hash of {name}")
    for name, digest in digests.items():
        if not (folder / name).is_file():
            raise LotteryError(
                f"{str(folder / name)!r} is missing: the ticket is not whole. Restore it from a copy."
            )
        try:
            found = sha256(folder / name)
        except OSError as error:
            raise LotteryError(
                f"{str(folder / name)!r} cannot be read: {error.strerror or error}."
            ) from error
        if found != digest:
            raise LotteryError(
                f"{str(folder / name)!r} is cut or altered: its hash differs. Restore it from a copy."
            )
    return list(digests)


def _counts(masks):
    """{path: (shape, kept)} as ticket.json tells them."""
    if not isinstance(masks, dict):
        raise LotteryError(f"its masks are {line(masks)}")
    for path, told in masks.items():
        shape, kept = (told.get("shape"), told.get("kept")) if isinstance(told, dict) else (None, None)
        whole = (
            isinstance(shape, list)
            and all(type(side) is int and 0 <= side < 2**40 for side in shape)
            and len(shape) < 20
        )
        if not whole or type(kept) is not int or not 0 <= kept <= math.prod(shape):
            raise LotteryError(f"its mask of {line(path)} is told as {line(told)}")
    return {path: (tuple(told["shape"]), told["kept"]) for path, told in masks.items()}


def _mask(path, packed, shape, kept):
    size = math.prod(shape)
    if packed.dtype != np.uint8 or packed.shape != (-(-size // 8),):
        raise LotteryError(f"{path!r} has {packed.dtype} {packed.shape} as the mask of {size} weights")
    mask = np.unpackbits(packed, count=size).view(bool).reshape(shape)  # bits are 0 and 1, as bools are
    if int(mask.sum()) != kept:
        raise LotteryError(f"the mask of {path!r} keeps another number of weights than told")
    return mask


def _values(path, masks):
    """{path: array} of a file that holds, of masked weights, the surviving values."""
    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > MOST_TENSORS * _NAME:
        raise LotteryError(f"{path.name} has a header of {header:,} bytes, more than any ticket's")
    values, _ = read_arrays(path)
    for name, mask in masks.items():
        kept = int(mask.sum())
        if name not in values or values[name].shape != (kept,):
            raise LotteryError(f"{path.name} has not the {kept} values of {name!r} that its mask keeps")
        whole = np.zeros(mask.shape, values[name].dtype)
        whole[mask] = values[name]
        values[name] = whole
    for name, value in values.items():
        if numbers(value.dtype) == "float" and np.isnan(value).any():
            raise LotteryError(f"{path.name} has NaN in {name!r}")
    return values


def _trained(folder, files, told, weights, masks):
    """The trained weights: in a file of their own, the weights to rewind to where ticket.json tells so, or
    None."""
    if told not in (None, WEIGHTS) or told and TRAINED in files:
        raise LotteryError(f"its trained weights are told to be in {line(told)}")
    if told:
        return weights
    return _values(folder / TRAINED, masks) if TRAINED in files else None


def _told(values):
    return {name: (value.shape, numbers(value.dtype)) for name, value in values.items()}


def _rest(content, masks):
    """Heads, rounds, notes and settings."""
    rest = {name: content[name] for name in ("heads", "rounds", "info")}
    if content["format"] == 1 and isinstance(rest["info"], dict):
        rest["settings"], rest["info"] = older.settings_of(rest["info"])
    else:
        rest["settings"] = content["settings"]
    for name, value in rest.items():
        of = {"heads": str, "rounds": dict}.get(name)
        fits = (
            isinstance(value, list) and all(isinstance(item, of) for item in value)
            if of
            else isinstance(value, dict)
        )
        if not fits:
            raise LotteryError(f"its {name} are {line(value)}")
    for record in rest["rounds"]:
        if not isinstance(record.get("metrics"), dict) or not isinstance(
            record.get("sparsity"), (int, float)
        ):
            raise LotteryError(f"a round of it is {line(record)}")
    scope, blocks = rest["settings"].get("scope") or "global", rest["settings"].get("blocks") or {}
    if scope not in SCOPES:
        raise LotteryError(f"its scope is {line(scope)}")
    if not isinstance(blocks, dict) or not all(
        path in masks and block in BLOCKS for path, block in blocks.items()
    ):
        raise LotteryError(f"its blocks are {line(blocks)}")
    rates = rest["settings"].get("layer_rates") or {}
    if not isinstance(rates, dict) or not all(isinstance(rate, (int, float)) for rate in rates.values()):
        raise LotteryError(f"its layer_rates are {line(rates)}")
    return rest
