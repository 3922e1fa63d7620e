"""Pruning tells which layers lose all their weights, and refuses a net whose answers no longer depend on its
input."""

import warnings

import numpy as np
import pytest
from small import ENGINE, L, arrays, bits, command, compiled, dense, search, state_of
from world import keras, skip_unless

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.core.errors import Dead
from keras_lottery.experiments.gradual import GradualPruning
from keras_lottery.experiments.saliency import saliency_masks
from keras_lottery.search import alive

pytestmark = pytest.mark.keras3


def lopsided(shortcut=False):
    """Its second layer's weights are so small that a global threshold takes them first."""
    given = L.Input((8,))
    x = L.Dense(10, "relu", name="a")(given)
    small = keras.initializers.RandomNormal(stddev=1e-6, seed=0)
    y = L.Dense(10, kernel_initializer=small, name="b")(x)
    return keras.Model(given, L.Dense(3, name="head")(L.Add()([x, y]) if shortcut else y))


def still(model):
    """Compiled so that nothing moves."""
    return compiled(model, keras.optimizers.SGD(1e-12))


def test_a_dead_net_is_refused_with_the_last_good_ticket_named(tmp_path):
    with pytest.raises(
        Dead,
        match=r"pruned to 63.89% zeros the net gives one answer, whatever its input, since no weight is "
        r"left in b/kernel "
        r"\(prune less, .*scope='layer'.*\)\. The last good ticket is that of round 1, 40.00% sparse, in "
        f"{tmp_path}/round_01",
    ) as error:
        search(
            still(lopsided()), epochs=1, rounds=None, rate=0.4, final_sparsity=[0.4, 0.75], run_dir=tmp_path
        )
    assert "\n" not in str(error.value)
    kept = lottery.load_ticket(tmp_path / "round_01")
    assert kept.masks["b/kernel"].any() and not (tmp_path / "round_02").exists()
    with pytest.raises(Dead, match="round 1, 40.00% sparse"):  # and again, when it goes on
        search(
            still(lopsided()), epochs=1, rounds=None, rate=0.4, final_sparsity=[0.4, 0.75], run_dir=tmp_path
        )
    with pytest.raises(Dead, match=r"round 1, 40.00% sparse\.$"):
        search(still(lopsided()), epochs=1, rounds=None, rate=0.4, final_sparsity=[0.4, 0.75])
    assert (
        search(
            still(lopsided()), epochs=1, rounds=None, rate=0.4, final_sparsity=[0.4, 0.75], scope="layer"
        ).sparsity
        == 0.75
    )


def test_an_emptied_layer_with_a_shortcut_is_told_and_trained_on():
    with pytest.warns(
        UserWarning, match="pruned to 75.00% zeros, no weight is left in b/kernel: .*shortcut.*scope='layer'"
    ):
        ticket = search(still(lopsided(shortcut=True)), epochs=1, rounds=1, rate=0.75)
    assert not ticket.masks["b/kernel"].any() and ticket.sparsity == pytest.approx(0.75, abs=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        search(epochs=1)


def test_a_head_that_begins_at_zero_is_alive():
    """Its outputs are alike only at the rewind point, before anything is learned."""
    net = keras.Sequential(
        [L.Input((8,)), L.Dense(12, "relu", name="a"), L.Dense(3, kernel_initializer="zeros", name="head")]
    )
    assert search(compiled(net), epochs=1).sparsity == 0.75


@pytest.mark.parametrize("dead", [False, True])
def test_one_fit_of_all_rounds(dead):
    if dead:
        model = still(
            lottery.wrap(
                lopsided(),
                schedule=lottery.LotterySchedule(rate=0.4, final_sparsity=[0.4, 0.75], round_steps=3),
            )
        )
        callback = lottery.LotteryCallback()
        with pytest.raises(
            Dead,
            match="since no weight is left in b/kernel.*that of round 1, 40.00% sparse, in "
            "LotteryCallback.ticket",
        ):
            model.fit(*arrays(), epochs=9, verbose=0, callbacks=[callback])
        assert callback.ticket.sparsity == pytest.approx(0.4) and len(callback.ticket.rounds) == 2
        assert callback.ticket.trained["b/kernel"].any() and lottery.sparsity(model) == pytest.approx(0.4)
    else:
        net = keras.Sequential([L.Input((4,)), L.Dense(8, name="a"), L.Dense(2, name="head")])
        model = still(lottery.wrap(net, schedule=lottery.LotterySchedule(rounds=8, rate=0.5, round_steps=3)))
        with pytest.raises(
            lottery.LotteryError,
            match="99.6094% sparse leaves none of the 32 prunable weights of the model: prune less",
        ):
            model.fit(
                np.ones((96, 4)), np.ones(96), epochs=9, verbose=0, callbacks=[lottery.LotteryCallback()]
            )
        assert lottery.sparsity(model) == 0 and ENGINE.steps_taken(model) == 0


def test_gradual_pruning():
    model = still(lottery.wrap(lopsided()))
    with pytest.raises(Dead, match="zeros the net gives one answer"):
        model.fit(*arrays(), epochs=4, verbose=0, callbacks=[GradualPruning(0.75, end=8, every=1)])
    assert lottery.masks(model)["b/kernel"].any()
    model = still(lottery.wrap(lopsided()))
    with pytest.raises(lottery.LotteryError, match="leaves none of the 180 prunable weights"):
        model.fit(*arrays(), epochs=4, verbose=0, callbacks=[GradualPruning(0.999, end=8)])


def test_masks_by_saliency():
    model = lottery.wrap(dense())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for criterion in ("snip", "grasp"):
        with pytest.raises(lottery.LotteryError, match="leaves none of the 216 prunable weights"):
            saliency_masks(model, *arrays(), criterion, 0.999, loss=loss)


INPUTS = {
    "whole numbers": lambda: keras.Sequential(
        [L.Input((5,), dtype="int32"), L.Embedding(7, 4), L.Flatten(), L.Dense(6, name="a"), L.Dense(2)]
    ),
    "any size": lambda: keras.Sequential(
        [L.Input((None, None, 3)), L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(2)]
    ),
    "pixels": lambda: keras.Sequential(
        [L.Input((4, 4, 1)), L.Rescaling(1 / 255), L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(2)]
    ),
    "several": lambda: two_inputs(),
    "half precision": lambda: keras.Sequential(
        [L.Input((5,)), L.Dense(6, name="a", dtype="mixed_bfloat16"), L.Dense(2, dtype="mixed_bfloat16")]
    ),
}


def two_inputs():
    one, other = L.Input((3,), name="one"), L.Input((2,), dtype="int32", name="other")
    x = L.Concatenate()([one, L.Flatten()(L.Embedding(5, 2)(other))])
    return keras.Model(
        {"one": one, "other": other}, [L.Dense(2, name="x")(L.Dense(4, name="a")(x)), L.Dense(1, name="y")(x)]
    )


@pytest.mark.parametrize("name", INPUTS)
def test_random_batches_for_each_kind_of_input(name):
    model = lottery.wrap(INPUTS[name](), prune_head=True)
    before = bits(state_of(model))
    assert not alive.answers_alike(engines.of(model)) and bits(state_of(model)) == before
    masks = {path: np.zeros(mask.shape, bool) for path, mask in lottery.masks(model).items()}
    ENGINE.set_masks(model, masks)
    assert alive.answers_alike(engines.of(model))


@skip_unless("tf_keras", reason="the command is the same on each Keras")
def test_the_command_says_so_and_exits(tmp_path):
    from apps import find_ticket

    code, _, err = command(
        find_ticket,
        "--dataset=digits",
        "--model=lenet",
        "--epochs=1",
        "--final_sparsity=0.999",
        "--rate=0.9",
        "--optimizer=sgd",
        "--learning_rate=0.01",
        "--batch_size=128",
        f"--run_dir={tmp_path / 'run'}",
        "--verbose=false",
        "--precision=float32",
    )
    assert (
        code == 2
        and "no weight is left in" in err
        and "last good ticket is that of round" in err
        and "Traceback" not in err
    )
