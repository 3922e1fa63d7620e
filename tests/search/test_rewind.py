"""The boundary between two rounds: exact, complete, never traced again, the same in both ways to run the
rounds."""

import contextlib
import functools
import gc
import tempfile

import numpy as np
import pytest
import zoo
from small import ENGINE, LOGITS, L, in_order, mirrored, scaled
from world import (
    BACKEND,
    KERAS3,
    array,
    keras,
    load_model,
    matrix_on,
    runs_on,
    set_policy,
    skip_unless,
    tensor,
)

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.search.rewind import Rewinder, check_steps

pytestmark = pytest.mark.engine

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 6, 6, 1)).astype("float32"), RNG.integers(0, 3, 32)
STEPS, EPOCHS, ROUNDS = 4, 2, 2
ROUND = STEPS * EPOCHS


def net():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        name="net",
        layers=[
            keras.Input((6, 6, 1), name="image"),
            L.Conv2D(4, 3, name="conv"),
            L.BatchNormalization(momentum=0.5, name="bn"),
            L.ReLU(name="relu"),
            L.Flatten(name="flat"),
            L.Dense(8, name="dense"),
            L.Dropout(0.2, seed=3, name="drop"),
            L.Dense(3, name="head"),
        ],
    )


def compiled(model, optimizer=None):
    model.compile(optimizer or keras.optimizers.Adam(0.02), LOGITS, metrics=["accuracy"])
    return model


def batches(epochs=1):
    """The same batches in each epoch and round, of a length that Keras knows."""
    return in_order((X, Y), len(X) // STEPS, epochs)


def anchored():
    """Takes its steps from its own copies of the weights."""
    if KERAS3:
        return keras.optimizers.ScheduleFreeAdamW(1e-3)

    class Anchored(keras.optimizers.SGD):
        def build(self, variables):
            super().build(variables)
            if not hasattr(self, "_anchors"):
                self._anchors = [
                    self.add_variable_from_reference(v, "anchor", initial_value=v) for v in variables
                ]

        def update_step(self, gradient, variable):
            anchor = self._anchors[self._index_dict[self._var_key(variable)]]
            anchor.assign_sub(1e-3 * gradient)
            variable.assign(anchor)

    return Anchored()


OPTIMIZERS = {
    "anchored": anchored,
    "adam": lambda: keras.optimizers.Adam(0.02, weight_decay=0.01),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),  # its slots do not start at 0
    "ftrl": lambda: keras.optimizers.Ftrl(0.1),
    "average": lambda: keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.5),
    "scaled": lambda: scaled(keras.optimizers.SGD(0.02)),
    "legacy": lambda: keras.optimizers.legacy.Adam(0.02),
}
LEGACY = skip_unless("tf_keras", reason="Keras 3 has no legacy optimizers")


def masked(values, masks):
    return {
        path: np.where(masks[path], value, 0) if path in masks else value for path, value in values.items()
    }


def equal(first, second):
    return list(first) == list(second) and zoo.same(list(first.values()), list(second.values()))


def begins(rewind="init", rounds=ROUNDS, steps=ROUND):
    """How many steps a search has taken when each of its rounds begins, and when it ends."""
    later = rewind if isinstance(rewind, int) else 0
    return [0, *range(steps, steps + (rounds + 1) * (steps - later), steps - later)]


class Spy(keras.callbacks.Callback):
    """Weights, optimizer and masks before the first step of each round, and after every step. Goes last."""

    def __init__(self, begins=begins()):
        super().__init__()
        self.begins = begins
        self.starts, self.states, self.masks = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        if len(self.states) in self.begins:
            self.starts.append(self._state())
            self.masks.append(lottery.masks(self.model))
            self._check_averages(not KERAS3)

    def on_train_batch_end(self, batch, logs=None):
        assert zoo.drift(self.model) == 0
        self._check_averages(
            KERAS3 and len(self.states) in self.begins
        )  # Keras 3 begins them after the first step
        self.states.append(self._state())

    def _state(self):
        averages = {id(variable) for variable in self._averages()}
        return ENGINE.values(self.model), [
            array(v) for v in optimizer_variables(self.model) if id(v) not in averages
        ]

    def _check_averages(self, now):
        for average, variable in zip(self._averages() if now else (), self.model.trainable_variables):
            average, variable = array(average), array(variable)
            if KERAS3:  # whose averages are taken before the masks
                average = np.where(variable == 0, 0, average)
            assert np.array_equal(average, variable), "averages begin at the weights of the round"

    def _averages(self):
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return getattr(optimizer, "_model_variables_moving_average", [])


def optimizer_variables(model):
    """What `optimizer_state` gives the values of."""
    return engines.of(model).optimizer_variables()


@functools.cache
def run(way, rewind="init", optimizer="adam", policy="float32"):
    """All rounds, in one fit with a LotteryCallback or by find_ticket: the ticket, what the spy saw."""
    set_policy(policy)
    spy = Spy(begins(rewind))
    if way == "callback":
        schedule = lottery.LotterySchedule(rounds=ROUNDS, rate=0.4, round_steps=ROUND, rewind_step=rewind)
        model = compiled(lottery.wrap(net(), schedule=schedule), OPTIMIZERS[optimizer]())
        callback = lottery.LotteryCallback()
        model.fit(batches(EPOCHS * (ROUNDS + 1)), shuffle=False, callbacks=[callback, spy], verbose=0)
        return callback.ticket, spy
    model = compiled(lottery.wrap(net()), OPTIMIZERS[optimizer]())
    how = dict(epochs=EPOCHS, rounds=ROUNDS, rate=0.4, rewind=rewind)
    return lottery.find_ticket(model, batches(), **how, verbose=0, seed=1, callbacks=[spy]), spy


WAYS = pytest.mark.parametrize("way", ["callback", "find_ticket"])


@pytest.mark.quick(
    "init-find_ticket",
    "3-callback",
    "lr-callback",
)
@WAYS
@pytest.mark.parametrize("rewind", ["init", 3, "trained", "lr"])
def test_rewinding_is_exact(way, rewind):
    ticket, spy = run(way, rewind)
    at = begins(rewind)
    assert len(spy.starts) == ROUNDS + 1 and len(spy.states) == at[-1]
    point = {"init": spy.starts[0][0], 3: spy.states[2][0], "trained": spy.states[ROUND - 1][0]}.get(rewind)
    for number in range(1, ROUNDS + 1):
        values, slots = spy.starts[number]
        trained = spy.states[at[number] - 1][0]
        assert equal(values, masked(trained if rewind == "lr" else point, spy.masks[number]))
        assert zoo.same(slots, spy.starts[0][1]), "the optimizer did not start anew"
        assert not zoo.same(spy.states[at[number]][1], slots)
    assert equal(ticket.weights, spy.starts[-1][0]) and equal(ticket.trained, spy.states[-1][0])
    assert equal(ticket.masks, spy.masks[-1])
    assert np.array_equal(ticket.weights["bn/moving_mean"], spy.starts[-1][0]["bn/moving_mean"])


@pytest.mark.quick("3")
@pytest.mark.parametrize("rewind", ["init", 3, "trained"])
def test_rewind_once_takes_back_before_the_last_round_alone(rewind, tmp_path):
    at = [0, ROUND, 2 * ROUND, 3 * ROUND]
    spy = Spy(at)
    ticket = lottery.find_ticket(
        compiled(lottery.wrap(net())),
        batches(),
        epochs=EPOCHS,
        rounds=3,
        rate=0.4,
        rewind=rewind,
        rewind_once=True,
        run_dir=tmp_path,
        verbose=0,
        seed=1,
        callbacks=[spy],
    )
    point = {"init": spy.starts[0][0], 3: spy.states[2][0], "trained": spy.states[ROUND - 1][0]}[rewind]
    for number in (1, 2, 3):
        values, slots = spy.starts[number]
        assert equal(
            values, masked(point if number == 3 else spy.states[number * ROUND - 1][0], spy.masks[number])
        )
        assert zoo.same(slots, spy.starts[0][1]), "the optimizer did not start anew"
        kept = lottery.load_ticket(tmp_path / f"round_{number:02d}").weights
        assert equal({path: kept[path] for path in point}, masked(point, spy.masks[number]))
    assert (
        equal(ticket.weights, spy.starts[-1][0])
        and equal(ticket.trained, spy.states[-1][0])
        and ticket.settings["rewind_once"] is True
    )
    assert len(spy.states) == 4 * ROUND - (3 if rewind == 3 else 0), (
        "rounds in between train all steps, the last from the rewind point on"
    )


@pytest.mark.quick("labels1")
@skip_unless("tf_keras", reason="Keras 3 makes the metrics from a batch")
@pytest.mark.parametrize("labels", [(16,), (16, 1)])
def test_accuracy_means_what_the_batches_say_where_the_model_does_not(labels):
    image = keras.Input((None, 4))
    model = keras.Model(image, L.Activation("sigmoid")(L.Flatten()(L.Dense(1)(L.Dense(5)(image)))))
    model.compile("sgd", "mse", metrics=["accuracy"])
    data = in_order((RNG.normal(size=(16, 1, 4)).astype("float32"), np.arange(16.0).reshape(labels) % 2), 8)
    wrapped = lottery.wrap(model)
    engines.of(wrapped).compile_like(model)
    expected = model.fit(data, verbose=0).history
    [first, _] = lottery.find_ticket(wrapped, data, epochs=1, rounds=1, rate=0.3, verbose=0).rounds
    assert {
        name: [value] for name, value in first["history"][0].items() if name not in ("start", "stop")
    } == expected


@pytest.mark.parametrize("rewind_once", ["false", 1])
def test_rewind_once_is_true_or_false(rewind_once):
    with pytest.raises(lottery.LotteryError, match="give True or False"):
        lottery.find_ticket(
            compiled(net()), batches(), epochs=1, rounds=2, rewind_once=rewind_once, verbose=0
        )


@pytest.mark.parametrize("rewind", ["lr", "finetune"])
def test_rewind_once_wants_a_rewind_point(rewind, tmp_path):
    with pytest.raises(lottery.LotteryError, match=f"rewind='{rewind}' never does: leave out one of them"):
        lottery.find_ticket(
            compiled(net()),
            batches(),
            epochs=1,
            rounds=2,
            rewind=rewind,
            rewind_once=True,
            run_dir=tmp_path / "run",
            verbose=0,
        )
    assert not (tmp_path / "run").exists()


@WAYS
def test_what_is_pruned_is_the_smallest_of_the_trained(way):
    _, spy = run(way, 3)
    total = sum(mask.size for mask in spy.masks[0].values())
    for number in range(1, ROUNDS + 1):
        before, after = spy.masks[number - 1], spy.masks[number]
        trained = spy.states[begins(3)[number] - 1][0]
        dropped = np.concatenate([np.abs(trained[path][before[path] & ~after[path]]) for path in after])
        kept = np.concatenate([np.abs(trained[path][after[path]]) for path in after])
        assert all((after[path] <= before[path]).all() for path in after)
        assert dropped.size and dropped.max() <= kept.min()
        assert kept.size == total - round(total * (1 - 0.6**number))


@matrix_on("tf_keras")
@pytest.mark.quick("average", "legacy")
@pytest.mark.parametrize("optimizer", ["adagrad", "ftrl", "average", pytest.param("legacy", marks=LEGACY)])
def test_optimizer_starts_anew(optimizer):
    _, spy = run("callback", 3, optimizer)
    for number in range(1, ROUNDS + 1):
        assert zoo.same(spy.starts[number][1], spy.starts[0][1])
        assert not zoo.same(spy.states[begins(3)[number] - 1][1], spy.starts[0][1])


@skip_unless("tf_keras", reason="Keras 3 counts Nadam's steps in a variable")
def test_nadam_in_eager_steps_starts_anew_and_goes_on():
    def searched(folder, dies=None):
        model = keras.Sequential(
            [keras.layers.Input((4,)), keras.layers.Dense(6, name="a"), keras.layers.Dense(2, name="b")]
        )
        start = np.random.default_rng(0)
        model.set_weights([start.normal(size=weight.shape) for weight in model.get_weights()])
        model.compile(keras.optimizers.Nadam(0.05), "mse", run_eagerly=True)
        seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: calls.append(epoch))
        kill = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: 1 / 0 if len(calls) == dies else None
        )
        data = start.normal(size=(64, 4)).astype("float32"), start.normal(size=(64, 2)).astype("float32")
        return (
            model,
            data,
            lottery.find_ticket(
                model, data, epochs=2, rounds=1, rate=0.5, run_dir=folder, callbacks=[seen, kill], verbose=0
            ),
        )

    with tempfile.TemporaryDirectory() as folder:
        calls = []
        model, data, whole = searched(f"{folder}/whole")
        calls = []
        with pytest.raises(ZeroDivisionError):
            searched(f"{folder}/cut", dies=3)
        calls = []
        assert zoo.same(list(searched(f"{folder}/cut")[2].trained.values()), list(whole.trained.values()))
        fresh = whole.model("rewind")
        fresh.compile(keras.optimizers.Nadam(0.05), "mse", run_eagerly=True)
        search = lottery.data.batches(*data, batch_size=32, seed=0)
        lottery.data.set_epoch(search, 0)
        fresh.fit(search, epochs=2, verbose=0)
        trained = engines.of(fresh).values()
        assert zoo.same([trained[path] for path in whole.trained], list(whole.trained.values()))


@matrix_on("tf_keras")
@pytest.mark.quick("callback-3", "find_ticket-trained")
@pytest.mark.parametrize(
    "way, rewind",
    [("callback", 3), ("find_ticket", "trained"), ("find_ticket", "lr"), ("find_ticket", "init")],
)
def test_an_optimizer_with_copies_of_the_weights_goes_on_from_the_rewound_ones(way, rewind):
    _, spy = run(way, rewind, "anchored")
    for number in range(ROUNDS + 1):
        start, first = spy.starts[number][0], spy.states[begins(rewind)[number]][0]
        assert max(np.abs(start[path] - first[path]).max() for path in start if "moving" not in path) < 0.01


ALIKE = [("adam", "float32", 4), ("adam", "float32", "lr"), ("average", "mixed_float16", "trained")]
ALIKE += [pytest.param("legacy", "float32", 4, marks=[LEGACY, pytest.mark.stress])]
ALIKE += [
    pytest.param(*one, marks=pytest.mark.stress)
    for one in (("adam", "float32", "init"), ("adam", "float32", "trained"), ("average", "float32", 4))
]


@matrix_on("tf_keras")
@pytest.mark.quick("average-mixed_float16-trained")
@pytest.mark.parametrize("optimizer, policy, rewind", ALIKE)
def test_both_ways_end_with_the_same_ticket(optimizer, policy, rewind):
    one, two = (run(way, rewind, optimizer, policy)[0] for way in ("callback", "find_ticket"))
    for name in ("masks", "weights", "trained"):
        assert equal(getattr(one, name), getattr(two, name)), name
    counts = [
        [(r["round"], r["sparsity"], r["kept"], r["total"]) for r in ticket.rounds] for ticket in (one, two)
    ]
    assert counts[0] == counts[1] and one.architecture == two.architecture and one.heads == two.heads


@pytest.mark.quick("adam")
@pytest.mark.parametrize("optimizer", ["adam", "scaled", pytest.param("legacy", marks=LEGACY)])
def test_learning_rate_that_a_callback_lowered(optimizer):
    plateau = keras.callbacks.ReduceLROnPlateau("loss", min_delta=100, patience=1)
    model = compiled(lottery.wrap(net()), OPTIMIZERS[optimizer]())
    rates = []

    def note(logs):
        rates.append(float(model.optimizer.learning_rate))

    look = keras.callbacks.LambdaCallback(on_train_begin=note, on_train_end=note)
    lottery.find_ticket(model, batches(), epochs=3, rounds=2, rate=0.4, verbose=0, callbacks=[plateau, look])
    assert rates[0::2] == [np.float32(0.02)] * 3 and all(rate < 0.01 for rate in rates[1::2])


def variable(value):
    if KERAS3:
        return keras.Variable(value)
    import tensorflow as tf

    return tf.Variable(value)


class Lowered(keras.optimizers.schedules.LearningRateSchedule):
    """By a factor that the loop sets."""

    def __init__(self):
        self.factor = variable(1.0)

    def __call__(self, step):
        return 0.02 * self.factor

    def get_config(self):
        return {}


@pytest.mark.parametrize("rewind, begins_at", [("init", 1.0), (6, 0.5)])
def test_what_a_schedule_holds_in_variables_is_that_of_the_step(rewind, begins_at):
    schedule, begun = Lowered(), []
    model = compiled(lottery.wrap(net()), keras.optimizers.SGD(schedule))
    lower = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: begun.append(float(array(schedule.factor))),
        on_epoch_end=lambda epoch, logs: schedule.factor.assign(0.5 ** (epoch + 1)),
    )
    lottery.find_ticket(
        model, batches(), epochs=3, rounds=2, rate=0.4, rewind=rewind, verbose=0, callbacks=[lower]
    )
    assert begun == [1.0, begins_at, begins_at]


def test_loss_scale_starts_anew():
    set_policy("mixed_float16")
    optimizer = scaled(keras.optimizers.Adam(0.02), growth_steps=2)
    model, scales = compiled(lottery.wrap(net()), optimizer), []

    def note(*_, logs=None):
        ENGINE.optimizer_state(model)  # on JAX this brings the state into the variables
        scales[-1].append(float(optimizer.dynamic_scale if KERAS3 else optimizer.loss_scale))

    look = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: scales.append([]) or note(), on_train_batch_end=note
    )
    lottery.find_ticket(model, batches(), epochs=2, rounds=2, rate=0.4, verbose=0, callbacks=[look])
    assert [scale[0] for scale in scales] == [2.0**15] * 3 and all(
        set(scale) != {2.0**15} for scale in scales
    )
    assert KERAS3 or all(scale[-1] != 2.0**15 for scale in scales)  # elsewhere it may have come back


@pytest.mark.matrix
@skip_unless("tf_keras", "tensorflow", reason="a tf.distribute strategy")
def test_two_replicas_rewind():
    with mirrored().scope():
        ticket, spy = run.__wrapped__("callback", 3)
    assert equal(spy.starts[-1][0], masked(spy.states[2][0], spy.masks[-1])) and ticket.sparsity > 0.6


@matrix_on("tf_keras")
def test_nothing_is_traced_again_and_memory_is_flat():
    traced, objects = [], []

    def loss(true, predicted):
        traced.append(1)
        return keras.losses.sparse_categorical_crossentropy(true, predicted, from_logits=True)

    class Count(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            gc.collect()
            objects.append((len(traced), len(gc.get_objects())))

    plain = net()
    plain.compile("adam", loss, metrics=["accuracy"])
    plain.fit(batches(), verbose=0)
    stock = len(traced)
    traced.clear()
    model = lottery.wrap(net())
    model.compile("adam", loss, metrics=["accuracy"])
    lottery.find_ticket(model, batches(), epochs=1, rounds=5, rate=0.2, verbose=0, callbacks=[Count()])
    if not runs_on("torch"):  # which traces nothing
        counts = [count for count, _ in objects]
        assert counts == counts[:1] * 6 and counts[0] <= stock, "the train step was traced again"
    # A round, from the second on; a re-built model would add tens of thousands.
    assert (objects[-1][1] - objects[2][1]) / (len(objects) - 3) < 250


@pytest.mark.matrix
@pytest.mark.quick("arguments0", "arguments2")
@skip_unless("tf_keras", reason="Keras 3 makes the metrics before it traces")
@pytest.mark.parametrize(
    "arguments", [{}, {"metrics": []}, {"metrics": None, "weighted_metrics": ["accuracy"]}]
)
def test_the_step_is_traced_once_and_its_figures_are_those_of_keras(arguments):
    traced, how = (
        [],
        {"metrics": ["accuracy", keras.metrics.SparseCategoricalCrossentropy(from_logits=True)], **arguments},
    )

    @keras.utils.register_keras_serializable("tests")
    class Counts(L.Layer):
        def call(self, inputs):
            traced.append(1)
            return inputs

    class Clear(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            traced.clear()

    def counting():
        return keras.Sequential(
            [keras.Input((6, 6, 1)), *net().layers[:-2], Counts(), L.Dense(3, name="last")]
        )

    plain, logs = counting(), []
    plain.compile("sgd", LOGITS, **how)
    model = lottery.wrap(plain)
    engines.of(model).compile_like(plain)
    expected = plain.fit(batches(), epochs=2, verbose=0).history
    lottery.find_ticket(
        model,
        batches(),
        epochs=2,
        rounds=1,
        rate=0.5,
        verbose=0,
        callbacks=[
            Clear(),
            keras.callbacks.LambdaCallback(
                on_train_end=lambda _: logs.append(len(traced)),
                on_epoch_end=lambda _, of: logs.append(dict(of)),
            ),
        ],
    )
    assert [item for item in logs if isinstance(item, int)] == [1, 0]
    assert {name: [of[name] for of in logs[:2]] for name in expected} == expected


def test_scope_layer_prunes_each_layer_alike():
    model = compiled(lottery.wrap(net(), scope="layer"))
    ticket = lottery.find_ticket(model, batches(), epochs=1, final_sparsity=0.75, rounds=2, verbose=0)
    assert all((~mask).sum() == round(0.75 * mask.size) for mask in ticket.masks.values())


@matrix_on("tf_keras")
def test_validation_and_checkpoints_at_the_end_of_a_round_see_its_trained_weights(tmp_path):
    model = compiled(scheduled(2))
    keep = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    spy = Spy()
    model.fit(
        batches(),
        epochs=EPOCHS * 3,
        validation_data=(X, Y),
        callbacks=[lottery.LotteryCallback(), keep, spy],
        verbose=0,
    )
    for number in (1, 2, 3):
        loaded = load_model(tmp_path / f"{number * EPOCHS}.keras")
        assert equal(ENGINE.values(loaded), spy.states[number * ROUND - 1][0])
        assert lottery.sparsity(loaded) == pytest.approx(1 - 0.5 ** (number - 1), abs=0.01)


def test_best_weights_of_an_earlier_round_come_back_whole():
    """EarlyStopping gives back weights whose masks are looser than those the fit ended with."""

    class First(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["score"] = -epoch

    best = keras.callbacks.EarlyStopping("score", mode="max", patience=99, restore_best_weights=True)
    model = compiled(scheduled(2, STEPS))
    callback, spy = lottery.LotteryCallback(), Spy([0, STEPS, 2 * STEPS])
    model.fit(batches(), shuffle=False, epochs=3, callbacks=[First(), callback, spy, best], verbose=0)
    assert callback.ticket.sparsity == pytest.approx(0.75, abs=0.01)
    assert equal(ENGINE.values(model), spy.states[STEPS - 1][0])
    assert lottery.sparsity(model) == 0


def test_a_callback_that_puts_back_an_earlier_round_is_told():
    """Before the ticket is made, by EarlyStopping; or before the first step, as BackupAndRestore does."""

    class First(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["score"] = -epoch

    class Restoring(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            zoo.tighten(self.model, 0.1)

    best = keras.callbacks.EarlyStopping("score", mode="max", patience=99, restore_best_weights=True)
    for callbacks in ([First(), best, lottery.LotteryCallback()], [lottery.LotteryCallback(), Restoring()]):
        model = compiled(scheduled(2, STEPS))
        with pytest.raises(
            lottery.LotteryError, match="another callback put back the weights and masks of another round"
        ):
            model.fit(batches(), shuffle=False, epochs=3, callbacks=callbacks, verbose=0)
        assert next(one for one in callbacks if isinstance(one, lottery.LotteryCallback)).ticket is None


def scheduled(rounds=1, round_steps=ROUND, **schedule):
    return lottery.wrap(
        net(), schedule=lottery.LotterySchedule(rounds, 0.5, round_steps=round_steps, **schedule)
    )


def pruned():
    model = scheduled()
    zoo.tighten(model, 0.1)
    return model


def unknown():
    """Batches that do not say how many there are."""
    return batches().filter(lambda x, y: True) if BACKEND == "tensorflow" else ((x, y) for x, y in batches())


EXECUTIONS = skip_unless("tf_keras", "tensorflow", "jax", reason="PyTorch takes one step at a time")


@pytest.mark.parametrize(
    "build, arguments, data, said",
    [
        (net, {}, batches, "needs a schedule"),
        (lambda: lottery.wrap(net()), {}, batches, "needs a schedule"),
        (pruned, {}, batches, "is pruned already"),
        pytest.param(
            lambda: scheduled(round_steps=6),
            {"steps_per_execution": 3},
            batches,
            "no multiple of steps_per_execution=3",
            marks=EXECUTIONS,
        ),
        (scheduled, {}, unknown, "assert_cardinality"),
    ],
)
def test_callback_refuses(build, arguments, data, said):
    model = build()
    model.compile("sgd", "sparse_categorical_crossentropy", **arguments)
    with pytest.raises(lottery.LotteryError, match=said) as told:
        model.fit(data(), callbacks=[lottery.LotteryCallback()], verbose=0)
    assert "\n" not in str(told.value)


@EXECUTIONS
@pytest.mark.parametrize(
    "rewind, epoch, every, fits",
    [
        (12, 10, 4, False),
        (14, 10, 4, True),
        (10, 10, 4, True),
        (8, 10, 4, True),
        (8, None, 4, False),
        (8, None, 1, True),
    ],
)
def test_which_steps_end_an_execution(rewind, epoch, every, fits):
    model = net()
    model.compile("sgd", LOGITS, steps_per_execution=every)
    with (
        contextlib.nullcontext()
        if fits
        else pytest.raises(
            lottery.LotteryError, match="no multiple of" if epoch else "unknown how many steps"
        )
    ):
        check_steps(engines.of(model), {"rewind step": [rewind]}, epoch)


@matrix_on("tf_keras")
def test_a_fit_too_short_says_so_and_a_callback_serves_twice():
    callback = lottery.LotteryCallback()
    with pytest.warns(
        UserWarning, match="after 8 of 16 steps: the ticket is that of round 0 of 1, 0.0% sparse"
    ):
        compiled(scheduled()).fit(batches(), epochs=EPOCHS, callbacks=[callback], verbose=0)
    compiled(scheduled()).fit(batches(), epochs=EPOCHS * 2, callbacks=[callback], verbose=0)
    assert [row["sparsity"] for row in callback.rounds] == [0, 0.5] and callback.ticket.sparsity == 0.5


@matrix_on("tf_keras")
@pytest.mark.quick("3", "trained")
@pytest.mark.parametrize("rewind", ["init", 3, "trained"])
def test_of_the_dense_round_alone_the_ticket_holds_the_rewind_point(rewind):
    callback, spy = lottery.LotteryCallback(), Spy()
    model = compiled(
        lottery.wrap(
            net(), schedule=lottery.LotterySchedule(rounds=1, rate=0.5, round_steps=ROUND, rewind_step=rewind)
        )
    )
    initial = ENGINE.values(model)
    with pytest.warns(UserWarning, match="the ticket is that of round 0"):
        model.fit(batches(), epochs=EPOCHS, callbacks=[callback, spy], verbose=0)
    assert equal(
        callback.ticket.weights, {"init": initial, 3: spy.states[2][0], "trained": spy.states[-1][0]}[rewind]
    )


def test_a_used_optimizer_is_refused():
    model = compiled(lottery.wrap(net()))
    model.train_on_batch(X, Y)
    with pytest.raises(lottery.LotteryError, match="has taken steps already"):
        Rewinder(engines.of(model), 0)


@EXECUTIONS
def test_several_steps_an_execution_rewind_at_their_step():
    model = scheduled(rewind_step=4)
    model.compile(OPTIMIZERS["adam"](), LOGITS, steps_per_execution=2)
    callback = lottery.LotteryCallback()
    model.fit(batches(), shuffle=False, epochs=EPOCHS * 2, callbacks=[callback], verbose=0)
    expected = masked(run("callback", 3)[1].states[3][0], callback.ticket.masks)
    for path, value in callback.ticket.weights.items():
        # JAX compiles two steps otherwise than one. BatchNorm makes rounding of the bias's gradient, Adam
        # steps of that.
        if not (runs_on("jax") and path in ("conv/bias", "bn/moving_mean")):
            np.testing.assert_allclose(value, expected[path], rtol=1e-5, atol=1e-6)


class Sparsities(keras.callbacks.Callback):
    """At the end of each epoch."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(lottery.sparsity(self.model))


@pytest.mark.quick("3")
@EXECUTIONS
@pytest.mark.parametrize("rewind", [3, 4])
def test_an_epoch_that_is_no_multiple_of_an_execution(rewind):
    """Its last execution is shorter, so that steps 2, 3, 5, 6, 8 and 9 end one here."""
    model = scheduled(rewind_step=rewind, round_steps=6)
    model.compile("sgd", LOGITS, steps_per_execution=2)
    data, spy = in_order((X[:24], Y[:24]), 8), Sparsities()
    if rewind == 4:
        with pytest.raises(
            lottery.LotteryError,
            match="rewind step, step 4, is no multiple of steps_per_execution=2 within epochs of 3",
        ):
            model.fit(data, epochs=4, callbacks=[lottery.LotteryCallback(), spy], verbose=0)
    else:
        model.fit(data, epochs=4, callbacks=[lottery.LotteryCallback(), spy], verbose=0)
        assert spy.seen == [0, 0, 0.5]


def test_a_metric_that_is_a_matrix_is_no_figure_of_a_round():
    model = scheduled()
    model.compile("sgd", LOGITS, metrics=[Matrix(), "accuracy"])
    callback = lottery.LotteryCallback()
    model.fit(batches(), epochs=EPOCHS * 2, callbacks=[callback], verbose=0)
    assert [set(record["metrics"]) for record in callback.rounds] == [{"loss", "accuracy"}] * 2


class Matrix(keras.metrics.Metric):
    def update_state(self, *_, **__):
        pass

    def reset_state(self):
        pass

    def result(self):
        return tensor(np.eye(2, dtype="float32"))
