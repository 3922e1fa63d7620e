"""A killed run goes on to the same result, bit for bit, whenever it is killed; a folder is never taken for
what it is not."""

import collections
import importlib.util
import json
import os
import random
import shutil
import stat
import sys

import by_name
import numpy as np
import pytest
import stress_resume
from small import L, arrays, bits, compiled, conv, dense, everything, files, mirrored, noisy, python, search
from world import BACKEND, KERAS3, WORLD, keras, matrix_on, register, skip_unless, tensor

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.core.files import write_json
from keras_lottery.training import callback_memory, resumable

pytestmark = pytest.mark.keras3

watched = {"folder": None, "take": None}


def _hook(event, arguments):
    if (
        watched["folder"]
        and event in ("os.rename", "os.remove", "os.rmdir")
        and os.path.abspath(arguments[0]).startswith(watched["folder"])
    ):
        take, watched["take"] = watched["take"], None  # not of what it does itself
        if take:
            take()
            watched["take"] = take


sys.addaudithook(_hook)


@pytest.fixture(autouse=True)
def deterministic():
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    yield
    watched.update(folder=None, take=None)


def states(folder, where, call):
    """Call; every state of `folder` that a kill could leave, as copies: (copies, result of the call).

    One of each: taken just before a file operation, when the files under their final names were others than
    last time.
    """
    copies, seen = [], set()

    def take():
        visible = tuple(name for name in files(folder) if ".writing-" not in name)
        if (state := hash((visible, tuple(files(folder)[name] for name in visible)))) not in seen:
            seen.add(state)
            copies.append(where / f"{len(copies):03d}")
            shutil.copytree(folder, copies[-1])

    watched.update(folder=str(folder), take=take)
    result = call()
    watched.update(folder=None, take=None)
    return copies, result


def callbacks():
    """They remember: the best figure and weights so far, how long ago that was."""
    return [
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.3, patience=1, min_delta=0.03),
        keras.callbacks.EarlyStopping("loss", patience=1, min_delta=0.06, restore_best_weights=True),
    ]


@matrix_on("tf_keras")
@pytest.mark.quick("0")
@pytest.mark.parametrize("first", [0, 1, 2])
def test_search_from_every_state_that_a_kill_can_leave(first, tmp_path):
    """With BatchNorm, Dropout, moving averages, callbacks that stop a round early, and a late rewind step."""
    model = noisy()

    def run(folder):
        net = compiled(model, keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9))
        return search(net, run_dir=folder, epochs=4, rounds=2, rewind=5, callbacks=callbacks(), seed=2)

    copies, ticket = states(tmp_path / "run", tmp_path, lambda: run(tmp_path / "run"))
    lengths = [len(record["history"]) for record in ticket.rounds]
    assert min(lengths) < 4 and len(copies) >= sum(lengths) + 5, lengths
    expected = files(tmp_path / "run")
    assert set(expected) == {"config.json", "initial.safetensors", "rewind.safetensors"} | {
        f"round_{n:02d}/{name}"
        for n in range(3)
        for name in (
            "README.md",
            "architecture.json.gz",
            "masks.safetensors.gz",
            "ticket.json",
            "trained.safetensors",
            "weights.safetensors",
        )
    }
    for copy in copies[first::3]:
        for half in copy.rglob(".writing-*"):  # as if killed amid the write
            if half.is_file():
                os.truncate(half, half.stat().st_size // 2)
        assert everything(run(copy)) == everything(ticket), copy
        assert files(copy) == expected, copy


class Killed(Exception):
    pass


class Remembers(keras.callbacks.Callback):
    """Over all rounds: the epochs, and something of the first alone."""

    def __init__(self, dies=None):
        super().__init__()
        self.dies, self.epochs, self.first, self.ended, self.last = dies, 0, None, np.zeros(1, int), ()
        self.counts, self.by, self.found = np.zeros(1, int), {}, collections.defaultdict(float)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        self.last = *self.last[-1:], self.epochs
        self.first = self.first or float(logs["loss"])
        self.counts[0] += 1
        self.by[self.epochs] = self.found["sum"] = self.found["sum"] + float(logs["loss"])
        if self.epochs == self.dies:
            raise Killed

    def on_train_end(self, logs=None):
        self.ended = self.ended + self.epochs


@matrix_on("tf_keras")
@pytest.mark.parametrize("dies", [3, 4])
def test_callbacks_remember_over_rounds(tmp_path, dies):
    model = dense()

    def run(folder, callback):
        search(compiled(lottery.wrap(model)), run_dir=folder, epochs=2, rounds=2, callbacks=[callback])
        return (
            callback.epochs,
            callback.first,
            callback.last,
            callback.ended.tolist(),
            callback.counts.tolist(),
            callback.by,
            callback.found,
        )

    expected = run(tmp_path / "whole", Remembers())
    with pytest.raises(Killed):
        run(tmp_path / "cut", Remembers(dies))
    assert run(tmp_path / "cut", Remembers()) == expected and expected[0] == 6


def test_what_a_callback_begins_anew_with_each_training_survives_a_kill_within_it(tmp_path):
    """As EarlyStopping counts the epochs that it waits."""

    class Counts(keras.callbacks.Callback):
        def __init__(self, dies=None):
            super().__init__()
            self.dies, self.all = dies, 0

        def on_train_begin(self, logs=None):
            self.since = 0

        def on_epoch_end(self, epoch, logs=None):
            self.since, self.all = self.since + 1, self.all + 1
            if self.all == self.dies:
                raise Killed

    model, callback = dense(), Counts()
    with pytest.raises(Killed):
        search(compiled(lottery.wrap(model)), run_dir=tmp_path, epochs=3, rounds=1, callbacks=[Counts(5)])
    search(compiled(lottery.wrap(model)), run_dir=tmp_path, epochs=3, rounds=1, callbacks=[callback])
    assert (callback.since, callback.all) == (3, 6)


@matrix_on("tf_keras")
@pytest.mark.parametrize("more", [[], [keras.callbacks.TerminateOnNaN()]])
def test_another_process_begins_from_other_weights_and_callbacks(tmp_path, more):
    def run(folder, seed, callbacks):
        keras.utils.set_random_seed(seed)
        net = compiled(dense(), keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9))
        return search(net, run_dir=folder, epochs=2, rounds=2, rewind=5, callbacks=callbacks)

    expected = run(tmp_path / "whole", 1, [])
    with pytest.raises(Killed):
        run(tmp_path / "cut", 1, [Remembers(4)])
    found = run(
        tmp_path / "cut", 2, more
    )  # whose layers may have drawn other seeds, which their configs hold
    assert all(
        bits(getattr(found, part)) == bits(getattr(expected, part))
        for part in ("weights", "trained", "masks")
    )


@pytest.mark.matrix
@skip_unless("tf_keras", "tensorflow", reason="a tf.distribute strategy")
def test_mirrored_search_from_states_that_a_kill_can_leave(tmp_path):
    """BatchNorm has other statistics in each replica, Dropout other random numbers, and more of them where
    the batch is larger."""
    strategy = mirrored()
    model = noisy()
    x, y = arrays()
    train = lottery.data.batches(x[:87], y[:87], batch_size=32, shuffle=False)

    def run(folder):
        with strategy.scope():
            net = compiled(lottery.wrap(model))
        return search(net, train, run_dir=folder, epochs=2, rounds=1, rewind=4)

    copies, ticket = states(tmp_path / "run", tmp_path, lambda: run(tmp_path / "run"))
    second = [
        copy for copy in copies if (copy / "round_00").exists() and (copy / "epoch.safetensors").exists()
    ][1]
    assert everything(run(second)) == everything(ticket)


@pytest.mark.matrix
@skip_unless("tf_keras", "tensorflow", "jax", reason="PyTorch takes a Dataset as JAX does")
@pytest.mark.skipif(
    not importlib.util.find_spec("tensorflow"), reason="the commands' data come through TensorFlow"
)
@pytest.mark.quick("2")
@pytest.mark.parametrize("first", [2, 5])
def test_transfer_from_states_that_a_kill_can_leave(first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if not KERAS3:
        keras.backend.experimental.enable_tf_random_generator()
    model = compiled(conv())
    small = lottery.data.load("digits", classes=[0, 1, 2, 3, 4], train_split="train[:30%]", batch_size=64)
    search(model, small.train, run_dir="source", epochs=1, rewind=1)

    def run():
        return by_name.transfer(
            ticket="source/round_02",
            controls=["random"],
            run_dir="run",
            epochs=2,
            dataset=dict(name="digits", classes=[5, 6, 7, 8, 9], train_split="train[:30%]", batch_size=64),
            recipe=dict(optimizer="adam", learning_rate=0.01),
            seed=1,
            precision="float32",
            strategy="none",
            backend=WORLD,
            verbose=0,
        )

    copies, result = states(tmp_path / "run", tmp_path, run)
    expected = files("run")
    assert len(copies) >= 10 and not any("epoch" in name or "writing" in name for name in expected)
    assert [row["control"] for row in result["rows"]] == ["ticket", "random"]
    for copy in copies[first::6]:
        shutil.rmtree("run")
        shutil.copytree(copy, "run")
        assert run() == result and files("run") == expected, copy


@pytest.mark.stress
@skip_unless("tf_keras", reason="a search of Keras 3 is killed below")
def test_kill_9(tmp_path):
    """Processes killed at random moments of a search and of a transfer, with controls."""
    conv().save(tmp_path / "net.keras")
    killed, finished = stress_resume.stress(
        tmp_path,
        "both",
        *stress_resume.undisturbed(tmp_path, "both", "whole"),
        kills=2,
        draw=random.Random(os.urandom(4)),
    )
    assert killed >= 2 and finished >= 1


@skip_unless("keras", reason="a search of tf_keras is killed above")
@matrix_on("keras")
def test_kill_9_of_find_ticket(tmp_path, monkeypatch):
    """Killed at a random moment in one process, gone on with in another."""
    monkeypatch.chdir(tmp_path)
    conv().save("net.keras")
    kill_at, amid = random.SystemRandom().randint(1, 60), random.SystemRandom().random() < 0.5
    finished, _ = stress_resume.finish(stress_resume.start("arrays", "run", tmp_path, kill_at, amid))
    assert not finished and not (tmp_path / "run" / "round_02").exists()
    for folder in ("run", "whole"):
        stress_resume.arrays(folder)
    assert files("run") == files("whole"), (kill_at, amid)


@matrix_on("tf_keras")
def test_what_a_run_starts_from_is_in_its_folder(tmp_path):
    """Weights and random state of the first call's model count, not those of the model built again."""
    if not KERAS3:
        keras.backend.experimental.enable_tf_random_generator()

    def run(folder, seed):
        keras.utils.set_random_seed(seed)
        return search(compiled(lottery.wrap(noisy())), run_dir=folder, epochs=1, rounds=1)

    copies, ticket = states(tmp_path / "run", tmp_path, lambda: run(tmp_path / "run", 1))
    begun = next(copy for copy in copies if (copy / "initial.safetensors").exists())
    assert not (begun / "epoch.safetensors").exists() and not (begun / "round_00").exists()
    again = run(begun, 2)
    assert bits(again.trained) == bits(ticket.trained) and again.rounds == ticket.rounds
    assert bits(run(tmp_path / "other", 3).trained) != bits(ticket.trained)


def test_finished_run_returns_at_once(tmp_path, monkeypatch):
    ticket = search(run_dir=tmp_path)
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
    wrapped = compiled(lottery.wrap(dense()))
    again = search(wrapped, run_dir=tmp_path)
    assert everything(again) == everything(ticket)
    assert lottery.sparsity(wrapped) == 0.75  # a wrapped model ends as the search left it


def renamed():
    return keras.Sequential(
        [
            L.Input((8,)),
            L.Dense(12, "relu", name="first"),
            L.Dense(10, "relu", name="b"),
            L.Dense(3, name="head"),
        ]
    )


@register
class Growing(L.Layer):
    """Has more weights than its configuration tells."""

    extra = False

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(1,), initializer="ones")
        if self.extra:
            self.shift = self.add_weight(name="shift", shape=(1,), initializer="zeros")

    def call(self, inputs):
        return inputs * self.scale + (self.shift if self.extra else 0)


def test_a_run_whose_weights_begin_those_of_the_model_is_another(tmp_path, monkeypatch):
    def found():
        model = keras.Sequential(
            [L.Input((8,)), L.Dense(12, name="a"), L.Dense(3, name="head"), Growing(name="last")]
        )
        return search(compiled(model), run_dir=tmp_path / "run", epochs=1, rounds=1)

    found()
    monkeypatch.setattr(Growing, "extra", True)
    with pytest.raises(
        lottery.LotteryError,
        match=r"of a model with 5 weights, now 6: '.*last/shift.*' is in one of them alone",
    ):
        found()


CHANGES = {
    "epochs": (dict(epochs=3), "epochs was 2, now 3"),
    "rounds": (dict(rounds=3), r"sparsities was \[0.5, 0.75\], now \[0.5, 0.75, 0.875\]"),
    "rewind": (dict(rewind=2), 'rewind was "init", now 2'),
    "seed": (dict(seed=5), "seed was 0, now 5"),
    "data": (dict(train=arrays(seed=9)), 'train was "[0-9a-f]{12}", now "[0-9a-f]{12}"'),
    "optimizer": (
        dict(model=lambda: compiled(dense(), keras.optimizers.Adam(0.5))),
        "compiled.optimizer.config.learning_rate was 0.001.*, now 0.5",
    ),
    "model": (dict(model=lambda: compiled(dense(4))), "architecture was"),
    "names": (
        dict(model=lambda: compiled(renamed())),
        "other names, 'a/kernel', now 'first/kernel': name the layers",
    ),
    "scope": (dict(scope="layer"), 'scope was "global", now "layer"'),
    "info": (dict(info={"data": {"name": "x"}}), 'info.data was missing, now {"name": "x"}'),
    "notes of the same names": (
        dict(epochs=3, info={"epochs": 2, "run": "find_ticket"}),
        "epochs was 2, now 3",
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    search(run_dir=folder, epochs=2)
    return folder


@matrix_on("tf_keras")
@pytest.mark.parametrize("name", CHANGES)
def test_other_configuration_is_refused_with_the_difference(name, finished):
    change, said = CHANGES[name]
    before = files(finished)
    arguments = {key: value() if key == "model" else value for key, value in change.items()}
    with pytest.raises(lottery.LotteryError, match=said) as error:
        search(run_dir=finished, **arguments)
    assert "\n" not in str(error.value) and len(str(error.value)) < 700 and "overwrite" in str(error.value)
    assert files(finished) == before


@matrix_on("tf_keras")
def test_overwrite_deletes_runs_only(tmp_path):
    run, other = tmp_path / "run", tmp_path / "photos"
    search(run_dir=run, epochs=1)
    (run / "controls" / "old").mkdir(parents=True)
    ticket = search(run_dir=run, epochs=1, rounds=1, overwrite=True)
    assert ticket.sparsity == 0.5 and not (run / "round_02").exists() and not (run / "controls").exists()
    other.mkdir()
    (other / "me.jpg").write_text("x")
    for config in (None, "{}", '{"epochs": 1}'):
        if config:
            (other / "config.json").write_text(config)
        for overwrite in (False, True):
            with pytest.raises(lottery.LotteryError, match="not empty and holds no run"):
                search(run_dir=other, overwrite=overwrite)
    assert (other / "me.jpg").read_text() == "x"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert search(run_dir=empty, epochs=1, overwrite=True).sparsity == 0.75


@matrix_on("tf_keras")
def test_damaged_run_folders_say_so(tmp_path):
    search(run_dir=tmp_path / "run", epochs=1, rewind=1)
    for name, said in {
        "initial.safetensors": "initial.*missing",
        "rewind.safetensors": "rewind.*missing",
        "round_02/ticket.json": "no ticket at",
        "round_02/masks.safetensors.gz": "masks.*is missing",
    }.items():
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "run", copy)
        (copy / name).unlink()
        with pytest.raises(lottery.LotteryError, match=said):
            search(run_dir=copy, epochs=1, rewind=1)
        shutil.rmtree(copy)
    (tmp_path / "run" / "config.json").write_text('{"run": "find_t')
    with pytest.raises(lottery.LotteryError, match="config.json' is damaged"):
        search(run_dir=tmp_path / "run", epochs=1, rewind=1)


@pytest.mark.matrix
@skip_unless("tf_keras", reason="the files are written alike for every Keras")
def test_disk_full(tmp_path):
    """Writes of more than so many bytes fail: one line, nothing half-written, and with room again the run
    goes on."""
    code = (
        "import resource, sys; from small import *\n"
        "keras.utils.set_random_seed(0)\n"
        "model = compiled(dense(), keras.optimizers.SGD(momentum=0.9))\n"
        "whole = search(model, run_dir='whole')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2200, resource.RLIM_INFINITY))\n"
        "try: search(model, run_dir='run')\n"
        "except lottery.LotteryError as error: print(error)\n"
        "print(sorted(files('run')))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "assert everything(search(model, run_dir='run')) == everything(whole) and files('run') == "
        "files('whole')\n"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    said, left = done.stdout.strip().splitlines()[-2:]
    assert said.startswith("cannot write 'run/") and said.endswith("File too large.")
    assert "writing" not in left and "config.json" in left


class KeepsArrays(keras.callbacks.Callback):
    """Of every kind, at the end of each epoch, and what no file holds."""

    def on_epoch_end(self, epoch, logs=None):
        self.kept = [
            np.array(["ä", "longer"])[epoch:],
            np.datetime64("2026-01-31T12") + epoch,
            np.array("2026", "M8[D]"),
            np.array([[1 + 2j * epoch]], "c8"),
            np.complex64(1j),
            np.longdouble([epoch]),
            np.array([b"x", b"yz"]),
            np.zeros((0, 3), "U2"),
            np.arange(3, dtype=">i2"),
        ]
        self.kept_by = {"a/b": np.array([epoch]), "a": {"b": np.array(["text"])}}
        self.records = np.array([(1, 2.0)], [("a", int), ("b", float)])
        self.itself = [self.records]
        self.itself.append(self.itself)
        self.masked = np.ma.masked_array([1, 2], [True, False])


def test_callbacks_keep_arrays_of_any_kind(tmp_path):
    """To the bit, or not at all; a search does not end over it."""
    model = compiled(lottery.wrap(dense()))
    callback, again = KeepsArrays(), KeepsArrays()
    train = engines.of(model).batches(*arrays(), batch_size=32, seed=0)
    resumable.fit(
        model, train, epochs=1, kept=resumable.Kept(tmp_path / "a"), callbacks=[callback], verbose=0
    )
    callback_memory.recall(tmp_path / "a", [again])
    assert "records" not in vars(again) and "itself" not in vars(again) and "masked" not in vars(again)
    for old, new in zip(
        [*callback.kept, callback.kept_by["a/b"], callback.kept_by["a"]["b"]],
        [*again.kept, again.kept_by["a/b"], again.kept_by["a"]["b"]],
        strict=True,
    ):
        assert (
            type(old) is type(new)
            and old.dtype == new.dtype
            and old.shape == new.shape
            and np.array_equal(old, new)
        )


def test_all_files_have_the_mode_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        search(compiled(lottery.wrap(dense())), run_dir=tmp_path / "run", epochs=1, rounds=1)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").rglob("*")}
    assert {
        name: mode for name, mode in modes.items() if mode != (0o750 if name.startswith("round_") else 0o640)
    } == {}


def test_files_of_a_run(tmp_path):
    """JSON without NaN, whatever is in it; what JSON cannot hold is said."""
    write_json(
        tmp_path / "x.json", {"a": float("inf"), "b": (1, {"c": tmp_path}), "d": tensor([1.5]), 3: None}
    )
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "a": None,
        "b": [1, {"c": str(tmp_path)}],
        "d": [1.5],
        "3": None,
    }
    with pytest.raises(lottery.LotteryError, match="which JSON cannot hold"):
        write_json(tmp_path / "y.json", {"a": L.Dense(1)})
    for path in (tmp_path / "x.json" / "z.json", tmp_path / "none" / "z.json"):
        with pytest.raises(lottery.LotteryError, match="cannot write"):
            write_json(path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json"]
