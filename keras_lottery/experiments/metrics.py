"""What is measured of a trained classifier on its test images: right or wrong, how sure, and by class."""

import base64
import warnings

import numpy as np
from scipy.special import log_softmax

from ..channels.counts import multiply_adds_left
from ..channels.effective import effective_of
from ..core.errors import LotteryError
from ..core.masking import sparsity

BINS = 15
_SMALLEST = 1e-7  # a probability below counts as this, as in Keras' losses


def measure(outputs, labels, class_names, from_logits=True):
    """Figures of a classifier's outputs, ready for JSON.

    Args:
      outputs: float array (images, classes), logits or probabilities.
      labels: int array (images,).
      class_names: one name for each class.
      from_logits: whether the outputs are logits; probabilities are scaled to sum to 1.

    Returns:
      A dict of test_accuracy, 0..1; test_loss, the mean negative log-likelihood in nats; calibration_error,
      0..1; class_accuracy, {class name: 0..1, or None without images}; test_images, their number; and
      correct, which `correct_images` reads.

    Example:
      >>> row = measure([[2.0, 0.0], [0.0, 2.0], [0.0, 1.0]], [0, 1, 0], ["cat", "dog"])
      >>> row["class_accuracy"], correct_images(row).tolist()
      ({'cat': 0.5, 'dog': 1.0}, [True, True, False])
    """
    outputs, labels = np.asarray(outputs, "float32"), np.asarray(labels)
    logits = outputs if from_logits else np.log(np.clip(outputs, _SMALLEST, None))
    logs = log_softmax(logits.astype("float64"), axis=-1)
    correct = right(outputs, labels)
    of_class = {name: correct[labels == number] for number, name in enumerate(class_names)}
    return {
        "test_accuracy": _mean(correct),
        "test_loss": float(-np.take_along_axis(logs, labels[:, None], axis=-1).mean()),
        "calibration_error": calibration_error(np.exp(logs.max(-1)), correct),
        "class_accuracy": {name: _mean(part) if len(part) else None for name, part in of_class.items()},
        "test_images": len(labels),
        "correct": base64.b64encode(np.packbits(correct).tobytes()).decode(),
    }


def right(outputs, labels):
    """Which images a classifier gets right: a bool array (..., images).

    Args:
      outputs: float array (..., images, classes). An image with an output that is NaN is not right.
      labels: int array (images,).
    """
    return (outputs.argmax(-1) == labels) & ~np.isnan(outputs).any(-1)


def calibration_error(confidence, correct):
    """Expected calibration error, 0..1: how far confidence is from accuracy in bins of like confidence.

    Args:
      confidence: float array (images,), the probability of the class that was predicted.
      correct: bool array (images,).

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2, with 15 bins of equal
    width that include their upper ends.

    Example:
      >>> round(calibration_error(np.array([0.9, 0.9, 0.5]), np.array([True, False, True])), 4)
      0.4333
    """
    if not np.isfinite(confidence).all():
        return float("nan")
    bins = np.maximum(np.ceil(confidence * BINS).astype(int) - 1, 0)
    gaps = np.bincount(bins, weights=correct - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def correct_images(row):
    """Which test images a row's net got right: a bool array (test_images,), in the order of the test split.

    Raises:
      LotteryError: the row does not hold them, as those of older versions, or is damaged.
    """
    try:
        bits = np.frombuffer(base64.b64decode(row["correct"], validate=True), "uint8")
        count = int(row["test_images"])
    except KeyError as error:
        raise LotteryError(f"the row has no {error}: it is older than tests image by image.") from None
    except (ValueError, TypeError) as error:
        raise LotteryError(f"the row's 'correct' or 'test_images' is damaged: {error}. Restore it.") from None
    if len(bits) != -(-count // 8):
        raise LotteryError(
            f"the row's 'correct' holds {len(bits)} bytes, and test_images={count} need "
            f"{-(-count // 8)}. Restore it."
        )
    return np.unpackbits(bits, count=count).astype(bool)


def measured(handle, loaded):
    """What `measure` gives for a compiled classifier's handle on a `data.Data`'s test images, in one pass.

    Where outputs of some images are not gathered from the devices, accuracy and loss alone, with a warning.
    """
    labels, outputs = loaded.test._lottery_labels(), predictions(handle.model, loaded.test)
    if len(outputs) != len(labels):
        warnings.warn(
            f"the devices gave {len(outputs):,} outputs for {len(labels):,} test images, so only accuracy "
            "and loss are reported, from another pass.",
            stacklevel=2,
        )
        return dict(zip(("test_loss", "test_accuracy"), handle.model.evaluate(loaded.test, verbose=0)))
    from_logits = handle.loss().get_config()["from_logits"]
    return measure(outputs, labels, loaded.class_names, from_logits)


def predictions(model, dataset):
    """A classifier's outputs for a data set of (images, labels): float32 (images, classes), in its order."""
    return np.asarray(model.predict(dataset, verbose=0)).astype("float32")


def left(handle):
    """What is left of a handle's wrapped model, ready for JSON.

    Returns:
      A dict of effective_sparsity, 0..1, see `channels.effective`, and multiply_adds, for one image where
      zeros are skipped; each None, with a warning, where that is not known of the model's layers.
    """
    masks, plain = handle.masks(), handle.on(handle.strip())
    figures = {
        "effective_sparsity": lambda: sparsity(effective_of(plain, masks)),
        "multiply_adds": lambda: multiply_adds_left(plain.model),
    }
    told = dict.fromkeys(figures)
    for name, figure in figures.items():
        try:
            told[name] = figure()
        except LotteryError as error:
            warnings.warn(f"{name} is not reported: {error}", stacklevel=2)
    return told


def _mean(correct):
    """A share as Keras' metrics compute it, in float32."""
    return float(np.float32(correct.sum()) / np.float32(len(correct)))
