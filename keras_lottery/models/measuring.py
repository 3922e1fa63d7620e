"""Which scaling of images a trained model was made for, measured on photos; and whether it is trained at
all."""

import dataclasses

import numpy as np

from .. import engines
from ..core.errors import LotteryError
from .first_layers import as_array, first, takes_images
from .preprocessing import Scaling, of_word

CANDIDATES = ("none", "minus1to1", "0to1", "imagenet", "caffe")
PHOTOS = 200
LAYERS = 3  # BatchNorms that are compared
BATCH = 32
TIE = 1.25  # times the best's divergence
SAME = 0.05  # nats between two scalings of the same photos that no net tells apart


@dataclasses.dataclass(frozen=True)
class Measured:
    """What photos in one scaling look like to a model.

    Attributes:
      scaling: a Scaling.
      divergence: between what the first BatchNorms see and what they saw in training, in nats (the mean over
        their channels of KL(seen || stored), both taken for normal); None for a model without BatchNorm.
      correct: bool array (photos,), which the model gets right; None where its head does not fit the labels.
    """

    scaling: Scaling
    divergence: float | None
    correct: np.ndarray | None

    @property
    def accuracy(self):
        """The share of photos that the model gets right, or None."""
        return None if self.correct is None else float(self.correct.mean())

    def __str__(self):
        told = [] if self.divergence is None else [f"BatchNorm {self.divergence:.2g} nats off"]
        told += [] if self.correct is None else [f"{self.accuracy:.1%} right"]
        return f"{self.scaling.name} ({', '.join(told)})"


def measure(model, images, labels=None, candidates=CANDIDATES):
    """The best and the second best of several scalings for a trained model, each a Measured.

    The scaling is the best that brings the first BatchNorms what they saw in training; where the model's head
    has an output for each class and another scaling is clearly more accurate, that one is.

    Args:
      model: of either Keras, functional or Sequential, trained.
      images: uint8 (n, height, width, channels), about 200, of the model's size, and not enlarged to it:
        blurred images have less contrast than those that a net was trained on.
      labels: int (n,), classes as the model's outputs count them; None if its head is for others.
      candidates: words, or Scalings.

    Raises:
      LotteryError: a tie, images of another size than the model's, or a model that nothing can be measured
        on.
    """
    images = np.asarray(images)[:PHOTOS]
    labels = None if labels is None else np.asarray(labels)[:PHOTOS]
    if not takes_images(model):
        raise LotteryError(f"{model.name!r} is no functional or Sequential model of images: {_ASK}.")
    shape = model.input_shape[1:]
    if images.ndim != 4 or any(side not in (None, given) for side, given in zip(shape, images.shape[1:])):
        raise LotteryError(
            f"{model.name!r} takes images of {shape}, and these are {images.shape[1:]}: resize them."
        )
    channels = images.shape[-1]
    words = [word for word in candidates if channels == 3 or word not in ("imagenet", "caffe")]
    scalings = [of_word(word, channels) if isinstance(word, str) else word for word in words]
    norms = first(model, is_batch_norm, LAYERS)
    found = []
    for scaling in scalings:
        scaled = scaling(images)
        divergence = _divergence(norms, scaled) if norms else None
        found.append(Measured(scaling, divergence, _correct(model, scaled, labels)))
    return _ranked(model, images, found)


_ASK = f"say how it takes images, preprocessing={', '.join(CANDIDATES)} or own"


def trained(model) -> bool | None:
    """Whether BatchNorm statistics and biases of a model are others than at the start; None for a model that
    has neither.

    >>> import tf_keras
    >>> L = tf_keras.layers
    >>> trained(tf_keras.Sequential([L.Input((4, 4, 1)), L.BatchNormalization()]))
    False
    """
    handle = engines.of(model)
    values, start = handle.values(), {}
    for path, layer in handle.layers().items():
        if is_batch_norm(layer):
            start |= {f"{path}/moving_mean": 0, f"{path}/moving_variance": 1}
        elif type(getattr(layer, "bias_initializer", None)).__name__ == "Zeros":
            start[f"{path}/bias"] = 0
    changed = [(values[path] != value).any() for path, value in start.items() if path in values]
    return any(changed) if changed else None


def is_batch_norm(layer) -> bool:
    """Whether a layer keeps the mean and variance of what it takes."""
    return (
        getattr(layer, "moving_mean", None) is not None
        and getattr(layer, "moving_variance", None) is not None
    )


def _divergence(norms, images):
    """KL(what the layers take of the images || what they have stored): the mean over channels and layers."""
    batches = [norms.taken(images[at : at + BATCH]) for at in range(0, len(images), BATCH)]
    found = []
    for layer, *taken in zip(norms.layers, *batches):
        taken = np.concatenate(taken).astype("float64")
        axis = np.ravel(layer.axis)[0] % taken.ndim
        others = tuple(n for n in range(taken.ndim) if n != axis)
        stored = (as_array(layer.moving_mean), as_array(layer.moving_variance) + layer.epsilon)
        found.append(np.mean(_kl(taken.mean(others), taken.var(others) + layer.epsilon, *stored)))
    return float(np.mean(found))


def _kl(mean, variance, other_mean, other_variance):
    """KL(one || other) of normal distributions."""
    ratio = variance / other_variance
    return (ratio + (mean - other_mean) ** 2 / other_variance - 1 - np.log(ratio)) / 2


def _correct(model, images, labels):
    outputs = getattr(model, "output_shape", None)
    if labels is None or not isinstance(outputs, tuple) or len(outputs) != 2 or labels.max() >= outputs[1]:
        return None
    answers = [
        as_array(model(images[at : at + BATCH], training=False)) for at in range(0, len(images), BATCH)
    ]
    return np.concatenate(answers).argmax(-1) == labels


def _ranked(model, images, found):
    if all(one.divergence is None and one.correct is None for one in found):
        raise LotteryError(
            f"{model.name!r} has no BatchNorm, and no output for each class of these images: {_ASK}."
        )
    order = sorted(found, key=lambda one: (one.divergence or 0, -(one.accuracy or 0)))
    surest = max(order, key=lambda one: one.accuracy or 0)
    if _clearly_better(surest, order[0]):
        order.sort(key=lambda one: one is not surest)
    best, second, *_ = order
    near = best.divergence is None or second.divergence < TIE * best.divergence
    if near and not _clearly_better(best, second) and not _alike(best.scaling, second.scaling, images):
        raise LotteryError(
            f"{model.name!r} may take images as {best} or as {second}, which is no clear answer: {_ASK}."
        )
    return best, second


def _clearly_better(one, other):
    """Whether one is right more often than the other by three standard errors: McNemar's test, on the same
    photos."""
    if one.correct is None:
        return False
    gained, lost = (one.correct & ~other.correct).sum(), (other.correct & ~one.correct).sum()
    return gained - lost > 3 * (gained + lost) ** 0.5


def _alike(one, other, images):
    """Whether two scalings make about the same of the photos."""
    moments = [
        f(scaling(images), axis=(0, 1, 2), dtype="float64")
        for scaling in (one, other)
        for f in (np.mean, np.var)
    ]
    mean, variance, other_mean, other_variance = moments
    return _kl(mean, variance + 1e-9, other_mean, other_variance + 1e-9).max() < SAME
