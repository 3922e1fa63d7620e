"""What a ticket is compared with: the same training from other masks or other weights."""

import dataclasses

import numpy as np

from .checks import known
from .errors import LotteryError
from .masks import random
from .transfer import transfer

ARMS = {
    "ticket": "the ticket: its mask over its rewind weights",
    "trained": "its mask over its trained weights (the paper's late reset)",
    "reinit": "its mask over newly drawn weights",
    "random": "a random mask with the same counts in each tensor, over the dense rewind weights",
    "dense-transferred": "the dense net with its trained weights",
    "dense-scratch": "the dense net newly drawn",
}


def random_mask(ticket, dense, seed):
    """A Ticket with as many weights in each tensor as `ticket`, at random places.

    Args:
      ticket: a Ticket.
      dense: the Ticket of round 0 of the same search: all weights at the rewind point.
      seed: int.
    """
    masks = random(ticket.masks, seed)
    weights = {
        path: np.where(masks[path], value, np.zeros((), value.dtype)) if path in masks else value
        for path, value in dense.weights.items()
    }
    return dataclasses.replace(ticket, masks=masks, weights=weights, trained=None)


def student(arm, ticket, dense, *, num_classes, input_shape=None, seed=0, keras=None):
    """The wrapped, uncompiled model of one arm of a comparison, as `transfer` makes it.

    Args:
      arm: a name in `ARMS`.
      ticket: a Ticket.
      dense: the Ticket of round 0 of the same search; None where it is not at hand.
      num_classes, input_shape, keras: as for `transfer`.
      seed: of the random mask.

    Raises:
      LotteryError: unknown arm, or an arm that needs `dense` without it.
    """
    check(arm, dense)
    source, start = {
        "ticket": (ticket, "rewind"),
        "trained": (ticket, "trained"),
        "reinit": (ticket, "random"),
        "random": (ticket, "rewind"),
        "dense-transferred": (dense, "trained"),
        "dense-scratch": (dense, "random"),
    }[arm]
    if arm == "random":
        source = random_mask(ticket, dense, seed)
    return transfer(source, num_classes=num_classes, input_shape=input_shape, start=start, keras=keras)


def check(arm, dense):
    """Raises LotteryError for an unknown arm, or one that needs `dense` where it is None."""
    known("control", arm, ARMS)
    if arm in ("random", "dense-transferred", "dense-scratch") and dense is None:
        raise LotteryError(
            f"control {arm!r} needs the dense weights of the search, round_00 beside the ticket's folder: "
            "give --ticket=RUN_DIR/round_NN of a search's run folder."
        )
