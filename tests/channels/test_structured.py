"""Rounds that prune whole channels: as many zeros as asked for, and compacting takes them out."""

import json

import numpy as np
import pytest
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from small import KERAS3, L, arrays, compiled, keras

import keras_lottery as lottery
from keras_lottery.channels.compacting import total
from keras_lottery.channels.groups import sides
from keras_lottery.channels.whole import Side, by_channel, relative_worth, worth_of_work
from keras_lottery.core.counts import pruned_count
from keras_lottery.core.masking import prune

pytestmark = pytest.mark.keras3


def chain(*widths, seed=0):
    """(scores, masks, sides) of kernels one after the other."""
    rng = np.random.default_rng(seed)
    ids = np.split(1 + np.arange(sum(widths)), np.cumsum(widths)[:-1])
    scores = {
        f"w{n}": np.abs(rng.normal(size=(3, 3, old, new)))
        for n, (old, new) in enumerate(zip(widths, widths[1:]))
    }
    along = {f"w{n}": [Side(-2, ids[n], False), Side(-1, ids[n + 1], True)] for n in range(len(widths) - 1)}
    return scores, {path: np.ones(score.shape, bool) for path, score in scores.items()}, along


def weakest(scores, masks, along):
    return by_channel(scores, masks, along, relative_worth(scores, masks, along))


def of_weights(worth, along, masks):
    """{path: array}: of each weight, the worth of the less worthy of its channels; of those that stay and of
    the worthiest of a layer infinity."""
    worth = worth.astype(float)
    first = {int(max(set(side.groups) - {0}, key=worth.item)) for of in along.values() for side in of}
    worth[[0, *first]] = np.inf
    return {
        path: np.min([np.broadcast_to(_along(worth, side, masks[path]), masks[path].shape) for side in of], 0)
        for path, of in along.items()
    }


def _along(worth, side, mask):
    shape = [1] * mask.ndim
    shape[side.axis] = -1
    return worth[side.groups].reshape(shape)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.floats(0, 0.95),
    st.floats(0, 0.04),
)
def test_which_weights_go_changes_and_not_how_many(seed, widths, first, more):
    scores, masks, along = chain(*widths, seed=seed)
    scores["own"], masks["own"] = np.arange(4.0), np.ones(4, bool)
    for sparsity in (first, first + more):
        tighter = prune(weakest(scores, masks, along), masks, sparsity)
        assert all((tighter[path] <= masks[path]).all() for path in masks)
        assert sum((~mask).sum() for mask in tighter.values()) == pruned_count(
            sum(mask.size for mask in masks.values()), sparsity
        )
        masks = tighter
    rest = [mask.any((0, 1)) for path, mask in masks.items() if path != "own"]
    more = any(max(alive.any(0).sum(), alive.any(1).sum()) > 1 for alive in rest)
    assert masks["own"].all() or not more, "what has no channel goes last, with the worthiest of each layer"


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 6), min_size=3, max_size=5),
    st.floats(0.01, 0.95),
)
def test_whole_channels_go_in_the_order_of_their_worth(seed, widths, sparsity):
    scores, masks, along = chain(*widths, seed=seed)
    worth = np.random.default_rng(seed).permutation(1 + sum(widths))
    tighter = prune(by_channel(scores, masks, along, worth), masks, sparsity)
    kept, gone = [], []
    for path, of_channels in of_weights(worth, along, masks).items():
        kept += zip(of_channels[tighter[path]], scores[path][tighter[path]])
        gone += zip(of_channels[~tighter[path]], scores[path][~tighter[path]])
    assert not gone or not kept or max(gone) <= min(kept), "in one channel by their own scores"


def test_what_is_left_of_a_channel_that_nothing_reads_or_writes_goes_first():
    scores, masks, along = chain(4, 8, 8, 4)
    masks["w1"][:, :, 2] = False  # nothing reads channel 2 of the first
    masks["w1"][..., 5] = False  # nothing writes channel 5 of the second
    found = weakest(scores, masks, along)
    first = np.concatenate([found["w0"][..., 2].ravel(), found["w2"][:, :, 5].ravel()])
    others = np.concatenate([np.delete(found["w0"], 2, -1).ravel(), np.delete(found["w2"], 5, 2).ravel()])
    assert first.max() < 2 <= others.min()


def test_channels_that_stay_go_last():
    scores, masks, along = chain(4, 8, 4)
    for path, of in along.items():
        along[path] = [Side(side.axis, np.where(side.groups % 2, side.groups, 0), side.writes) for side in of]
    found = weakest(scores, masks, along)["w0"]
    stays = np.isinf(of_weights(relative_worth(scores, masks, along), along, masks)["w0"])
    pinned = (along["w0"][0].groups == 0)[:, None] & (along["w0"][1].groups == 0)
    assert stays[:, :, pinned].all() and found[stays].min() > found[~stays].max()
    assert np.array_equal(np.argsort(found[stays]), np.argsort(scores["w0"][stays]))


def test_a_channel_lives_while_one_of_its_readers_does():
    """As on the way past a residual block."""
    scores, masks, along = chain(3, 4, 4)
    scores["other"], masks["other"] = scores["w1"].copy(), np.ones((3, 3, 4, 4), bool)
    along["other"] = [along["w1"][0], Side(-1, np.arange(21, 25), True)]
    masks["w1"][:, :, 1] = False
    assert relative_worth(scores, masks, along)[along["w0"][1].groups[1]] > 0


def test_a_channel_is_worth_the_loss_that_it_saves_for_its_work():
    scores, masks, along = chain(1, 2, 1)
    scores = {"w0": np.full((3, 3, 1, 2), [1.0, 3.0]), "w1": np.ones((3, 3, 2, 1))}
    work = {"w0": ((3, 3, 1, 2), 4.0), "w1": ((3, 3, 2, 1), 1.0), "between": ((3, 3, 2, 1), 5.0)}
    along["between"] = [Side(-2, along["w0"][1].groups, False)]
    first, second = along["w0"][1].groups
    worth = worth_of_work(scores, masks, along, work)
    assert worth[[first, second]].tolist() == [18 / 90, 36 / 90]
    masks["w0"][..., 1], masks["w1"][:, :, 1] = False, False
    assert worth_of_work(scores, masks, along, work)[[first, second]].tolist() == [18 / 90, 0]


def test_what_is_left_of_a_cut_channel_goes_next():
    scores, masks, along = chain(3, 8, 3)
    work = {path: (mask.shape, 1.0) for path, mask in masks.items()}
    one = along["w0"][1].groups[2]
    masks["w0"][..., 2] = masks["w1"][:, :, 2] = False
    masks["w0"][1, 1, 0, 2] = masks["w1"][1, 1, 2, 0] = True
    scores["w0"][1, 1, 0, 2] = scores["w1"][1, 1, 2, 0] = 1.1 * max(scores["w0"].max(), scores["w1"].max())
    for worth in (worth_of_work(scores, masks, along, work), relative_worth(scores, masks, along)):
        assert np.argmin(np.where(np.isin(np.arange(len(worth)), along["w0"][1].groups), worth, 9)) == one


def test_no_layer_loses_its_last_channel_while_others_have_more():
    scores, masks, along = chain(3, 4, 4, 3)
    scores["own"], masks["own"] = np.ones(400), np.ones(400, bool)
    worth = np.arange(1.0 + sum((3, 4, 4, 3)))
    tighter = prune(by_channel(scores, masks, along, worth), masks, 0.8)
    for path, of in along.items():
        rest = tighter[path].any((0, 1))
        assert rest.any(0).sum() == rest.any(1).sum() == 1, "and all the others are gone"


def test_weights_without_scores_and_empty_ones():
    scores, masks, along = chain(2, 3)
    assert by_channel({}, {}, along, np.zeros(6)) == {}
    masks["w0"][:] = False
    assert relative_worth(scores, masks, along).tolist() == [1, 0, 0, 0, 0, 0]
    assert weakest(scores, masks, along)["w0"].shape == (3, 3, 2, 3)


def residual():
    inputs = keras.Input((6, 6, 3))
    stem = L.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(5, 3, padding="same", name="inner")(stem)))
    x = L.Conv2D(8, 3, padding="same", name="outer")(x)
    x = L.Flatten()(L.Add()([stem, x]))
    return keras.Model(inputs, L.Dense(4, name="head")(x))


def test_sides_follow_channels_through_the_model():
    found = {path: {side.axis: side for side in of} for path, of in sides(lottery.wrap(residual())).items()}
    assert {path.split("/")[-2]: sorted(of) for path, of in found.items()} == {
        "stem": [-1],
        "inner": [-2, -1],
        "outer": [-2, -1],
        "head": [-2],
    }
    stem, inner, outer, head = (found[f"{name}/kernel"] for name in ("stem", "inner", "outer", "head"))
    assert all(
        side.writes == (axis == -1) and (side.groups > 0).all()
        for of in found.values()
        for axis, side in of.items()
    )
    assert np.array_equal(stem[-1].groups, inner[-2].groups) and np.array_equal(
        stem[-1].groups, outer[-1].groups
    )
    assert np.array_equal(inner[-1].groups, outer[-2].groups) and not set(inner[-1].groups) & set(
        stem[-1].groups
    )
    assert np.array_equal(head[-2].groups, np.tile(stem[-1].groups, 36))


def test_channels_that_compacting_leaves_have_no_sides():
    inputs = keras.Input((5,))
    x = L.LayerNormalization()(L.Dense(8, name="normed")(inputs))
    x = L.Dense(6, "relu", name="free")(x)
    found = sides(lottery.wrap(keras.Model(inputs, L.Dense(3, name="head")(x))))
    assert {path.split("/")[-2]: [side.axis for side in of] for path, of in found.items()} == {
        "free": [-1],
        "head": [-2],
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Conv2DTranspose(5, 2, name="it"),
        lambda: L.Conv2D(6, 2, groups=3, name="it"),
        lambda: L.SeparableConv2D(5, 2, name="it"),
        lambda: L.DepthwiseConv2D(2, name="it"),
    ],
)
def test_sides_have_the_length_of_their_axes(make):
    model = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(3, 1), make(), L.Flatten(), L.Dense(2)])
    shapes = {path: variable.shape for path, variable in zoo.ENGINE.variables(model).items()}
    found = sides(model)
    assert any(path.startswith("it/") for path in found)
    for path, of in found.items():
        assert all(len(side.groups) == shapes[path][side.axis] for side in of)


def test_structured_rounds_leave_less_work_at_the_same_sparsity(tmp_path):
    def search(structured, **more):
        keras.utils.set_random_seed(0)
        model = compiled(
            keras.Sequential([keras.Input((8,)), L.Dense(64, "relu"), L.Dense(64, "relu"), L.Dense(3)])
        )
        return lottery.find_ticket(
            model, arrays(), epochs=1, rounds=4, rate=0.5, structured=structured, verbose=0, **more
        )

    def work(ticket):
        return total(lottery.costs(lottery.compact(ticket.model("trained"))), "multiply_adds")

    plain, structured = search(False), search(True, run_dir=tmp_path)
    assert structured.sparsity == plain.sparsity and work(structured) < 0.7 * work(plain)
    assert structured.settings["structured"] and "structured" not in plain.settings
    with pytest.raises(lottery.LotteryError, match="another configuration"):
        search(False, run_dir=tmp_path)


@pytest.mark.skipif(not KERAS3, reason="tf_keras wraps no such model at all")
def test_a_model_whose_layers_cannot_be_followed_is_refused():
    class Own(keras.Model):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.hidden, self.head = L.Dense(16, "relu"), L.Dense(3)

        def call(self, x):
            return self.head(self.hidden(x))

    model = Own()
    model(arrays()[0])
    with pytest.raises(
        lottery.LotteryError, match="structured=True follows channels.*functional or Sequential"
    ):
        lottery.find_ticket(
            compiled(model), arrays(), epochs=1, rounds=1, rate=0.5, structured=True, verbose=0
        )


def test_a_run_whose_rounds_were_pruned_otherwise_is_not_continued(tmp_path):
    how = {"epochs": 1, "rounds": 1, "rate": 0.5, "structured": True, "verbose": 0, "run_dir": tmp_path}
    net = keras.Sequential([keras.Input((8,)), L.Dense(6, "relu"), L.Dense(3)])
    lottery.find_ticket(compiled(net), arrays(), **how, score="magnitude")
    config = json.loads((tmp_path / "config.json").read_text())
    assert config.pop("channels") == "whole"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(lottery.LotteryError, match="channels"):
        lottery.find_ticket(compiled(net), arrays(), **how, score="magnitude")
