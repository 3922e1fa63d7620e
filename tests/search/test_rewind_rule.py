"""A round that rewinds to step k trains from k to T: against a search in NumPy, and at 0% zeros against the
dense training."""

import contextlib
import itertools
import json
import shutil

import numpy as np
import pytest
from small import ENGINE, LOGITS, L, bits, in_order, mirrored, scaled, state_of
from world import KERAS3, WORLD, array, keras, load_model, matrix_on, skip_unless

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.core.schedule import Round
from keras_lottery.search.rewind import RewindCallback, Rewinder, random_of
from keras_lottery.training import resumable

pytestmark = pytest.mark.engine

STEPS, EPOCHS, BATCH = 5, 3, 16
END = STEPS * EPOCHS
RNG = np.random.default_rng(0)
X = RNG.normal(size=(STEPS * BATCH, 6)).astype("float32")
Y = (X @ RNG.normal(size=(6, 3))).argmax(-1)


def mlp():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            L.Input((6,)),
            L.Dense(12, "relu", name="a"),
            L.Dense(10, "relu", name="b"),
            L.Dense(3, name="head"),
        ],
        name="mlp",
    )


def cosine(rate=0.05):
    return keras.optimizers.schedules.CosineDecay(rate, END)


# --- against a search of its own, in plain NumPy
# ------------------------------------------------------------------


class Sgd:
    """Momentum 0.9, as Keras has it."""

    def __init__(self, weights):
        self.v = {name: np.zeros_like(w) for name, w in weights.items()}

    def step(self, weights, gradients, rate):
        for name, g in gradients.items():
            self.v[name] = 0.9 * self.v[name] - rate * g
            weights[name] = weights[name] + self.v[name]


class Adam:
    """With an epsilon at which rounding of a gradient near 0 is not made a whole step."""

    def __init__(self, weights):
        self.m, self.v = ({name: np.zeros_like(w) for name, w in weights.items()} for _ in range(2))
        self.count = 0

    def step(self, weights, gradients, rate):
        self.count += 1
        for name, g in gradients.items():
            self.m[name] = 0.9 * self.m[name] + 0.1 * g
            self.v[name] = 0.999 * self.v[name] + 0.001 * g * g
            corrected = rate * np.sqrt(1 - 0.999**self.count) / (1 - 0.9**self.count)
            weights[name] = weights[name] - corrected * self.m[name] / (np.sqrt(self.v[name]) + 1e-3)


def gradients(weights, x, y):
    """Of the mean cross-entropy of the MLP."""
    layers = ["a", "b", "head"]
    inputs = [x.astype("float64")]
    for name in layers:
        z = inputs[-1] @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
        inputs.append(z if name == "head" else np.maximum(z, 0))
    p = np.exp(inputs[-1] - inputs[-1].max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    g, found = p / len(y), {}
    for n, name in reversed(list(enumerate(layers))):
        if name != "head":
            g = g * (inputs[n + 1] > 0)
        found[f"{name}/kernel"], found[f"{name}/bias"] = inputs[n].T @ g, g.sum(0)
        g = g @ weights[f"{name}/kernel"].T
    return found


def smallest_first(weights, masks, sparsity, scope):
    """Tightened masks: the smallest of the weights that are left go, so that `sparsity` of all are gone."""
    groups = [list(masks)] if scope == "global" else [[name] for name in masks]
    new = {}
    for names in groups:
        score = np.concatenate([np.where(masks[name], np.abs(weights[name]), -1.0).ravel() for name in names])
        drop = round(sparsity * score.size)
        keep = np.ones(score.size, bool)
        keep[np.argsort(score, kind="stable")[:drop]] = False
        for name, part in zip(names, np.split(keep, np.cumsum([masks[name].size for name in names])[:-1])):
            new[name] = part.reshape(masks[name].shape)
    return new


def independent(initial, optimizer, rate_at, rewind, scope, rounds=3, rate=0.4):
    """[(masks, trained weights)] of the dense training and each round."""
    weights = {name: w.astype("float64") for name, w in initial.items()}
    masks = {name: np.ones(weights[name].shape, bool) for name in ("a/kernel", "b/kernel")}
    point, found, batches = None, [], [(X[n::STEPS][:BATCH], Y[n::STEPS][:BATCH]) for n in range(STEPS)]
    for number in range(rounds + 1):
        first = 0
        if number:
            masks = smallest_first(weights, masks, 1 - (1 - rate) ** number, scope)
            if rewind != "lr":
                weights = {name: w.copy() for name, w in point.items()}
            first = rewind if isinstance(rewind, int) else 0
            for name, mask in masks.items():
                weights[name] = weights[name] * mask
        slots = optimizer(weights)
        for step in range(first, END):
            if number == 0 and step == (0 if rewind == "init" else rewind):
                point = {name: w.copy() for name, w in weights.items()}
            x, y = batches[step % STEPS]
            found_gradients = gradients(weights, x, y)
            slots.step(weights, found_gradients, rate_at(step))
            for name, mask in masks.items():
                weights[name] = weights[name] * mask
        if number == 0 and rewind == "trained":
            point = {name: w.copy() for name, w in weights.items()}
        found.append((masks, {name: w.copy() for name, w in weights.items()}))
    return found


OPTIMIZERS = {
    "momentum": (Sgd, lambda rate: keras.optimizers.SGD(rate, momentum=0.9)),
    "adam": (Adam, lambda rate: keras.optimizers.Adam(rate, epsilon=1e-3)),
}
REWINDS = ("init", 3, STEPS + 2, "trained", "lr")
SAMPLE = [
    ("momentum", "global", 3, True),
    ("adam", "layer", STEPS + 2, True),
    ("adam", "global", "init", False),
    ("momentum", "layer", "trained", True),
    ("adam", "global", "lr", True),
    ("momentum", "global", STEPS + 2, False),
]
ALL = list(itertools.product(OPTIMIZERS, ("global", "layer"), REWINDS, (False, True)))


@pytest.mark.quick(
    "momentum-global-3-True",
    "adam-layer-7-True",
)
@skip_unless("tf_keras", "tensorflow", "jax", reason="one backend without TensorFlow is enough")
@pytest.mark.parametrize(
    "optimizer, scope, rewind, decays",
    [*SAMPLE, *(pytest.param(*one, marks=pytest.mark.stress) for one in ALL if one not in SAMPLE)],
)
def test_a_search_is_the_one_of_another_program(optimizer, scope, rewind, decays, tmp_path):
    base = 0.05 if optimizer == "momentum" else 0.01
    other, ours = OPTIMIZERS[optimizer]
    model = mlp()
    initial = {path: array(v) for path, v in ENGINE.variables(model).items()}
    rate = cosine(base) if decays else base
    model.compile(ours(rate), LOGITS)
    order = np.concatenate([np.arange(n, len(X), STEPS)[:BATCH] for n in range(STEPS)])
    lottery.find_ticket(
        model,
        in_order((X[order], Y[order]), BATCH),
        epochs=EPOCHS,
        rounds=3,
        rate=0.4,
        rewind=rewind,
        scope=scope,
        run_dir=tmp_path,
        verbose=0,
    )
    expected = independent(
        initial,
        other,
        (lambda step: float(array(cosine(base)(step)))) if decays else lambda step: base,
        rewind,
        scope,
    )
    for number, (masks, trained) in enumerate(expected):
        ticket = lottery.load_ticket(tmp_path / f"round_{number:02d}")
        assert sum((ticket.masks[path] != masks[path]).sum() for path in masks) == 0
        for path, value in trained.items():
            np.testing.assert_allclose(
                ticket.trained[path], value, atol=1e-4, err_msg=f"{path} after round {number}"
            )


# --- at 0% zeros a round is the dense training from step k on
# ---------------------------------------------------------


class Weights(keras.callbacks.Callback):
    """The whole state after each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(bits(state_of(self.model)))


def data(kind):
    if kind == "arrays":  # shuffled by seed and epoch, skipped by index
        return ENGINE.batches(X, Y, batch_size=BATCH, seed=3)
    return in_order((X, Y), BATCH)


def twice(net, optimizer, train, rewind, end=END, **compiled):
    """The states after each step of the dense training, and of a round at 0% zeros that rewinds to step
    `rewind`."""
    with contextlib.redirect_stdout(None):
        model = lottery.wrap(net)
    model.compile(optimizer, LOGITS, metrics=["accuracy"], **compiled)
    ENGINE.build_optimizer(model)
    ENGINE.keep_randomness(model)
    rewinder, seen, ends = Rewinder(engines.of(model), rewind), [], []
    for round in (Round(0, 0.0, 0, end, False), Round(1, 0.0, rewind, end, True)):
        if round.number:
            rewinder.boundary(round)
        start = resumable.Start.at(
            round.start, ends if round.start else [], random_of(rewinder.beside) if round.rewind else {}
        )
        spy = Weights()
        history = resumable.fit(
            model,
            train,
            epochs=EPOCHS,
            start=start,
            kept=resumable.Kept(label=f"round {round.number}"),
            verbose=0,
            callbacks=[RewindCallback(rewinder, round), spy],
        )
        ends = [entry["stop"] for entry in history]
        seen.append(spy.seen)
    return seen


@matrix_on("tf_keras")
@pytest.mark.quick("arrays-0", "arrays-7", "in order-3", "in order-5")
@pytest.mark.parametrize("rewind", [0, 3, STEPS, STEPS + 2, 2 * STEPS + 1])
@pytest.mark.parametrize("kind", ["arrays", "in order"])
def test_a_round_without_zeros_is_the_dense_training_over_again(rewind, kind):
    """Bit for bit with plain SGD, which has no slots; with BatchNorm, Dropout, noise and a rate that follows
    a schedule."""
    dense, again = twice(noisy(), keras.optimizers.SGD(cosine(0.1)), data(kind), rewind)
    assert len(dense) == END and len(again) == END - rewind
    assert again == dense[rewind:]


def noisy():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            L.Input((6,)),
            L.Dense(12, name="a"),
            L.BatchNormalization(momentum=0.8, name="bn"),
            L.ReLU(),
            L.Dropout(0.4),
            L.Dense(10, "relu", name="b"),
            L.GaussianNoise(0.1),
            L.Dense(3, name="head"),
        ],
        name="noisy",
    )


@skip_unless("tf_keras", "tensorflow", reason="a dataset that does not know its length is one of tf.data")
def test_data_of_unknown_length_go_on_within_their_epoch():
    dense, again = twice(
        noisy(),
        keras.optimizers.SGD(cosine(0.1)),
        in_order((X, Y), BATCH).filter(lambda x, y: True),
        STEPS + 2,
    )
    assert again == dense[STEPS + 2 :]


@pytest.mark.matrix
@skip_unless("tf_keras", "tensorflow", reason="a dataset that does not know its length is one of tf.data")
def test_data_of_unknown_length_go_on_after_a_kill(tmp_path):
    """tf_keras finds the end of a fit's first epoch by a step that it counts; the first after a kill is no
    such one."""

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def found(folder, *callbacks):
        train = in_order((X, Y), BATCH).filter(lambda x, y: True)
        return search(
            7, callbacks, keras.optimizers.Adam(cosine(0.01)), train, noisy, rounds=1, run_dir=folder
        )[1]

    whole = found(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path / "cut", Kill())
    keras.backend.clear_session()
    again = found(tmp_path / "cut")
    assert bits(again.trained) == bits(whole.trained) and again.rounds == whole.rounds


@pytest.mark.matrix
@skip_unless("tf_keras", reason="Keras 3 takes no such batch under two replicas")
def test_replicas_are_unified_at_the_step_whether_or_not_a_kill_came_after_it(tmp_path):
    """Of 15 examples one replica takes 8: what it draws for Dropout is more than the other draws."""

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if ENGINE.steps_taken(self.model) == STEPS + 3:
                raise KeyboardInterrupt

    strategy, train = mirrored(), in_order((X[:75], Y[:75]), 15)

    def found(folder, *callbacks):
        with strategy.scope():
            model = noisy()
            model.compile(keras.optimizers.SGD(0.1), LOGITS)
        return lottery.find_ticket(
            model,
            train,
            epochs=2,
            rounds=1,
            rate=0.5,
            rewind=STEPS + 2,
            run_dir=folder,
            callbacks=callbacks,
            verbose=0,
        )

    whole = found(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path / "cut", Kill())
    keras.backend.clear_session()
    assert bits(found(tmp_path / "cut").trained) == bits(whole.trained)


@pytest.mark.quick("4")
@skip_unless("tf_keras", "tensorflow", "jax", reason="PyTorch takes one step at a time")
@pytest.mark.parametrize("rewind", [4, 8])
def test_several_steps_an_execution(rewind):
    """Epochs of ten steps, as executions of 4, 4 and 2: from step 4 on two are left, from step 8 on one."""
    x, y = np.concatenate([X, X]), np.concatenate([Y, Y])
    dense, again = twice(
        noisy(), keras.optimizers.SGD(0.1), in_order((x, y), BATCH), rewind, end=30, steps_per_execution=4
    )
    assert len(dense) == 9 and again == dense[rewind // 4 :]


class Numbered(keras.utils.PyDataset if KERAS3 else object):
    """Batches by number, of several workers; it tells how many there are as PyDataset documents it."""

    num_batches = STEPS

    def __init__(self):
        super().__init__(workers=2)

    def __getitem__(self, number):
        return X[number * BATCH : (number + 1) * BATCH], Y[number * BATCH : (number + 1) * BATCH]


@skip_unless("keras", reason="PyDataset")
def test_batches_of_several_workers_are_those_of_the_dense_training():
    dense, again = twice(noisy(), keras.optimizers.SGD(cosine(0.1)), Numbered(), STEPS + 2)
    first, _ = twice(noisy(), keras.optimizers.SGD(cosine(0.1)), in_order((X, Y), BATCH), 0)
    assert again == dense[STEPS + 2 :] and dense == first, "JAX would take the first batch of all last"


@skip_unless("keras", reason="PyDataset")
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_data_that_shuffle_themselves_are_told(hook):
    shuffles = type("Shuffles", (Numbered,), {hook: lambda self: None})()
    with pytest.warns(UserWarning, match=f"train shuffles by its {hook}"):
        search(STEPS + 2, train=shuffles, epochs=2, rounds=1)


class Ahead(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule read so many steps later."""

    def __init__(self, schedule, steps):
        self.schedule, self.steps = schedule, steps

    def __call__(self, step):
        return self.schedule(step + self.steps)


def test_a_schedule_of_the_user_s_may_call_anything_its_shift():
    class Own(Ahead):
        shift = "none of ours"

    dense, again = twice(mlp(), keras.optimizers.SGD(Own(cosine(0.1), 1)), data("in order"), STEPS + 2)
    assert again == dense[STEPS + 2 :]


FRESH = [
    name for name in ("AdamW", "Nadam", "Adamax", "Lamb", "Adafactor") if hasattr(keras.optimizers, name)
]


@matrix_on("tf_keras")
@pytest.mark.quick("Nadam", "Adafactor")
@pytest.mark.parametrize("name", FRESH)
def test_updates_after_a_rewind_are_those_of_a_new_optimizer_at_the_same_rate(name):
    """Adam with empty slots and the count of step k would take steps up to 6 times too large."""
    rewind, make = STEPS + 2, getattr(keras.optimizers, name)
    train, schedule = data("in order"), cosine(0.01)
    dense, again = twice(mlp(), make(schedule), train, rewind)
    with contextlib.redirect_stdout(None):
        model = lottery.wrap(mlp())
    model.compile(make(Ahead(schedule, rewind)), LOGITS)
    ENGINE.load_state(
        model,
        {
            path: np.frombuffer(raw, dtype).reshape(shape)
            for path, (dtype, shape, raw) in dense[rewind - 1].items()
        },
    )
    ENGINE.build_optimizer(model)  # or tf_keras traces the step twice, and Nadam counts what is traced
    ENGINE.build_metrics(model, train)
    spy = Weights()
    model.fit(ENGINE.from_batch(train, 2), callbacks=[spy], verbose=0, shuffle=False)
    model.fit(train, callbacks=[spy], verbose=0, shuffle=False)
    assert len(spy.seen) == len(again) == END - rewind
    for one, other in zip(spy.seen, again):
        for path, (dtype, _, raw) in one.items():
            np.testing.assert_allclose(
                np.frombuffer(raw, dtype), np.frombuffer(other[path][2], dtype), rtol=1e-5, atol=1e-7
            )


# --- to callbacks a round that begins within an epoch is one training
# ---------------------------------------------------


class Calls(keras.callbacks.Callback):
    """What callbacks are told, and the learning rate at each step."""

    def __init__(self):
        super().__init__()
        self.calls, self.rates = [], []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")
        self.rates.append([])

    def on_train_end(self, logs=None):
        self.calls.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self.rates[-1].append(round(float(array(self.model.optimizer.learning_rate)), 6))


def search(rewind, callbacks=(), optimizer=None, train=None, net=mlp, **arguments):
    model = net()
    model.compile(optimizer or keras.optimizers.SGD(0.1), LOGITS, metrics=["accuracy"])
    return model, lottery.find_ticket(
        model,
        train or data("arrays"),
        callbacks=list(callbacks),
        rewind=rewind,
        verbose=0,
        **{"epochs": EPOCHS, "rounds": 2, "rate": 0.5, **arguments},
    )


def test_callbacks_see_one_training_a_round_with_the_epochs_of_the_dense_one():
    calls = Calls()
    _, ticket = search(STEPS + 2, [calls])
    assert calls.calls == ["begin", 0, 1, 2, "end"] + ["begin", 1, 2, "end"] * 2
    assert [(entry["start"], entry["stop"]) for entry in ticket.rounds[1]["history"]] == [(7, 10), (10, 15)]
    assert [record["stop"] - record["start"] for record in ticket.rounds] == [15, 8, 8]


def test_a_round_whose_last_epoch_is_the_one_it_begins_in():
    calls = Calls()
    _, ticket = search(END - 1, [calls])
    assert (
        calls.calls == ["begin", 0, 1, 2, "end"] + ["begin", 2, "end"] * 2
        and ticket.rounds[-1]["start"] == END - 1
    )


def test_a_rate_by_epochs_goes_on_from_that_of_the_step():
    calls = Calls()
    search(STEPS + 2, [keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (epoch + 1)), calls])
    dense, first, second = calls.rates
    assert dense == [0.1] * 5 + [0.05] * 5 + [round(0.1 / 3, 6)] * 5 and first == second == dense[STEPS + 2 :]


@matrix_on("tf_keras")
def test_a_rate_that_was_lowered_before_the_step_stays_lowered():
    calls = Calls()
    search(
        STEPS + 2, [keras.callbacks.ReduceLROnPlateau("loss", min_delta=100, factor=0.5, patience=1), calls]
    )
    dense, first, second = calls.rates
    assert dense == [0.1] * 10 + [0.05] * 5 and first[:3] == second[:3] == [0.1] * 3
    calls = Calls()
    search(
        2 * STEPS + 2,
        [keras.callbacks.ReduceLROnPlateau("loss", min_delta=100, factor=0.5, patience=1), calls],
    )
    assert calls.rates[1] == calls.rates[2] == [0.05] * 3


def test_training_that_a_callback_stops_within_the_first_epoch_ends_whole():
    """EarlyStopping puts the best weights back at the end, which comes once, after the epoch that a round
    begins in."""

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if self.round and epoch == 1:
                self.model.stop_training = True

        def on_train_begin(self, logs=None):
            self.round += 1

        round = -1

    calls = Calls()
    best = keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    _, ticket = search(STEPS + 2, [Stop(), best, calls])
    assert calls.calls == ["begin", 0, 1, 2, "end"] + ["begin", 1, "end"] * 2
    assert [record["stop"] for record in ticket.rounds] == [15, 10, 10]


def test_averages_are_written_at_the_end_of_a_round_not_within():
    class Look(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.steps = []

        def on_train_batch_begin(self, batch, logs=None):
            self.steps.append([bits(state_of(self.model))])

        def on_train_batch_end(self, batch, logs=None):
            self.steps[-1].append(bits(state_of(self.model)))

    look = Look()
    model, ticket = search(
        STEPS + 2, [look], keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True, ema_momentum=0.5), rounds=1
    )
    last = look.steps[END:]
    assert len(last) == END - STEPS - 2
    assert all(before[1] == after[0] for before, after in zip(last, last[1:])), (
        "the second fit begins with the weights of the first one's last step"
    )
    assert bits(ticket.trained) != last[-1][1]


def test_nothing_is_traced_again_for_the_epoch_that_a_round_begins_in():
    traced, seen = [], []

    def loss(true, predicted):
        traced.append(1)
        return keras.losses.sparse_categorical_crossentropy(true, predicted, from_logits=True)

    model = mlp()
    model.compile(keras.optimizers.SGD(cosine(0.1)), loss)
    look = keras.callbacks.LambdaCallback(on_train_end=lambda logs: seen.append(len(traced)))
    lottery.find_ticket(
        model,
        data("arrays"),
        callbacks=[look],
        epochs=EPOCHS,
        rounds=3,
        rate=0.5,
        rewind=STEPS + 2,
        verbose=0,
    )
    assert WORLD == "torch" or len(set(seen)) == 1


# --- all rounds in one fit
# ----------------------------------------------------------------------------------------------


def scheduled(rewind, optimizer):
    with contextlib.redirect_stdout(None):
        model = lottery.wrap(
            mlp(), schedule=lottery.LotterySchedule(rounds=2, rate=0.5, round_steps=END, rewind_step=rewind)
        )
    model.compile(optimizer, LOGITS)
    return model


def test_one_fit_ends_at_its_last_step_and_its_schedule_reads_the_rewind_step():
    calls, callback, end = Calls(), lottery.LotteryCallback(), END + 2 * (END - 7)
    model = scheduled(7, keras.optimizers.SGD(cosine(0.1)))
    seen = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            ENGINE.optimizer_state(self.model)  # on JAX this brings the state into the variables
            schedule = self.model.optimizer._learning_rate
            seen.append(int(array(self.model.optimizer.iterations)) + int(array(schedule.shift)))

    model.fit(data("in order"), epochs=20, callbacks=[callback, calls, Rates()], verbose=0, shuffle=False)
    assert seen == [*range(1, END + 1), *range(8, END + 1), *range(8, END + 1)] and len(
        seen
    ) == end == model_total(callback)
    assert callback.ticket.sparsity == pytest.approx(0.75, abs=0.01) and [
        record["round"] for record in callback.rounds
    ] == [0, 1, 2]
    assert calls.calls[-1] == "end" and calls.calls[-2] == end // STEPS


def model_total(callback):
    return callback.schedule.total_steps


def test_a_rate_set_by_epochs_is_refused_in_one_fit_with_a_rewind_step():
    by_epochs = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    with pytest.raises(lottery.LotteryError, match="sets? the learning rate by epochs.*use find_ticket"):
        scheduled(7, keras.optimizers.SGD(0.1)).fit(
            data("in order"), epochs=9, callbacks=[lottery.LotteryCallback(), by_epochs], verbose=0
        )
    callback = lottery.LotteryCallback()
    scheduled("init", keras.optimizers.SGD(0.1)).fit(
        data("in order"), epochs=9, callbacks=[callback, by_epochs], verbose=0
    )
    assert callback.ticket.sparsity == pytest.approx(0.75, abs=0.01)


# --- what is written down
# -------------------------------------------------------------------------------------------------


@matrix_on("tf_keras")
def test_the_rule_is_written_down_and_runs_of_the_old_one_are_not_gone_on_with(tmp_path):
    _, ticket = search(7, run_dir=tmp_path / "run")
    assert (
        ticket.settings["rule"] == "k to T"
        and json.loads((tmp_path / "run" / "config.json").read_text())["rule"] == "k to T"
    )
    _, at_first = search("init", run_dir=tmp_path / "init")
    assert "rule" not in at_first.settings, "it is the same under both"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["rule"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    _, again = search(7, run_dir=tmp_path / "run")
    assert bits(again.trained) == bits(ticket.trained), "a finished run is read"
    shutil.rmtree(tmp_path / "run" / "round_02")
    with pytest.raises(
        lottery.LotteryError, match="unfinished run whose rounds train T steps from step k on"
    ) as told:
        search(7, run_dir=tmp_path / "run")
    assert "\n" not in str(told.value)
    search(7, run_dir=tmp_path / "run", overwrite=True)


@skip_unless("tf_keras", "tensorflow", reason="tf.data")
def test_data_whose_order_cannot_be_repeated_are_told_once():
    shuffled = in_order((X, Y), BATCH).shuffle(5, seed=1)
    with pytest.warns(UserWarning, match="train shuffles anew in each pass") as told:
        search(7, train=shuffled)
    assert len([one for one in told if "shuffles" in str(one.message)]) == 1


def test_the_optimizer_keeps_the_schedule_it_was_given():
    schedule = cosine(0.1)
    with contextlib.redirect_stdout(None):
        wrapped = lottery.wrap(mlp())
    wrapped.compile(keras.optimizers.SGD(schedule), LOGITS)
    before = ENGINE.compiled(wrapped)
    lottery.find_ticket(wrapped, data("arrays"), epochs=EPOCHS, rounds=1, rate=0.5, rewind=7, verbose=0)
    assert ENGINE.compiled(wrapped) == before and int(array(wrapped.optimizer.iterations)) == END - 7


@matrix_on("tf_keras")
@pytest.mark.quick("scaled", "legacy")
@pytest.mark.parametrize(
    "kind",
    ["plain", "scaled", pytest.param("legacy", marks=skip_unless("tf_keras", reason="Keras 3 has none"))],
)
def test_a_file_of_a_rewound_model_trains_on_where_it_was(kind, tmp_path):
    """With the optimizer's slots and steps, and the rate of the step k + steps."""
    plain = keras.optimizers.legacy.SGD if kind == "legacy" else keras.optimizers.SGD
    optimizer = plain(cosine(0.1), momentum=0.9)
    with contextlib.redirect_stdout(None):
        model = lottery.wrap(mlp())
    model.compile(scaled(optimizer) if kind == "scaled" else optimizer, LOGITS)
    lottery.find_ticket(model, data("in order"), epochs=EPOCHS - 1, rounds=1, rate=0.5, rewind=7, verbose=0)
    file = tmp_path / (
        "model.h5" if kind == "legacy" else "model.keras"
    )  # tf_keras keeps no legacy optimizer in .keras
    model.save(file)
    again = load_model(file)
    assert bits(state_of(again)) == bits(state_of(model))
    assert ENGINE.steps_taken(again) == ENGINE.steps_taken(model) == 3
    for one in (model, again):
        one.fit(data("in order"), verbose=0, shuffle=False)
    for path, value in state_of(model).items():
        np.testing.assert_allclose(state_of(again)[path], value, atol=1e-6)
    model.save_weights(weights := tmp_path / "model.weights.h5")
    again.load_weights(weights)
    assert bits(state_of(again)) == bits(state_of(model))
