"""A training that diverges ends with one line that says since when and what to try; it makes no ticket and no
student."""

import json

import by_name
import numpy as np
import pytest
from small import ENGINE, LOGITS, L, arrays, command, compiled, dense, search, state_of
from world import array, keras, matrix_on, set_policy, skip_unless

import keras_lottery as lottery
from keras_lottery.core.errors import Diverged
from keras_lottery.experiments import report
from keras_lottery.tickets.ticket import Ticket, from_model

pytestmark = pytest.mark.keras3

BAD = [("head/kernel", np.nan), ("head/bias", np.inf), ("a/kernel", -np.inf), ("a/kernel", np.nan)]


class Spoils(keras.callbacks.Callback):
    """Puts one bad number into a weight at the end of an epoch, of the rounds from `first` on."""

    def __init__(self, path, value, first=0, epoch=1):
        super().__init__()
        self.path, self.value, self.first, self.epoch, self.fits = path, value, first, epoch, -1

    def on_train_begin(self, logs=None):
        self.fits += 1

    def on_epoch_end(self, epoch, logs=None):
        if self.fits >= self.first and epoch == self.epoch:
            weight = ENGINE.variables(self.model)[self.path]
            changed = array(weight)
            changed.flat[np.flatnonzero(changed)[0] if changed.any() else 0] = self.value
            weight.assign(changed)


@pytest.mark.quick("head/bias-inf")
@pytest.mark.parametrize("path, value", BAD)
def test_a_search_ends_with_the_epoch_and_keeps_the_rounds_before(path, value, tmp_path):
    spoils = Spoils(path, value, first=1)
    said = (
        rf"^round 1 diverged in epoch 2 of 3, steps 4 to 6: 1 of the \d+ weights of '{path}' are NaN or "
        "infinite. Lower the learning_rate.*"
    )
    with pytest.raises(Diverged, match=said) as error:
        search(epochs=3, run_dir=tmp_path, callbacks=[spoils])
    assert "\n" not in str(error.value) and "clipnorm" in str(error.value) and "float32" in str(error.value)
    assert (tmp_path / "round_00").exists() and not (tmp_path / "round_01").exists()
    with pytest.raises(Diverged):
        search(epochs=3, callbacks=[Spoils(path, value, first=2, epoch=2)])


def test_a_rate_that_is_too_high_ends_at_once(tmp_path):
    with pytest.raises(Diverged, match="round 0 diverged in epoch 1 of 4"):
        search(compiled(dense(), keras.optimizers.SGD(1e30)), epochs=4, run_dir=tmp_path)
    assert not (tmp_path / "round_00").exists() and not (tmp_path / "epoch.safetensors").exists()


class Counts(keras.callbacks.Callback):
    """Counts batches."""

    seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1


def test_it_ends_at_the_step_that_shows_it():
    """Not with the epoch, which here has 48 steps."""
    train, counts = ENGINE.batches(*arrays(), batch_size=2, seed=0), Counts()
    with pytest.raises(Diverged, match=r"round 0 diverged in epoch 1 of 2, steps 1 to \d: \d+ of the"):
        search(compiled(dense(), keras.optimizers.SGD(1e30)), train, epochs=2, callbacks=[counts])
    assert counts.seen < 8


@skip_unless("tf_keras", reason="the loss reads a variable")
def test_a_loss_that_is_infinite_for_a_while_is_no_divergence_if_the_weights_are_well():
    """As where loss scaling leaves out steps; the mean of the epoch stays infinite."""
    import tensorflow as tf

    more = tf.Variable(np.inf)

    class Later(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            more.assign(0.0)

    model = compiled(dense(), "sgd", loss=lambda y, outputs: LOGITS(y, outputs) + more, metrics=())
    ticket = search(model, epochs=2, rounds=1, callbacks=[Later()])
    losses = [entry["loss"] for entry in ticket.rounds[0]["history"]]
    assert losses[0] is None and losses[1] > 0


def test_one_fit_of_all_rounds_makes_no_ticket():
    model = compiled(
        lottery.wrap(dense(), schedule=lottery.LotterySchedule(rounds=1, rate=0.5, round_steps=3))
    )
    callback = lottery.LotteryCallback()
    with pytest.raises(
        Diverged, match="no ticket is made of a training that diverged: 1 of the 3 weights of 'head/bias'"
    ):
        model.fit(*arrays(), epochs=2, verbose=0, callbacks=[Spoils("head/bias", np.nan), callback])
    assert callback.ticket is None


@pytest.mark.parametrize("path, value", BAD[:2])
def test_no_ticket_is_made_or_saved(path, value, tmp_path):
    model = lottery.wrap(dense())
    good = state_of(model)
    bad = {**good, path: np.full_like(good[path], value)}
    ticket = from_model(model, good, [])
    for state in ("weights", "trained"):
        with pytest.raises(
            Diverged,
            match=f"weights of '{path}' are NaN or infinite"
            if state == "trained" or np.isnan(value)
            else "of '.*'",
        ):
            Ticket(
                **{
                    **vars(ticket),
                    "weights": good,
                    "trained": good,
                    **({state: bad} if state == "trained" else {"weights": bad}),
                }
            ).save(tmp_path / "t")
    ENGINE.load_state(model, bad)
    with pytest.raises(Diverged):
        from_model(model, good, [])
    assert not list(tmp_path.iterdir())


def test_a_constant_infinity_is_no_divergence(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Window(L.Layer):
        """Leaves the first inputs alone in a softmax."""

        def build(self, shape):
            self.mask = self.add_weight(name="mask", shape=(shape[-1],), trainable=False, initializer="zeros")
            self.mask.assign(np.where(np.arange(shape[-1]) < 5, 0, -np.inf).astype("float32"))
            super().build(shape)

        def call(self, x):
            return keras.activations.softmax(x + self.mask)

    net = keras.Sequential(
        [L.Input((8,)), L.Dense(12, name="a"), Window(name="window"), L.Dense(3, name="head")]
    )
    search(compiled(net), epochs=1, rounds=1).save(tmp_path / "t")
    assert np.isinf(lottery.load_ticket(tmp_path / "t").weights["window/mask"]).sum() == 7


@matrix_on("tf_keras")
def test_half_precision(tmp_path):
    """float16 overflows where float32 does not: scaled losses skip such steps, and what comes through ends
    the run."""
    set_policy("mixed_float16")
    model = compiled(dense(), keras.optimizers.SGD(1e30))
    with pytest.raises(Diverged, match="float32 if it was mixed_float16"):
        search(model, epochs=2, run_dir=tmp_path)
    set_policy("mixed_float16")
    assert search(compiled(dense(), keras.optimizers.SGD(0.1)), epochs=2, rounds=1).sparsity == 0.5


STEEP = dict(optimizer="sgd", learning_rate=1e30, schedule="constant", weight_decay=0.0)
JOB = dict(
    dataset={"name": "digits", "classes": [0, 1, 2]},
    epochs=1,
    seed=0,
    precision="float32",
    strategy="none",
    verbose=0,
)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A ticket's folder."""
    folder = tmp_path_factory.mktemp("net") / "run"
    model = keras.Sequential(
        [L.Input((8, 8, 1)), L.Flatten(), L.Dense(8, "relu", name="a"), L.Dense(3, name="head")]
    )
    x = np.random.default_rng(0).normal(size=(96, 8, 8, 1)).astype("float32")
    search(compiled(model), (x, np.arange(96) % 3), epochs=1, rounds=1, run_dir=folder)
    return folder / "round_01"


@skip_unless("tf_keras", reason="the jobs are the same on each Keras")
def test_no_student_of_a_diverged_training(net, tmp_path):
    from apps import transfer_ticket

    code, out, err = command(
        transfer_ticket,
        f"--ticket={net}",
        "--dataset=digits",
        "--epochs=1",
        "--learning_rate=1e30",
        "--optimizer=sgd",
        "--schedule=constant",
        "--precision=float32",
        "--verbose=false",
        f"--run_dir={tmp_path / 'run'}",
    )
    assert (
        code == 2
        and "next" not in out
        and "diverged" in err
        and "Lower the --learning_rate, or train in float32 if it was mixed_float16." in err
        and "Traceback" not in err
    )
    assert not list((tmp_path / "run").rglob("student"))


@pytest.mark.matrix
@skip_unless("tf_keras", reason="the jobs are the same on each Keras")
def test_a_diverged_control_is_a_row_that_says_so(net, tmp_path):
    """Of a control on its own as a study trains it; tables leave it out of means and say so."""
    of = dict(control="random", ticket=net, dense=net.with_name("round_00"), on="target", sparsity=0.5)
    bad = by_name.train_control(**JOB, **of, recipe=STEEP, run_dir=tmp_path / "bad")
    (row,) = bad["rows"]
    assert (
        row["outcome"] == "diverged"
        and row["test_accuracy"] is None
        and "diverged in epoch 1 of 1" in row["why"]
    )
    assert by_name.train_control(**JOB, **of, recipe=STEEP, run_dir=tmp_path / "bad") == bad
    carried = by_name.transfer(
        **JOB,
        ticket=net,
        recipe={**STEEP, "learning_rate": 0.1},
        run_dir=tmp_path / "good",
        controls=("random",),
    )
    good = report.collect([tmp_path / "good" / "result.json"])
    lost = [
        {
            **report.row({**carried, "seed": 1}, {**row, "control": "random"}, "own model", "own data", 0.5),
            **{name: good[0][name] for name in ("rewind", "search", "ticket_seed", "recipe")},
        }
    ]
    report.show({**carried, "rows": [row]})
    report.write([*good, *lost], tmp_path / "page")
    text = (tmp_path / "page" / "tables.md").read_text()
    assert "| random | 50.0% | 1 (1 diverged) |" in text and "(without 1 diverged of random)" in text
    report.write(lost, tmp_path / "alone")
    assert "| random | 50.0% | 0 (1 diverged) |" in (tmp_path / "alone" / "tables.md").read_text()
    assert [entry.get("outcome") for entry in report.read(tmp_path / "page" / "rows.jsonl")] == [
        None,
        None,
        "diverged",
    ]


@skip_unless("tf_keras", reason="the jobs are the same on each Keras")
def test_a_diverged_search_does_not_stop_a_study(tmp_path):
    from keras_lottery.experiments import study
    from keras_lottery.experiments.study import workers

    made = by_name.study(
        source="digits",
        targets=(),
        model="lenet",
        sparsities=(0.5,),
        rate=0.5,
        epochs=1,
        recipe=STEEP,
        seeds=1,
        target_epochs=1,
        data={"batch_size": 64},
        controls=("random", "reinit"),
        precision="float32",
        backend="tf_keras",
    )
    made, sizes, tasks = study.prepare(made, tmp_path)
    for task in tasks:
        workers.perform(task, tmp_path)
        assert workers.is_done(tmp_path, task.name)
    rows = study.rows(made, tasks, tmp_path)
    assert {(row["control"], row["outcome"]) for row in rows} == {
        ("dense", "diverged"),
        ("ticket", "diverged"),
        ("random", "diverged"),
        ("reinit", "diverged"),
    }
    assert study.tickets(made, tasks, tmp_path) == []
    report.write(rows, tmp_path / "page")
    result = json.loads((workers.task_folder(tmp_path, tasks[0].name) / "result.json").read_text())
    assert "round 0 diverged in epoch 1 of 1" in result["rows"][0]["why"]
