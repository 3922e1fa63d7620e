"""The interval of a paired difference of accuracies in which test images are a sample, as seeds are."""

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
from scipy import special

from ..core.errors import LotteryError
from .stats import Estimate

Correct = Mapping[Hashable, np.ndarray]  # {seed: bool (images,)}


def seeds_and_images(ours: Correct, theirs: Correct) -> Estimate:
    """Mean difference of two controls' test accuracies in points, with its interval over seeds and images.

    An interval over seeds alone is about these test images: what new images would add does not shrink with
    more seeds. This one is about new seeds and new images of the same kind: its standard error is larger,
    much so where the images are few. With three or four seeds it can still be the narrower of the two,
    because a spread that is estimated from many images has more degrees of freedom.

    In simulations it holds the true difference in 94 or 95 of 100 studies, of 5 seeds and 400 images and of 8
    seeds and 10,000 images alike (tests/experiments/test_crossed.py).

    Args:
      ours, theirs: {seed: bool array (images,)}, whether each test image was classified correctly, in one
        order of the images; only seeds in both count.

    Returns:
      An Estimate; its `half` is nan for one seed.

    Raises:
      LotteryError: no seed in both, or arrays of different lengths.

    Source: as for `pooled_seeds_and_images`.

    >>> rng = np.random.default_rng(0)
    >>> ours, theirs = ({seed: rng.random(400) < share for seed in range(5)} for share in (0.9, 0.8))
    >>> found = seeds_and_images(ours, theirs)
    >>> round(found.mean, 2), round(found.half, 2)
    (9.3, 3.43)
    """
    return pooled_seeds_and_images([(ours, theirs)])


def pooled_seeds_and_images(strata: Iterable[tuple[Correct, Correct]]) -> Estimate:
    """The same over several nets, each with the same weight, that were tested on the same images.

    A seed's difference on an image, -1, 0 or 1, is taken as mean + seed + image + rest, with seeds and images
    drawn at random and crossed (each seed meets each image). The squared standard error of the mean is that
    of the seeds, as in the t-interval, plus that of the images without the rest, which the seeds' already
    hold:

      V = S + max(0, I - R), with S = s^2(means of seeds) / seeds, I = s^2(means of images) / images and
      R = (mean square of the rest) / (seeds x images)

    and the degrees of freedom are (seeds - 1) (V / S)^2. Over K nets, S and R are sums over the nets divided
    by K^2 (as in `stats.pooled`), the means of images are means over the nets, and the degrees of freedom are
    V^2 / sum(S_net^2 / (seeds - 1)), with S_net a net's part of S.

    Args:
      strata: (ours, theirs) for each net, as for `seeds_and_images`.

    Source: the analysis of several readers of the same cases, here seeds and images: Dorfman, Berbaum & Metz
    1992, "Receiver operating characteristic rating analysis"; the degrees of freedom of Hillis 2007, "A
    comparison of denominator degrees of freedom methods for multiple observer ROC analysis". The components
    of variance of crossed random effects: Searle, Casella & McCulloch 1992, "Variance Components", chapter 4.
    """
    nets = [_differences(ours, theirs) for ours, theirs in strata]
    if len({net.shape[1] for net in nets}) != 1:
        counts = sorted({net.shape[1] for net in nets})
        raise LotteryError(
            f"the nets were tested on {counts} images: pool nets that were tested on the same ones."
        )
    seeds = np.array([len(net) for net in nets])
    of_images = np.array([net.mean(0) for net in nets])
    mean = 100 * float(of_images.mean())
    if seeds.min() == 1:
        return Estimate(mean, float("nan"), int(seeds.sum()), 0.0, 1)
    of_seeds = np.array([net.mean(1).var(ddof=1) for net in nets]) / seeds / len(nets) ** 2
    rest = sum(map(_rest, nets, of_images)) / len(nets) ** 2
    images = of_images.mean(0).var(ddof=1) / of_images.shape[1]
    squared = of_seeds.sum() + max(0.0, images - rest)
    df = float(squared**2 / (of_seeds**2 / (seeds - 1)).sum()) if of_seeds.any() else float("inf")
    half = 100 * special.stdtrit(df, 0.975) * np.sqrt(squared)
    return Estimate(mean, float(half), int(seeds.sum()), df, int(seeds.min()))


def _differences(ours, theirs):
    """int8 array (seeds, images) of one net."""
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        raise LotteryError("no values: give at least one seed that both sides have.")
    arrays = [np.asarray(of[seed], "int8") for seed in both for of in (ours, theirs)]
    if len({array.shape for array in arrays}) != 1 or arrays[0].ndim != 1 or arrays[0].size < 2:
        shapes = sorted({array.shape for array in arrays})
        raise LotteryError(
            f"the test images are arrays of shapes {shapes}: give flat arrays of one length, at least 2."
        )
    return np.stack([one - other for one, other in zip(arrays[::2], arrays[1::2])])


def _rest(net, of_images):
    """The mean square of what neither seed nor image explains, over seeds x images."""
    seeds, images = net.shape
    of_seeds = net.mean(1)
    squares = (
        np.square(net, dtype="int32").sum()
        - images * np.square(of_seeds).sum()
        - seeds * np.square(of_images).sum()
        + seeds * images * of_seeds.mean() ** 2
    )
    return max(0.0, squares) / ((seeds - 1) * (images - 1)) / (seeds * images)
