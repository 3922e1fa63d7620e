"""What files get right of the test photos, which choose nothing, with 95% intervals over the photos."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from scipy import stats

from ...tflite.given import TESTED
from ..stats import estimate


def right(path, data):
    """Which test photos a file that takes uint8 photos gets right: a bool array, of 10,000 at most."""
    run = Interpreter(str(path)).get_signature_runner()
    (name,) = run.get_input_details()
    images, labels = data.pixels("test", TESTED)
    scores = [next(iter(run(**{name: image[None]}).values())) for image in images]
    return np.concatenate(scores).argmax(-1) == labels


def accuracy(correct):
    """The share of photos that are right, with its 95% interval.

    Source: Wilson 1927, by SciPy.
    """
    interval = stats.binomtest(int(correct.sum()), correct.size).proportion_ci(0.95, "wilson")
    return {"accuracy": correct.mean(), "low": interval.low, "high": interval.high}


def points_lost(before, after):
    """The points of accuracy lost between two nets on the same photos, with half its 95% interval.

    Where the two agree on each of n images, at most 3 / n disagree (the rule of three, Hanley & Lippman-Hand
    1983).

    Args:
      before, after: which photos each gets right, bool arrays.
    """
    lost = estimate(100.0 * (before.astype("float64") - after))
    return {"points_lost": lost.mean, "half": lost.half or 100 * min(1.0, 3 / before.size)}
