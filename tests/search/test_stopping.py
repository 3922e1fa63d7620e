"""Rounds that end early: within the budget, once the mask has settled, the same after a kill; never the
last."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, strategies
from world import keras

import keras_lottery as lottery
from keras_lottery.config import SearchConfig
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.masking import changed
from keras_lottery.core.schedule import check_rewind, round_sparsities, search_rounds
from keras_lottery.experiments.fast import fast
from keras_lottery.search.stopping import Stopping, was_cut

L = keras.layers
STEPS = 4  # of an epoch


def net():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([L.Input((4,)), L.Dense(16, "relu", name="hidden"), L.Dense(2, name="out")])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def search(**given):
    x = np.random.default_rng(0).normal(size=(STEPS * 32, 4)).astype("float32")
    return lottery.find_ticket(
        net(), (x, x[:, :2] ** 2), verbose=0, **{"epochs": 5, "rounds": 3, "rate": 0.5, **given}
    )


def steps(ticket):
    return [record["stop"] - record["start"] for record in ticket.rounds]


def lengths(ticket):
    return [len(record["history"]) for record in ticket.rounds]


@pytest.mark.quick("8-expected0")
@pytest.mark.parametrize(
    "epochs_in_all, expected", [(8, [1, 1, 1, 5]), (13, [2, 3, 3, 5]), (100, [5, 5, 5, 5])]
)
def test_a_budget_of_steps_is_shared_out_and_kept(epochs_in_all, expected):
    assert (
        lengths(search(budget=epochs_in_all * STEPS))
        == lengths(search(budget=f"{epochs_in_all / 5}x"))
        == expected
    )


@pytest.mark.matrix
def test_the_rewind_point_is_waited_for_and_trained_is_trained():
    """STEPS are 4, so that rounds from step 9 on begin with 3 steps of their first epoch."""
    assert steps(search(budget=37, rewind=9)) == [12, 7, 7, 11]
    assert steps(search(budget=29, rewind=9)) == [12, 3, 3, 11]
    with pytest.raises(LotteryError, match="take 29 steps"):
        search(budget=28, rewind=9)
    assert steps(search(budget=8 + 4 + 4 + 12, rewind=8)) == [8, 4, 4, 12]
    assert lengths(search(budget=12 * STEPS, rewind="trained")) == [5, 1, 1, 5]
    with pytest.raises(LotteryError, match="take 48 steps"):
        search(budget=11 * STEPS, rewind="trained")


@pytest.mark.matrix
def test_a_round_that_a_budget_cut_says_at_which_step(tmp_path):
    ticket = search(budget=29, rewind=9, run_dir=tmp_path)
    assert [(record["start"], record["stop"]) for record in ticket.rounds] == [
        (0, 12),
        (9, 12),
        (9, 12),
        (9, 20),
    ]
    assert [was_cut(lottery.load_ticket(tmp_path / f"round_{number:02d}")) for number in range(4)] == [
        True,
        True,
        True,
        False,
    ]


def plan(rounds, rewind, epochs, steps=STEPS):
    return search_rounds([0.5] * rounds, rewind, steps * epochs)


def test_the_budget_that_a_refusal_names_is_enough():
    for epochs in range(1, 101):
        for rounds in range(1, 31):
            with pytest.raises(LotteryError, match="is too small") as told:
                Stopping(plan(rounds, 0, epochs), epochs, STEPS, 1)
            Stopping(plan(rounds, 0, epochs), epochs, STEPS, re.search(r"or (\S+x):", str(told.value))[1])


@given(
    strategies.integers(1, 11), strategies.integers(1, 20), strategies.integers(0, 1200), strategies.data()
)
def test_no_budget_is_overdrawn(rounds, epochs, more, draw):
    """Whatever each round takes of what it may: the last trains to its end, none less than to the end of its
    first epoch."""
    rewind = draw.draw(strategies.integers(0, STEPS * epochs - 1))
    planned = plan(rounds, rewind, epochs)
    first = max(1, -(-rewind // STEPS)) * STEPS
    least = first + (rounds - 1) * (STEPS - rewind % STEPS) + planned[-1].steps
    budget = least + more
    stopping, records = Stopping(planned, epochs, STEPS, budget), []
    for round in planned[:-1]:
        stopping.begin(round, records, None)
        shortest = STEPS - rewind % STEPS if round.number else first
        assert stopping._allowed(1) >= STEPS - rewind % STEPS
        steps, most = shortest, draw.draw(strategies.integers(0, epochs))
        while steps + STEPS <= min(stopping._allowed(steps), round.steps) and steps < most * STEPS:
            steps += STEPS
        records.append({"history": [{"start": round.start, "stop": round.start + steps}]})
    assert (
        sum(record["history"][0]["stop"] - record["history"][0]["start"] for record in records)
        + planned[-1].steps
        <= budget
    )
    with pytest.raises(LotteryError, match=f"take {least:,} steps"):
        Stopping(planned, epochs, STEPS, least - 1)


@pytest.mark.matrix
def test_minutes():
    """A minute is time enough; next to none leaves one epoch a round and the last its own."""
    assert lengths(search(budget="10m")) == [5, 5, 5, 5]
    ticket = search(budget="0.00001m")
    assert lengths(ticket) == [1, 1, 1, 5] and all(record["seconds"] > 0 for record in ticket.rounds)


def test_early_bird_ends_rounds_whose_masks_have_settled():
    assert lengths(search(early_bird=0.99)) == [2, 2, 2, 5]  # the first has no mask before it
    assert lengths(search(early_bird=1e-9, epochs=3))[-1] == 3
    all_rounds = search(epochs=30, early_bird=0.2)
    assert all(2 <= length < 30 for length in lengths(all_rounds)[:-1]) and lengths(all_rounds)[-1] == 30
    assert all_rounds.sparsity == 0.875 and all_rounds.settings["early_bird"] == 0.2


@pytest.mark.parametrize(
    "more, chosen",
    [
        ({}, {"rate": 0.32, "budget": "3x", "rewind_once": True, "final_sparsity": 0.9}),
        ({"rewind_once": False, "budget": "4x"}, {"rate": 0.32, "final_sparsity": 0.9}),
        ({"rewind": "lr"}, {"rate": 0.32, "budget": "3x", "final_sparsity": 0.9}),
        ({"rate": 0.2}, {"budget": "3x", "rewind_once": True, "final_sparsity": 0.9}),
        ({"rounds": 3, "final_sparsity": 0.9}, {"budget": "3x", "rewind_once": True}),
        ({"epochs": 2}, {"rate": 0.44, "budget": "3x", "rewind_once": True, "final_sparsity": 0.9}),
        (
            {"final_sparsity": [0.5, 0.8, 0.9, 0.95, 0.98]},
            {"rate": 0.44, "budget": "3x", "rewind_once": True},
        ),
        ({"final_sparsity": 0.95, "rewind": "trained"}, {"rate": 0.44, "budget": "3x", "rewind_once": True}),
    ],
)
def test_fast_chooses_the_rest(more, chosen):
    given = {
        **dict.fromkeys(("rounds", "rate", "final_sparsity", "budget", "rewind_once")),
        "rewind": "init",
        "epochs": 5,
        **more,
    }
    search = SearchConfig.of({"epochs": 5, **more})
    assert fast(search, more) == dataclasses.replace(search, **chosen)
    if not given["rounds"] and given["rate"] is None:
        all_given = {**given, **chosen}
        rounds = len(round_sparsities(rate=all_given["rate"], final_sparsity=all_given["final_sparsity"]))
        Stopping(
            plan(rounds, check_rewind(given["rewind"]), given["epochs"]),
            given["epochs"],
            STEPS,
            all_given["budget"],
        )


def test_changed_is_the_share_of_what_is_dropped():
    full = {"w": np.ones(10, bool)}
    before, after = ({"w": np.arange(10) >= 4}, {"w": (np.arange(10) < 3) | (np.arange(10) >= 7)})
    assert changed(before, after, full) == 3 / 4 and changed(before, before, full) == 0


class Killed(Exception):
    pass


@pytest.mark.matrix
@pytest.mark.quick("stopping0", "stopping3")
@pytest.mark.parametrize(
    "stopping",
    [
        {"budget": 13 * STEPS},
        {"early_bird": 0.3},
        {"budget": "10m"},
        {"budget": 10 * STEPS, "rewind": 3, "rewind_once": True},
    ],
)
def test_killed_and_started_again_it_ends_alike(tmp_path, stopping):
    class Killer(keras.callbacks.Callback):
        left = 4

        def on_epoch_begin(self, epoch, logs=None):
            Killer.left -= 1
            if Killer.left == 0:
                raise Killed

    whole = search(**stopping)
    with pytest.raises(Killed):
        search(**stopping, run_dir=tmp_path / "run", callbacks=Killer())
    again = search(**stopping, run_dir=tmp_path / "run", callbacks=Killer())
    assert lengths(again) == lengths(whole)
    assert all((again.masks[path] == whole.masks[path]).all() for path in whole.masks)
    assert all((again.trained[path] == whole.trained[path]).all() for path in whole.trained)


@pytest.mark.parametrize(
    "given, said",
    [
        (
            {"budget": 3 * STEPS},
            "budget=12 is too small: 4 rounds, the last to its end and the others of one epoch or more, "
            "take 32 steps or 1.6x",
        ),
        ({"budget": "1.5x"}, "take 32 steps or 1.6x: give that"),
        ({"budget": "1x", "epochs": 9}, "take 48 steps or 1.34x: give that"),
        (
            {"budget": "soon"},
            "budget='soon' is impossible: give steps, such as 20000, dense trainings, such as 3x, or "
            "minutes, such as 90m",
        ),
        ({"budget": "-3m"}, "impossible"),
        ({"budget": 0}, "impossible"),
        ({"budget": "nanx"}, "impossible"),
        ({"budget": 2.5}, "impossible"),
        ({"early_bird": 1}, "give a share between 0 and 1"),
    ],
)
def test_bad_values_before_anything_is_trained(tmp_path, given, said):
    with pytest.raises(LotteryError, match=re.escape(said)):
        search(**given, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
