"""A net that is there already, and images as it takes them: what commands find out before they train."""

import dataclasses

import numpy as np

from .. import data as data_sets
from .. import engines
from ..config import DataConfig
from ..core.errors import LotteryError
from ..models import applications, build, check_name, code, heads, measuring, preprocessing, saved
from ..models.first_layers import takes_rgb
from . import machine

RAW = 0.0, 1 / 255  # leaves pixels as they are, 0..255
OWN = "the images' own mean and deviation"


@dataclasses.dataclass(frozen=True)
class Opened:
    """A net and its images.

    Attributes:
      model: plain, ends in an output for each class.
      data: `data.Data`, in the scaling that the model takes.
      config: the `DataConfig` of it, with the size and channels that the model takes.
      scaling: the word for its scaling, or `OWN`.
      told: lines that say what was found and assumed.
    """

    model: object
    data: object
    config: DataConfig
    scaling: str
    told: tuple

    @property
    def normalization(self):
        """(mean, std) of the scaling, None where it is the images' own."""
        return None if self.scaling == OWN else (self.data.mean, self.data.std)

    @property
    def notes(self) -> dict:
        """What a ticket notes of its scaling."""
        return {} if self.scaling == OWN else {"preprocessing": self.scaling}


def backend_of(model, backend) -> str:
    """The backend for a saved model: that of the Keras which saved it, where nobody says another."""
    of_keras_3 = saved.is_file(model) and saved.keras_of(model) == "keras"
    return machine.choose_backend("tensorflow" if backend == "auto" and of_keras_3 else backend)


def opened(net, data: DataConfig, seed: int, keras: str, load) -> Opened:
    """The net with the images that it is to tell apart, in the scaling that it takes.

    What can be refused is refused before images are decoded.

    Args:
      net: a `configs.Pretrained`.
      load: a function of a DataConfig, seed and normalization that gives the `data.Data`.

    Raises:
      LotteryError: the model, its head, the images, or how the model takes them is not clear; with what to
        give.
    """
    is_file = saved.is_file(net.model)
    model, config, told = (_from_file if is_file else _by_name)(net, data, keras)
    raw = load(config, seed, normalization=RAW)
    if model is None:
        model = build(net.model, raw.input_shape, raw.num_classes, keras=keras, weights=_weights(net))
    is_trained = measuring.trained(model) if is_file or _weights(net) else False
    scaling, found = _scaling(net, model, raw, is_trained)
    loaded = raw.scaled(scaling and (scaling.pixels.mean, scaling.pixels.std))
    if scaling and scaling.bgr:
        model = takes_rgb(model)
    name = scaling.name if scaling else OWN
    told = [*told, *found, _line(loaded, name)]
    if not fits(model, raw.num_classes):
        told.append(f"its head is not for {raw.num_classes} classes: it gets a new one")
        model = heads.new_head(model, raw.num_classes)
    elif is_trained and loaded.validation is not None:
        right = accuracy(model, loaded)
        told.append(f"its head fits, and gets {right:.1%} of the validation images right as it is")
    told += _trainable(net, model)
    return Opened(model, loaded, config, name, tuple(told))


def fits(model, classes) -> bool:
    """Whether a model ends in one output for each class."""
    return model.output_shape == (None, classes)


def _weights(net):
    return None if net.weights == "none" else net.weights


def _by_name(net, data, keras):
    """(None, the DataConfig, lines) of a name, which is known."""
    weights = _weights(net)
    if not check_name(net.model, net.width, weights, keras):
        return None, data, []
    if weights == "imagenet":
        if data.channels == 1:
            raise LotteryError(
                "channels=1: weights='imagenet' take images of 3 channels. Leave channels out."
            )
        data = dataclasses.replace(data, channels=3)
    elif weights:
        applications.weights_file(net.model, weights)
    return None, data, [f"{net.model} is a network of keras.applications, with {weights or 'new'} weights"]


def _from_file(net, data, keras):
    """(the saved model in the size of the images, their DataConfig in the form that it takes, lines)."""
    if net.code:
        code.register(net.code)
    if _weights(net):
        raise LotteryError(f"weights={net.weights!r} is for names: a saved model has its own. Leave it out.")
    if net.width != 1:
        raise LotteryError(
            f"width={net.width!r} is for the builders: a saved model has the width it has. Leave it out."
        )
    model = saved.opened(net.model, keras)
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise LotteryError(
            f"model={str(net.model)!r}: its input shape is {shape}: expected a model of one input, images "
            "(height, width, channels)."
        )
    if data.channels and shape[3] not in (None, data.channels):
        raise LotteryError(f"channels={data.channels}: the model takes {shape[3]}. Leave channels out.")
    size = preprocessing.inside(model).resizing if None in shape[1:3] else shape[1:3]
    asked = (data.image_size,) * 2 if isinstance(data.image_size, int) else data.image_size
    asked = tuple(asked or size or ()) or None
    config = dataclasses.replace(data, image_size=asked, channels=shape[3] or data.channels)
    classes = len(data_sets.class_names_of(**config.arguments()))
    if not net.new_head and not fits(model, classes):
        raise LotteryError(
            f"model={str(net.model)!r}: its output shape is {model.output_shape}, the data need "
            f"{(None, classes)}: new_head=True gives it a new head, for {classes} classes."
        )
    if asked not in (None, tuple(shape[1:3])):
        model = heads.of_size(model, *asked)
    return model, config, []


def _trainable(net, model):
    """Let all of a model train, or with `freeze_backbone` what it is frozen around; lines that say so."""
    handle = engines.of(model)
    layers = handle.layers()
    frozen = sum(bool(layer.weights) and not layer.trainable for layer in layers.values())
    if not net.freeze_backbone:
        model.trainable = True
        more = "they are trained and pruned like the rest"
    elif frozen:
        more = "they stay so"
        for path in handle.heads():
            layers[path].trainable = True
    else:
        handle.freeze_all_but(handle.heads())
        return ["its head alone is trained and pruned"]
    return [f"{frozen} of its layers were frozen: {more}"] if frozen else []


def _scaling(net, model, raw, is_trained):
    """(the scaling that the model takes, None for the photos' own; the lines that say how it was found)."""
    channels = raw.input_shape[-1]
    if net.preprocessing != "auto":
        return preprocessing.of_word(net.preprocessing, channels), []
    if word := preprocessing.known_of(model) or preprocessing.inside(model).takes:
        return preprocessing.of_word(word, channels), [f"{model.name} takes images in the scaling {word!r}"]
    if is_trained is False:
        return None, [f"{model.name} is not trained"]
    images, labels = raw.pixels("train" if raw.validation is None else "validation", measuring.PHOTOS)
    labels = labels if fits(model, raw.num_classes) else None
    try:
        best, second = measuring.measure(model, images, labels)
    except LotteryError as error:
        if is_trained or not net.may_be_new:
            raise
        return None, [f"{str(error).rstrip('.')}; taken for a new net, which takes {OWN}"]
    return best.scaling, [
        f"images as {best} fit {model.name} best, then {second}; preprocessing=... says another"
    ]


def _line(loaded, scaling):
    height, width, channels = loaded.input_shape
    sizes = loaded.sizes
    return (
        f"{sizes['train']:,} images to train on, {sizes['validation']:,} to choose by, {sizes['test']:,} "
        f"to test: {loaded.num_classes} classes, {height}x{width}x{channels}, scaled as {scaling}"
    )


def accuracy(model, loaded) -> float:
    """What a plain model gets right of the validation images of a `data.Data`, 0..1."""
    labels = np.concatenate([y.numpy() for _, y in loaded.validation])
    return (model.predict(loaded.validation, verbose=0).argmax(-1) == labels).mean()
