"""A masked weight is exactly 0 after every step, whatever trains it, and in every file."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
import zoo
from zoo import L

import keras_lottery as lottery
from keras_lottery import pruning

optimizers = tf_keras.optimizers
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 6, 6, 1)).astype("float32"), RNG.normal(size=(8, 3)).astype("float32")


def net():
    return tf_keras.Sequential(
        [
            tf_keras.Input((6, 6, 1)),
            L.Conv2D(4, 3, name="conv", kernel_regularizer="l2"),
            L.BatchNormalization(),
            L.ReLU(),
            L.Flatten(),
            L.Dense(6, name="dense", kernel_constraint=tf_keras.constraints.MaxNorm(0.9)),
            L.Dense(3, name="head"),
        ]
    )


def hold_after_every_step(model, step, dense=3, pruned=3):
    """Steps with stale slots: dense first, then with masks tightened twice."""
    for _ in range(dense):
        step()
    for sparsity in (0.5, 0.8):
        zoo.tighten(model, sparsity)
        assert zoo.drift(model) == 0
        before = pruning.prunable(model)["dense/kernel"].numpy()
        for _ in range(pruned):
            step()
            assert zoo.drift(model) == 0
        assert (pruning.prunable(model)["dense/kernel"].numpy() != before).any(), "nothing was trained"
    assert zoo.masked(model) == round(0.8 * 420)


OPTIMIZERS = {
    "adam": lambda: optimizers.Adam(0.05, weight_decay=0.1),
    "amsgrad": lambda: optimizers.Adam(0.05, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.05, weight_decay=0.1),
    "sgd": lambda: optimizers.SGD(0.05, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda: optimizers.RMSprop(0.05, momentum=0.9, centered=True),
    "lion": lambda: optimizers.Lion(0.05),
    "adagrad": lambda: optimizers.Adagrad(0.05),
    "adadelta": lambda: optimizers.Adadelta(0.5),
    "ftrl": lambda: optimizers.Ftrl(0.05),
    "adafactor": lambda: optimizers.Adafactor(0.05),
    "nadam": lambda: optimizers.Nadam(0.05),
    "adamax": lambda: optimizers.Adamax(0.05),
    "clipnorm": lambda: optimizers.Adam(0.05, clipnorm=0.1),
    "global_clipnorm": lambda: optimizers.SGD(0.05, momentum=0.9, global_clipnorm=0.1),
    "clipvalue": lambda: optimizers.AdamW(0.05, clipvalue=0.01),
    "average": lambda: optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9),
    "average_written": lambda: optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_overwrite_frequency=2),
    "legacy_adam": lambda: optimizers.legacy.Adam(0.05),
    "legacy_sgd": lambda: optimizers.legacy.SGD(0.05, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name):
    model = lottery.wrap(net())
    model.compile(OPTIMIZERS[name](), "mse", run_eagerly=True)
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))


@pytest.mark.parametrize("name", ["adam", "sgd", "legacy_adam"])
def test_graph(name):
    model = lottery.wrap(net())
    model.compile(OPTIMIZERS[name](), "mse")
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))


def test_jit():
    model = lottery.wrap(net())
    model.compile(OPTIMIZERS["nesterov"](), "mse", jit_compile=True)
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))


@pytest.mark.parametrize("policy, average", [("mixed_bfloat16", False), ("mixed_float16", True)])
def test_mixed_precision(policy, average):
    tf_keras.mixed_precision.set_global_policy(policy)
    model = lottery.wrap(net())
    model.compile(optimizers.Adam(0.05, use_ema=average), "mse")
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))
    pruning.engine(model).finalize_optimizer(model)
    assert zoo.drift(model) == 0
    assert all(variable.dtype == tf.float32 for variable in model.trainable_variables)


class _Watch(tf_keras.callbacks.Callback):
    """Tightens the masks midway and looks at the zeros after every execution and at the end."""

    def __init__(self, tighten_at):
        super().__init__()
        self.tighten_at = tighten_at
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(zoo.drift(self.model))
        if len(self.seen) in self.tighten_at:
            zoo.tighten(self.model, self.tighten_at[len(self.seen)])

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(zoo.drift(self.model))

    def on_train_end(self, logs=None):
        self.seen.append(zoo.drift(self.model))


def test_fit_with_several_steps_an_execution():
    model = lottery.wrap(net())
    model.compile(optimizers.SGD(0.05, momentum=0.9), "mse", steps_per_execution=4)
    watch = _Watch({2: 0.5, 4: 0.8})
    model.fit(np.tile(X, (8, 1, 1, 1)), np.tile(Y, (8, 1)), batch_size=4, epochs=2, verbose=0, callbacks=[watch])
    assert len(watch.seen) == 2 * (4 + 1) + 1 and not any(watch.seen) and zoo.masked(model)


@pytest.mark.parametrize("every", [None, 3])
def test_averages_that_fit_writes_back(every):
    model = lottery.wrap(net())
    model.compile(optimizers.Adam(0.05, use_ema=True, ema_overwrite_frequency=every), "mse")
    watch = _Watch({3: 0.5, 6: 0.8})
    x, y = np.tile(X, (8, 1, 1, 1)), np.tile(Y, (8, 1))
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[watch], validation_data=(X, Y))
    assert not any(watch.seen) and zoo.drift(model) == 0 and zoo.masked(model)


@pytest.mark.parametrize("optimizer", ["adamw", "legacy_adam"])
@pytest.mark.parametrize("wrap_step", [lambda step: step, tf.function], ids=["eager", "graph"])
def test_tape_loop(wrap_step, optimizer):
    model = lottery.wrap(net())
    optimizer = OPTIMIZERS[optimizer]()

    @wrap_step
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X, training=True) - Y) ** 2) + sum(model.losses)
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))

    hold_after_every_step(model, step)


@pytest.mark.parametrize("optimizer", ["adamw", "average_written", "legacy_sgd"])
def test_two_replicas(optimizer):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = lottery.wrap(net())
        model.compile(OPTIMIZERS[optimizer](), "mse")
    assert len(pruning.prunable(model)["conv/kernel"].values) == 2
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))
    watch = _Watch({2: 0.9})
    model.fit(X, Y, batch_size=8, epochs=3, verbose=0, callbacks=[watch])
    assert not any(watch.seen) and zoo.drift(model) == 0
    for variable in [*model.trainable_variables, *(mask for layer in model.layers for mask in getattr(layer, "masks", {}).values())]:
        first, second = variable.values
        assert first.numpy().tobytes() == second.numpy().tobytes()


def test_users_constraint_still_holds():
    model = lottery.wrap(net())
    model.compile(optimizers.SGD(0.5), "mse")

    def step():
        model.train_on_batch(X, Y)
        assert (np.linalg.norm(pruning.prunable(model)["dense/kernel"].numpy(), axis=0) < 0.9 + 1e-5).all()

    hold_after_every_step(model, step)


def test_private_names():
    """What `hold` reaches into: if a name goes, TensorFlow has changed and the zeros are no longer held."""
    variable = tf.Variable([1.0], constraint=tf.abs)
    assert variable._constraint is tf.abs and variable.constraint is tf.abs
    variable._constraint = tf.nn.relu
    assert variable.constraint is tf.nn.relu
    cast = tf_keras.src.mixed_precision.autocast_variable.create_autocast_variable(variable)
    assert cast._variable is variable and cast.constraint is tf.nn.relu
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        replicas = tf.Variable([1.0], constraint=tf.abs)
    assert [part._constraint for part in replicas._values] == [tf.abs, tf.abs] and replicas.constraint is tf.abs


def _trained(run_eagerly=True):
    """A compiled wrapped model whose optimizer has momentum for what is masked."""
    model = lottery.wrap(net())
    model.compile(optimizers.Adam(0.05), "mse", run_eagerly=run_eagerly)
    model.train_on_batch(X, Y)
    zoo.tighten(model, 0.7)
    model.train_on_batch(X, Y)
    return model


def _goes_on(loaded, model):
    """Loaded as it was saved, and its zeros hold in more steps."""
    assert zoo.same(zoo.outputs(loaded, X), zoo.outputs(model, X))
    assert zoo.same(list(lottery.masks(loaded).values()), list(lottery.masks(model).values()))
    if loaded.optimizer is None:
        loaded.compile(optimizers.Adam(0.05), "mse", run_eagerly=True)
    for _ in range(2):
        loaded.train_on_batch(X, Y)
        assert zoo.drift(loaded) == 0
    assert not zoo.same(zoo.outputs(loaded, X), zoo.outputs(model, X))


FILES = ["m.keras", "m.h5", "saved_model"]


@pytest.mark.parametrize("file", FILES)
def test_saved_and_loaded(file, tmp_path):
    model = _trained()
    model.save(tmp_path / file)
    _goes_on(tf_keras.models.load_model(tmp_path / file), model)


def test_saved_model_serves_the_zeros(tmp_path):
    model = _trained()
    model.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(X), model(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("file", ["w.weights.h5", "w.h5", "checkpoint"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9])
def test_weights_saved_and_loaded(file, sparsity, tmp_path):
    """Into a model whose masks are open, looser or tighter than the saved ones."""
    model = _trained()
    model.save_weights(tmp_path / file)
    other = lottery.wrap(net())
    zoo.tighten(other, sparsity)
    other.load_weights(tmp_path / file)
    _goes_on(other, model)


def test_set_weights_into_tighter_masks():
    model = _trained()
    other = lottery.wrap(net())
    zoo.tighten(other, 0.9)
    other.set_weights(model.get_weights())
    _goes_on(other, model)


def test_dense_weights_that_are_set_are_masked():
    model, dense = _trained(), net()
    dense.set_weights([np.ones_like(w) for w in dense.get_weights()])
    model.get_layer("dense").layer.set_weights(dense.get_layer("dense").get_weights())
    assert zoo.drift(model) == 0
    mask = lottery.masks(model)["dense/kernel"]
    assert np.array_equal(pruning.prunable(model)["dense/kernel"].numpy(), mask)
    # What the mask cut does not come back after a step.
    model.train_on_batch(X, Y)
    trained = pruning.prunable(model)["dense/kernel"].numpy()
    zoo.tighten(model, 0.8)
    kept = np.where(lottery.masks(model)["dense/kernel"], trained, 0)
    assert np.array_equal(pruning.prunable(model)["dense/kernel"].numpy(), kept)


def test_checkpoint_of_every_step(tmp_path):
    model = lottery.wrap(net())
    model.compile(optimizers.SGD(0.05, momentum=0.9), "mse")
    model.train_on_batch(X, Y)
    zoo.tighten(model, 0.7)
    keep = tf_keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True)
    model.fit(X, Y, batch_size=8, epochs=3, callbacks=[keep], verbose=0)
    for file in sorted(tmp_path.iterdir()):
        other = lottery.wrap(net())
        other.load_weights(file)
        assert zoo.masked(other) == zoo.masked(model) and zoo.drift(other) == 0
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    path = checkpoint.save(tmp_path / "all")
    was = zoo.outputs(model, X)
    model.train_on_batch(X, Y)
    checkpoint.restore(path)
    assert zoo.same(zoo.outputs(model, X), was) and zoo.drift(model) == 0


FRESH = """
import sys
import numpy as np, tf_keras
from keras_lottery import masks, prunable, strip
folder = sys.argv[1]
arrays = np.load(folder + "/told.npz")
for file in sys.argv[2:]:
    model = tf_keras.models.load_model(folder + "/" + file)
    assert np.allclose(model(arrays["x"]), arrays["out"], rtol=1e-5, atol=1e-6), file
    held = masks(model)
    assert sum(int((~mask).sum()) for mask in held.values()) == arrays["masked"], file
    for _ in range(2):
        model.train_on_batch(arrays["x"], arrays["y"])
        assert not any(v.numpy()[~held[path]].any() for path, v in prunable(model).items()), file
    assert not np.allclose(model(arrays["x"]), arrays["out"], rtol=1e-3), file
    assert not strip(model).get_layer("dense").kernel.numpy()[~held["dense/kernel"]].any(), file
"""


def test_loaded_in_a_fresh_process(tmp_path):
    model = _trained(run_eagerly=False)
    for file in FILES:
        model.save(tmp_path / file)
    np.savez(tmp_path / "told.npz", x=X, y=Y, out=model(X), masked=zoo.masked(model))
    subprocess.run([sys.executable, "-c", FRESH, str(tmp_path), *FILES], check=True, timeout=300)


def test_embedding_under_a_legacy_optimizer_is_refused():
    words = tf_keras.Input((3,), dtype="int32")
    model = tf_keras.Model(words, L.Dense(2)(L.Flatten()(L.Embedding(5, 4)(words))))
    model = lottery.wrap(model, include=L.Embedding)
    model.compile(optimizers.legacy.Adam(), "mse")
    with pytest.raises(lottery.LotteryError, match="legacy"):
        pruning.engine(model).build_optimizer(model)
