"""A folder gives back a finished result of what is asked for, and refuses everything else, by name."""

import by_name
import numpy as np
import pytest
from small import ENGINE, L, arrays, compiled, dense, everything, files, search
from world import KERAS3, keras, skip_unless

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.architecture import form


def chain(*layers):
    return keras.Sequential(
        [L.Input((8, 8, 1)), L.Conv2D(3, 3, name="c"), *layers, L.Flatten(name="f"), L.Dense(3, name="head")]
    )


def graph(activation, name):
    given = L.Input((8,), name="given")
    x = L.Dense(6, name="a")(given)
    return keras.Model(
        given, L.Dense(3, name="head")(L.Add(name="add")([x, L.Activation(activation, name=name)(x)]))
    )


def inner(activation):
    given = L.Input((8,), name="given")
    net = keras.Model(
        given, L.Activation(activation, name=activation)(L.Dense(6, name="a")(given)), name="net"
    )
    outer = L.Input((8,), name="outer")
    return keras.Model(outer, L.Dense(3, name="head")(net(outer)))


def crossed(first, second):
    """Two branches into a subtraction, whose order is the whole difference."""
    given = L.Input((8,), name="given")
    one, other = L.Dense(6, "relu", name="one")(given), L.Dense(6, name="other")(given)
    named = {"one": one, "other": other}
    return keras.Model(given, L.Dense(3, name="head")(L.Subtract(name="less")([named[first], named[second]])))


PAIRS = {  # nets of equal weights that compute otherwise
    "activation": [
        lambda a=a: keras.Sequential(
            [L.Input((8,)), L.Dense(6, name="a"), L.Activation(a, name=a), L.Dense(3, name="head")]
        )
        for a in ("relu", "tanh")
    ],
    "pooling": [
        lambda kind=kind: chain(kind(2, name=kind.__name__)) for kind in (L.MaxPooling2D, L.AveragePooling2D)
    ],
    "padding": [
        lambda p=p: chain(
            L.Conv2D(3, 3, padding=p, dilation_rate=1, name=p),
            L.GlobalAveragePooling2D(name="g"),
            L.Reshape((1, 3), name="r"),
        )
        for p in ("same", "valid")
    ],
    "in a graph": [lambda a=a: graph(a, a) for a in ("relu", "tanh")],
    "in a model inside": [lambda a=a: inner(a) for a in ("relu", "tanh")],
    "wiring": [lambda: crossed("one", "other"), lambda: crossed("other", "one")],
    "precision of a layer": [
        lambda d=d: keras.Sequential([L.Input((8,)), L.Dense(6, name="a", dtype=d), L.Dense(3, name="head")])
        for d in ("mixed_bfloat16", "mixed_float16")
    ],
    "in a wrapper": [
        lambda a=a: keras.Sequential(
            [
                L.Input((8,)),
                L.Reshape((4, 2), name="r"),
                L.TimeDistributed(L.Activation(a, name=a), name="t"),
                L.Flatten(name="f"),
                L.Dense(6, name="a"),
                L.Dense(3, name="head"),
            ]
        )
        for a in ("relu", "tanh")
    ],
}


def of(model):
    return form(engines.of(model).architecture())


@pytest.mark.parametrize("name", PAIRS)
def test_nets_that_compute_otherwise_differ_whatever_their_layers_are_called(name):
    one, other = (of(make()) for make in PAIRS[name])
    assert one != other and one == of(PAIRS[name][0]())
    assert "relu" not in str(of(keras.Sequential([L.Input((8,)), L.Dense(3, name="relu")])))


def unnamed():
    """A layer of each place that a name stands in, named by Keras."""
    given = L.Input((8,))
    inside = L.Input((8,))
    net = keras.Model(inside, L.ReLU()(L.Dense(6)(inside)))
    x = L.Reshape((3, 2))(net(given))
    x = L.Bidirectional(L.LSTM(2, return_sequences=True))(L.TimeDistributed(L.Dense(4))(x))
    x = L.RNN([L.GRUCell(2), L.GRUCell(3)])(x)
    x = (
        L.Add()([L.Dropout(0.1)(x), x]) * 2.0
        if not KERAS3
        else keras.ops.multiply(L.Add()([L.Dropout(0.1)(x), x]), 2.0)
    )
    return keras.Model(given, L.Dense(3, activation=L.LeakyReLU())(x))


def test_names_that_keras_counts_up_make_no_difference():
    one, other = unnamed(), unnamed()
    assert one.layers[-1].name != other.layers[-1].name and of(one) == of(other)


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["activation", "pooling"])
def test_a_finished_run_of_another_model_is_not_given_back(name, tmp_path):
    one, other = PAIRS[name]
    rng = np.random.default_rng(0)
    data = (
        arrays()
        if name == "activation"
        else (rng.normal(size=(64, 8, 8, 1)).astype("float32"), np.arange(64) % 3)
    )
    ticket = search(compiled(one()), data, epochs=1, rounds=1, run_dir=tmp_path)
    before = files(tmp_path)
    with pytest.raises(
        lottery.LotteryError, match="holds a run with another configuration: architecture was"
    ):
        search(compiled(other()), data, epochs=1, rounds=1, run_dir=tmp_path)
    assert files(tmp_path) == before and everything(
        search(compiled(one()), data, epochs=1, rounds=1, run_dir=tmp_path)
    ) == everything(ticket)


@pytest.mark.matrix
def test_other_validation_data_are_another_run(tmp_path):
    held = arrays(seed=3)
    search(epochs=1, rounds=1, run_dir=tmp_path, validation_data=held)
    search(epochs=1, rounds=1, run_dir=tmp_path, validation_data=held)
    for other, said in ((arrays(seed=4), "validation was"), (None, "now null")):
        with pytest.raises(lottery.LotteryError, match=said):
            search(epochs=1, rounds=1, run_dir=tmp_path, validation_data=other)


def test_other_data_of_our_own_batches_are_another_run(tmp_path):
    def batches(seed):
        return ENGINE.batches(*arrays(seed=seed), batch_size=32, seed=0)

    search(compiled(dense()), batches(0), epochs=1, rounds=1, run_dir=tmp_path)
    search(compiled(dense()), batches(0), epochs=1, rounds=1, run_dir=tmp_path)
    with pytest.raises(lottery.LotteryError, match="content was"):
        search(compiled(dense()), batches(1), epochs=1, rounds=1, run_dir=tmp_path)


@pytest.mark.matrix
@skip_unless("tf_keras", reason="the job is the same on each Keras")
def test_a_control_of_another_ticket_or_dense_net_is_another_run(tmp_path):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(64, 8, 8, 1)).astype("float32"), np.arange(64) % 3
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        search(compiled(chain()), data, epochs=1, rounds=1, run_dir=tmp_path / f"find{seed}")
    job = dict(
        control="ticket",
        on="target",
        sparsity=0.5,
        dataset={"name": "digits", "classes": [0, 1]},
        epochs=1,
        seed=0,
        precision="float32",
        strategy="none",
        recipe={"optimizer": "sgd", "learning_rate": 0.1},
        run_dir=tmp_path / "control",
        verbose=0,
    )
    tickets = [
        {"ticket": tmp_path / f"find{n}" / "round_01", "dense": tmp_path / f"find{n}" / "round_00"}
        for n in (0, 1)
    ]
    result = by_name.train_control(**job, **tickets[0])
    with pytest.raises(lottery.LotteryError, match="dense_hash was .*ticket_hash was"):
        by_name.train_control(**job, **tickets[1])
    with pytest.raises(lottery.LotteryError, match="dense_hash was"):
        by_name.train_control(**job, **{**tickets[0], "dense": tickets[1]["dense"]})
    assert by_name.train_control(**job, **tickets[0]) == result


@pytest.mark.matrix
def test_other_frozen_or_adapted_state_is_another_model(tmp_path):
    def model(scale=1.0, frozen=1.0):
        norm = L.Normalization(axis=-1, name="norm")
        net = keras.Sequential(
            [L.Input((8,)), norm, L.Dense(6, name="fixed"), L.Dense(6, name="a"), L.Dense(3, name="head")]
        )
        norm.adapt(scale * arrays()[0])
        net.get_layer("fixed").set_weights([np.full((8, 6), frozen, "float32"), np.zeros(6, "float32")])
        net.get_layer("fixed").trainable = False
        return compiled(net)

    ticket = search(model(), epochs=1, rounds=1, run_dir=tmp_path)
    before = files(tmp_path)
    for other, path in ((model(scale=2.0), "norm/mean"), (model(frozen=2.0), "fixed/kernel")):
        with pytest.raises(
            lottery.LotteryError,
            match=f"holds the run of a model with another '{path}', which is frozen or adapted",
        ):
            search(other, epochs=1, rounds=1, run_dir=tmp_path)
    assert files(tmp_path) == before and everything(
        search(model(), epochs=1, rounds=1, run_dir=tmp_path)
    ) == everything(ticket)
