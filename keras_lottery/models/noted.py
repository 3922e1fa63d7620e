"""Images as the net of a ticket takes them: its size, channels and scaling, where nobody says others."""

from ..core.errors import LotteryError
from .preprocessing import of_word


def in_form(told, shape, notes) -> dict:
    """`told`, {argument of data.load: value}, with the size and channels of a net where it says none.

    Args:
      told: None is what it does not say.
      shape: (height, width, channels) that the net takes; any other form says nothing.
      notes: `Ticket.images`.

    >>> in_form({"image_size": None, "channels": 3}, (28, 28, 1), {})
    {'image_size': (28, 28), 'channels': 3}
    """
    if len(shape) != 3 or not all(isinstance(side, int) for side in shape):
        return told
    height, width, channels = shape
    own = {"image_size": (height, width), "channels": channels if channels in (1, 3) else None}
    said = {name: value for name, value in told.items() if value is not None}
    if "image_size" not in said and notes.get("crop"):
        said["crop"] = True
    return {**told, **own, **said}


def normalization(word, notes, channels):
    """(mean, std) that images of a new data set are scaled by for a ticket's net; None for their own.

    A net that was trained from its first step on images scaled by their own mean and deviation, as the
    literature's are, takes other images by theirs, which again have mean 0 and deviation 1. One whose images
    were scaled as it was told, such as a pretrained net's, takes others in the same scaling.

    Args:
      word: one of `preprocessing.WORDS`, or "auto".
      notes: `Ticket.images`.
      channels: of the new images.

    Raises:
      LotteryError: the word does not go with a ticket, or the channels with its scaling.
    """
    if word == "caffe":
        raise LotteryError(
            "preprocessing='caffe' has blue first, and a ticket's net takes colours in the order that its "
            "search gave it: give preprocessing='auto', which scales as that did."
        )
    if word != "auto":
        pixels = of_word(word, channels).pixels
        return pixels.mean, pixels.std
    if notes.get("normalization") != "given":
        return None
    if channels != len(notes["mean"]):
        raise LotteryError(
            f"channels={channels}: the ticket's images were scaled in {len(notes['mean'])} channels: leave "
            "channels out, or say how the net takes these, such as preprocessing='minus1to1'."
        )
    return tuple(notes["mean"]), tuple(notes["std"])
