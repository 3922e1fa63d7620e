"""What a ticket is made of, counted by hand, and overlaps that chance explains and that it does not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from keras_lottery.core.errors import LotteryError
from keras_lottery.core.masking import random, sparsity
from keras_lottery.tickets.anatomy import layers, overlap

TENSORS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    hnp.arrays(bool, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
)


@st.composite
def pairs(draw):
    first = draw(TENSORS)
    return first, {path: draw(hnp.arrays(bool, mask.shape)) for path, mask in first.items()}


def known(found):
    """The figures of an Overlap with None for nan, so that two can be compared."""
    return [None if math.isnan(x) else pytest.approx(x) for x in vars(found).values()]


def ticket(*sizes, kept, seed=0):
    return random({f"w{n}": np.arange(size) < size * kept for n, size in enumerate(sizes)}, seed)


def test_layers_of_a_convolution_by_hand():
    kernel = np.zeros((3, 3, 2, 4), bool)
    kernel[0, 0, 0, 1] = kernel[2, 1, 0, 1] = kernel[1, 1, 0, 3] = True
    [layer] = layers({"conv/kernel": kernel})
    assert vars(layer) == {
        "path": "conv/kernel",
        "shape": (3, 3, 2, 4),
        "kept": 3,
        "total": 72,
        "sparsity": pytest.approx(69 / 72),
        "dead_outputs": 2,
        "dead_inputs": 1,
    }


def test_layers_of_a_dense_kernel_by_hand():
    [layer] = layers({"dense/kernel": np.array([[1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]], bool)})
    assert (layer.dead_outputs, layer.dead_inputs) == (1, 2)


def test_vectors_and_scalars_have_no_channels():
    vector, scalar, none = layers(
        {"v": np.array([True, False]), "s": np.array(True), "n": np.zeros((0, 3), bool)}
    )
    assert (vector.kept, vector.sparsity, vector.dead_outputs, vector.dead_inputs) == (1, 0.5, None, None)
    assert (scalar.kept, scalar.total, scalar.sparsity, scalar.dead_outputs) == (1, 1, 0.0, None)
    assert (none.total, none.sparsity) == (0, 0.0)


@given(TENSORS)
def test_layers_add_up_to_the_ticket(ticket):
    found = layers(ticket)
    assert [(layer.path, layer.shape) for layer in found] == [
        (path, mask.shape) for path, mask in ticket.items()
    ]
    total = sum(layer.total for layer in found)
    assert (1 - sum(layer.kept for layer in found) / total if total else 0.0) == sparsity(ticket)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=4)))
def test_a_channel_is_dead_when_all_its_weights_are_pruned(mask):
    [layer] = layers({"w": mask})
    assert layer.dead_outputs == sum(not mask[..., n].any() for n in range(mask.shape[-1]))
    assert layer.dead_inputs == sum(not mask[..., n, :].any() for n in range(mask.shape[-2]))
    [swapped] = layers({"w": mask.swapaxes(-1, -2)})
    assert (swapped.dead_inputs, swapped.dead_outputs) == (layer.dead_outputs, layer.dead_inputs)


def test_overlap_by_hand():
    a = {"w": np.array([[1, 1, 0], [0, 1, 0]], bool), "v": np.array([1, 1, 0, 0], bool)}
    b = {"w": np.array([[1, 0, 0], [0, 1, 0]], bool), "v": np.array([0, 1, 1, 1], bool)}
    together, tensors = overlap(a, b)
    # w: 3 and 2 of 6, both 2, by chance 3 * 2 / 6 = 1; v: 2 and 3 of 4, both 1, by chance 1.5.
    assert (tensors["w"].both, tensors["w"].kept, tensors["w"].share, tensors["w"].chance) == (2, 2, 1.0, 0.5)
    assert (tensors["v"].both, tensors["v"].kept, tensors["v"].share, tensors["v"].chance) == (
        1,
        2,
        0.5,
        0.75,
    )
    # 5 and 5 kept in all; variances 2*3*4*3 / (36*5) = 0.4 and 2*3*2*1 / (16*3) = 0.25.
    assert (together.both, together.kept, together.share, together.chance) == (3, 5, 0.6, 0.5)
    assert together.deviation == pytest.approx(math.sqrt(0.65) / 5) and together.z == pytest.approx(
        0.5 / math.sqrt(0.65)
    )


@given(TENSORS)
def test_a_ticket_overlaps_itself_wholly(ticket):
    together, tensors = overlap(ticket, ticket)
    for found in (together, *tensors.values()):
        assert found.share == 1 if found.kept else math.isnan(found.share)


@given(pairs())
def test_a_subset_overlaps_wholly(pair):
    less = {path: mask & pair[1][path] for path, mask in pair[0].items()}
    together, tensors = overlap(pair[0], less)
    assert all(found.both == found.kept for found in (together, *tensors.values()))


@given(pairs())
def test_overlap_is_symmetric(pair):
    together, tensors = overlap(*pair)
    back, by_tensor = overlap(*reversed(pair))
    assert known(back) == known(together) and list(by_tensor) == list(tensors)
    assert all(known(by_tensor[path]) == known(tensors[path]) for path in tensors)


@pytest.mark.filterwarnings("ignore:.*divide:RuntimeWarning")  # SciPy's, over a fourth moment nobody asks for
@given(pairs())
def test_chance_is_hypergeometric(pair):
    for path, found in overlap(*pair)[1].items():
        a, b = (ticket[path] for ticket in pair)
        if found.kept and a.size > 1:
            by_chance = stats.hypergeom(a.size, a.sum(), b.sum())
            assert found.chance * found.kept == pytest.approx(by_chance.mean())
            assert found.deviation * found.kept == pytest.approx(by_chance.std())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_random_masks_agree_with_chance(seed, kept_a, kept_b):
    together, tensors = overlap(
        ticket(3000, 500, kept=kept_a, seed=seed), ticket(3000, 500, kept=kept_b, seed=seed + 1)
    )
    for found in (together, *tensors.values()):
        assert abs(found.z) < 6 and found.z == pytest.approx((found.share - found.chance) / found.deviation)


def test_deviation_is_that_of_random_masks():
    fixed = ticket(300, 40, kept=0.2)
    found = [overlap(fixed, ticket(300, 40, kept=0.2, seed=seed + 1))[0] for seed in range(2000)]
    assert np.mean([one.share for one in found]) == pytest.approx(
        found[0].chance, abs=4 * found[0].deviation / 2000**0.5
    )
    assert np.std([one.z for one in found]) == pytest.approx(1, abs=0.1)


def test_tickets_that_share_more_than_chance_stand_out():
    a = ticket(3000, 500, kept=0.1)
    b = {
        path: mask | other
        for (path, mask), other in zip(a.items(), ticket(3000, 500, kept=0.1, seed=1).values())
    }
    assert overlap(a, b)[0].z > 10


def test_layers_that_both_keep_dense_are_no_agreement():
    a, b = ({"dense": np.ones(900, bool), **ticket(900, kept=0.1, seed=seed)} for seed in (1, 2))
    together, tensors = overlap(a, b)
    assert together.share > 0.9 and abs(together.z) < 6 and math.isnan(tensors["dense"].z)


def test_millions_of_weights_do_not_overflow():
    a, b = ({"w": np.arange(20_000_000) % n == 0} for n in (10, 15))
    found = overlap(a, b)[0]
    assert (
        found.chance == pytest.approx(0.1, abs=1e-6)
        and found.share == pytest.approx(0.5, abs=1e-6)
        and found.z > 100
    )


@pytest.mark.parametrize(
    "a, b, said",
    [
        ({"w": (2,), "v": (2,)}, {"w": (2,)}, "'v' is missing from the second ticket"),
        ({"w": (2,)}, {"v": (2,), "w": (2,)}, "'v' is missing from the first ticket"),
        ({"w": (2,), "x": (3,)}, {"v": (2,), "x": (3,)}, "'w' is missing from the second ticket"),
        (
            {"u": (1,), "w": (2, 3), "v": (2,)},
            {"u": (1,), "w": (3, 2)},
            r"'w' has shape \(2, 3\) in the first .* \(3, 2\)",
        ),
    ],
)
def test_tickets_of_different_nets_are_refused(a, b, said):
    with pytest.raises(LotteryError, match=said) as told:
        overlap(*({path: np.ones(shape, bool) for path, shape in shapes.items()} for shapes in (a, b)))
    assert "\n" not in str(told.value)
