"""The networks of keras.applications, by name: their weights from Keras, from a file, or new."""

import inspect
import os

from .. import engines
from ..core.checks import path as checked_path
from ..core.errors import LotteryError
from ..engines.sizes import short
from . import arrays

_EXAMPLES = "MobileNetV2, EfficientNetB0, ResNet50"
MOMENTUM = 0.9  # of BatchNorm in a new network


def names(keras=None) -> tuple:
    """The names of the networks that a Keras has: "tf_keras" or "keras" (Keras 3), None for the first that is
    there.

    >>> "MobileNetV2" in names("tf_keras")
    True
    """
    applications = engines.engine_of(keras).keras.applications
    return tuple(
        name for name in dir(applications) if name[0].isupper() and callable(getattr(applications, name))
    )


def build(name: str, input_shape: tuple, num_classes: int, weights=None, keras=None):
    """A new, uncompiled model of keras.applications: images in, float32 logits (batch, num_classes) out.

    The network up to its average pooling is Keras', the Dense layer "logits" on it is new, so that any number
    of classes and any size of images that the network takes will do. See `preprocessing.known_of` for how it
    takes images. BatchNorm with new weights has a momentum of 0.9, as in our own builders: with Keras' 0.99
    and 0.999 it takes thousands of steps until the moving statistics are those of the images.

    Args:
      name: as Keras has it, such as "MobileNetV2"; one of `names()`.
      input_shape: (height, width, channels).
      num_classes: int >= 2.
      weights: None for new ones; "imagenet" for those that Keras downloads once and keeps in ~/.keras; or an
        .h5 file written by save_weights of this network, with a head or without. A file's head is taken where
        it has been saved by a model of this function with as many classes.
      keras: "tf_keras" or "keras" (Keras 3); None for the first that is there.

    Raises:
      LotteryError: an unknown name, a shape that the network does not take, weights that cannot be fetched or
        do not fit.

    >>> build("MobileNetV2", (32, 32, 3), 5, keras="tf_keras").output_shape
    (None, 5)
    """
    engine = engines.engine_of(keras)
    if name not in names(keras):
        raise LotteryError(
            f"keras.applications of {engine.keras.__name__} has no {name!r}: expected {_EXAMPLES}, ..."
        )
    if weights == "imagenet" and input_shape[-1] != 3:
        raise LotteryError(
            f"weights='imagenet' of {name} take images of 3 channels, and these have {input_shape[-1]}: "
            "give channels=3."
        )
    file = None if weights in (None, "none", "imagenet") else weights_file(name, weights)
    body = _body(engine, name, input_shape, "imagenet" if weights == "imagenet" else None)
    model = _with_head(engine.keras, body, num_classes)
    if file:
        _load(engine, name, model, body, file)
    elif weights != "imagenet":
        for layer in engine.flat_layers(body):
            if isinstance(layer, engine.keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
    return model


def _with_head(keras, body, classes):
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(body.output)
    return keras.Model(body.input, logits, name=body.name)


def _body(engine, name, input_shape, weights):
    make = getattr(engine.keras.applications, name)
    try:
        return make(include_top=False, pooling="avg", input_shape=tuple(input_shape), weights=weights)
    except Exception as error:  # Keras raises Exception itself where nothing can be fetched
        if "URL fetch failure" in str(error):
            raise LotteryError(
                f"weights='imagenet' of {name} are not in Keras' cache and cannot be fetched "
                f"({short(error)}): run this once where there is a network, or give a file of weights, "
                "weights=FILE.h5, or weights=None for new ones."
            ) from error
        if not isinstance(error, ValueError):
            raise
        by = "x".join(map(str, input_shape))
        raise LotteryError(f"{name} cannot be made for images of {by}: {short(error)}") from error


def weights_file(name, weights):
    """The path of an .h5 file of weights; raises LotteryError where there is no such file."""
    file = checked_path(weights, "None, 'imagenet' or the name of an .h5 file")
    if not os.path.isfile(file):
        raise LotteryError(
            f"weights={str(weights)!r} of {name}: there is no such file; give None, 'imagenet' or an .h5 "
            "file of weights."
        )
    if not str(file).endswith(".h5"):
        raise LotteryError(
            f"weights={str(weights)!r} of {name}: expected an .h5 file written by save_weights; a whole "
            "model, .keras, is given as the model itself."
        )
    return file


def _load(engine, name, model, body, file):
    """Load a file of weights of the whole model, of the network without a head, or of Keras' own with its
    head."""
    classes, errors = _classes(file), []
    for into in (model, body, _with_head(engine.keras, body, classes)):  # which share the body
        try:
            into.load_weights(str(file))
            return
        except Exception as error:  # of many kinds, by the form of the file
            errors.append(error)
    try:
        make = getattr(engine.keras.applications, name)
        whole = make(weights=None, include_top=True, classes=classes, **_logits(make))
        whole.load_weights(str(file))
    except Exception as error:
        raise LotteryError(
            f"weights={str(file)!r} are not those of {name} in {engine.keras.__name__}: "
            f"{short(errors[1])}. Expected what save_weights writes for this network, with the same Keras."
        ) from error
    for old, new in zip(whole.weights, body.weights):  # its head comes last
        if tuple(old.shape) != tuple(new.shape):
            raise LotteryError(
                f"weights={str(file)!r} have {new.name} as {tuple(old.shape)}, and {name} for these images "
                f"has {tuple(new.shape)}: give images of as many channels."
            )
        new.assign(old)


def _classes(file):
    """The outputs of the last layer with weights in an .h5 file that lists its layers; 1,000 for one of
    another form."""
    import h5py

    try:
        with h5py.File(file, "r") as opened, open(file, "rb") as raw:
            arrays.stored(opened, raw)
            group = opened["model_weights"] if "model_weights" in opened else opened
            layers = [group[name] for name in group.attrs.get("layer_names", ())]
            named = [
                (layer, layer.attrs["weight_names"]) for layer in layers if len(layer.attrs["weight_names"])
            ]
            return int(named[-1][0][named[-1][1][-1]].shape[-1]) if named else 1000
    except LotteryError as error:
        raise LotteryError(f"weights={str(file)!r} cannot be read: {error}") from error
    except Exception as error:  # of many kinds, from damaged files
        raise LotteryError(f"weights={str(file)!r} is no whole file of weights: {short(error)}") from error


def _logits(make):
    return (
        {"classifier_activation": None}
        if "classifier_activation" in inspect.signature(make).parameters
        else {}
    )
