"""What `load` returns: images in memory, served in a scaling."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_lottery.core.pixels import Pixels
from keras_lottery.data.pipeline import stream


@dataclasses.dataclass(frozen=True)
class Data:
    """What `load` returns.

    `train`, `validation` (None where there is none) and `test` are tf.data.Datasets of (float32 images of
    (batch, height, width, channels), int64 labels of (batch,)). `mean` and `std`, one float a channel of
    pixels / 255, are what they were normalised by. `sizes` counts the examples of each part.
    """

    name: str
    train: tf.data.Dataset
    validation: tf.data.Dataset | None
    test: tf.data.Dataset
    input_shape: tuple
    num_classes: int
    class_names: tuple
    mean: tuple
    std: tuple
    sizes: dict
    settings: dict  # the arguments of `load` that made it
    again: Callable = dataclasses.field(repr=False, compare=False, default=None)

    def scaled(self, normalization: tuple | None) -> "Data":
        """The same images in another scaling, without reading them again.

        Args:
            normalization: as for `load`.
        """
        return self.again(normalization)

    def pixels(self, part: str, most: int | None = None) -> tuple:
        """(the first images of a part as uint8 again, their labels): `most` of them, None for all.

        Args:
            part: "train", in the order of its first epoch, "validation" or "test".
        """
        taken, count, scaling = [], 0, Pixels(self.mean, self.std)
        for images, labels in getattr(self, part):
            taken.append((scaling.restore(images.numpy()), labels.numpy()))
            count += len(labels)
            if most is not None and count >= most:
                break
        return tuple(np.concatenate(each)[:most] for each in zip(*taken))

    def describe(self) -> dict:
        """Everything needed to load the same data again and to read a result made with it, ready for JSON."""
        return {
            "name": self.name,
            **{k: self.settings[k] for k in ("label",) if self.settings[k] != self.name},
            **{k: self.settings[k] for k in ("crop", "normalization") if k in self.settings},
            "splits": {k: self.settings[f"{k}_split"] for k in ("train", "test")},
            "classes": list(self.class_names),
            "sizes": dict(self.sizes),
            "input_shape": list(self.input_shape),
            "mean": list(self.mean),
            "std": list(self.std),
            **{
                k: self.settings[k]
                for k in ("validation", "image_size", "channels", "augment", "batch_size", "seed")
            },
        }


def served(asked, seed, tensors, parts, class_names, normalization, again):
    """The `Data` of images and labels that are held as tensors, in a scaling.

    Args:
      asked: the `DataConfig`.
      parts: {"train", "validation", "test": rows}.
      normalization: as for `load`.
      again: a function of a normalization that gives the `Data` in that.
    """
    own = normalization is None
    channels = int(tensors[0].shape[-1])
    moments = _moments(np.asarray(tensors[0]), parts["train"]) if own else normalization
    pixels = Pixels.of(moments, channels)

    def serve(part, **how):
        how |= {"batch_size": asked.batch_size, "seed": seed, "mean": pixels.mean, "std": pixels.std}
        return stream(tensors, parts[part], **how)

    made = Data(
        name=asked.dataset,
        train=serve("train", shuffle=True, augment=asked.augment),
        validation=serve("validation", shuffle=False) if len(parts["validation"]) else None,
        test=serve("test", shuffle=False),
        input_shape=tuple(int(n) for n in tensors[0].shape[1:]),
        num_classes=len(class_names),
        class_names=class_names,
        mean=pixels.mean,
        std=pixels.std,
        sizes={k: len(parts[k]) for k in ("train", "validation", "test")},
        settings={**_settings(asked, seed), **({} if own else {"normalization": "given"})},
        again=again,
    )
    made.train._lottery_data = made.describe()  # which a ticket that is found on it notes
    return made


def size_of(asked):
    """(height, width) that images are brought to, or None."""
    size = asked.image_size
    return (size, size) if isinstance(size, int) else size


def _settings(asked, seed):
    """The arguments that made the data, as `Data.describe` tells them."""
    size = size_of(asked)
    return {
        "label": asked.label,
        "train_split": asked.train_split,
        "test_split": asked.test_split,
        "validation": asked.validation,
        "image_size": list(size) if size else None,
        **({"crop": True} if asked.crop else {}),
        "channels": asked.channels,
        "augment": asked.augment,
        "batch_size": asked.batch_size,
        "seed": int(seed),
    }


def _moments(images, rows):
    """Exact mean and deviation of each channel, from its histogram."""
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(rows), 1024):
        chunk = images[rows[start : start + 1024]]
        for c in range(channels):
            counts[c] += np.bincount(chunk[..., c].ravel(), minlength=256)
    moments = []
    for count in counts.tolist():  # whole numbers: the same on every machine
        n, s1, s2 = (sum(c * v**k for v, c in enumerate(count)) for k in range(3))
        moments.append((s1 / (255 * n), (n * s2 - s1 * s1) ** 0.5 / (255 * n)))
    mean, std = zip(*moments)
    return mean, tuple(s or 1.0 for s in std)  # a constant channel becomes 0, not NaN
