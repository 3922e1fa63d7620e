"""Intervals over seeds and test images hold the true difference 19 times in 20; those over seeds do not."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments.crossed import pooled_seeds_and_images, seeds_and_images
from keras_lottery.experiments.stats import paired

# A net gets an image right where level + the seed's share + the image's share + the image's share for this
# net + noise is above 0; all are normal, so the accuracy over all is Phi(level / root of the summed
# variances).
LEVELS, SEED, IMAGE = (1.50, 1.46), 0.016, 1.0
MEASURED = (
    0.2,
    0.35,
)  # of the net's image and of the noise: on 10,000 images 0.4 points over seeds and 0.08 over images
MORE = 0.4, 0.2  # images tell the nets apart more, seeds less


def truth(own=MEASURED):
    total = math.hypot(SEED, IMAGE, *own)
    return 100 * (ndtr(LEVELS[0] / total) - ndtr(LEVELS[1] / total))


def drawn(rng, seeds, images, nets=1, own=MEASURED):
    """One simulated study: for each net the two sides, {seed: bool array}, all tested on the same images."""
    hard = rng.standard_normal(images, "float32") * IMAGE
    found = []
    for _ in range(nets):
        sides = []
        for level in LEVELS:
            easy = level + hard + rng.standard_normal(images, "float32") * own[0]
            noise = rng.standard_normal((seeds, images), "float32") * own[1]
            right = easy + noise + rng.standard_normal((seeds, 1), "float32") * SEED > 0
            sides.append(dict(enumerate(right)))
        found.append(tuple(sides))
    return found


def coverage(studies, seeds, images, nets=1, own=MEASURED):
    """Shares of studies whose interval holds the truth: over seeds and images, over seeds (one net)."""
    rng = np.random.default_rng(seeds + images + nets)
    both, alone = [], []
    for _ in range(studies):
        sides = drawn(rng, seeds, images, nets, own)
        found = pooled_seeds_and_images(sides)
        both.append(found.low < truth(own) < found.high)
        if nets == 1:
            ours, theirs = ({seed: 100 * right.mean() for seed, right in side.items()} for side in sides[0])
            by_seed = paired(ours, theirs)
            alone.append(by_seed.low < truth(own) < by_seed.high)
    return np.mean(both), np.mean(alone) if nets == 1 else None


def test_interval_worked_by_hand():
    ours = {0: [True, True, False, True], 1: [True, False, False, True]}
    theirs = {0: [True, False, False, False], 1: [True, False, True, True]}
    # differences: 0 1 0 1 and 0 0 -1 0; seeds' means 1/2 and -1/4, images' 0 1/2 -1/2 1/2, mean 1/8
    seeds = ((3 / 8) ** 2 * 2) / 1 / 2
    images = ((1 / 8) ** 2 + (3 / 8) ** 2 + (5 / 8) ** 2 + (3 / 8) ** 2) / 3 / 4
    rest = (
        sum(
            (d - a - b + 1 / 8) ** 2
            for a, row in ((1 / 2, (0, 1, 0, 1)), (-1 / 4, (0, 0, -1, 0)))
            for b, d in zip((0, 1 / 2, -1 / 2, 1 / 2), row)
        )
        / 3
        / 8
    )
    squared = seeds + images - rest
    found = seeds_and_images(
        {seed: np.array(of) for seed, of in ours.items()}, {seed: np.array(of) for seed, of in theirs.items()}
    )
    assert found.mean == pytest.approx(12.5) and found.df == pytest.approx((squared / seeds) ** 2)
    assert (found.n, found.fewest) == (2, 2)
    assert found.half == pytest.approx(100 * stats.t.ppf(0.975, found.df) * math.sqrt(squared))


def test_mean_is_that_of_the_accuracies_and_the_interval_is_never_narrower_than_the_seeds_standard_error():
    rng = np.random.default_rng(0)
    for _ in range(20):
        [(ours, theirs)] = drawn(rng, 4, 300)
        found = seeds_and_images(ours, theirs)
        by_seed = paired(
            *({seed: 100 * right.mean() for seed, right in side.items()} for side in (ours, theirs))
        )
        assert found.mean == pytest.approx(by_seed.mean) and found.df >= by_seed.df - 1e-9


def test_one_net_pooled_with_itself_knows_the_images_no_better():
    """Images that both nets find hard do not average out."""
    [(ours, theirs)] = drawn(np.random.default_rng(1), 200, 400)
    one, two = seeds_and_images(ours, theirs), pooled_seeds_and_images([(ours, theirs)] * 2)
    assert two.mean == pytest.approx(one.mean) and two.half == pytest.approx(one.half, rel=0.02)


def test_the_same_net_twice_has_no_difference():
    [(ours, _)] = drawn(np.random.default_rng(0), 3, 50)
    found = seeds_and_images(ours, ours)
    assert (found.mean, found.half) == (0, 0)


def test_one_seed_has_no_interval():
    [(ours, theirs)] = drawn(np.random.default_rng(0), 1, 50)
    assert math.isnan(seeds_and_images(ours, theirs).half)


def test_images_that_do_not_fit_are_an_error():
    right = np.ones(4, bool)
    with pytest.raises(LotteryError, match="no values"):
        seeds_and_images({0: right}, {1: right})
    with pytest.raises(LotteryError, match=r"shapes \[\(3,\), \(4,\)\]"):
        seeds_and_images({0: right}, {0: right[:3]})
    with pytest.raises(LotteryError, match=r"tested on \[3, 4\] images"):
        pooled_seeds_and_images([({0: right}, {0: right}), ({0: right[:3]}, {0: right[:3]})])


@pytest.mark.parametrize("own", [MEASURED, MORE])
def test_interval_of_5_seeds_and_400_images_holds_the_truth_and_that_of_the_seeds_alone_does_not(own):
    both, alone = coverage(800, 5, 400, own=own)
    assert 0.925 < both < 0.975 and alone < 0.91


def test_interval_of_8_seeds_and_10_000_images_holds_the_truth():
    assert coverage(120, 8, 10_000)[0] > 0.88


@pytest.mark.stress
@pytest.mark.parametrize("own", [MEASURED, MORE])
@pytest.mark.parametrize(
    "seeds, images, nets", [(5, 400, 1), (8, 10_000, 1), (4, 10_000, 2), (4, 400, 2), (3, 1000, 1)]
)
def test_interval_over_seeds_and_images_holds_the_truth_19_times_in_20(seeds, images, nets, own):
    both, alone = coverage(4000, seeds, images, nets, own)
    print(f"{nets} x {seeds} seeds, {images} images, {own}: {both:.3f}, over seeds alone {alone}")
    assert 0.925 < both < 0.98
