"""Half the weights pruned, two of each four (2:4) or anywhere: whether LiteRT gains by the pattern.

python docs/phone/patterns.py    # writes docs/phone/patterns.json
"""

import tempfile
from pathlib import Path

import numpy as np
import tf_keras

import keras_lottery as lottery
from keras_lottery import engines, models
from keras_lottery.core import files

FORMATS = ("float32", "int8-weights", "int8")


def two_of_four(scores):
    """The two highest of each four inputs of an output; kernels with another number of inputs stay dense."""
    fours = scores.reshape(-1, 4, scores.shape[1])
    return (np.argsort(np.argsort(-fours, 1), 1) < 2).reshape(scores.shape)


def anywhere(scores):
    return scores > np.median(scores)


def measured(mask, images):
    tf_keras.utils.set_random_seed(0)
    model = lottery.wrap(models.build("lenet", (28, 28, 1), 10))
    engines.of(model).set_masks(
        {path: mask(np.abs(weight.numpy())) for path, weight in lottery.prunable(model).items()}
    )
    with tempfile.TemporaryDirectory() as folder:
        record = lottery.export(model, f"{folder}/a.tflite", images=images, formats=FORMATS)
    return [
        {name: getattr(row, name) for name in ("name", "bytes", "latency", "problem")}
        for row in record.variants
    ]


def main():
    images = np.random.default_rng(0).normal(size=(64, 28, 28, 1)).astype("float32")
    files.write_json(
        Path(__file__).parent / "patterns.json",
        {"anywhere": measured(anywhere, images), "2:4": measured(two_of_four, images)},
    )


if __name__ == "__main__":
    main()
