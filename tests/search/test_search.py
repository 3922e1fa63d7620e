"""find_ticket: what it takes, what it gives, and what it refuses in one line before any training."""

import importlib
import shutil
import textwrap
import tracemalloc
import warnings

import numpy as np
import pytest
from small import (
    ENGINE,
    LOGITS,
    InOrder,
    L,
    arrays,
    bits,
    compiled,
    dense,
    everything,
    in_order,
    mirrored,
    noisy,
    python,
    search,
    state_of,
    weights,
)
from world import BACKEND, KERAS3, array, keras, matrix_on, register, skip_unless, tensor

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.core import team
from keras_lottery.core.counts import pruned_count
from keras_lottery.experiments import controls
from keras_lottery.experiments.gradual import GradualPruning
from keras_lottery.search.rewind import check_stateless
from keras_lottery.training import labels
from keras_lottery.training.check_data import LongEpochs

if BACKEND == "tensorflow":
    import tensorflow as tf

pytestmark = pytest.mark.keras3

X, Y = arrays()
HAS_TF_DATA = skip_unless("tf_keras", "tensorflow", reason="a tf.data.Dataset")


def test_rounds_count_nest_and_rewind(tmp_path):
    model = compiled(dense())
    before = weights(model)
    ticket = search(model, rounds=3, rate=0.3, run_dir=tmp_path)
    assert weights(model) == before  # a plain model is copied
    tickets = [lottery.load_ticket(tmp_path / f"round_{n:02d}") for n in range(4)]
    assert everything(tickets[-1]) == everything(ticket)
    total = 8 * 12 + 12 * 10
    initial = tickets[0].weights
    for n, this in enumerate(tickets):
        kept = sum(int(mask.sum()) for mask in this.masks.values())
        assert kept == total - pruned_count(total, 1 - 0.7**n)
        assert [r["round"] for r in this.rounds] == list(range(n + 1))
        assert this.rounds[-1]["kept"] == kept and len(this.rounds[-1]["history"]) == 2
        assert set(this.rounds[-1]["metrics"]) == {"loss", "accuracy"}
        for path, value in this.weights.items():
            mask = this.masks.get(path, np.ones(value.shape, bool))
            assert not mask[~tickets[max(n - 1, 0)].masks.get(path, mask)].any()  # nested
            assert bits({"": value}) == bits(
                {"": np.where(mask, initial[path], np.float32(0))}
            )  # rewound, zeros positive
            assert not this.trained[path][~mask].any()
    assert "head/kernel" not in ticket.masks and ticket.heads == ["head"]


def batches(epoch, seed=7):
    """Those of an epoch of X and Y, as find_ticket takes them."""
    train = ENGINE.batches(X, Y, batch_size=32, seed=seed)
    ENGINE.set_epoch(train, epoch)
    return list(train)


@matrix_on("tf_keras")
@pytest.mark.parametrize("rewind", ["init", 3, np.int64(5), "trained", "lr"])
def test_rewind_points(rewind, tmp_path):
    """The dense ticket holds the weights at the rewind point; they are those of plain training to that
    step."""
    steps = {"init": 0, "trained": 6}.get(rewind, rewind)
    model = compiled(dense(), keras.optimizers.Adam(0.01))
    ticket = search(model, rewind=rewind, run_dir=tmp_path, seed=7)
    first, second = (lottery.load_ticket(tmp_path / f"round_{n:02d}") for n in (0, 1))
    if rewind == "lr":
        expected = first.trained
    else:
        plain = lottery.wrap(model)
        compiled(plain, keras.optimizers.Adam(0.01))
        for batch in (batches(0) + batches(1))[:steps]:
            plain.train_on_batch(*batch)
        expected = state_of(plain)
        assert bits(first.weights) == bits(expected)
    for path, value in second.weights.items():
        mask = second.masks.get(path, np.ones(value.shape, bool))
        assert np.array_equal(value[mask], expected[path][mask]) and not value[~mask].any()
    assert ticket.settings["rewind"] == rewind


@matrix_on("tf_keras")
def test_data_as_arrays_weighted_arrays_or_dataset():
    ordered = ENGINE.batches(X, Y, batch_size=32, seed=0)
    model = dense()
    short = dict(epochs=1, rounds=1)
    one, other = search(compiled(model), **short), search(compiled(model), ordered, **short)
    assert (
        everything(one)
        == everything(other)
        == everything(search(compiled(model), (X.astype("float64"), list(Y)), **short))
    )
    weighted = search(compiled(model), (X, Y, np.linspace(0, 2, len(Y)).astype("float32")), **short)
    assert bits(weighted.trained) != bits(one.trained)
    assert search(compiled(model), (X[:7], Y[:7]), epochs=2, rounds=1, rewind=1).sparsity == 0.5  # one batch


@matrix_on("tf_keras")
def test_arrays_of_several_outputs_and_lists_of_numbers():
    inputs = L.Input((8,))
    x = L.Dense(12, "relu", name="a")(inputs)
    model = keras.Model(inputs, [L.Dense(3, name="p")(x), L.Dense(2, name="q")(x)])
    ticket = search(compiled(model, loss=[LOGITS, LOGITS], metrics=()), (X, [Y, Y % 2]), epochs=1, rounds=1)
    assert set(ticket.masks) == {"a/kernel"} and ticket.heads == ["p", "q"]
    listed = search(train=(X.tolist(), Y.tolist()), epochs=1, rounds=1)
    assert bits(listed.trained) == bits(search(train=(X, Y), epochs=1, rounds=1).trained)


@matrix_on("tf_keras")
def test_what_was_compiled_has_no_config():
    """A wrapped model is compiled already; for a plain one it must be told."""

    class Warm(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.01

    net = compiled(dense(), keras.optimizers.Adam(Warm()))
    with pytest.raises(
        lottery.LotteryError, match="Adam cannot be made anew from its config.*Wrap the model, then compile"
    ):
        search(net)
    model = compiled(lottery.wrap(net), keras.optimizers.Adam(Warm()))
    assert search(model, epochs=1, rounds=1).sparsity == 0.5

    class Told(Warm):
        def get_config(self):
            return {}

    assert search(compiled(dense(), keras.optimizers.Adam(Told())), epochs=1, rounds=1).sparsity == 0.5


@HAS_TF_DATA
def test_data_of_unknown_length():
    unknown = tf.data.Dataset.from_generator(
        lambda: iter(zip(X, Y)),
        output_signature=(tf.TensorSpec((8,), tf.float32), tf.TensorSpec((), tf.int64)),
    ).batch(32)
    ticket = search(train=unknown, validation_data=(X, Y), epochs=1, rounds=1)
    assert ticket.rounds[-1]["metrics"].keys() >= {"loss", "val_loss"}


def test_order_of_arrays_follows_from_seed_and_epoch():
    x = {"a": np.arange(70.0), "b": np.arange(140).reshape(70, 2)}
    train, again = (ENGINE.batches(x, np.arange(70), batch_size=32, seed=5) for _ in range(2))
    passes = []
    for epoch in (0, 1):
        ENGINE.set_epoch(train, epoch)
        passes.append([(array(a["a"]), array(a["b"]), array(y)) for a, y in train])
    assert [len(batches) for batches in passes] == [len(train)] * 2 == [3, 3]
    for a, b, y in passes[0] + passes[1]:
        assert (
            a.dtype == np.float32 and np.array_equal(a, y) and np.array_equal(b[:, 0], 2 * y) and len(y) == 32
        )
    first, second = (np.concatenate([y for _, _, y in batches]) for batches in passes)
    for seen in (first, second):  # the last batch is filled up with the epoch's first examples
        assert set(seen[:70]) == set(range(70)) and np.array_equal(seen[70:], seen[:26])
    assert not np.array_equal(first, second)
    ENGINE.set_epoch(again, 1)
    assert np.array_equal(second, np.concatenate([array(y) for _, y in again]))
    other = ENGINE.batches(x, np.arange(70), batch_size=32, seed=6)
    assert not np.array_equal(first, np.concatenate([array(y) for _, y in other]))


@matrix_on("tf_keras")
def test_final_sparsity_is_exact_and_scope_layer():
    by_rounds = search(rounds=2, rate=None, final_sparsity=0.9)
    assert sum(m.sum() for m in by_rounds.masks.values()) == 216 - pruned_count(216, 0.9)
    by_rate = search(rounds=None, rate=0.6, final_sparsity=0.7, epochs=1)
    assert [r["sparsity"] for r in by_rate.rounds] == pytest.approx([0, 0.6, 0.7], abs=0.005)
    by_layer = search(scope="layer", epochs=1)
    assert [int(m.sum()) for m in by_layer.masks.values()] == [24, 30] and by_layer.settings[
        "scope"
    ] == "layer"


def cut_blocks(masks, block=4):
    """How many blocks of so many inputs are kept in part."""
    parts = [mask.reshape(-1, block, mask.shape[1]).sum(1) for mask in masks.values()]
    return sum(int(((part > 0) & (part < block)).sum()) for part in parts)


def test_blocks_live_and_die_as_wholes_from_wrap_to_the_controls(tmp_path):
    ticket = search(compiled(lottery.wrap(dense(), block=4)), rounds=3, epochs=1, run_dir=tmp_path)
    assert sum(int(mask.sum()) for mask in ticket.masks.values()) == 216 - pruned_count(216, 0.875)
    assert cut_blocks(ticket.masks) <= 2 and ticket.settings["blocks"] == {"a/kernel": 4, "b/kernel": 4}
    tickets = [lottery.load_ticket(tmp_path / f"round_{n:02d}") for n in range(4)]
    assert all(
        not (after.masks[path] & ~before.masks[path]).any()
        for before, after in zip(tickets, tickets[1:])
        for path in ticket.masks
    )
    net = ticket.model()
    assert ENGINE.settings(net)[1] == {"scope": "global", "blocks": ticket.settings["blocks"]}
    for made in (
        controls.random_mask(tickets[3], tickets[0], 1),
        controls.shuffled(ticket, 1),
        controls.one_shot(tickets[0], 0.875),
    ):
        assert cut_blocks(made.masks) <= 2 and made.masks.keys() == ticket.masks.keys()
    with pytest.raises(lottery.LotteryError, match="another configuration"):
        search(compiled(lottery.wrap(dense())), rounds=3, epochs=1, run_dir=tmp_path)


def test_blocks_that_fit_no_kernel():
    for block, said in (
        (16, "block=16 fits no kernel of 'small'"),
        (8, "block=8 is unknown: choose 1, 4, 16"),
        (0.5, "block=0.5 is impossible"),
        (None, "block=None is impossible"),
    ):
        with pytest.raises(lottery.LotteryError, match=said):
            lottery.wrap(dense(), block=block)


class Weird(keras.metrics.Metric):
    """A matrix, as a confusion metric gives."""

    def __init__(self, name="weird", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y, p, sample_weight=None):
        pass

    def result(self):
        return tensor(np.float32([[1.0, float("nan")], [2.0, 3.0]]))

    def reset_state(self):
        pass


@matrix_on("tf_keras")
def test_compiled_with_objects_and_functions():
    def own_loss(y, p):
        return keras.losses.sparse_categorical_crossentropy(y, p, from_logits=True)

    metrics = [
        keras.metrics.SparseCategoricalAccuracy(name="acc"),
        keras.metrics.MeanMetricWrapper(own_loss, name="own"),
        Weird(),
    ]
    model = compiled(dense(), keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), own_loss, metrics)
    model.fit(X, Y, verbose=0)  # a trained model, its optimizer used
    ticket = search(model)
    assert {"loss", "acc", "own"} == set(ticket.rounds[-1]["metrics"])
    assert ticket.rounds[-1]["history"][-1]["weird"] == [[1.0, None], [2.0, 3.0]]

    wrapped = compiled(lottery.wrap(model), keras.optimizers.SGD(0.1), own_loss, metrics)
    wrapped.fit(X, Y, verbose=0)
    start = state_of(wrapped)
    used = search(wrapped, rewind="init")
    assert lottery.sparsity(wrapped) == used.sparsity == 0.75  # in place
    assert bits(state_of(wrapped)) == bits(used.trained) and wrapped.optimizer.iterations == 6
    assert start.keys() == used.weights.keys()


def test_callbacks_steer_each_round():
    """Every round starts its callbacks and its learning rate anew."""
    rates, stops = [], []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            rates.append(round(float(self.model.optimizer.learning_rate), 4))

        def on_train_end(self, logs=None):
            stops.append(len(rates))

    never = {"monitor": "loss", "min_delta": 9.0}
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(**never, factor=0.5, patience=1),
        keras.callbacks.EarlyStopping(**never, patience=3),
        Watch(),
    ]
    search(compiled(dense(), keras.optimizers.SGD(0.1)), callbacks=callbacks, epochs=9, rounds=1, rewind="lr")
    assert rates == [0.1, 0.1, 0.05, 0.025] * 2 and stops == [4, 8]
    rates.clear()
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (1 + epoch))
    ticket = search(compiled(dense(), "sgd"), callbacks=[Watch(), schedule], epochs=3, rounds=1)
    assert ticket.rounds[1]["history"][2]["learning_rate" if KERAS3 else "lr"] == pytest.approx(0.1 / 3)


@matrix_on("tf_keras")
def test_random_layers_follow_the_seed_and_go_on():
    model = compiled(noisy())
    one, again, other = (search(model, seed=seed, epochs=1, rounds=1) for seed in (3, 3, 4))
    assert everything(one) == everything(again)
    assert bits(other.trained) != bits(one.trained)


class Unseeded(L.Layer):
    """Noise that names no seed."""

    def call(self, inputs, training=None):
        return inputs + keras.random.normal(keras.ops.shape(inputs)) if training else inputs


@skip_unless("keras", reason="operations of TensorFlow keep their state to themselves")
def test_random_state_is_also_that_of_layers_which_name_no_seed():
    model = keras.Sequential([L.Input((8,)), L.Dense(3), Unseeded()])
    handle = engines.of(model)
    handle.keep_randomness()
    state = handle.random_state()

    def drawn():
        return array(model(X[:2], training=True))

    first, second = drawn(), drawn()
    handle.load_random_state(state)
    assert np.array_equal(drawn(), first) and np.array_equal(drawn(), second)
    assert not np.array_equal(first, second)


def test_nan_metrics_are_null_in_json(tmp_path):
    model = compiled(
        dense(),
        metrics=["accuracy", keras.metrics.MeanMetricWrapper(lambda y, p: p[:, 0] * np.nan, name="bad")],
    )
    ticket = search(model, run_dir=tmp_path)
    assert ticket.rounds[0]["history"][0]["bad"] is None and "bad" not in ticket.rounds[0]["metrics"]
    assert all(b"NaN" not in path.read_bytes() for path in tmp_path.rglob("*.json"))
    assert everything(lottery.load_ticket(tmp_path / "round_02")) == everything(ticket)


@pytest.mark.matrix
@skip_unless("tf_keras", "tensorflow", reason="a tf.distribute strategy")
def test_mirrored_model_stays_mirrored(tmp_path):
    strategy = mirrored()
    with strategy.scope():
        model = compiled(noisy())
    ticket = search(model, epochs=1, rounds=1, run_dir=tmp_path / "a")
    assert ticket.sparsity == 0.5
    with strategy.scope():
        wrapped = compiled(lottery.wrap(model))
    again = search(wrapped, epochs=1, rounds=1, run_dir=tmp_path / "b")
    replicas = [replicas_of(slot) for slot in wrapped.optimizer.variables[2:]]
    assert all(len(slot) == 2 for slot in replicas)  # each replica has its own moments
    kernel = replicas_of(lottery.prunable(wrapped)["a/kernel"])
    assert len(kernel) == 2 and all(np.array_equal(v.numpy(), again.trained["a/kernel"]) for v in kernel)


def replicas_of(variable):
    return (variable.value if KERAS3 else variable).values


class Breaks(keras.callbacks.Callback):
    """Ends the process amid an epoch, as far as a test can."""

    def __init__(self, epochs):
        super().__init__()
        self.left = epochs

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.left -= 1
            1 / self.left


@register
class Own(keras.Model):
    """Its call is its own; the head is not the last layer that it makes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.head = L.Dense(3)
        self.body = [L.Dense(12), L.BatchNormalization(), L.Dropout(0.2), L.Dense(10, "relu")]

    def call(self, x, training=None):
        for layer in self.body:
            x = (
                layer(x, training=training)
                if isinstance(layer, (L.BatchNormalization, L.Dropout))
                else layer(x)
            )
        return self.head(x)


@skip_unless("keras", reason="a subclassed tf_keras model cannot be copied")
def test_subclassed_model(tmp_path):
    model = compiled(Own())
    model.fit(X, Y, epochs=1, verbose=0)
    before = weights(model)
    ticket = search(model, rewind=2)
    assert weights(model) == before and ticket.heads == ["head"]
    assert set(ticket.masks) == {"body/0/kernel", "body/3/kernel"} and ticket.sparsity == 0.75
    for stop in (3, 1):
        with pytest.raises(ZeroDivisionError):
            search(model, rewind=2, run_dir=tmp_path, callbacks=[Breaks(stop)])
    assert everything(search(model, rewind=2, run_dir=tmp_path)) == everything(ticket)
    student = compiled(lottery.load_ticket(tmp_path / "round_02").model("trained"))
    assert bits(state_of(student)) == bits(ticket.trained)
    student.fit(X, Y, verbose=0)
    assert lottery.sparsity(student) == 0.75


@matrix_on("tf_keras")
def test_arrays_may_be_of_other_byte_orders_or_hold_objects():
    keras.utils.set_random_seed(0)
    model = dense()
    expected = everything(search(compiled(lottery.wrap(model)), (X, Y)))
    for x, y in (
        (X.astype(">f4"), Y.astype(">i8")),
        (X.astype(object), Y.astype(object)),
        (X.astype(">f8"), Y),
    ):
        assert everything(search(compiled(lottery.wrap(model)), (x, y))) == expected


def test_warns_before_the_search_of_a_model_that_no_file_can_bring_back(tmp_path):
    model = keras.Sequential([L.Input((8,)), L.Lambda(lambda t: t * 2), L.Dense(4), L.Dense(3)])
    with pytest.warns(UserWarning, match="could not be built again: layer 'lambda.*' is a Lambda"):
        ticket = search(compiled(model), epochs=1, rounds=1)
    assert ticket.sparsity == 0.5
    with pytest.raises(lottery.LotteryError, match="Lambda"):
        ticket.model()


def unbuilt():
    return compiled(keras.Sequential([L.Dense(4), L.Dense(3)]))


def pruned():
    model = compiled(lottery.wrap(dense()))
    search(model, epochs=1)
    return model


def generator():
    while True:
        yield X, Y


def stateful():
    model = keras.Sequential(
        [L.Input(batch_shape=(32, 5, 4)), L.GRU(6, stateful=True, name="gru"), L.Dense(3)]
    )
    return compiled(model)


MISTAKES = {
    "not compiled": (lambda: search(dense()), "not compiled: call model.compile"),
    "unbuilt": (lambda: search(unbuilt()), "not built"),
    "no model": (lambda: search("lenet"), "expected a Keras model, got str"),
    "pruned already": (lambda: search(pruned()), "is pruned already"),
    "no rounds": (lambda: search(rounds=None, rate=0.2), "how far to prune is open"),
    "rounds 0": (lambda: search(rounds=0), "rounds=0 is impossible"),
    "rate 0": (lambda: search(rate=0), "rate=0 is impossible"),
    "sparsity 1": (lambda: search(final_sparsity=1.0, rate=None), "final_sparsity=1.0 is impossible"),
    "epochs 0": (lambda: search(epochs=0), "epochs=0 is impossible: give a whole number from 1 up"),
    "epochs 1.5": (lambda: search(epochs=1.5), "epochs=1.5"),
    "epochs None": (lambda: search(epochs=None), "epochs=None"),
    "epochs text": (lambda: search(epochs="2"), "epochs='2'"),
    "seed -1": (lambda: search(seed=-1), "seed=-1 is impossible"),
    "scope": (lambda: search(scope="local"), "scope='local' is unknown"),
    "scope, wrapped": (
        lambda: search(compiled(lottery.wrap(dense())), scope="local"),
        "scope='local' is unknown",
    ),
    "rewind word": (lambda: search(rewind="banana"), "rewind='banana' is unknown"),
    "rewind late": (lambda: search(rewind=6), "rewind=6 is past the first round, which has 6 steps"),
    "rewind negative": (lambda: search(rewind=-1), "rewind=-1 is unknown"),
    "everything pruned": (
        lambda: search(final_sparsity=0.9999, rate=None),
        "leaves none of the 216 prunable weights",
    ),
    "a layer pruned": (
        lambda: search(final_sparsity=0.995, rate=None, scope="layer"),
        "leaves none of the 96 .* 'a/kernel'",
    ),
    "empty arrays": (lambda: search(train=(X[:0], Y[:0])), "^train holds 0 examples: give one or more"),
    "lengths": (
        lambda: search(train=(X, Y[:5])),
        r"train holds arrays of \[5, 96\] examples: .* must have the same number",
    ),
    "x of NaN": (
        lambda: search(train=(np.where(X > 2, np.nan, X), Y)),
        r"^x of train holds \d+ NaN or infinite numbers, in \d+ of 96 examples, the first of them number",
    ),
    "x of infinity": (
        lambda: search(validation_data=(np.where(np.arange(96)[:, None] == 7, np.inf, X), Y)),
        "^x of validation_data holds 8 NaN or infinite numbers, in 1 of 96 examples, .* number 7: leave",
    ),
    "a batch of NaN": (
        lambda: search(train=in_order((np.full_like(X, np.nan), Y), 32)),
        "^x of a batch of train holds 256 NaN or infinite numbers, in 32 of 32 examples",
    ),
    "a score of two": (
        lambda: search(score=lambda path, weight: weight),
        r"^score is <lambda>\(path, weight\): give a function of \(path, weight, state\) that gives a number",
    ),
    "x alone": (lambda: search(train=X), "train is a ndarray: give"),
    "one part": (lambda: search(train=(X,)), "train has 1 parts"),
    "a number": (lambda: search(train=3), "train is a int"),
    "generator": (lambda: search(train=generator()), "train is a generator"),
    "wrong width": (
        lambda: search(train=(X[:, :5], Y)),
        r"batches of shape \(32, 5\), the model takes \(None, 8\)",
    ),
    "label out of range": (
        lambda: search(train=(X, Y + 1)),
        "labels of train are out of range, such as 3: the model has outputs for 0 to 2",
    ),
    "info": (lambda: search(info={"a": object()}), "which JSON cannot hold"),
    "info of another type": (lambda: search(info=3), "info is a int: give a dict"),
    "no labels": (lambda: search(train=(X, None)), "train holds a NoneType where an array is expected"),
    "labels of text": (
        lambda: search(train=(X, np.array(["a", "b", "c"])[Y])),
        r"the labels of train are text, such as .*np.unique\(y, return_inverse=True\)",
    ),
    "labels of NaN": (
        lambda: search(train=(X, np.where(Y, Y, np.nan))),
        "labels of train are no numbers, such as nan: leave out",
    ),
    "labels of NaN, another loss": (
        lambda: search(compiled(dense(1), loss="mse"), train=(X, np.full(96, np.inf))),
        "96 labels of train are no numbers, such as inf",
    ),
    "labels of a half": (
        lambda: search(train=(X, Y * 0.5)),
        "labels of train are no class numbers, such as 0.5: give whole numbers, 0 to 2",
    ),
    "labels for another loss": (
        lambda: search(compiled(dense(1), loss="binary_crossentropy"), train=(X, 2.0 * Y[:, None])),
        "are out of range, such as .*: binary_crossentropy takes shares from 0 to 1",
    ),
    "objects": (
        lambda: search(train=([[1, None]] * 8, Y[:8])),
        "train holds objects such as 1: give arrays of numbers",
    ),
    "ragged rows": (lambda: search(train=([[1, 2], [3]], Y[:2])), "rows of different lengths"),
    "callback": (lambda: search(callbacks=[5]), "callbacks holds a int: give Keras callbacks"),
    "BackupAndRestore": (
        lambda: search(callbacks=keras.callbacks.BackupAndRestore("none")),
        "a BackupAndRestore, which puts back what an earlier fit ended with .* give run_dir",
    ),
    "LotteryCallback": (
        lambda: search(callbacks=lottery.LotteryCallback()),
        "a LotteryCallback prunes while fit runs, and find_ticket prunes itself",
    ),
    "steps_per_execution": (
        lambda: search(compiled(dense(), steps_per_execution=2), rewind=1),
        "no multiple of steps_per_execution",
    ),
    "steps_per_execution in an epoch": (
        lambda: search(compiled(dense(), steps_per_execution=2), rewind=4),
        "within epochs of 3",
    ),
    "GradualPruning": (
        lambda: search(callbacks=GradualPruning(0.5, end=4)),
        "a GradualPruning prunes while fit runs, and find_ticket prunes itself",
    ),
    "train is a name": (lambda: search(train="mnist"), "train is a str: give"),
    "train is a dict": (lambda: search(train={"x": X, "y": Y}), "train is a dict: give"),
    "two inputs for one": (lambda: search(train=([X, X], Y)), "train gives 2 inputs, the model takes one"),
    "labels of dates": (
        lambda: search(train=(X, Y.astype("datetime64[s]"))),
        r"the labels of train are of type datetime64\[s\]: give numbers",
    ),
    "label out of range, loss in a list": (
        lambda: search(compiled(dense(), loss=[LOGITS]), train=(X, Y + 1)),
        "labels of train are out of range",
    ),
    "validation alone": (lambda: search(validation_data=X), "validation_data is a ndarray: give"),
    "validation generator": (lambda: search(validation_data=generator()), "validation_data is a generator"),
    "validation of another width": (
        lambda: search(validation_data=(X[:, :5], Y)),
        r"validation_data gives batches of shape \(32, 5\)",
    ),
    "validation out of range": (
        lambda: search(validation_data=(X, Y + 5)),
        "labels of validation_data are out of range, such as",
    ),
    "validation empty": (
        lambda: search(validation_data=(X[:0], Y[:0])),
        "^validation_data holds 0 examples",
    ),
    "stateful": (
        lambda: search(stateful(), train=(np.ones((64, 5, 4), "float32"), Y[:64])),
        "'gru' is stateful: its state cannot be rewound",
    ),
    "rate of nothing": (
        lambda: search(rounds=None, rate=1e-17, final_sparsity=0.5),
        "rate=1e-17 takes more than 10,000 rounds to 50.0%: give a higher rate",
    ),
    "rewind is an array": (lambda: search(rewind=np.array([1, 2])), "rewind=array.* is unknown"),
    "run_dir is a number": (lambda: search(run_dir=3), "3 is no path"),
    "run_dir below a file": (lambda: search(run_dir=__file__ + "/x"), "cannot write to .*Not a directory"),
    "run_dir is a file": (lambda: search(run_dir=__file__), "cannot write to"),
    "run_dir in /proc": (lambda: search(run_dir="/proc/x"), "cannot write to '/proc/x'"),
}
if BACKEND == "tensorflow":
    MISTAKES |= {
        "empty dataset": (
            lambda: search(train=tf.data.Dataset.from_tensor_slices((X[:0], Y[:0])).batch(4)),
            "train is empty",
        ),
        "filtered to nothing": (
            lambda: search(
                train=tf.data.Dataset.from_tensor_slices((X, Y)).filter(lambda x, y: False).batch(4)
            ),
            "train is empty",
        ),
        "endless": (
            lambda: search(train=lottery.data.batches(X, Y, batch_size=32).repeat()),
            "train never ends",
        ),
        "endless validation": (
            lambda: search(validation_data=lottery.data.batches(X, Y, batch_size=32).repeat()),
            "validation_data never ends",
        ),
        "endless, told to nobody": (
            lambda: search(train=batched(Y).repeat().filter(lambda *_: True).prefetch(1)),
            "train never ends",
        ),
        "batches of text labels": (
            lambda: search(train=batched(np.array(["a", "b", "c"])[Y])),
            "the labels of train are text, such as '[abc]'",
        ),
        "batches out of range": (
            lambda: search(train=batched(np.where(np.arange(96) == 95, 7, Y))),
            "1 labels of train are out of range, such as 7",
        ),
        "batches of a half": (
            lambda: search(validation_data=batched(Y * 0.5)),
            "labels of validation_data are no class numbers, such as 0.5",
        ),
        "batches of NaN": (
            lambda: search(train=batched(np.where(Y, Y, np.nan))),
            "labels of train are no numbers, such as nan",
        ),
        "length too high": (
            lambda: search(train=batched(Y).apply(tf.data.experimental.assert_cardinality(7))),
            "train cannot be used: Input dataset was expected to contain 7 elements but contained only 6 "
            "elements. Give assert_cardinality the",
        ),
        "length too low": (
            lambda: search(train=batched(Y).apply(tf.data.experimental.assert_cardinality(5))),
            "train cannot be used: Input dataset was expected to contain 5 elements but",
        ),
        "one-hot labels": (
            lambda: search(train=(X, np.eye(3)[Y])),
            r"one-hot labels, of shape \(.*, 3\), and .* takes class numbers: give y.argmax",
        ),
        "class numbers": (
            lambda: search(compiled(dense(), loss="categorical_crossentropy")),
            "takes one-hot vectors of 3: compile the model with sparse",
        ),
        "no labels": (
            lambda: search(train=tf.data.Dataset.from_tensor_slices(X).batch(32)),
            "train gives no labels",
        ),
        "unbatched": (lambda: search(train=tf.data.Dataset.from_tensor_slices((X, Y))), r"batches of shape"),
        "callback of the other Keras": (
            lambda: search(callbacks=other_keras().callbacks.EarlyStopping("loss")),
            "EarlyStopping of (tf_)?keras, and the model is one of",
        ),
        "executions of unknown epochs": (
            lambda: search(compiled(dense(), steps_per_execution=2), train=unknown_length(), rewind=2),
            "unknown how many steps an epoch has: tell it",
        ),
    }
if KERAS3:
    MISTAKES |= {
        "endless PyDataset": (lambda: search(train=Endless()), "train never ends"),
        "PyDataset of a half": (
            lambda: search(train=InOrder((X, Y * 0.5), 32, 1)),
            "labels of train are no class numbers, such as 0.5",
        ),
        "empty PyDataset": (lambda: search(train=InOrder((X[:0], Y[:0]), 32, 1)), "train is empty"),
    }


def other_keras():
    return importlib.import_module("tf_keras" if KERAS3 else "keras")


def batched(labels):
    return tf.data.Dataset.from_tensor_slices((X, labels)).batch(16)


@HAS_TF_DATA
@pytest.mark.parametrize(
    "train, said",
    [
        (
            lambda: batched(Y).apply(tf.data.experimental.assert_cardinality(7)),
            "expected to contain 7 elements but contained only 6 elements. Give assert_cardinality",
        ),
        (
            lambda: batched(np.where(np.arange(96) == 95, 7, Y)),
            "(Received a label value of 7 which is outside the valid range of .0, 3|= 7 is not in .0, "
            "3).*Give as labels the numbers",
        ),
    ],
)
def test_what_is_found_wrong_with_data_while_they_are_trained_on_is_one_line(train, said, monkeypatch):
    monkeypatch.setattr(labels, "SECONDS", -1)  # only the first batch is looked at
    with pytest.raises(lottery.LotteryError, match=said) as error:
        search(train=train())
    assert "\n" not in str(error.value)


@pytest.mark.matrix
@HAS_TF_DATA
def test_an_epoch_that_does_not_end_is_told(monkeypatch):
    monkeypatch.setattr(LongEpochs, "BATCHES", 2)
    with pytest.warns(
        UserWarning, match="the epoch has had 2 batches and goes on: if the data never end, stop this"
    ) as told:
        search(train=unknown_length(), epochs=2, rounds=1)
    assert sum("goes on" in str(warning.message) for warning in told) == 2, "once a round"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        search(train=lottery.data.batches(X, Y, batch_size=32), rounds=1)
    assert not any("goes on" in str(warning.message) for warning in told)


def unknown_length():
    return lottery.data.batches(X, Y, batch_size=32).filter(lambda x, y: True)


def categorical_crossentropy(true, predicted):
    """Of the name of Keras' own, for class numbers."""
    return keras.losses.sparse_categorical_crossentropy(true, predicted)


def pointer():
    """A softmax over time, however long."""
    x = L.Input((None, 4))
    scores = L.Dense(1)(L.Dense(5)(x))
    return keras.Model(x, L.Softmax()(L.Reshape((-1,))(scores)))


def over_an_axis():
    x = L.Input((6, 4))
    return keras.Model(x, L.Softmax(axis=1)(L.Dense(1)(L.Dense(5)(x))))


STEP = np.arange(32) % 6


@matrix_on("tf_keras")
@pytest.mark.parametrize(
    "model, loss, labels",
    [
        (pointer, "categorical_crossentropy", np.eye(6)[STEP]),
        (pointer, "sparse_categorical_crossentropy", STEP),
        (over_an_axis, keras.losses.CategoricalCrossentropy(axis=1), np.eye(6)[STEP]),
        (lambda: dense(6), categorical_crossentropy, STEP),
    ],
)
def test_labels_that_keras_takes_are_not_refused(model, loss, labels):
    net = model()
    x = (
        np.random.default_rng(0)
        .normal(size=(32, *(side or 6 for side in net.input_shape[1:])))
        .astype("float32")
    )
    net.compile("sgd", loss)
    assert lottery.find_ticket(
        net, (x, labels.astype("float32")), epochs=1, rounds=1, rate=0.3, verbose=0
    ).sparsity


class Endless(keras.utils.PyDataset if KERAS3 else object):
    def __getitem__(self, step):
        return X[:32], Y[:32]


@pytest.mark.matrix
@HAS_TF_DATA
def test_data_whose_order_a_killed_run_would_lose_are_told(tmp_path):
    train = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(96, seed=1).batch(32)
    with pytest.warns(
        UserWarning, match="train shuffles anew in each pass, in an order that no file can keep"
    ):
        search(train=train, run_dir=tmp_path / "told")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        search(train=train)  # no file, nothing to go on from
        search(
            train=tf.data.Dataset.from_tensor_slices((X, Y))
            .shuffle(96, seed=1, reshuffle_each_iteration=False)
            .batch(32),
            run_dir=tmp_path / "fixed",
        )
        search(train=lottery.data.batches(X, Y, batch_size=32).prefetch(1), run_dir=tmp_path / "ours")


@pytest.mark.matrix
@skip_unless("tf_keras", reason="one process tells")
def test_data_that_shuffle_without_a_seed_are_told():
    """In a process of its own, which has set none."""
    code = """
        import tensorflow as tf
        from keras_lottery.training.check_data import warn_of_order
        warn_of_order(tf.data.Dataset.range(8).shuffle(8, reshuffle_each_iteration=False).batch(2))
    """
    assert (
        "train shuffles without a seed, in an order that no file can keep"
        in python("-c", textwrap.dedent(code)).stderr
    )


@skip_unless("torch", reason="PyTorch's own")
def test_a_data_loader_of_pytorch():
    from torch import from_numpy
    from torch.utils.data import DataLoader, TensorDataset

    def found(train):
        keras.utils.set_random_seed(1)
        return search(compiled(dense(), "sgd"), train, rewind=2)

    def loader(**how):
        return DataLoader(TensorDataset(from_numpy(X), from_numpy(Y)), batch_size=32, **how)

    assert bits(found(loader()).trained) == bits(found(in_order((X, Y), 32)).trained)
    with pytest.warns(UserWarning, match="train shuffles anew in each pass, .* rounds that rewind to step 2"):
        found(loader(shuffle=True))


@skip_unless("torch", reason="PyTorch's own")
def test_buffers_of_pytorch_are_told():
    model = dense()
    model.get_layer("a").register_buffer("seen", tensor([0.0]))
    with pytest.warns(UserWarning, match="'small' holds buffers of a PyTorch module, which are no Keras"):
        check_stateless(engines.of(model))


@skip_unless("tf_keras", reason="Keras 3 builds it")
def test_a_layer_that_keras_does_not_build_from_its_config_is_told():
    model = keras.Sequential([L.Input((8,)), L.SpectralNormalization(L.Dense(12)), L.Dense(3)])
    with pytest.warns(UserWarning, match="could not be built again: .*SpectralNormalization"):
        search(compiled(model))


def test_layers_that_keras_named_anew_are_told(tmp_path):
    def found(**arguments):
        model = keras.Sequential([L.Input((8,)), L.Dense(12, "relu"), L.Dense(3)])
        return search(compiled(model), run_dir=tmp_path / "run", **arguments)

    keras.backend.clear_session()
    first = found()
    with pytest.raises(
        lottery.LotteryError, match="other names, 'dense.*/kernel', now 'dense_.*/kernel': name the layers"
    ):
        found()
    keras.backend.clear_session()
    assert everything(found()) == everything(first)


class OwnCompile(keras.Model):
    """Takes other names than Keras', and a second optimizer."""

    def compile(self, first, loss_function, second=None):
        super().compile(first, loss_function)
        if second:
            self.second = second


@skip_unless("tf_keras", reason="a wrapped model of Keras 3 has Keras' compile")
def test_a_compile_of_its_own():
    def own(wrap, *given):
        x = keras.Input((8,))
        model = OwnCompile(x, L.Dense(3)(L.Dense(12, "relu")(x)))
        model = lottery.wrap(model) if wrap else model
        model.compile(*given)
        return model

    with pytest.raises(
        lottery.LotteryError, match=r"OwnCompile.compile has arguments of its own \(got .*optimizer.*wrap it"
    ):
        search(own(False, "adam", LOGITS))
    assert search(own(True, "adam", LOGITS)).sparsity > 0
    with pytest.raises(
        lottery.LotteryError, match="has an optimizer of its own, 'second', which no rewind would start anew"
    ):
        search(own(True, "adam", LOGITS, keras.optimizers.SGD()))
    model = own(True, "adam", LOGITS)
    model.others = {"all": [keras.optimizers.SGD()]}
    with pytest.raises(lottery.LotteryError, match="has an optimizer of its own, 'others/all/0'"):
        search(model)


@skip_unless("keras", reason="tf_keras accumulates nothing")
def test_gradients_that_wait_in_the_optimizer_are_not_taken_along():
    def found(used):
        keras.utils.set_random_seed(0)
        model = compiled(lottery.wrap(dense()), keras.optimizers.SGD(0.1, gradient_accumulation_steps=16))
        start = model.get_weights()
        if used:
            model.fit(X, 2 - Y, batch_size=16, verbose=0)
        model.set_weights(start)
        return search(model)

    assert bits(found(True).trained) == bits(found(False).trained)


def test_an_averaging_optimizer_goes_on():
    ticket = search(compiled(dense(), keras.optimizers.SGD(0.1, use_ema=True)), rewind="finetune")
    assert ticket.sparsity == 0.75


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line_before_training(name, monkeypatch):
    call, said = MISTAKES[name]
    if name != "pruned already":
        monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("training has begun"))
    with pytest.raises(lottery.LotteryError, match=said) as error:
        call()
    assert "\n" not in str(error.value)


def masked(labels, outputs):
    """Labels of -1 do not count. Its name is that of Keras' own loss, and more."""
    losses = keras.losses.sparse_categorical_crossentropy(
        keras.ops.maximum(labels, 0) if KERAS3 else labels * 0, outputs, from_logits=True
    )
    return losses


masked.__name__ = "masked_sparse_categorical_crossentropy"


OF_OUTPUTS = pytest.param(
    {"head": LOGITS},
    id="dict",
    marks=skip_unless("tf_keras", reason="a Sequential of Keras 3 takes no losses by name"),
)


@matrix_on("tf_keras")
@pytest.mark.parametrize(
    "loss", [pytest.param([LOGITS], id="list"), OF_OUTPUTS, pytest.param(masked, id="function")]
)
def test_losses_in_every_form_that_fit_takes(loss):
    labels = np.where(np.arange(len(Y)) < 5, -1, Y) if loss is masked else Y
    assert search(compiled(dense(), loss=loss), train=(X, labels), rounds=1, epochs=1).sparsity == 0.5


@matrix_on("tf_keras")
def test_a_round_that_is_missing_or_that_another_process_finished_is_told(tmp_path):
    search(run_dir=tmp_path / "run")
    (tmp_path / "run" / "round_01").rename(tmp_path / "away")
    with pytest.raises(lottery.LotteryError, match="holds round_02 but not round_01"):
        search(run_dir=tmp_path / "run")

    class Other(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            (tmp_path / "two" / "round_00").mkdir(exist_ok=True)

    with pytest.raises(lottery.LotteryError, match="another process finished .*round_00 meanwhile"):
        search(run_dir=tmp_path / "two", callbacks=[Other()])


@matrix_on("tf_keras")
def test_a_worker_that_is_slower_than_its_chief_goes_on(tmp_path, monkeypatch):
    expected = search(run_dir=tmp_path / "chief", rewind=3)
    shutil.copytree(tmp_path / "chief", tmp_path / "team", ignore=shutil.ignore_patterns("round_*"))
    (tmp_path / "team" / "round_00.zip").touch()  # is no round

    class Chief(keras.callbacks.Callback):
        rounds = 0

        def on_train_end(self, logs=None):
            shutil.copytree(
                tmp_path / "chief" / f"round_{self.rounds:02d}",
                tmp_path / "team" / f"round_{self.rounds:02d}",
            )
            self.rounds += 1

    monkeypatch.setattr(team, "_chief", False)
    found = search(run_dir=tmp_path / "team", rewind=3, callbacks=[Chief()])
    assert bits(found.masks) == bits(expected.masks) and bits(found.trained) == bits(expected.trained)


@skip_unless("tf_keras", reason="elsewhere the backend's own arrays are counted, too")
def test_a_search_holds_few_copies_of_the_weights(tmp_path):
    """The rewind point, and the weights and trained weights of a ticket; a backup is written from the model's
    own variables, one after the other."""
    search(rounds=1, run_dir=tmp_path / "imports")
    layers = [L.Dense(600, "relu", name=f"d{n}") for n in range(10)]
    model = compiled(keras.Sequential([L.Input((8,)), *layers, L.Dense(3, name="head")]))
    whole = sum(4 * int(np.prod(variable.shape)) for variable in model.trainable_variables)
    tracemalloc.start()
    search(model, epochs=1, rounds=1, run_dir=tmp_path / "run")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.5 * whole
