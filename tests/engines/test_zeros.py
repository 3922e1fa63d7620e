"""A masked weight is exactly 0 after every step, whatever trains it, and in every file."""

import os
import subprocess
import sys

import numpy as np
import pytest
import world
import zoo
from world import KERAS3, array, keras, matrix_on, skip_unless
from zoo import ENGINE, L

import keras_lottery as lottery

pytestmark = pytest.mark.engine

optimizers = keras.optimizers
on_tensorflow = skip_unless("tf_keras", "tensorflow", reason="TensorFlow's own")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 6, 6, 1)).astype("float32"), RNG.normal(size=(8, 3)).astype("float32")


def net(regularizer=None):
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            L.Conv2D(4, 3, name="conv", kernel_regularizer="l2"),
            L.BatchNormalization(),
            L.ReLU(),
            L.Flatten(),
            L.Dense(
                6,
                name="dense",
                kernel_constraint=keras.constraints.MaxNorm(0.9),
                kernel_regularizer=regularizer,
            ),
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
        before = kernel(model)
        for _ in range(pruned):
            step()
            assert zoo.drift(model) == 0
        assert (kernel(model) != before).any(), "nothing was trained"
    assert zoo.masked(model) == round(0.8 * 420)


def kernel(model):
    return array(lottery.prunable(model)["dense/kernel"])


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
}
OPTIMIZERS |= (
    {
        "muon": lambda: optimizers.Muon(0.05, weight_decay=0.1),
        "scaled": lambda: optimizers.LossScaleOptimizer(
            optimizers.Adam(0.05, weight_decay=0.1), dynamic_growth_steps=2
        ),
        "accumulated": lambda: optimizers.SGD(
            0.05, momentum=0.9, weight_decay=0.1, gradient_accumulation_steps=2
        ),
        "accumulated_average": lambda: optimizers.Adam(
            0.05, use_ema=True, ema_overwrite_frequency=2, gradient_accumulation_steps=2
        ),
    }
    if KERAS3
    else {
        "legacy_adam": lambda: optimizers.legacy.Adam(0.05),
        "legacy_sgd": lambda: optimizers.legacy.SGD(0.05, momentum=0.9, nesterov=True),
    }
)


@pytest.mark.quick("adam", "sgd", "ftrl", "adafactor", "average_written", "legacy_adam", "accumulated")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name):
    model = lottery.wrap(net())
    model.compile(OPTIMIZERS[name](), "mse", run_eagerly=world.EAGER)
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))


@pytest.mark.quick("sgd")
@pytest.mark.parametrize("name", ["adam", "sgd", *(["average_written"] if KERAS3 else ["legacy_adam"])])
@skip_unless("tf_keras", "tensorflow", reason="JAX has none but graphs, PyTorch no graphs")
def test_graph(name):
    model = lottery.wrap(net())
    model.compile(OPTIMIZERS[name](), "mse")
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))


@skip_unless("jax", reason="the others run eagerly in the tests above")
@pytest.mark.parametrize("name", ["adam", "average_written"])
def test_eager(name):
    model = lottery.wrap(net())
    model.compile(OPTIMIZERS[name](), "mse", run_eagerly=True)
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y), dense=1, pruned=2)
    watch = _Watch({1: 0.9})
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[watch])
    assert not any(watch.seen) and zoo.drift(model) == 0


@pytest.mark.matrix
@on_tensorflow
def test_jit():
    model = lottery.wrap(net())
    model.compile(OPTIMIZERS["nesterov"](), "mse", jit_compile=True)
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))


@matrix_on("tf_keras")
@pytest.mark.parametrize("policy, average", [("mixed_bfloat16", False), ("mixed_float16", True)])
def test_mixed_precision(policy, average):
    world.set_policy(policy)
    model = lottery.wrap(net())
    model.compile(optimizers.Adam(0.05, use_ema=average), "mse")
    assert hasattr(model.optimizer, "inner_optimizer") == (policy == "mixed_float16")
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))
    ENGINE.finalize_optimizer(model)
    assert zoo.drift(model) == 0
    assert all(array(variable).dtype == np.float32 for variable in model.trainable_variables)


def test_regularizer_of_masked_weights():
    """Its gradient at a masked weight is not 0: it does not go through the layer."""
    model = lottery.wrap(net(keras.regularizers.OrthogonalRegularizer(0.5)))
    model.compile(OPTIMIZERS["adam"](), "mse", run_eagerly=world.EAGER)
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))


class _Watch(keras.callbacks.Callback):
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


@skip_unless("tf_keras", "tensorflow", "jax", reason="PyTorch takes one at a time")
def test_fit_with_several_steps_an_execution():
    model = lottery.wrap(net())
    model.compile(optimizers.SGD(0.05, momentum=0.9), "mse", steps_per_execution=4)
    watch = _Watch({2: 0.5, 4: 0.8})
    model.fit(
        np.tile(X, (8, 1, 1, 1)), np.tile(Y, (8, 1)), batch_size=4, epochs=2, verbose=0, callbacks=[watch]
    )
    assert len(watch.seen) == 2 * (4 + 1) + 1 and not any(watch.seen) and zoo.masked(model)


@matrix_on("tf_keras")
@pytest.mark.parametrize("every", [None, 3])
def test_averages_that_fit_writes_back(every):
    model = lottery.wrap(net())
    model.compile(optimizers.Adam(0.05, use_ema=True, ema_overwrite_frequency=every), "mse")
    watch = _Watch({3: 0.5, 6: 0.8})
    x, y = np.tile(X, (8, 1, 1, 1)), np.tile(Y, (8, 1))
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[watch], validation_data=(X, Y))
    assert not any(watch.seen) and zoo.drift(model) == 0 and zoo.masked(model)


@pytest.mark.quick("graph-adamw", "eager-legacy_adam", "eager-average_written")
@on_tensorflow
@pytest.mark.parametrize("optimizer", ["adamw", "average_written" if KERAS3 else "legacy_adam"])
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_tape_loop(graph, optimizer):
    import tensorflow as tf

    model = lottery.wrap(net())
    optimizer = OPTIMIZERS[optimizer]()
    if KERAS3:
        optimizer.build(model.trainable_variables)

    @(tf.function if graph else lambda step: step)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X, training=True) - Y) ** 2) + sum(model.losses)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        )

    hold_after_every_step(model, step)


@skip_unless("jax", reason="JAX's own")
def test_a_stateless_call_and_its_gradients_see_masked_weights_whatever_it_is_given():
    import jax

    model = lottery.wrap(net())
    zoo.tighten(model, 0.5)
    masks = {id(lottery.prunable(model)[path]): mask for path, mask in lottery.masks(model).items()}
    rest = [variable.value for variable in model.non_trainable_variables]
    held = [variable.value for variable in model.trainable_variables]
    other = [
        value + 5 * ~masks[id(variable)] if id(variable) in masks else value
        for variable, value in zip(model.trainable_variables, held)
    ]

    def loss(trained):
        return ((model.stateless_call(trained, rest, X)[0] - Y) ** 2).mean()

    assert loss(other) == loss(held)
    gradients = jax.grad(loss)(other)
    for variable, gradient in zip(model.trainable_variables, gradients):
        if id(variable) in masks:
            gradient = array(gradient)
            assert not gradient[~masks[id(variable)]].any() and gradient[masks[id(variable)]].any()


@pytest.mark.quick("accumulated_average-one_jit", "scaled-two_jits")
@skip_unless("jax", reason="JAX's own")
@pytest.mark.parametrize("apart", [False, True], ids=["one_jit", "two_jits"])
@pytest.mark.parametrize("optimizer", ["adamw", "accumulated_average", "scaled"])
def test_stateless_loop(apart, optimizer):
    """State goes in and comes out of jitted functions, as arrays: these hold the zeros as well, where one
    trace does all."""
    import jax

    model, optimizer = lottery.wrap(net()), OPTIMIZERS[optimizer]()
    optimizer.build(model.trainable_variables)
    held = [
        index
        for index, v in enumerate(model.trainable_variables)
        if any(v is p for p in lottery.prunable(model).values())
    ]

    def compute_loss(trained, rest, slots):
        predicted, rest, losses = model.stateless_call(trained, rest, X, training=True, return_losses=True)
        with keras.StatelessScope(state_mapping=zip(optimizer.variables, slots)):
            return optimizer.scale_loss(((predicted - Y) ** 2).mean() + sum(losses)), rest

    gradient = jax.grad(compute_loss, has_aux=True)
    apply = optimizer.stateless_apply
    if apart:
        gradient, apply = jax.jit(gradient), jax.jit(apply)

    def train_step(trained, rest, slots):
        gradients, rest = gradient(trained, rest, slots)
        return *apply(slots, gradients, trained), rest

    jitted = train_step if apart else jax.jit(train_step)

    def step():
        state = model.trainable_variables, model.non_trainable_variables, optimizer.variables
        trained, slots, rest = jitted(*([v.value for v in variables] for variables in state))
        if not apart:
            masks = lottery.masks(model).values()
            assert not any(
                array(trained[index])[~mask].any() for index, mask in zip(held, masks, strict=True)
            )
        for variable, value in zip(sum(state, []), trained + rest + slots, strict=True):
            variable.assign(value)

    hold_after_every_step(model, step)
    assert apart or jitted._cache_size() == 1


@skip_unless("torch", reason="PyTorch's own")
@pytest.mark.parametrize("optimizer", ["adamw", "average_written", "SGD", "Adam", "LBFGS"])
def test_backward_loop(optimizer):
    """Under an optimizer of Keras, and under PyTorch's own."""
    import torch

    model = lottery.wrap(net())
    if optimizer in OPTIMIZERS:
        optimizer = OPTIMIZERS[optimizer]()
    else:
        options = {"SGD": dict(momentum=0.9, weight_decay=0.1), "Adam": dict(weight_decay=0.1), "LBFGS": {}}[
            optimizer
        ]
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = getattr(torch.optim, optimizer)(trained, lr=0.05, **options)

    def compute_loss():
        model.zero_grad()
        loss = ((model(X, training=True) - torch.tensor(Y)) ** 2).mean() + sum(model.losses)
        loss.backward()
        return loss

    def step():
        if isinstance(optimizer, torch.optim.Optimizer):
            optimizer.step(compute_loss)
        else:
            compute_loss()
            with torch.no_grad():
                optimizer.apply([v.value.grad for v in model.trainable_variables], model.trainable_variables)

    hold_after_every_step(model, step)


# Under a strategy, optimizers of Keras 3 cannot do anything every few steps: `merge_call` refuses to be in a
# branch.
@pytest.mark.quick("adamw")
@on_tensorflow
@pytest.mark.parametrize(
    "optimizer",
    ["adamw", "average", "nesterov"]
    if KERAS3
    else ["adamw", "average_written", pytest.param("legacy_sgd", marks=pytest.mark.stress)],
)
def test_two_replicas(optimizer):
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = lottery.wrap(net())
        model.compile(OPTIMIZERS[optimizer](), "mse")
    assert len(zoo.replicas(lottery.prunable(model)["conv/kernel"])) == 2
    hold_after_every_step(model, lambda: model.train_on_batch(X, Y))
    watch = _Watch({2: 0.9})
    model.fit(X, Y, batch_size=8, epochs=3, verbose=0, callbacks=[watch])
    assert not any(watch.seen) and zoo.drift(model) == 0
    masks = (
        model.mask_weights
        if KERAS3
        else [mask for layer in model.layers for mask in getattr(layer, "masks", {}).values()]
    )
    for variable in [*model.trainable_variables, *masks]:
        first, second = zoo.replicas(variable)
        assert first.numpy().tobytes() == second.numpy().tobytes()


SHARDED = """
import numpy as np, keras, world, zoo
import test_zeros as t
import keras_lottery as lottery
assert len(keras.distribution.list_devices()) == 2
keras.distribution.set_distribution(keras.distribution.DataParallel())
model = lottery.wrap(t.net())
model.compile(t.OPTIMIZERS["adamw"](), "mse")
t.hold_after_every_step(model, lambda: model.train_on_batch(t.X, t.Y), dense=1, pruned=2)
watch = t._Watch({2: 0.9})
model.fit(t.X, t.Y, batch_size=4, epochs=2, verbose=0, callbacks=[watch])
assert not any(watch.seen) and zoo.drift(model) == 0 and len(watch.seen) == 7
assert len(lottery.prunable(model)["conv/kernel"].value.sharding.device_set) == 2
"""


@pytest.mark.matrix
@skip_unless("jax", reason="JAX's own")
def test_two_devices():
    """DataParallel, in a process of its own: JAX has as many devices as it starts with."""
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", SHARDED],
        env=_env(XLA_FLAGS=flags),
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


class Counts(L.Layer):
    """Passes its input on and counts how often it is called, or traced."""

    calls = 0

    def call(self, x):
        Counts.calls += 1
        return x


@skip_unless("tf_keras", "tensorflow", "jax", reason="PyTorch traces nothing")
def test_masks_change_and_nothing_is_traced_again():
    x = keras.Input((4,))
    model = lottery.wrap(keras.Model(x, L.Dense(2, name="head")(Counts()(L.Dense(8, name="dense")(x)))))
    model.compile(OPTIMIZERS["adam"](), "mse")
    model.train_on_batch(X[:, 0, :4, 0], Y[:, :2])
    model.train_on_batch(X[:, 0, :4, 0], Y[:, :2])
    calls = Counts.calls
    for sparsity in (0.1, 0.3, 0.5, 0.7, 0.9):
        zoo.tighten(model, sparsity)
        for _ in range(2):
            model.train_on_batch(X[:, 0, :4, 0], Y[:, :2])
            assert zoo.drift(model) == 0
    assert Counts.calls == calls


def test_users_constraint_still_holds():
    model = lottery.wrap(net())
    model.compile(optimizers.SGD(0.5, clipnorm=1.0 if KERAS3 else None), "mse")

    def step():
        model.train_on_batch(X, Y)
        assert (np.linalg.norm(kernel(model), axis=0) < 0.9 + 1e-5).all()

    hold_after_every_step(model, step)


@skip_unless("tf_keras", reason="its hold alone reaches into TensorFlow")
def test_private_names():
    """What `hold` reaches into: if a name goes, TensorFlow has changed and the zeros are no longer held."""
    import tensorflow as tf
    import tf_keras

    variable = tf.Variable([1.0], constraint=tf.abs)
    assert variable._constraint is tf.abs and variable.constraint is tf.abs
    variable._constraint = tf.nn.relu
    assert variable.constraint is tf.nn.relu
    cast = tf_keras.src.mixed_precision.autocast_variable.create_autocast_variable(variable)
    assert cast._variable is variable and cast.constraint is tf.nn.relu
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        replicas = tf.Variable([1.0], constraint=tf.abs)
    assert [part._constraint for part in replicas._values] == [
        tf.abs,
        tf.abs,
    ] and replicas.constraint is tf.abs


def _trained(run_eagerly=world.EAGER):
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
    if getattr(loaded, "optimizer", None) is None:
        loaded.compile(optimizers.Adam(0.05), "mse", run_eagerly=world.EAGER)
    for _ in range(2):
        loaded.train_on_batch(X, Y)
        assert zoo.drift(loaded) == 0
    assert not zoo.same(zoo.outputs(loaded, X), zoo.outputs(model, X))


FILES = ["m.keras"] if KERAS3 else ["m.keras", "m.h5", "saved_model"]


@pytest.mark.parametrize("file", FILES)
def test_saved_and_loaded(file, tmp_path):
    model = _trained()
    model.save(tmp_path / file)
    _goes_on(world.load_model(tmp_path / file), model)


@on_tensorflow
def test_saved_model_serves_the_zeros(tmp_path):
    import tensorflow as tf

    model = _trained()
    model.export(str(tmp_path / "served"))
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(X), model(X), rtol=1e-5, atol=1e-6)


@matrix_on("tf_keras")
@pytest.mark.quick("0.0-w.weights.h5", "0.9-w.weights.h5", "0.3-checkpoint", "0.9-w.h5")
@pytest.mark.parametrize("file", ["w.weights.h5"] if KERAS3 else ["w.weights.h5", "w.h5", "checkpoint"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9])
def test_weights_saved_and_loaded(file, sparsity, tmp_path):
    """Into a model whose masks are open, looser or tighter than the saved ones."""
    model = _trained()
    model.save_weights(tmp_path / file)
    other = lottery.wrap(net())
    zoo.tighten(other, sparsity)
    other.load_weights(tmp_path / file)
    _goes_on(other, model)


@skip_unless("torch", reason="PyTorch's own")
def test_a_state_dict_that_is_loaded_is_masked():
    model = lottery.wrap(net())
    zoo.tighten(model, 0.5)
    state = model.state_dict()
    model.load_state_dict(
        {name: value + 1 if value.is_floating_point() else value for name, value in state.items()}
    )
    assert zoo.drift(model) == 0 and zoo.masked(model) and kernel(model).any()


def test_set_weights_into_tighter_masks():
    model = _trained()
    other = lottery.wrap(net())
    zoo.tighten(other, 0.9)
    other.set_weights(model.get_weights())
    _goes_on(other, model)


def test_dense_weights_that_are_set_are_masked():
    model, dense = _trained(), net()
    dense.set_weights([np.ones_like(w) for w in dense.get_weights()])
    ENGINE.walk.layers(model)["dense"].set_weights(dense.get_layer("dense").get_weights())
    assert zoo.drift(model) == 0
    mask = lottery.masks(model)["dense/kernel"]
    assert np.array_equal(kernel(model), mask)
    # What the mask cut does not come back after a step.
    model.train_on_batch(X, Y)
    trained = kernel(model)
    zoo.tighten(model, 0.8)
    kept = np.where(lottery.masks(model)["dense/kernel"], trained, 0)
    assert np.array_equal(kernel(model), kept)


def test_checkpoint_of_every_step(tmp_path):
    model = lottery.wrap(net())
    model.compile(optimizers.SGD(0.05, momentum=0.9), "mse")
    model.train_on_batch(X, Y)
    zoo.tighten(model, 0.7)
    keep = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True)
    model.fit(X, Y, batch_size=8, epochs=3, callbacks=[keep], verbose=0)
    for file in sorted(tmp_path.iterdir()):
        other = lottery.wrap(net())
        other.load_weights(file)
        assert zoo.masked(other) == zoo.masked(model) and zoo.drift(other) == 0


@on_tensorflow
def test_checkpoint_restored(tmp_path):
    import tensorflow as tf

    model = _trained(run_eagerly=False)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    path = checkpoint.save(tmp_path / "all")
    was = zoo.outputs(model, X)
    model.train_on_batch(X, Y)
    checkpoint.restore(path)
    assert zoo.same(zoo.outputs(model, X), was) and zoo.drift(model) == 0


FRESH = """
import sys
import numpy as np, KERAS as keras
from keras_lottery import masks, prunable, strip
folder = sys.argv[1]
arrays = np.load(folder + "/told.npz")
for file in sys.argv[2:]:
    model = keras.saving.load_model(folder + "/" + file)
    assert np.allclose(model.predict_on_batch(arrays["x"]), arrays["out"], rtol=1e-5, atol=1e-6), file
    held = masks(model)
    assert sum(int((~mask).sum()) for mask in held.values()) == arrays["masked"], file
    for _ in range(2):
        model.train_on_batch(arrays["x"], arrays["y"])
        assert not any(v.numpy()[~held[path]].any() for path, v in prunable(model).items()), file
    assert not np.allclose(model.predict_on_batch(arrays["x"]), arrays["out"], rtol=1e-3), file
    assert not strip(model).get_layer("dense").kernel.numpy()[~held["dense/kernel"]].any(), file
"""


def _env(**more):
    """For a process of this world."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}


@pytest.mark.matrix
def test_loaded_in_a_fresh_process(tmp_path):
    model = _trained(run_eagerly=False)
    for file in FILES:
        model.save(tmp_path / file)
    np.savez(tmp_path / "told.npz", x=X, y=Y, out=array(model(X)), masked=zoo.masked(model))
    fresh = FRESH.replace("KERAS", world.KIND)
    subprocess.run([sys.executable, "-c", fresh, str(tmp_path), *FILES], check=True, timeout=300, env=_env())


def _two(kind):
    """Two inputs and two outputs, in lists or dicts."""
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    stem = L.Dense(6, "relu", name="dense")(L.Concatenate()([a, b]))
    outs = [L.Dense(2, name="x")(stem), L.Dense(3, name="y")(stem)]
    return (
        keras.Model([a, b], outs) if kind == "list" else keras.Model({"a": a, "b": b}, dict(zip("xy", outs)))
    )


@matrix_on("tf_keras")
@pytest.mark.parametrize(
    "kind, loss, weights",
    [
        ("list", ["mse", "mae"], [1.0, 0.5]),
        ("list", "mse", None),
        ("dict", {"x": "mse", "y": "mae"}, {"x": 1.0, "y": 0.5}),
    ],
)
def test_several_inputs_outputs_and_losses(kind, loss, weights):
    model = lottery.wrap(_two(kind))
    x, y = zoo.data(model, size=8)
    model.compile(OPTIMIZERS["adam"](), loss, loss_weights=weights, run_eagerly=world.EAGER)
    watch = _Watch({1: 0.5, 2: 0.8})
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[watch])
    assert zoo.masked(model) == round(0.8 * 42) and not any(watch.seen)
    assert [array(out).shape for out in zoo.tree.flatten(model.predict(x, verbose=0))] == [(8, 2), (8, 3)]


@pytest.mark.quick("sequential_without_input")
@pytest.mark.parametrize("name", ["mask_into_lstm", "sequential_without_input", *["subclassed"] * KERAS3])
def test_wrapped_model_as_a_layer(name, tmp_path):
    case = zoo.CASES[name]
    plain = case.build()
    x, y = zoo.data(plain)
    wrapped = lottery.wrap(plain, **case.wrap)
    first = keras.Input(x.shape[1:], dtype=str(x.dtype))
    model = keras.Model(first, L.Activation("tanh")(wrapped(first)))
    model.compile(OPTIMIZERS["adam"](), "mse", run_eagerly=world.EAGER)
    for sparsity in (0.0, 0.5, 0.8):
        zoo.tighten(wrapped, sparsity)
        for _ in range(2):
            model.train_on_batch(x, y)
            assert zoo.drift(wrapped) == 0
    model.save(tmp_path / "m.keras")
    loaded = world.load_model(tmp_path / "m.keras")
    assert zoo.same(zoo.outputs(loaded, x), zoo.outputs(model, x))
    inside = loaded.get_layer(wrapped.name)
    assert zoo.masked(inside) == zoo.masked(wrapped) > 0
    loaded.train_on_batch(x, y)
    assert zoo.drift(inside) == 0


def test_a_wrapped_model_looks_like_the_model(capsys):
    plain = net()
    model = lottery.wrap(plain)
    capsys.readouterr()
    model.summary()
    printed = capsys.readouterr().out
    assert all(layer.name[:12] in printed for layer in plain.layers)
    assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
    assert model.get_layer("dense").name == "dense" and model.name == plain.name
    for have, want in ((model.inputs, plain.inputs), (model.outputs, plain.outputs)):
        assert [tuple(t.shape) for t in have] == [tuple(t.shape) for t in want]
    assert (model.input_shape, model.output_shape) == (plain.input_shape, plain.output_shape)
    assert len(model.trainable_weights) == len(plain.trainable_weights)
    assert model.count_params() >= plain.count_params()


@skip_unless("tf_keras", reason="Keras 3 has no legacy optimizers")
def test_embedding_under_a_legacy_optimizer_is_refused():
    words = keras.Input((3,), dtype="int32")
    model = keras.Model(words, L.Dense(2)(L.Flatten()(L.Embedding(5, 4)(words))))
    model = lottery.wrap(model, include=L.Embedding)
    model.compile(optimizers.legacy.Adam(), "mse")
    with pytest.raises(lottery.LotteryError, match="legacy"):
        ENGINE.build_optimizer(model)


@pytest.mark.skipif(KERAS3, reason="tf_keras masks in what it writes to a variable")
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_step_masks_each_weight_once(policy):
    world.set_policy(policy)
    model = lottery.wrap(keras.Sequential([L.Dense(8, input_shape=(4,)), L.Dense(8), L.Dense(2)]))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    import tensorflow as tf

    data = iter(
        tf.data.Dataset.from_tensor_slices((np.ones((8, 4), "float32"), np.ones((8, 2), "float32"))).batch(8)
    )
    graph = model.make_train_function().get_concrete_function(data).graph.as_graph_def()
    operations = [node.op for node in graph.node] + [
        node.op for function in graph.library.function for node in function.node_def
    ]
    assert operations.count("Select") == len(lottery.prunable(model)) == 2
