"""How uint8 images become what a trained model expects: by a word, by what its first layers do, by whose
model it is."""

import dataclasses
import itertools
import re
from typing import NamedTuple

import numpy as np

from .. import engines
from ..core.checks import known
from ..core.errors import LotteryError
from ..core.options import one_of, option
from ..core.pixels import Pixels
from .first_layers import first, has_weights

SIDE = 64  # of the images that a model of any size is looked at with
WORDS = ("none", "own", "minus1to1", "0to1", "imagenet", "caffe")
_RAW = 0.0, 1 / 255  # the mean and deviation of pixels / 255 that leave 0..255 as they are
_NORMALIZATION = {
    "none": _RAW,
    "own": _RAW,
    "minus1to1": (0.5, 0.5),
    "0to1": (0.0, 1.0),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), 1 / 255),
}
_KEEP_VALUES = ("InputLayer", "ZeroPadding2D", "Flatten", "Reshape")
# The name that keras.applications gives a model -> what its `preprocess_input` does, unless its first layers
# do it.
_KNOWN = {
    r"mobilenet_\d\.\d+_": "minus1to1",
    r"mobilenetv2_\d": "minus1to1",
    r"mobilenetv3(small|large)": "minus1to1",
    r"(xception|inception_v3|inception_resnet_v2|nasnet.*)$": "minus1to1",
    r"resnet(50|101|152)v2$": "minus1to1",
    r"efficientnetv2": "minus1to1",
    r"resnet(50|101|152)$": "caffe",
    r"vgg1[69]$": "caffe",
    r"densenet(121|169|201)$": "imagenet",
    r"convnext_": "imagenet",
}


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What is done to uint8 RGB images before a model sees them.

    Attributes:
      name: one of `WORDS`, or what the caller calls a mean and deviation of his own.
      pixels: mean and deviation of pixels / 255, each one float a channel in the order of the images.
      bgr: whether the channels are then reversed; `first_layers.takes_rgb` gives a model that needs no such
        step.

    >>> of_word("minus1to1")(np.uint8([[[0, 255, 255]]])).tolist()
    [[[-1.0, 1.0, 1.0]]]
    >>> of_word("caffe")(np.uint8([[[255, 0, 0]]])).round()[0, 0].tolist()  # blue first
    [-104.0, -117.0, 131.0]
    """

    name: str
    pixels: Pixels
    bgr: bool = False

    def __call__(self, images):
        """Float32 images of uint8 ones, channels last."""
        scaled = self.pixels.normalise(np.asarray(images, "float32"))
        return scaled[..., ::-1] if self.bgr else scaled


def of_word(word: str, channels: int = 3) -> Scaling:
    """The scaling that a word stands for.

    Args:
      word: "none" (0..255), "own" (0..255 too, for the model's first layers scale), "minus1to1", "0to1",
        "imagenet" (mean and deviation of ImageNet's channels, as PyTorch's models take them) or "caffe" (blue
        first, less ImageNet's mean).
      channels: of the images.

    Raises:
      LotteryError: an unknown word, or one of three colours for images without them.

    >>> of_word("imagenet").pixels.std
    (0.229, 0.224, 0.225)
    """
    known("preprocessing", word, WORDS)
    if word in ("imagenet", "caffe") and channels != 3:
        raise LotteryError(
            f"preprocessing={word!r} is for images of 3 channels, and these have {channels}: give "
            f"channels=3 or another of {', '.join(WORDS)}."
        )
    return Scaling(word, Pixels.of(_NORMALIZATION[word], channels), bgr=word == "caffe")


class Inside(NamedTuple):
    """What a model's first layers do to images before a layer with weights sees them.

    Attributes:
      layers: their names, those of Rescaling, Normalization and Resizing layers.
      takes: the word for what the model is to be fed: "own" for 0..255, "0to1", or None where nothing is
        scaled inside.
      resizing: (height, width) that the model brings images to by itself, or None.
    """

    layers: tuple
    takes: str | None
    resizing: tuple | None


def inside(model) -> Inside:
    """Which scaling and resizing a model has in its first layers, those of models in it too.

    The layers are run on a black and a white image, so that operations such as `preprocess_input` are seen as
    well.

    >>> import tf_keras
    >>> L = tf_keras.layers
    >>> inside(tf_keras.Sequential([L.Input((8, 8, 3)), L.Rescaling(1 / 255, name="scale"), L.Conv2D(2, 3)]))
    Inside(layers=('scale',), takes='own', resizing=None)
    """
    found = first(model, has_weights)
    if found is None:
        return Inside((), None, None)
    names, resizing = [], None
    for layer in found.before:
        kind = type(layer).__name__
        if kind in ("Rescaling", "Normalization", "Resizing"):
            names.append(layer.name)
        if kind == "Resizing":
            resizing = layer.height, layer.width
    image = np.zeros((2, *(side or SIDE for side in model.input_shape[1:])), "float32")
    image[1] = 255
    # The median, for a border may be padded with zeros.
    black, white = (float(np.median(one)) for one in found.taken(image)[0])
    return Inside(tuple(names), _takes(black, white), resizing)


def _takes(black, white):
    """What an affine scaling that maps 0 to `black` and 255 to `white` is made for."""
    span = white - black
    if abs(black) < 1e-3 and abs(span - 255) < 1:
        return None
    if 0.5 <= span <= 20 or abs(span - 255) < 1:  # such as -1..1, or a mean subtracted
        return "own"
    if 0.5 <= span / 255 <= 20:
        return "0to1"
    return "own"


def known_of(model) -> str | None:
    """The word for what a model of keras.applications, or one that is built on such, expects; None for any
    other.

    Where the model scales images itself, it is what its first layers take.
    """
    if takes := inside(model).takes:
        return takes
    handle = engines.of(model)
    nets = [
        model,
        *(layer for layer in handle.layers().values() if isinstance(layer, handle.keras.Model)),
    ]
    words = (word for net in nets for name, word in _KNOWN.items() if re.match(name, net.name.lower()))
    word = next(words, None)
    # Models of this package share the name vgg19, and not those of its layers.
    ours = word == "caffe" and any(name.endswith("conv1_1") for name in handle.layers())
    return None if ours else word


def scaled_twice(model, images) -> str:
    """One line that says so if images have been scaled already for a model that scales them itself; else "".

    Args:
      model: of either Keras.
      images: a batch as the model is fed with, an array.
    """
    if not may_scale(engines.of(model)):
        return ""
    found = inside(model)
    low, high = float(np.min(images)), float(np.max(images))
    most = {"own": 255, "0to1": 1}.get(found.takes)
    if most is None or high == low or (high - low > most / 10 and low > -most / 10 and high < 1.1 * most):
        return ""
    by = f"its layer {found.layers[0]!r}" if found.layers else "one of its first operations"
    return (
        f"images are scaled twice: {model.name!r} scales 0..{most} itself ({by}), and is given "
        f"{low:.3g}..{high:.3g}; give it images of 0..{most}, as preprocessing={found.takes} does, or leave "
        "that layer out."
    )


def may_scale(handle):
    """Whether anything comes before a model's first weights that could scale, seen without a copy of it."""
    layers = handle.layers().values()
    parts = (layer for layer in layers if not isinstance(layer, handle.keras.Model))
    before = itertools.takewhile(lambda layer: not has_weights(layer), parts)
    return any(type(layer).__name__ not in _KEEP_VALUES for layer in before)


def of_words(auto):
    """The option of commands that says how a net takes images; `auto` says what that word does there."""
    return option(
        "auto",
        "how the net takes images: none (0..255), own (its first layers scale), minus1to1, 0to1, imagenet or "
        f"caffe; auto: {auto}",
        one_of(("auto", *WORDS)),
    )
