"""Carry a ticket to another data set: the same sparse net with a new head."""

import warnings

from ..core.checks import true_or_false, whole
from ..core.errors import LotteryError
from ..core.types import Model
from .building import as_built_by, assemble
from .ticket import Ticket


def transfer(
    ticket: Ticket,
    *,
    num_classes: int,
    input_shape: tuple | None = None,
    start: str = "rewind",
    freeze_backbone: bool = False,
    keras: str | None = None,
) -> Model:
    """A wrapped, uncompiled model with the ticket in it and a new dense head.

    Every surviving weight trains, pruned ones stay 0.

    Args:
      ticket: a Ticket.
      num_classes: outputs of the new head; 1 for the single score of a binary loss.
      input_shape: shape of one input; None keeps the ticket's. Where only the number of
        channels differs, the first convolution is new and dense; where the architecture
        cannot take the shape (a Dense layer on flattened pixels), that is an error.
      start: the weights under the mask: "rewind" (early weights, the winning ticket),
        "trained" (at the end of the search, the paper's late reset) or "random": newly drawn,
        except for what is frozen and what Normalization was adapted to.
      freeze_backbone: train the head alone. Tickets do badly at that (see the warning).
      keras: the Keras of the new model, "tf_keras" or "keras" (Keras 3), which need not be the
        one that the ticket was found with; None for that one.

    Returns:
      A new wrapped model; compile and fit it.

    Raises:
      LotteryError: an impossible value, or an input shape that the architecture cannot take.

    Source: Mehta 2019, Sparse Transfer Learning via Winning Lottery Tickets (arXiv 1905.07785).

    Example:
      >>> student = transfer(ticket, num_classes=5)  # doctest: +SKIP
      >>> student.compile("adam", loss, metrics=["accuracy"])  # doctest: +SKIP
    """
    if not isinstance(ticket, Ticket):
        raise LotteryError(
            f"ticket is a {type(ticket).__name__}: give a Ticket, as load_ticket and find_ticket return it."
        )
    num_classes = whole("num_classes", num_classes)
    true_or_false(freeze_backbone=freeze_backbone)
    if input_shape is not None:
        input_shape = _shape(input_shape)
    values = ticket.start(start)
    engine, architecture = as_built_by(keras, ticket)
    after_head = engine.resize(architecture, ticket.heads, num_classes)
    architecture = engine.resize(architecture, ticket.heads, num_classes, input_shape)
    new = _new_paths(engine, ticket, after_head, architecture, input_shape)
    masks = {path: mask for path, mask in ticket.masks.items() if path not in new}
    if not masks:
        raise LotteryError(
            f"for an input of shape {input_shape} every weight that the ticket prunes would be new. Convert "
            "the images to the ticket's number of channels."
        )
    handle = assemble(
        engine,
        architecture,
        masks,
        {path: v for path, v in values.items() if path not in new},
        new,
        draw=start == "random",
        pruned_by=_of(masks, ticket.pruned_by),
    )
    if freeze_backbone:
        warnings.warn(
            "freeze_backbone=True trains the head alone: linear probes of tickets collapse (at 90% "
            "sparsity a published ResNet-50 ticket gets 40.7% where full fine-tuning gets 81.9%). Leave it "
            "False for accuracy.",
            stacklevel=2,
        )
        handle.freeze_all_but(ticket.heads)
    return handle.model


def _of(masks, pruned_by):
    """`pruned_by` without the blocks of weights that have no mask any more."""
    blocks = pruned_by.get("blocks")
    return (
        {**pruned_by, "blocks": {path: block for path, block in blocks.items() if path in masks}}
        if blocks
        else pruned_by
    )


def _shape(input_shape):
    try:
        return tuple(whole("side", side) for side in input_shape)
    except (TypeError, LotteryError) as error:
        raise LotteryError(
            f"input_shape={input_shape!r} is impossible: give (height, width, channels), as whole numbers "
            "from 1 up."
        ) from error


def _new_paths(engine, ticket, after_head, architecture, input_shape):
    """Paths of the weights that are not the ticket's: those of the head and after it, and a first kernel for
    other channels.

    after_head: the architecture with the new head and the ticket's input.
    """
    heads = tuple(f"{head}/" for head in ticket.heads)
    shapes = _shapes(engine, architecture)
    new = {path for path in shapes if path.startswith(heads)}
    differing = [
        path for path, shape in shapes.items() if path not in new and shape != _had(ticket, path, shape)
    ]
    if differing:
        new |= {
            path for path, shape in _shapes(engine, after_head).items() if shape != _had(ticket, path, shape)
        }
    for path in differing:
        shape, had = shapes[path], _had(ticket, path, shapes[path])
        if path not in new:
            only_channels = len(shape) > 2 and shape[:-2] + shape[-1:] == had[:-2] + had[-1:]
            if not only_channels:
                raise LotteryError(
                    f"an input of shape {input_shape} does not fit this architecture: {path} would be "
                    f"{shape}, the ticket has {had}. Resize the images to the ticket's input shape."
                )
            warnings.warn(f"the input has another number of channels: {path} is new and dense.", stacklevel=3)
            new.add(path)
    return new


def _shapes(engine, architecture):
    return {path: shape for path, (shape, _) in engine.shapes(architecture).items()}


def _had(ticket, path, otherwise):
    return ticket.weights[path].shape if path in ticket.weights else otherwise
