"""The rounds: rates and sparsities, TF-MOT's contract, what is saved with a model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import KERAS3, keras, load_model, skip_unless

import keras_lottery as lottery
import keras_lottery.core.schedule
from keras_lottery import engines
from keras_lottery.core.schedule import LotterySchedule, check_rewind, round_sparsities, search_rounds

TFMOT = skip_unless("tf_keras", reason="TF-MOT works with tf_keras")
INSIDE = st.floats(0.01, 0.99)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), INSIDE)
def test_rounds_and_rate(rounds, rate):
    found = round_sparsities(rounds, rate)
    assert found == [1 - (1 - rate) ** n for n in range(1, rounds + 1)]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), INSIDE)
def test_final_sparsity_in_so_many_rounds(rounds, final):
    found = round_sparsities(rounds, final_sparsity=final)
    assert len(found) == rounds and found[-1] == final
    kept = 1 - np.array([0, *found])
    np.testing.assert_allclose(kept[1:] / kept[:-1], kept[1], rtol=1e-6)


@settings(max_examples=200, deadline=None)
@given(INSIDE, INSIDE)
def test_final_sparsity_at_a_rate(rate, final):
    found = round_sparsities(rate=rate, final_sparsity=final)
    assert found[-1] == final
    kept = 1 - np.array([0, *found])
    shares = 1 - kept[1:] / kept[:-1]
    np.testing.assert_allclose(shares[:-1], rate, rtol=1e-6)
    assert 0 < shares[-1] <= rate * (1 + 1e-6)


def test_a_whole_number_of_rounds_gets_no_other():
    for rounds in range(1, 30):
        assert len(round_sparsities(rate=0.2, final_sparsity=1 - 0.8**rounds)) == rounds


def test_call():
    schedule = LotterySchedule(rounds=3, rate=0.5, round_steps=10)
    told = [schedule(step) for step in range(50)]
    assert [step for step, (prune, _) in enumerate(told) if prune] == [10, 20, 30]
    assert [share for _, share in told] == [1 - 0.5 ** min(step // 10, 3) for step in range(50)]


def test_a_round_that_rewinds_to_step_k_trains_from_k_to_the_end():
    """Frankle et al. 2020, algorithm 2; rounds that keep their weights, and those that begin at the end,
    train all steps."""

    def spans(*given):
        return [(round.start, round.stop, round.rewind) for round in search_rounds([0.5, 0.75, 0.9], *given)]

    assert spans(3, 10) == [(0, 10, False)] + [(3, 10, True)] * 3
    assert spans(0, 10) == spans("trained", 10) == [(0, 10, False)] + [(0, 10, True)] * 3
    assert spans("lr", 10) == spans("finetune", 10) == [(0, 10, False)] * 4
    assert spans(3, 10, True) == [(0, 10, False)] * 3 + [(3, 10, True)]
    assert spans(3, None)[1] == (3, None, True)
    schedule = LotterySchedule(rounds=3, rate=0.5, round_steps=10, rewind_step=3)
    assert schedule.boundaries == [10, 17, 24] and schedule.total_steps == 31
    told = [schedule(step) for step in range(40)]
    assert [step for step, (prune, _) in enumerate(told) if prune] == schedule.boundaries
    assert [share for _, share in told[:25:8]] == [0, 0, 0.5, 0.875]


@TFMOT
def test_tfmot_contract():
    """A call takes a step, maybe symbolic, and gives two tensors: prune now?, sparsity."""
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot

    schedule = LotterySchedule(rounds=3, rate=0.5, round_steps=10)
    assert isinstance(schedule, tfmot.sparsity.keras.PruningSchedule)
    call = tf.function(lambda step: schedule(step))
    told = [[tensor.numpy() for tensor in call(tf.constant(step, tf.int64))] for step in range(-1, 50)]
    assert [step for step, (prune, _) in enumerate(told, -1) if prune] == [10, 20, 30]
    expected = [1 - 0.5 ** min(max(step, 0) // 10, 3) for step in range(-1, 50)]
    assert [float(share) for _, share in told] == expected
    later = LotterySchedule(rounds=3, rate=0.5, round_steps=10, rewind_step=3)
    assert [step for step in range(40) if later(step)[0]] == later.boundaries
    prune, share = schedule(7)
    assert prune.dtype == tf.bool and share.dtype == tf.float32 and prune.shape == share.shape == ()


@TFMOT
def test_tfmots_own_wrapper_takes_it():
    import tensorflow_model_optimization as tfmot

    dense = keras.layers.Dense(4, input_shape=(8,))
    schedule = LotterySchedule(rounds=2, rate=0.5, round_steps=2)
    model = keras.Sequential([tfmot.sparsity.keras.prune_low_magnitude(dense, pruning_schedule=schedule)])
    model.compile("sgd", "mse")
    callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    model.fit(np.ones((10, 8)), np.ones((10, 4)), batch_size=2, epochs=1, callbacks=callbacks, verbose=0)
    assert np.count_nonzero(dense.kernel) == 8


@pytest.mark.parametrize(
    "arguments, rounds, rewind, steps",
    [
        (dict(rounds=3, round_steps=10), 3, 0, 40),
        (dict(rounds=3, rate=0.5, round_steps=10, rewind_step=4), 3, 4, 28),
        (dict(final_sparsity=0.9, round_steps=5, rewind_step="trained"), 11, "trained", 60),
        (dict(rounds=2, final_sparsity=0.9, round_steps=np.int64(5), rewind_step="lr"), 2, "lr", 15),
        (dict(rate=0.5, final_sparsity=0.8, round_steps=7, rewind_step="init"), 3, 0, 28),
    ],
)
def test_config_round_trip(arguments, rounds, rewind, steps, tmp_path):
    schedule = LotterySchedule(**arguments)
    assert (schedule.rounds, schedule.rewind_step, schedule.total_steps) == (rounds, rewind, steps)
    net = keras.Sequential([keras.layers.Dense(4, input_shape=(3,)), keras.layers.Dense(2)])
    lottery.wrap(net, schedule=schedule, scope="layer").save(tmp_path / "m.keras")
    loaded, how = engines.of(load_model(tmp_path / "m.keras")).settings()
    assert (
        isinstance(loaded, LotterySchedule)
        and type(loaded) is type(schedule)
        and how == {"scope": "layer", "blocks": {}}
    )
    assert vars(loaded) == vars(schedule)
    config = schedule.get_config() if KERAS3 else schedule.get_config()["config"]
    assert vars(LotterySchedule.from_config(config)) == vars(schedule)


@pytest.mark.parametrize("file", ["m.keras"] if KERAS3 else ["m.h5", "saved_model"])
def test_loaded_schedule_goes_on(file, tmp_path):
    """A schedule that Keras could not restore would predict the same and then fail in fit."""
    net = keras.Sequential([keras.layers.Dense(4, input_shape=(3,)), keras.layers.Dense(2)])
    schedule = LotterySchedule(rounds=2, rate=0.5, round_steps=2)
    lottery.wrap(net, schedule=schedule).save(tmp_path / file)
    model = load_model(tmp_path / file, compile=False)
    model.compile("sgd", "mse")
    callback = lottery.LotteryCallback()
    model.fit(np.ones((6, 3)), np.ones((6, 2)), batch_size=1, callbacks=[callback], verbose=0)
    assert callback.ticket.sparsity == 0.75


@pytest.mark.parametrize(
    "arguments, said",
    [
        (dict(rounds=0), "rounds=0 is impossible"),
        (dict(rounds=2.5), "rounds=2.5 is impossible"),
        (dict(rounds=True), "rounds=True is impossible"),
        (dict(rounds="many"), "rounds='many' is impossible"),
        (dict(rounds=2, rate=0), "rate=0 is impossible"),
        (dict(rounds=2, rate=1), "rate=1 is impossible"),
        (dict(rounds=2, rate=float("nan")), "rate=nan is impossible"),
        (dict(rounds=2, rate="fast"), "rate='fast' is impossible"),
        (dict(rounds=2, final_sparsity=1.0), "final_sparsity=1.0 is impossible"),
        (dict(rounds=3, rate=0.2, final_sparsity=0.9), "contradict"),
        (dict(rate=0.2), "how far to prune is open"),
        (dict(final_sparsity=0.9), "how fast to prune is open"),
        (dict(rounds=20000, rate=0.2), "rounds=20000 is impossible: give a whole number from 1 to 10000"),
        (
            dict(rate=1e-310, final_sparsity=0.9),
            "rate=1e-310 takes more than 10,000 rounds to 90.0%: give a higher rate",
        ),
        (dict(rounds=3, rate=1e-310), "rate=1e-310 would prune nothing: give a higher rate, or fewer rounds"),
        (dict(rounds=10**5000, rate=0.2), "rounds=a value of type int is impossible"),
    ],
)
def test_impossible_rounds(arguments, said):
    with pytest.raises(lottery.LotteryError, match=said) as told:
        round_sparsities(**arguments)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("steps", [None, 0, -1, 1.5, "ten", True])
def test_impossible_round_steps(steps):
    with pytest.raises(lottery.LotteryError, match="round_steps="):
        LotterySchedule(rounds=2, round_steps=steps)


@pytest.mark.parametrize("rewind", [-1, 1.5, "early", None, True, []])
def test_unknown_rewind(rewind):
    with pytest.raises(lottery.LotteryError, match="is unknown: give 'init', a step"):
        check_rewind(rewind)


def test_rewind_within_the_first_round():
    assert check_rewind(np.int64(3), 4) == 3 and check_rewind("init") == 0 and check_rewind("lr", 1) == "lr"
    with pytest.raises(lottery.LotteryError, match="past the first round, which has 4 steps"):
        check_rewind(4, 4)
