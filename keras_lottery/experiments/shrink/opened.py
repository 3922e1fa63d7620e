"""What is given: a model as it was saved, and photos as it takes them."""

import dataclasses

import numpy as np

from ... import data as data_sets
from ... import engines
from ...config import DataConfig
from ...core.errors import LotteryError
from ...core.pixels import Pixels
from ...models import build, check_name, code, heads, measuring, preprocessing, saved
from ...models.first_layers import takes_rgb
from .. import machine
from ..configs import ShrinkConfig

RAW = 0.0, 1 / 255  # leaves pixels as they are, 0..255
OWN = "the photos' own mean and deviation"


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model and its photos.

    Attributes:
      model: plain, ends in an output for each class.
      data: `data.Data`, in the scaling that the model takes.
      scaling: the `preprocessing.Scaling` of it.
      told: lines that say what was found and assumed.
    """

    model: object
    data: object
    scaling: preprocessing.Scaling
    told: tuple


def backend_of(model, backend) -> str:
    """The backend for a saved model: that of the Keras which saved it, where nobody says another."""
    of_keras_3 = saved.is_file(model) and saved.keras_of(model) == "keras"
    return machine.choose_backend("tensorflow" if backend == "auto" and of_keras_3 else backend)


def opened(config: ShrinkConfig, data: DataConfig, keras: str) -> Opened:
    """The model with the photos that it is to tell apart, in the scaling that it takes.

    Raises:
      LotteryError: the model, the photos, or how the model takes them is not clear; with what to give.
    """
    if config.code:
        code.register(config.code)
    is_file = saved.is_file(config.model)
    weights = None if config.weights == "none" else config.weights
    model = saved.opened(config.model, keras) if is_file else None
    if model is None:
        check_name(config.model, weights=weights, keras=keras)
    elif weights:
        raise LotteryError(f"weights={weights!r} is for names: a saved model has its own. Leave it out.")
    arguments = data.arguments()
    if model is not None:
        sizes = _sizes(model, data)
        arguments |= sizes
        if sizes["image_size"] not in (None, tuple(model.input_shape[1:3])):
            model = heads.of_size(model, *sizes["image_size"])
    raw = data_sets.load(**arguments, normalization=RAW, seed=config.seed)
    if raw.validation is None:
        raise LotteryError("validation=0 leaves no images to judge rounds by: give a share like 0.1.")
    if model is None:
        model = build(config.model, raw.input_shape, raw.num_classes, keras=keras, weights=weights)
    is_trained = measuring.trained(model) if is_file or weights else False
    scaling, told = _scaling(config, model, raw, is_trained)
    if scaling is None:
        loaded = data_sets.load(**arguments, seed=config.seed)
        scaling = preprocessing.Scaling(OWN, Pixels(loaded.mean, loaded.std))
    else:
        pixels = scaling.pixels
        loaded = data_sets.load(**arguments, normalization=(pixels.mean, pixels.std), seed=config.seed)
    model = takes_rgb(model) if scaling.bgr else model
    told += [_line(loaded, scaling), *_unfrozen(model)]
    if not _fits(model, raw):
        told.append(f"its head is not for {raw.num_classes} classes: it gets a new one")
        model = heads.new_head(model, raw.num_classes)
    elif is_trained:
        told.append(
            f"its head fits, and gets {_accuracy(model, loaded):.1%} of the validation images right as it is"
        )
    return Opened(model, loaded, scaling, tuple(told))


def _unfrozen(model):
    """Let all of a model train; a line that says so if some of it was frozen, as a body under a head is."""
    layers = engines.of(model).layers().values()
    frozen = sum(bool(layer.weights) and not layer.trainable for layer in layers)
    model.trainable = True
    return (
        [f"{frozen} of its layers were frozen: they are trained and pruned like the rest"] if frozen else []
    )


def _sizes(model, data):
    """{image_size, channels} that a model asks for, where its input says them."""
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise LotteryError(
            f"{model.name!r} takes {shape}: expected a model of one input, images (height, width, channels)."
        )
    size = preprocessing.inside(model).resizing if None in shape[1:3] else shape[1:3]
    asked = data.image_size
    asked = (asked, asked) if isinstance(asked, int) else asked
    return {"image_size": tuple(asked or size or ()) or None, "channels": shape[3] or data.channels}


def _scaling(config, model, raw, is_trained):
    """(the scaling that the model takes, None for the photos' own; the lines that say how it was found)."""
    channels = raw.input_shape[-1]
    if config.preprocessing != "auto":
        return preprocessing.of_word(config.preprocessing, channels), []
    if word := preprocessing.known_of(model) or preprocessing.inside(model).takes:
        return preprocessing.of_word(word, channels), [f"{model.name} takes images in the scaling {word!r}"]
    if is_trained is False:
        return None, [f"{model.name} is not trained"]
    images, labels = raw.pixels("validation", measuring.PHOTOS)
    best, second = measuring.measure(model, images.astype("uint8"), labels if _fits(model, raw) else None)
    return best.scaling, [
        f"images as {best} fit {model.name} best, then {second}; preprocessing=... says another"
    ]


def _line(loaded, scaling):
    height, width, channels = loaded.input_shape
    sizes = loaded.sizes
    return (
        f"{sizes['train']:,} images to train on, {sizes['validation']:,} to choose by, {sizes['test']:,} "
        f"to test: {loaded.num_classes} classes, {height}x{width}x{channels}, scaled as {scaling.name}"
    )


def _fits(model, loaded):
    return model.output_shape == (None, loaded.num_classes)


def _accuracy(model, loaded):
    labels = np.concatenate([y.numpy() for _, y in loaded.validation])
    return (model.predict(loaded.validation, verbose=0).argmax(-1) == labels).mean()
