"""One ticket for tf_keras and for Keras 3 on each backend: the same search, the same bits, the same
answers."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tf_keras
from world import WORLD

import keras_lottery as lottery
from keras_lottery import data, engines

pytestmark = pytest.mark.skipif(WORLD != "tf_keras", reason="these tests start the other worlds themselves")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 8, 8, 1)).astype("float32")
Y = (X.reshape(160, -1) @ RNG.normal(size=(64, 3))).argmax(-1)

NET = """
def net(keras):
    L = keras.layers
    image = L.Input((8, 8, 1), name="image")
    x = L.Conv2D(8, 3, padding="same", use_bias=False, name="c1")(image)
    x = L.ReLU(name="r1")(L.BatchNormalization(name="bn")(x))
    x = L.DepthwiseConv2D(3, padding="same", name="dw")(x)
    y = L.Conv2D(8, 1, name="c2")(x)
    x = L.Reshape((64, 8), name="rows")(L.Add(name="add")([x, y]))
    x = L.MultiHeadAttention(2, 4, name="mha")(x, x)
    x = L.Bidirectional(L.GRU(4, name="gru"), name="bi")(x)
    return keras.Model(image, L.Dense(3, name="head")(L.Dropout(0.1, name="drop")(x)), name="both")
"""
exec(NET)


def compiled(model):
    kind = engines.of(model).keras
    model.compile(kind.optimizers.Adam(0.01), kind.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def bits(arrays):
    return {path: (value.shape, value.tobytes()) for path, value in arrays.items()}


def test_both_searches_keep_the_same_weights(tmp_path):
    """Same start, batches and seed: masks of tf_keras and of Keras 3 on TensorFlow, round by round."""

    def small(kind):
        layers = kind.layers
        return kind.Sequential(
            [
                layers.Input((8, 8, 1)),
                layers.Conv2D(8, 3, name="c"),
                layers.ReLU(),
                layers.Flatten(),
                layers.Dense(32, "relu", name="d"),
                layers.Dense(3, name="head"),
            ]
        )

    assert keras.backend.backend() == "tensorflow"
    first, second = small(tf_keras), small(keras)
    engines.of(second).load_state(engines.of(first).values())
    for name, model in (("first", first), ("second", second)):
        lottery.find_ticket(
            compiled(model),
            data.batches(X, Y, batch_size=32, seed=1),
            epochs=2,
            rounds=5,
            rewind=3,
            run_dir=tmp_path / name,
            verbose=0,
        )
    for number in range(1, 6):
        one, other = (
            lottery.load_ticket(tmp_path / name / f"round_{number:02d}") for name in ("first", "second")
        )
        same = [one.masks[path] == other.masks[path] for path in one.masks]
        assert list(one.masks) == list(other.masks)
        assert sum(s.sum() for s in same) / sum(s.size for s in same) >= 0.999, number


OTHER = (
    NET
    + """
import json, sys
import keras, numpy as np
import keras_lottery as lottery
action, folder = sys.argv[1:]
arrays = np.load(folder + "/data.npz")
if action == "find":
    model = net(keras)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ticket = lottery.find_ticket(model, (arrays["x"], arrays["y"]), epochs=1, rounds=2, rate=0.5, \
rewind=2, verbose=0)
else:
    ticket = lottery.load_ticket(folder + "/ticket")
    student = lottery.transfer(ticket, num_classes=4, keras="keras")
    student.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    student.fit(arrays["x"], arrays["y"], verbose=0)
    masks = lottery.masks(student)
    assert all((masks[path] == mask).all() for path, mask in ticket.masks.items())
    assert not any(v.numpy()[~masks[path]].any() for path, v in lottery.prunable(student).items())
model = ticket.model("trained", keras="keras")
ticket.save(folder + "/ticket", overwrite=True)
from keras_lottery.tickets.ticket import from_model
again = from_model(model, lottery.engines.of(ticket.model(keras="keras")).values(), ticket.rounds)
again.save(folder + "/again", overwrite=True)
np.save(folder + "/out.npy", keras.ops.convert_to_numpy(model(arrays["x"][:16], training=False)))
"""
)


def elsewhere(backend, action, folder):
    done = subprocess.run(
        [sys.executable, "-c", OTHER, action, str(folder)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.stress
@pytest.mark.parametrize("found_on", ["tf_keras", "jax"])
def test_a_ticket_goes_round_all_worlds(tmp_path, found_on):
    """Found in one world, loaded in each other, made a ticket there again: equal bits, predictions equal to
    1e-5."""
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    if found_on == "tf_keras":
        model = compiled(net(tf_keras))  # noqa: F821
        lottery.find_ticket(model, (X, Y), epochs=1, rounds=2, rate=0.5, rewind=2, verbose=0).save(
            tmp_path / "ticket"
        )
    else:
        pytest.importorskip("jax")
        elsewhere("jax", "find", tmp_path)
    ticket = lottery.load_ticket(tmp_path / "ticket")
    expected = np.asarray(ticket.model("trained", keras="tf_keras")(X[:16], training=False))
    for backend in ("tensorflow", "jax", "torch"):
        if not importlib.util.find_spec(backend):
            continue
        elsewhere(backend, "load", tmp_path)
        np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5, atol=1e-5)
        again = lottery.load_ticket(tmp_path / "again")
        assert json.loads((tmp_path / "again" / "ticket.json").read_text())["info"]["keras"]
        for name in ("masks", "weights", "trained"):
            assert bits(getattr(again, name)) == bits(getattr(ticket, name)), (backend, name)
        back = again.model("trained", keras="tf_keras")
        np.testing.assert_allclose(np.asarray(back(X[:16], training=False)), expected, rtol=1e-5, atol=1e-5)
        student = lottery.transfer(again, num_classes=5, keras="tf_keras")
        held = lottery.masks(student)
        assert all(np.array_equal(held[path], mask) for path, mask in ticket.masks.items())


def test_an_architecture_without_counterpart_says_so(tmp_path):
    model = compiled(
        tf_keras.Sequential(
            [
                tf_keras.Input((8, 8, 1)),
                tf_keras.layers.LocallyConnected2D(2, 3, name="local"),
                tf_keras.layers.Flatten(),
                tf_keras.layers.Dense(3, name="head"),
            ]
        )
    )
    ticket = lottery.find_ticket(model, (X, Y), epochs=1, rounds=1, verbose=0)
    with pytest.raises(lottery.LotteryError, match="local.*LocallyConnected2D"):
        lottery.transfer(ticket, num_classes=3, keras="keras")
