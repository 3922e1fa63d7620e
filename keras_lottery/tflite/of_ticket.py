"""The file of a ticket, made for the images that it was trained on."""

import contextlib
from pathlib import Path

from .. import data, engines
from ..architecture import kind
from ..core import files
from ..core.errors import LotteryError
from ..models import noted
from ..models.preprocessing import WORDS
from ..tickets.ticket import load_ticket
from .config import ExportConfig
from .exporting import export as export_model
from .writing import checked_path

OF_TICKETS = ("ticket", "start", "output", "preprocessing")  # what `export` of a model is not told


def export(config: ExportConfig, dataset: dict | None = None, verbose: bool = True) -> dict:
    """Write a ticket's weights as .tflite, checked by running it.

    The file takes uint8 images, normalised inside as in the ticket's training, where it was trained on
    images; the class names are in it, and in its name with the ending .labels.txt. With a dataset the variant
    is chosen by accuracy on validation images, then tested, and BatchNorm statistics that do not fit float32
    are taken anew, see `statistics`.

    Args:
      config: what is written where.
      dataset: {argument of data.load: value}; image_size, channels and classes are by default the ticket's.
      verbose: as for `lottery.export`.

    Returns:
      The result, a JSON-able dict, which is beside the file, in the file that has its name and .json.

    Raises:
      LotteryError: whatever keeps the file from being made or written.
    """
    output, beside = _places(config)
    ticket = load_ticket(config.ticket)
    if config.start == "trained" and ticket.trained is None:
        raise LotteryError(
            f"{config.ticket} was saved without trained weights, so there is no trained net to export: train "
            "it with lottery-transfer and export RUN_DIR/ticket/student, or give start='rewind' for the "
            "weights that its training begins with."
        )
    images = ticket.images
    if dataset and not images and config.preprocessing == "auto":
        raise LotteryError(
            f"{config.ticket} does not say how its images were normalised, so {dataset['name']} cannot be "
            f"given to it: say how its net takes them, preprocessing={', '.join(WORDS)} (or use "
            "keras_lottery.export(model, path, images=.., labels=..) with arrays as in its training)."
        )
    if dataset:
        _check_classes(dataset, config, images)
    given = {name: value for name, value in config.entries().items() if name not in OF_TICKETS}
    given["class_names"] = images.get("classes")
    if dataset:
        # As it was trained where 16 bits are the fastest: the export says what float32 makes of that.
        with _in_16_bits(kind(ticket.architecture)):
            model = ticket.model(config.start)
        given["data"] = _data_for(dataset, config, model, images)
    else:
        model = ticket.model(config.start)
        given["normalization"] = _normalization(config, model, images)
    record = export_model(model, output, verbose=verbose, **given)
    if names := given["class_names"] or dataset and given["data"].class_names:
        with files.new_file(beside) as aside:
            aside.write_text("\n".join(names) + "\n", encoding="utf-8")
    else:
        beside.unlink(missing_ok=True)  # of a file that was overwritten
    result = {
        "command": "export",
        "ticket": str(config.ticket),
        "output": str(output),
        "bytes": record.chosen.bytes,
        **record.to_dict(),
    }
    files.write_json(f"{output}.json", result)
    return result


@contextlib.contextmanager
def _in_16_bits(keras):
    """In the block, models of this Keras are made to compute in bfloat16."""
    precision = engines.engine_of(keras).keras.mixed_precision
    before = precision.global_policy()
    precision.set_global_policy("mixed_bfloat16")
    try:
        yield
    finally:
        precision.set_global_policy(before)


def _places(config):
    """(the .tflite file, the file of its class names), once it is known that they may be written."""
    if missing := [name for name in ("ticket", "output") if not getattr(config, name)]:
        raise LotteryError(
            f"exporting needs a ticket and a file to write, and no {' and no '.join(missing)} is given: give "
            "ticket='FOLDER' and output='FILE.tflite'."
        )
    output = checked_path(config.output, config.overwrite)
    beside = output.with_suffix(".labels.txt")
    for other in (beside, Path(f"{output}.json")):
        if other.exists() and not config.overwrite:
            raise LotteryError(f"{other} exists: choose another output, or pass overwrite=True.")
    return output, beside


def _check_classes(dataset, config, images):
    """Raises LotteryError if images by which a file is chosen lack classes that the ticket tells apart."""
    named = {name: value for name, value in dataset.items() if value is not None}
    there = data.class_names_of(**named)
    if "classes" not in named and not set(images.get("classes") or ()) <= set(there):
        raise LotteryError(
            f"{dataset['name']} has the classes {_few(there)}, and {config.ticket} tells "
            f"{_few(images['classes'])} apart: give images of these, leave the dataset out, or train the "
            "ticket on your images first, with lottery-transfer."
        )


def _few(names):
    return ", ".join([*names[:8], *["..."] * (len(names) > 8)])


def _data_for(dataset, config, model, images):
    """The data set in the form that the model was trained on, where the caller says nothing else."""
    own = {"classes": images.get("classes")}
    if dataset["name"] == images.get("name"):
        # So that no image that it was trained on is called a validation image.
        own |= {"train_split": images["splits"].get("train", "train"), "validation": images["validation"]}
    told = {**own, **{name: value for name, value in dataset.items() if value is not None}}
    normalization = _normalization(config, model, images)
    return data.load(**noted.in_form(told, model.input_shape[1:], images), normalization=normalization)


def _normalization(config, model, images):
    """(mean, std) that the model takes images by; None where nobody says."""
    if config.preprocessing == "auto":
        return (images["mean"], images["std"]) if images else None
    if not isinstance(model.input_shape, tuple):
        raise LotteryError(f"preprocessing is for a net of one input, and {model.name!r} has several.")
    return noted.normalization(config.preprocessing, images, model.input_shape[-1])
