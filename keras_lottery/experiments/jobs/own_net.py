"""The net of a search, new or there already, and its images."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from ... import engines, wrapping
from ...config import DataConfig, Machine, Net
from ...core.errors import LotteryError
from ...models import names, preprocessing, saved
from ..configs import Pretrained
from ..look import backend_of, opened


class Found(NamedTuple):
    """A net and its images.

    Attributes:
      make: a function of (input_shape, num_classes) that gives the plain net.
      data: `data.Data`, in the scaling that the net takes.
      load: a function of a seed that gives the same images in another order.
      told: lines that say what was found.
      notes: what tickets say of it beside its name.
    """

    make: Callable
    data: object
    load: Callable
    told: tuple = ()
    notes: dict = {}


def for_net(net: Net, machine: Machine) -> Machine:
    """The machine with the backend that a saved model needs, where nobody says another."""
    if not isinstance(net, Pretrained):
        return machine
    return dataclasses.replace(machine, backend=backend_of(net.model, machine.backend))


def found_net(net: Net, data: DataConfig, seed: int, keras: str, load) -> Found:
    """The net of a search with its images: what is there already is looked at, see `opened`.

    A new net of `models.names()`, and any where `net` is no more than a Net, takes images by their own mean
    and deviation, or in the scaling that its `preprocessing` says.
    """
    if isinstance(net, Pretrained) and net.model not in names():
        if net.freeze_backbone and not saved.is_file(net.model) and net.weights in (None, "none"):
            raise LotteryError(
                f"freeze_backbone=True, and {net.model} has new weights: give weights='imagenet'."
            )
        own = opened(net, data, seed, keras, load)
        notes = own.notes | ({"weights": str(net.weights)} if net.weights else {})
        return Found(
            lambda *_: own.model, own.data, _again(load, own.config, own.normalization), own.told, notes
        )
    make = saved.builder(net.model, net.width, keras, getattr(net, "weights", None))
    for name in ("new_head", "freeze_backbone", "code"):
        if getattr(net, name, None):
            raise LotteryError(
                f"{name} is for a saved or pretrained model, and {net.model} is a new net: leave it out."
            )
    word = getattr(net, "preprocessing", "auto")
    loaded = load(data, seed)
    if word == "auto":
        return Found(make, loaded, _again(load, data, None))
    pixels = preprocessing.of_word(word, loaded.input_shape[-1]).pixels
    normalization = pixels.mean, pixels.std
    return Found(
        make,
        loaded.scaled(normalization),
        _again(load, data, normalization),
        notes={"preprocessing": word},
    )


def _again(load, config, normalization):
    return lambda seed: load(config, seed, normalization=normalization)


def wrapped(plain, net: Net, **how):
    """A net wrapped for a search: its head is pruned where all else is frozen."""
    frozen = getattr(net, "freeze_backbone", False) and all(engines.of(plain).choose().values())
    return wrapping.wrap(plain, block=net.block, prune_head=frozen, **how)
