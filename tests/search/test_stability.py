"""The error barrier between two trainings, BatchNorm on the way between them, and the rewind point chosen by
it."""

import json
import math
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import ENGINE, L, arrays, bits, command, compiled, dense, files, in_order, noisy, state_of, weights
from world import EAGER, WORLD, array, keras, skip_unless

import keras_lottery as lottery
from keras_lottery.search.stability import barrier, instability, interpolate
from keras_lottery.training.batch_norm import BatchNormStatistics

STATISTICS = ("moving_mean", "moving_variance")


def normalised():
    """BatchNorm at the top and in a model in the model."""
    inner = keras.Sequential(
        [L.Input((12,)), L.Dense(10, name="b"), L.BatchNormalization(name="bn2")], name="inner"
    )
    return keras.Sequential(
        [
            L.Input((8,)),
            L.Dense(12, name="a"),
            L.BatchNormalization(name="bn"),
            L.ReLU(),
            inner,
            L.ReLU(),
            L.Dense(3, name="head"),
        ],
        name="normalised",
    )


def wrapped(model, masked=True):
    """Compiled, with every second weight dropped."""
    model = compiled(lottery.wrap(model), keras.optimizers.Adam(0.1), run_eagerly=EAGER)
    if masked:
        ENGINE.set_masks(
            model,
            {path: np.indices(mask.shape).sum(0) % 2 == 0 for path, mask in lottery.masks(model).items()},
        )
    return model


def drawn(model, seed=1):
    """A state of numbers that are the same in each world, with zeros where the model's masks say so."""
    rng, masks = np.random.default_rng(seed), ENGINE.masks(model)
    return {
        path: np.where(
            masks.get(path, True),
            rng.uniform(0.5, 1.5, value.shape) if "variance" in path else rng.normal(size=value.shape),
            0,
        ).astype("float32")
        for path, value in state_of(model).items()
    }


def permuted(state, by="a", then="head", bn="bn"):
    """The same function with the units of one layer in another order."""
    order = np.random.default_rng(5).permutation(len(state[f"{by}/bias"]))
    below = {path: value[order] for path, value in state.items() if path.startswith(f"{bn}/")}
    return {
        **state,
        **below,
        f"{by}/kernel": state[f"{by}/kernel"][:, order],
        f"{by}/bias": state[f"{by}/bias"][order],
        f"{then}/kernel": state[f"{then}/kernel"][order],
    }


def labelled(model, state, x):
    """(x, what the model in this state says of it)."""
    ENGINE.load_state(model, state)
    return x, array(model(x)).argmax(-1)


def test_statistics_are_exactly_those_of_the_first_batches():
    x, y = arrays(96)
    model = wrapped(normalised())
    state = drawn(model)
    found = BatchNormStatistics(model, in_order((x, y), 32), batches=2)(state)
    assert {path for path in state if bits(found)[path] != bits(state)[path]} == {
        f"{bn}/{name}" for bn in ("bn", "inner/bn2") for name in STATISTICS
    }
    assert all((found[path][~mask] == 0).all() for path, mask in lottery.masks(model).items())
    epsilon, above, below = 1e-3, [], []
    for batch in (x[:32], x[32:64]):
        values = batch @ state["a/kernel"] + state["a/bias"]
        above.append(values)
        values = (values - values.mean(0)) / np.sqrt(values.var(0) + epsilon) * state["bn/gamma"] + state[
            "bn/beta"
        ]
        below.append(np.maximum(values, 0) @ state["inner/b/kernel"] + state["inner/b/bias"])
    for bn, values in (("bn", np.concatenate(above)), ("inner/bn2", np.concatenate(below))):
        np.testing.assert_allclose(found[f"{bn}/moving_mean"], values.mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[f"{bn}/moving_variance"], values.var(0), rtol=1e-4, atol=1e-5)


def test_statistics_of_images_are_the_population_s_and_batches_count_by_their_size():
    x = np.random.default_rng(0).normal(2, 3, size=(10, 3, 3, 2)).astype("float32")
    model = keras.Sequential(
        [
            L.Input((3, 3, 2)),
            L.BatchNormalization(name="bn"),
            L.Conv2D(2, 2, name="c"),
            L.Flatten(),
            L.Dense(2),
        ]
    )

    class Train:
        def __iter__(self):
            return iter([(x[:4], np.zeros(4)), (x[4:8], np.zeros(4)), (x[8:], np.zeros(2))])

    found = BatchNormStatistics(model, Train())(state_of(model))
    np.testing.assert_allclose(found["bn/moving_mean"], x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found["bn/moving_variance"], x.var((0, 1, 2)), rtol=1e-5)


def test_frozen_statistics_and_models_without_are_left():
    model = noisy()
    model.get_layer("bn").trainable = False
    for left in (model, dense()):
        state = state_of(left)
        assert BatchNormStatistics(left, arrays())(state) is state


def test_interpolate_ends_where_it_should_and_keeps_zeros():
    model = wrapped(normalised())
    a, b = drawn(model, 1), drawn(model, 2)
    assert bits(interpolate(a, b, 0.0)) == bits(a) and bits(interpolate(a, b, 1.0)) == bits(b)
    middle = interpolate(a, b, 0.3)
    assert all(
        (middle[path][~mask] == 0).all() and (middle[path][mask] != 0).all()
        for path, mask in lottery.masks(model).items()
    )


def test_a_state_and_itself_have_no_barrier_and_the_model_stays():
    model = wrapped(noisy())
    state, before = drawn(model), weights(model)
    record = barrier(model, state, state, arrays(), (*arrays(64, seed=1), np.ones(64)), points=4, batches=2)
    assert (
        record["barrier"] == 0
        and len(set(record["errors"])) == 1
        and record["alphas"] == [0, 1 / 3, 2 / 3, 1]
    )
    assert weights(model) == before and json.loads(json.dumps(record)) == record


@pytest.mark.matrix
def test_permuted_copies_have_a_barrier_and_statistics_of_their_own_between_them():
    """The mean of two kernels varies less than either, which the mean of the ends' statistics does not
    know."""
    net = keras.Sequential(
        [
            L.Input((8,)),
            L.Dense(64, name="a"),
            L.BatchNormalization(name="bn"),
            L.ReLU(),
            L.Dense(3, name="head"),
        ]
    )
    model = wrapped(net, masked=False)
    x, y = arrays(512)
    restated = BatchNormStatistics(model, (x, y), batches=16)
    a = restated(drawn(model))
    seen = labelled(model, a, x)
    record = barrier(model, a, permuted(a), seen, seen, points=5, batches=16)
    assert record["errors"][0] < 0.01 and record["errors"][-1] < 0.01
    assert record["barrier"] > 5 and record["barrier"] == pytest.approx(100 * max(record["errors"]), abs=1)
    middle = interpolate(a, permuted(a), 0.5)
    assert restated(middle)["bn/moving_variance"].mean() < 0.7 * middle["bn/moving_variance"].mean()
    errors = []
    for state in (middle, restated(middle)):
        ENGINE.load_state(model, state)
        errors.append(1 - model.evaluate(*seen, verbose=0)[1])
    assert errors[0] != errors[1] == record["errors"][2]


def test_a_barrier_is_over_the_mean_of_both_ends():
    layers = L.Dense(1, use_bias=False, name="a"), L.Dense(2, use_bias=False, name="head")
    model = wrapped(keras.Sequential([L.Input((1,)), *layers]), masked=False)
    good, bad = (
        {"a/kernel": np.float32([[1]]), "head/kernel": np.float32([[-sign, sign]])} for sign in (1, -1)
    )
    x = np.float32([[1], [2], [3], [-1]])
    seen = x, np.ones(4, int)
    record = barrier(model, good, bad, seen, seen, points=5)
    assert record["errors"][0] == 0.25 and record["errors"][-1] == 0.75
    assert record["barrier"] == pytest.approx(100 * (max(record["errors"]) - 0.5))


def test_says_what_it_cannot_measure():
    model = compiled(lottery.wrap(dense()), metrics=[], run_eagerly=EAGER)
    state = state_of(model)
    with pytest.raises(lottery.LotteryError, match="no accuracy: compile it with metrics"):
        instability(model, [arrays(), arrays()], arrays(), epochs=1)
    with pytest.raises(lottery.LotteryError, match="points=2 is impossible"):
        barrier(model, state, state, arrays(), arrays(), points=2)


def interrupt(patch, at):
    """Stop the training with this number."""
    fit, calls = keras.Model.fit, []

    def interrupted(self, *args, **kwargs):
        calls.append(self)
        if len(calls) == at:
            raise KeyboardInterrupt
        return fit(self, *args, **kwargs)

    patch.setattr(keras.Model, "fit", interrupted)


@pytest.mark.matrix
def test_instability_survives_a_kill_and_leaves_the_model(tmp_path):
    x, y = arrays(96)
    orders = [in_order((x, y), 32), in_order((x[::-1].copy(), y[::-1].copy()), 32)]

    def measure(folder):
        keras.utils.set_random_seed(0)
        model = wrapped(noisy(), masked=False)
        ENGINE.load_state(model, drawn(model))
        before = bits(state_of(model))
        record = instability(model, orders, (x, y), epochs=2, run_dir=folder, points=3, batches=2, verbose=0)
        assert bits(state_of(model)) == before and ENGINE.steps_taken(model) == 0
        return record

    whole = measure(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, at=2)
        measure(tmp_path / "killed")
    assert set(files(tmp_path / "killed")) == {"config.json", "epoch.safetensors", "order_0.safetensors"}
    assert measure(tmp_path / "killed") == whole
    assert files(tmp_path / "killed") == files(tmp_path / "whole") and set(files(tmp_path / "whole")) == {
        "config.json",
        "result.json",
    }
    assert len(set(whole["errors"])) > 1
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, at=1)
        assert measure(tmp_path / "whole") == whole


@pytest.mark.matrix
def test_a_folder_gives_back_its_own_measurement_alone(tmp_path):
    def measure(state=1, epochs=1, seed=0, optimizer="adam", net=dense, sparse=False, **options):
        model = wrapped(net(), masked=sparse)
        ENGINE.load_state(model, {path: value * state for path, value in drawn(model).items()})
        compiled(model, optimizer)
        given = {"validation": arrays(seed=seed), "points": 3, "batches": 2, **options}
        orders = [ENGINE.batches(*arrays(seed=seed), batch_size=32, seed=order) for order in (0, 1)]
        return instability(model, orders, epochs=epochs, run_dir=tmp_path, verbose=0, **given)

    def other():
        return keras.Sequential(
            [
                L.Input((8,)),
                L.Dense(12, "tanh", name="a"),
                L.Dense(10, "relu", name="b"),
                L.Dense(3, name="head"),
            ]
        )

    record, before = measure(), files(tmp_path)
    for change, said in (
        (dict(state=2), "weights was"),
        (dict(epochs=2), "epochs was 1, now 2"),
        (dict(seed=1), "train was"),
        (dict(optimizer="sgd"), "compiled.optimizer"),
        (dict(net=other), "architecture was"),
        (dict(points=5), "points was"),
        (dict(sparse=True), "weights was"),
        (dict(validation=arrays(seed=2)), "validation was"),
        (dict(batches=3), "batches was"),
    ):
        with pytest.raises(lottery.LotteryError, match=said):
            measure(**change)
    assert measure() == record and files(tmp_path) == before


@skip_unless("tf_keras", "tensorflow", reason="a strategy of tf.distribute")
def test_two_replicas():
    from small import mirrored

    x, y = arrays(64)
    strategy = mirrored()
    with strategy.scope():
        model = compiled(lottery.wrap(normalised()))
        state = drawn(model)
        both = BatchNormStatistics(model, in_order((x, y), 32))(state)
    plain = normalised()
    alone = BatchNormStatistics(plain, in_order((x, y), 32))(state)
    for path in state:
        np.testing.assert_allclose(both[path], alone[path], rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 200), st.data())
def test_bisection_finds_the_earliest_stable_step(count, draw):
    from keras_lottery.experiments.autorewind import earliest

    grid = list(range(0, 3 * count, 3))
    first = draw.draw(st.integers(0, count))
    asked = []

    def stable(step):
        asked.append(step)
        return step >= 3 * first

    assert earliest(grid, stable) == (3 * first if first < count else None)
    assert len(asked) == len(set(asked)) <= math.ceil(math.log2(count)) + 1


@given(st.integers(1, 10**6))
def test_candidates_rise_and_are_steps_of_the_training(steps):
    from keras_lottery.experiments.autorewind import candidates

    grid = candidates(steps)
    assert grid[0] == 0 and grid == sorted(set(grid)) and grid[-1] < steps <= max(1, 2 * grid[-1])


AUTO = [
    "--rewind=auto",
    "--model=lenet",
    "--width=0.1",
    "--classes=0,1,2,3",
    "--epochs=1",
    "--rounds=1",
    "--rate=0.5",
    "--batch_size=260",
    "--optimizer=adam",
    "--learning_rate=0.01",
    "--precision=float32",
    f"--backend={WORLD}",
    "--run_dir=auto",
]


@pytest.mark.matrix
@skip_unless("tf_keras", reason="the rounds are tested in each world elsewhere")
def test_auto_asks_no_step_that_the_budget_cannot_hold(tmp_path, monkeypatch):
    from apps import find_ticket
    from keras_lottery.experiments import autorewind

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(autorewind, "STABLE", 0.0)
    code, out, err = command(find_ticket, *AUTO, "--epochs=2", "--budget=1.5x")
    assert code == 2 and "no ticket is stable" in err
    assert "over the steps 0, 1, 2: " in out, "a later one would make the first round longer than an epoch"


@pytest.mark.matrix
@skip_unless("tf_keras", reason="the rounds, and what a kill leaves, are tested in each world elsewhere")
def test_auto_finds_a_step_killed_or_not(tmp_path, monkeypatch):
    from apps import find_ticket
    from keras_lottery.experiments import autorewind

    monkeypatch.setattr(autorewind, "STABLE", 50.0)  # of a net that is hardly trained
    (tmp_path / "whole").mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    code, out, err = command(find_ticket, *AUTO)
    assert code == 0, err
    assert out.startswith(
        "--rewind=auto, over the steps 0, 1: at most 2 probes of 2 + 2 trainings, 8 trainings or 8 epochs in "
        "all\n"
    )
    result = json.loads((tmp_path / "whole" / "auto" / "result.json").read_text())
    barriers = {probe["rewind"]: probe["barrier"] for probe in result["probes"]}
    assert barriers[result["rewind"]] < 50 and len(barriers) <= 2
    assert all(barrier >= 50 for step, barrier in barriers.items() if step < result["rewind"])
    assert autorewind.describe(result["probes"]) in out and f"rewound to step {result['rewind']};" in out
    assert [row["control"] for row in result["rows"]] == ["dense", "ticket"] and result["run_dir"] == "auto"
    assert result["ticket"] == f"auto/rewind_{result['rewind']}/round_01"
    ticket = lottery.load_ticket(result["ticket"])
    assert ticket.sparsity == pytest.approx(0.5, abs=0.001) and ticket.settings["rewind"] == (
        result["rewind"] or "init"
    )

    # As a kill in the second probe leaves it.
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    monkeypatch.chdir(tmp_path / "killed")
    for folder in ("round_01", "stability"):
        shutil.rmtree(f"auto/rewind_0/{folder}")
    for folder in ("auto", "auto/rewind_0"):
        (tmp_path / "killed" / folder / "result.json").unlink()
    assert command(find_ticket, *AUTO)[0] == 0
    assert files(tmp_path / "killed") == files(tmp_path / "whole")

    interrupt(monkeypatch, at=1)
    assert command(find_ticket, *AUTO)[0] == 0
    monkeypatch.setattr(autorewind, "STABLE", 0.0)
    code, out, err = command(find_ticket, *AUTO)
    assert code == 2 and err.count("\n") == 1
    assert (
        "no ticket is stable (a barrier below 0): error barrier by rewind step, in points: " in err
        and "Train longer (epochs)" in err
    )
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


@skip_unless("tf_keras", reason="nothing is trained")
def test_auto_needs_a_validation_split(tmp_path, monkeypatch):
    from apps import find_ticket

    monkeypatch.chdir(tmp_path)
    code, _, err = command(find_ticket, *AUTO, "--validation=0")
    assert (
        code == 2 and "--rewind=auto chooses by validation error" in err and not (tmp_path / "auto").exists()
    )
