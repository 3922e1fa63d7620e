"""From scores to masks: exact counts, nested rounds, ties by index."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_lottery.core.counts import (
    SCOPES,
    check_rounds,
    competing,
    of_paths,
    own_sparsities,
    pruned_count,
)
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.masking import SAMPLE, erdos_renyi, prune, random, sparsity

SHARES = st.floats(0, 1, exclude_max=True)
# Few distinct values: many ties. Also infinities, subnormals and whatever else is a number.
SCORES = st.one_of(
    st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, allow_nan=False, width=32, allow_infinity=True)
)
TENSORS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5), elements=SCORES),
    min_size=1,
)
FINITE = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        elements=st.floats(0, 1e6, width=32),
    ),
    min_size=1,
)


def open_masks(scores):
    return {path: np.ones(score.shape, bool) for path, score in scores.items()}


def flat(tensors):
    return np.concatenate([np.ravel(tensor) for tensor in tensors.values()])


def zeros(masks):
    return sum(int((~mask).sum()) for mask in masks.values())


@settings(max_examples=300, deadline=None)
@given(TENSORS, SHARES, st.sampled_from(SCOPES))
def test_counts_are_exact_and_the_highest_stay(scores, share, scope):
    masks = prune(scores, open_masks(scores), share, scope)
    assert [(path, mask.shape, mask.dtype) for path, mask in masks.items()] == [
        (path, np.shape(score), np.dtype(bool)) for path, score in scores.items()
    ]
    assert zeros(masks) == expected_zeros(masks, share, scope)
    for group in [scores] if scope == "global" else [{path: score} for path, score in scores.items()]:
        values, kept = flat(group), flat({path: masks[path] for path in group})
        # What is kept is what a stable sort puts first: higher scores, of equal ones the lower index.
        first = np.argsort(-values.astype(float), kind="stable")[: kept.sum()]
        assert np.array_equal(np.flatnonzero(kept), np.sort(first))


def expected_zeros(masks, share, scope):
    """How many zeros there are in total; with "layer" the number follows from each tensor."""
    sizes = [mask.size for mask in masks.values()]
    return sum(pruned_count(size, share) for size in (sizes if scope == "layer" else [sum(sizes)]))


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(SCOPES))
def test_rounds_nest_whatever_the_scores_become(data, scope):
    scores = data.draw(TENSORS)
    masks = open_masks(scores)
    for share in sorted(data.draw(st.lists(SHARES, min_size=1, max_size=5))):
        before = masks
        scores = {
            path: data.draw(hnp.arrays(np.float32, np.shape(score), elements=SCORES))
            for path, score in scores.items()
        }
        masks = prune(scores, masks, share, scope)
        assert all((masks[path] <= before[path]).all() for path in masks)
        assert zeros(masks) == expected_zeros(masks, share, scope)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), min_size=2, max_size=5),
    st.lists(SHARES, min_size=1, max_size=6),
)
def test_layers_of_erk_have_shares_by_their_dimensions_and_only_lose(shapes, shares):
    masks = open_masks({str(n): np.zeros(shape) for n, shape in enumerate(shapes)})
    for share in sorted(shares):
        before = {path: int(mask.sum()) for path, mask in masks.items()}
        kept = {paths[0]: count for paths, count in competing(masks, share, "erk")}
        assert all(kept[path] <= before[path] for path in masks)
        free = [path for path in masks if 1 < kept[path] < before[path]]
        rates = [kept[path] / sum(masks[path].shape) for path in free]
        slack = [1.01 * (len(masks) + 1) / sum(masks[path].shape) for path in free]
        assert all(abs(rates[n] - rates[0]) <= slack[n] + slack[0] for n in range(1, len(free)))
        masks = prune({path: np.zeros(mask.shape) for path, mask in masks.items()}, masks, share, "erk")


def test_a_layer_of_erk_does_not_gain_what_rounding_would_give_it():
    """Of 44 weights the last layer gets 3, of 43 it would get 4."""
    shapes = {"a": (7, 8, 4), "b": (8, 6, 7), "c": (6, 4, 8), "d": (5,)}
    masks = open_masks({path: np.zeros(shape) for path, shape in shapes.items()})
    total = sum(mask.size for mask in masks.values())
    for keep in (44, 43):
        masks = prune({path: np.zeros(m.shape) for path, m in masks.items()}, masks, 1 - keep / total, "erk")
        assert total - zeros(masks) == keep and masks["d"].sum() == 3


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.floats(0.05, 0.6), st.floats(0.02, 0.5), st.sampled_from(SCOPES), st.data()
)
def test_layers_with_rates_of_their_own_follow_them_and_the_total_stays_exact(seed, own, rate, scope, data):
    rng, block = np.random.default_rng(seed), data.draw(st.sampled_from([1, 4]))
    shapes = {
        "large": (16, 20),
        "other": (4, 30),
        "single": data.draw(st.sampled_from([(8, 6), (3, 3, 2, 2)])),
    }
    masks = open_masks({path: np.zeros(shape) for path, shape in shapes.items()})
    rates, blocks = of_paths({"sing*": own}, masks), {} if block == 1 else {"large": block}
    sparsities = [1 - (1 - rate) ** number for number in range(1, 4)]
    try:
        check_rounds(masks, sparsities, scope, rates)
    except LotteryError as error:
        assert "rate" in str(error) or "leaves none" in str(error)
        return
    for number, share in enumerate(sparsities, 1):
        before, scores = masks, {path: rng.normal(size=shape) for path, shape in shapes.items()}
        masks = prune(scores, masks, share, scope, blocks, own_sparsities(rates, number))
        assert all((masks[path] <= before[path]).all() for path in masks) and list(masks) == list(shapes)
        size = masks["single"].size
        assert zeros({"single": masks["single"]}) == pruned_count(size, 1 - (1 - own) ** number)
        total = sum(mask.size for mask in masks.values())
        assert abs(zeros(masks) - pruned_count(total, share)) <= (len(masks) if scope == "layer" else 0)
        if scope == "layer":
            large, other = (1 - masks[path].mean() for path in ("large", "other"))
            assert abs(large - other) < 0.02


@pytest.mark.parametrize(
    "rates, said",
    [
        ({"conv3": 0.1}, "'conv3' names no weight that is pruned.*conv1/kernel"),
        ({"kernel": 0.1}, "'kernel' names no weight"),
        ({"*": 0.1}, "all 3 layers that are pruned have a rate of their own"),
        ({"block": 0.9, "conv1": 0.9}, "own keep 4, and the others have 8, which cannot make up"),
    ],
)
def test_rates_that_cannot_be_are_refused(rates, said):
    shapes = {"conv1/kernel": (4, 4), "block/conv2/kernel": (4, 4), "fc/kernel": (8,)}
    masks = open_masks({path: np.zeros(shape) for path, shape in shapes.items()})
    with pytest.raises(LotteryError, match=said):
        check_rounds(masks, [0.2, 0.36], "global", of_paths(rates, masks))


def test_a_rate_is_that_of_the_first_name_that_fits():
    paths = ["stem/kernel", "block/conv1/kernel", "block/conv2/kernel"]
    assert of_paths({"conv1": 0.1, "block/*": 0.2}, paths) == {paths[1]: 0.1, paths[2]: 0.2}
    assert of_paths({"stem/kernel": 0.3, "block": 0.4}, paths) == {
        paths[0]: 0.3,
        paths[1]: 0.4,
        paths[2]: 0.4,
    }


def test_equal_weights_are_dropped_from_the_end():
    masks = prune(
        {"a": np.ones((2, 2)), "b": np.ones(4)}, {"a": np.ones((2, 2), bool), "b": np.ones(4, bool)}, 0.75
    )
    assert masks["a"].tolist() == [[True, True], [False, False]] and not masks["b"].any()


def test_a_masked_weight_does_not_come_back_for_its_score():
    masks = prune({"a": np.array([9.0, 1, 2, 3])}, {"a": np.array([False, True, True, True])}, 0.5)
    assert masks["a"].tolist() == [False, False, True, True]


def test_global_compares_layers_and_layer_does_not():
    scores = {"small": np.arange(4.0), "large": np.arange(4.0) + 10}
    assert prune(scores, open_masks(scores), 0.5)["small"].sum() == 0
    by_layer = prune(scores, open_masks(scores), 0.5, "layer")
    assert {path: mask.tolist() for path, mask in by_layer.items()} == dict.fromkeys(
        scores, [False, False, True, True]
    )


def test_empty_and_single():
    scores = {"none": np.zeros((0, 3)), "one": np.array(5.0), "two": np.array([1.0, 2.0])}
    masks = prune(scores, open_masks(scores), 0.34)
    assert masks["none"].shape == (0, 3) and masks["one"].item() and masks["two"].tolist() == [False, True]
    assert prune({}, {}, 0.5) == {} and sparsity({}) == 0


def test_masks_given_stay_as_they_are():
    scores = {"a": np.arange(4.0)}
    masks = open_masks(scores)
    prune(scores, masks, 0.5)
    assert masks["a"].all()


def test_low_precision_scores():
    scores = {"a": np.array([1, 2, 3, 4], np.float16), "b": np.array([1, 2, 3, 4], np.float32)}
    assert zeros(prune(scores, open_masks(scores), 0.5)) == 4


@settings(max_examples=100, deadline=None)
@given(
    st.lists(hnp.arrays(bool, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)), min_size=1),
    st.integers(0, 99),
)
def test_random_masks_keep_each_tensors_count(arrays, seed):
    masks = {str(n): array for n, array in enumerate(arrays)}
    shuffled = random(masks, seed)
    assert [(path, m.shape, int(m.sum())) for path, m in shuffled.items()] == [
        (path, m.shape, int(m.sum())) for path, m in masks.items()
    ]
    again = random(masks, seed)
    assert all(np.array_equal(shuffled[path], again[path]) for path in masks)
    assert sparsity(shuffled) == sparsity(masks)


def test_random_masks_are_random():
    mask = {"a": np.arange(1000) < 500}
    first, second = random(mask, 1)["a"], random(mask, 2)["a"]
    assert 400 < (first == second).sum() < 600 and 200 < first[:500].sum() < 300


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([4, 16]),
    st.lists(SHARES, min_size=1, max_size=4),
    st.sampled_from(SCOPES),
)
def test_blocks_go_as_wholes_and_counts_stay_exact(seed, block, shares, scope):
    """One block of a tensor may be cut; each tensor keeps as many as without blocks."""
    rng = np.random.default_rng(seed)
    weights = {
        path: rng.normal(size=shape)
        for path, shape in {
            "a": (block * 3, 5),
            "b": (block, 7),
            "other": (block + 1, 3),
            "kernel": (3, 3, block, 2),
        }.items()
    }
    weights["b"] = np.round(weights["b"])  # ties
    masks, blocks = open_masks(weights), {"a": block, "b": block}
    for share in sorted(shares):
        scores = {path: np.abs(weight) * masks[path] for path, weight in weights.items()}
        tighter = prune(scores, masks, share, scope, blocks)
        assert zeros(tighter) == zeros(prune(scores, masks, share, scope))
        assert all((tighter[path] <= masks[path]).all() for path in masks)
        assert zeros(tighter) == expected_zeros(masks, share, scope)
        masks = tighter
    kept = {path: masks[path].reshape(-1, block, masks[path].shape[1]).mean(1) for path in blocks}
    assert all(((part > 0) & (part < 1)).sum() <= 1 for part in kept.values())
    moved = random(masks, seed, blocks)
    assert all(
        np.array_equal(
            np.sort(moved[path].reshape(-1, block, part.shape[1]).mean(1), None), np.sort(part, None)
        )
        for path, part in kept.items()
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), min_size=1, max_size=5), st.data())
def test_erdos_renyi_keeps_as_many_in_all_and_of_each_tensor_its_share(shapes, data):
    sizes = [int(np.prod(shape)) for shape in shapes]
    wanted = data.draw(st.integers(len(shapes), sum(sizes)))
    places = np.split(np.arange(sum(sizes)) < wanted, np.cumsum(sizes)[:-1])
    masks = {str(n): of.reshape(shape) for n, (of, shape) in enumerate(zip(places, shapes))}
    drawn = erdos_renyi(masks, seed=1)
    counts = np.array([int(mask.sum()) for mask in drawn.values()])
    assert {path: mask.shape for path, mask in drawn.items()} == {
        path: mask.shape for path, mask in masks.items()
    }
    assert counts.sum() == wanted and (counts >= 1).all()
    free = [n for n, count in enumerate(counts) if 1 < count < sizes[n]]  # of the others a bound decides
    shares = [counts[n] / sum(shapes[n]) for n in free]
    slack = [1.01 * (len(shapes) + 1) / sum(shapes[n]) for n in free]
    for n in range(1, len(free)):
        assert abs(shares[n] - shares[0]) <= slack[n] + slack[0]


@given(st.sampled_from([4, 16]), st.integers(0, 99))
def test_erdos_renyi_moves_blocks_whole(block, seed):
    masks = {"w": np.arange(32 * 6).reshape(32, 6) < 48}
    drawn = erdos_renyi(masks, seed, {"w": block})["w"]
    assert drawn.sum() == 48 and set(drawn.reshape(-1, block, 6).sum(1).ravel().tolist()) <= {0, block}


@given(st.integers(0, 10**7), SHARES)
def test_count_is_the_nearest(total, share):
    assert abs(pruned_count(total, share) - total * share) <= 0.5 and 0 <= pruned_count(total, share) <= total


@pytest.mark.parametrize(
    "scores, masks, share, scope, said",
    [
        ([1, 2], [1, 1], 0.5, "tensor", "scope='tensor' is unknown"),
        ([1, 2], [1, 1], 1, "global", "sparsity=1 is impossible"),
        ([1, 2], [1, 1], -0.1, "global", "sparsity=-0.1 is impossible"),
        ([1, 2], [1, 1], float("nan"), "global", "sparsity=nan is impossible"),
        ([1, np.nan], [1, 1], 0.5, "global", "'w' hold NaN"),
        ([1, 2], [1, 0], 0, "global", "only 1 are left"),
    ],
)
def test_refuses(scores, masks, share, scope, said):
    with pytest.raises(LotteryError, match=said) as told:
        prune({"w": np.array(scores, float)}, {"w": np.array(masks, bool)}, share, scope)
    assert "\n" not in str(told.value)


def test_scores_of_two_kinds_of_16_bits():
    import ml_dtypes

    scores = {"a": np.arange(8).astype("float16"), "b": np.arange(8).astype(ml_dtypes.bfloat16)}
    kept = prune(scores, {path: np.ones(8, bool) for path in scores}, 0.5)
    assert all(mask.tolist() == [False] * 4 + [True] * 4 for mask in kept.values())


RNG = np.random.default_rng(0)
MANY = {
    "drawn": [RNG.normal(size=(300, 500)).astype("float32"), RNG.normal(size=90_001).astype("float32")],
    "in order": [np.arange(200_000, dtype="float64")],
    "one tensor unlike the others": [RNG.random(150_000), 1000 + RNG.random(150_000), -RNG.random(7)],
    "as the sample's stride": [np.tile(np.r_[9.0, np.zeros(1 + 200_000 // SAMPLE)], 50_000)],
    "ties": [RNG.integers(0, 3, 200_000).astype("float32")],
    "of two kinds": [RNG.random(150_000).astype("float16"), RNG.random(150_000).astype("float32")],
}


@pytest.mark.parametrize("share", [0.00001, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("kind", MANY)
def test_of_more_weights_than_a_sample_the_highest_stay_as_well(kind, share):
    scores = {str(n): score for n, score in enumerate(MANY[kind])}
    before = {path: np.random.default_rng(1).random(score.shape) > 0.1 for path, score in scores.items()}
    masks = prune(scores, before, max(share, 1 - flat(before).mean() + 1e-6))
    survivors = np.flatnonzero(flat(before))
    ranked = survivors[np.argsort(-flat(scores)[survivors], kind="stable")]
    assert np.array_equal(np.flatnonzero(flat(masks)), np.sort(ranked[: flat(masks).sum()]))
