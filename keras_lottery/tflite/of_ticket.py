"""The file of a ticket, made for the images that it was trained on."""

from pathlib import Path

import numpy as np

from .. import data
from ..core import files
from ..core.checks import known, true_or_false
from ..core.errors import LotteryError
from ..core.pixels import Pixels
from ..tickets.ticket import load_ticket
from .exporting import accuracies, checked_path
from .exporting import export as export_model
from .statistics import in_float32

EXPORTED = ("trained", "rewind")  # new weights would be nothing to export
CHECKED = 1000  # validation images at most that each variant is tried on
TESTED = 10_000


def export(
    *,
    ticket,
    output,
    start="trained",
    goal="size",
    formats=None,
    max_loss=0.5,
    compact=False,
    variants_dir=None,
    dataset=None,
    overwrite=False,
):
    """Write a ticket's weights as .tflite, checked by running it.

    The file takes uint8 images, normalised inside as in the ticket's training, where it was trained on images; the
    class names are in it, and in `output` with the ending .labels.txt. With a dataset the variant is chosen by accuracy on validation images, then tested,
    and BatchNorm statistics that do not fit float32 are taken anew, see `float32`.

    Args: as `export`; `ticket` and `output` are paths, `start` "trained" or "rewind",
      `dataset` {argument of data.load: value}, image_size and channels by default the ticket's.

    Returns:
      The result, a JSON-able dict, which is in `output`.json as well.
    """
    if not ticket or not output:
        raise LotteryError(
            "there is nothing to export, or no file to write: give ticket='FOLDER' and output='FILE.tflite'."
        )
    known("start", start, EXPORTED)
    true_or_false(compact=compact, overwrite=overwrite)
    output = checked_path(output, overwrite)
    beside = output.with_suffix(".labels.txt")
    for other in (beside, Path(f"{output}.json")):
        if other.exists() and not overwrite:
            raise LotteryError(f"{other} exists: choose another output, or pass overwrite=True.")
    ticket_name, ticket = str(ticket), load_ticket(ticket)
    images = ticket.images
    if dataset and not images:
        raise LotteryError(
            f"{ticket_name} does not say how its images were normalised, so {dataset['name']} cannot be given to "
            "it; use keras_lottery.tflite.exporting(model, path, images=.., labels=..) with arrays as in its training."
        )
    model = ticket.model(start)
    given = dict(
        goal=goal,
        formats=formats,
        max_loss=max_loss,
        compact=compact,
        variants_dir=variants_dir,
        overwrite=overwrite,
    )
    if images:
        given |= dict(normalization=(images["mean"], images["std"]), class_names=images.get("classes"))
    loaded = dataset and _data_for(dataset, model, images)
    if loaded:
        if loaded.validation is None:
            raise LotteryError(
                "validation is 0: the variant is chosen on validation images; give a share above 0."
            )
        given |= dict(zip(("images", "labels"), _pixels(loaded, "validation", CHECKED)))
        model, restated = in_float32(ticket, start, loaded, max_loss)
    record = export_model(model, output, **given)
    result = {
        "command": "export",
        "ticket": ticket_name,
        "output": str(output),
        "bytes": record.chosen.bytes,
        **record.to_dict(),
    }
    if loaded:
        result |= {
            "restated": restated,
            "test": accuracies(model, output, *_pixels(loaded, "test", TESTED), given["normalization"]),
        }
    if given.get("class_names"):
        with files.new_file(beside) as aside:
            aside.write_text("\n".join(given["class_names"]) + "\n", encoding="utf-8")
    else:
        beside.unlink(missing_ok=True)  # of a file that was overwritten
    files.write_json(f"{output}.json", result)
    return result


def _data_for(dataset, model, images):
    """The data set in the form that the model was trained on, where the caller says nothing else."""
    height, width, channels = model.input_shape[1:]
    own = {
        "image_size": (height, width),
        "channels": channels,
        "classes": images.get("classes"),
        "normalization": (images["mean"], images["std"]),
    }
    if dataset["name"] == images.get(
        "name"
    ):  # so that no image that it was trained on is called a validation image
        own |= {"train_split": images["splits"]["train"], "validation": images["validation"]}
    told = {name: value for name, value in dataset.items() if value is not None}
    return data.load(**{**own, **told})


def _pixels(loaded, part, most):
    """The first images of a part as uint8 again, and their labels."""
    parts, count = [], 0
    for x, y in getattr(loaded, part):
        parts.append((x.numpy(), y.numpy()))
        count += len(y)
        if count >= most:
            break
    images, labels = (np.concatenate(part)[:most] for part in zip(*parts))
    return Pixels(loaded.mean, loaded.std).restore(images), labels
