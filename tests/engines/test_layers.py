"""Every layer with a kernel wraps, computes the same, trains with its zeros held, saves, loads and strips."""

import numpy as np
import pytest
import world
import zoo
from world import array, keras, skip_unless
from zoo import CASES

import keras_lottery as lottery

pytestmark = pytest.mark.engine

walk = zoo.ENGINE.walk


# A step is traced and compiled for as long as all else takes: on JAX, only one for each case.
ONE_STEP = world.BACKEND == "jax"
# A layer that a model shares with one inside it: a plain model of Keras 3, too, computes something else when
# loaded.
NOT_SAVED = {"shared_with_nested"} if world.KERAS3 else set()


@pytest.mark.quick(
    "dense",
    "conv2d",
    "separable_asked",
    "einsum",
    "embedding_dense",
    "time_distributed_model",
    "shared_layer",
    "subclass_of_conv",
    "custom_composite",
    "subclassed",
    "subclassed_in_a_graph",
)
@pytest.mark.parametrize("name", CASES)
def test_layer(name, tmp_path, capsys):
    case = CASES[name]
    model = case.build()
    x, y = zoo.data(model)
    expected, weights, layers = zoo.outputs(model, x), model.get_weights(), list(walk.layers(model).items())
    losses = _losses(model)

    wrapped = lottery.wrap(model, **case.wrap)
    assert set(lottery.masks(wrapped)) == case.pruned
    assert zoo.same(zoo.outputs(wrapped, x), expected) and _losses(wrapped) == losses

    wrapped.compile("adam", "mse", run_eagerly=world.EAGER)
    wrapped.train_on_batch(x, y)
    zoo.tighten(wrapped, 0.6, "layer")
    assert all(not mask.all() for mask in lottery.masks(wrapped).values())
    for _ in range(2):
        wrapped.train_on_batch(x, y)
        assert zoo.drift(wrapped) == 0
    held = zoo.outputs(wrapped, x)

    if name not in NOT_SAVED:
        wrapped.save(tmp_path / "m.keras")
        loaded = world.load_model(tmp_path / "m.keras", safe_mode=False)
        assert zoo.same(zoo.outputs(loaded, x), held)
        assert zoo.same(list(lottery.masks(loaded).values()), list(lottery.masks(wrapped).values()))
        if not ONE_STEP:
            loaded.compile("adam", "mse", run_eagerly=world.EAGER)
            loaded.train_on_batch(x, y)
            assert zoo.drift(loaded) == 0 and not zoo.same(zoo.outputs(loaded, x), held)

    for stripped in _strips(wrapped):
        assert not any(_is_wrapper(layer) for layer in stripped._flatten_layers())
        assert zoo.same(zoo.outputs(stripped, x), held)
        assert lottery.sparsity(wrapped) == pytest.approx(0.6, abs=0.1)

    # The model that was wrapped is what it was, and trains dense.
    assert list(walk.layers(model).items()) == layers
    assert zoo.same(model.get_weights(), weights) and zoo.same(zoo.outputs(model, x), expected)
    plain = walk.variables(model)
    if ONE_STEP:
        for path in case.pruned:
            plain[path].assign(np.ones(plain[path].shape))
    else:
        model.compile("adam", "mse", run_eagerly=world.EAGER)
        model.train_on_batch(x, y)
    assert all(np.count_nonzero(array(plain[path])) == array(plain[path]).size for path in case.pruned)


def _losses(model):
    losses = [float(loss) for loss in model.losses]
    return sorted(losses) if world.KERAS3 else losses  # Keras 3 lists them backwards, one level down


def _strips(wrapped):
    yield lottery.strip(wrapped)
    if not world.KERAS3:
        import tensorflow_model_optimization as tfmot

        yield tfmot.sparsity.keras.strip_pruning(wrapped)


def _is_wrapper(layer):
    if world.KERAS3:
        from keras_lottery.engines.keras3 import LotteryModel

        return isinstance(layer, LotteryModel)
    from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import PruneLowMagnitude

    return isinstance(layer, PruneLowMagnitude)


@pytest.mark.quick("self_attention", "custom_composite")
@pytest.mark.parametrize(
    "name", ["custom_composite", "self_attention", "time_distributed_model", "mask_into_lstm", "vit"]
)
def test_layer_in_mixed_precision(name):
    world.set_policy("mixed_bfloat16")
    case = CASES[name]
    model = case.build()
    x, y = zoo.data(model)
    wrapped = lottery.wrap(model, **case.wrap)
    assert set(lottery.masks(wrapped)) == case.pruned
    assert zoo.same(zoo.outputs(wrapped, x), zoo.outputs(model, x))
    wrapped.compile("adam", "mse", run_eagerly=world.EAGER)
    zoo.tighten(wrapped, 0.6)
    wrapped.train_on_batch(x, y)
    assert zoo.drift(wrapped) == 0


# The others are as good and slower. Copying is the same on each backend.
@pytest.mark.matrix
@skip_unless("tf_keras", "tensorflow", "torch", reason="JAX compiles for half a minute")
@pytest.mark.parametrize(
    "name", ["MobileNetV3Small", pytest.param("EfficientNetB0", marks=pytest.mark.stress)]
)
def test_application(name):
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=3)
    x, _ = zoo.data(model, size=2)
    wrapped = lottery.wrap(model)
    assert len(lottery.masks(wrapped)) > 40
    assert np.array_equal(array(wrapped(x)), array(model(x)))
    zoo.tighten(wrapped, 0.8)
    assert np.array_equal(array(lottery.strip(wrapped)(x)), array(wrapped(x))) and zoo.drift(wrapped) == 0
