"""A search takes over what the model was compiled with, also what no config tells, or says what it cannot
take over."""

import numpy as np
import pytest
import world
from small import LOGITS, L, arrays, compiled, dense, scaled, search
from world import array, keras, skip_unless

import keras_lottery as lottery
from keras_lottery import engines

pytestmark = pytest.mark.keras3

ENGINE = engines.engine_of(world.KIND)
OPTIMIZERS = keras.optimizers
BIASES = ["a/bias", "b/bias", "head/bias"]


def taken_over(optimizer, trained=False, **arguments):
    """(the plain model, a wrapped one that was compiled alike)."""
    model = compiled(dense(), optimizer, run_eagerly=world.EAGER, **arguments)
    if trained:
        model.fit(*arrays(), verbose=0)
    wrapped = lottery.wrap(model)
    ENGINE.compile_like(wrapped, model)
    return model, wrapped


def decayed(model):
    """Paths of the weights that a step without a gradient changes."""
    before = {path: array(variable) for path, variable in ENGINE.variables(model).items()}
    ENGINE.build_optimizer(model)
    variables = model.trainable_variables
    zeros = [world.tensor(np.zeros(variable.shape, "float32")) for variable in variables]
    model.optimizer.apply_gradients(zip(zeros, variables))
    return [
        path
        for path, variable in ENGINE.variables(model).items()
        if not np.array_equal(array(variable), before[path])
    ]


@pytest.mark.quick("names-new", "variables-trained", "scaled-trained")
@pytest.mark.parametrize("trained", [False, True], ids=["new", "trained"])
@pytest.mark.parametrize("how", ["names", "variables", "scaled"])
def test_weights_kept_from_weight_decay(how, trained):
    optimizer = OPTIMIZERS.AdamW(0.01, weight_decay=0.5)
    model = dense()
    for layer in model.layers:
        layer.bias.assign(np.ones(layer.bias.shape))
    if how == "variables":
        optimizer.exclude_from_weight_decay(var_list=[layer.bias for layer in model.layers])
    else:
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    compiled(model, scaled(optimizer) if how == "scaled" else optimizer, run_eagerly=world.EAGER)
    if trained:
        model.fit(*arrays(), verbose=0)
    wrapped = lottery.wrap(model)
    ENGINE.compile_like(wrapped, model)
    again = lottery.wrap(model)  # as a search does with a wrapped model that was trained
    ENGINE.compile_like(again, wrapped)
    for other in (wrapped, again):
        assert ENGINE.compiled(other)["without_decay"][-1] == BIASES
    if how != "scaled":  # which on JAX takes no step outside of fit
        assert decayed(wrapped) == ["a/kernel", "b/kernel", "head/kernel"]


def test_a_search_keeps_biases_from_weight_decay():
    """They would end at 0.1: half of each is gone in a step."""
    model = dense()
    for layer in model.layers:
        layer.bias.assign(np.ones(layer.bias.shape))
    optimizer = OPTIMIZERS.AdamW(1e-3, weight_decay=200.0)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    ticket = search(compiled(model, optimizer), rounds=1)
    assert min(ticket.trained["a/bias"].min(), ticket.trained["b/bias"].min()) > 0.9


def test_runs_with_another_weight_decay_share_no_folder(tmp_path):
    def run(names):
        optimizer = OPTIMIZERS.AdamW(1e-3)
        if names:
            optimizer.exclude_from_weight_decay(var_names=names)
        return search(
            compiled(lottery.wrap(dense()), optimizer), run_dir=tmp_path / "run", epochs=1, rounds=1
        )

    run(["bias"])
    with pytest.raises(lottery.LotteryError, match="another configuration: compiled.without_decay"):
        run(None)


class Untold:
    """Optimizers and metrics whose get_config leaves out their own arguments."""

    class Boosted(OPTIMIZERS.SGD):
        def __init__(self, boost=1.0, **kwargs):
            super().__init__(**kwargs)
            self.boost = boost

    class Private(OPTIMIZERS.SGD):
        def __init__(self, boost=1.0, **kwargs):
            super().__init__(**kwargs)
            self._boost = boost

    class Hidden(OPTIMIZERS.SGD):
        def __init__(self, boost=1.0, **kwargs):
            super().__init__(**kwargs)
            self._made_of_it = {"twice": 2 * boost}

    class Beta(keras.metrics.Mean):
        def __init__(self, beta=1.0, **kwargs):
            super().__init__(**kwargs)
            self.beta = beta

    class Focal(keras.losses.Loss):
        def __init__(self, gamma=2.0):
            super().__init__()
            self.gamma = gamma

        def call(self, y_true, y_pred):
            return self.gamma * (y_pred - y_true) ** 2


def test_arguments_that_a_config_leaves_out():
    assert taken_over(Untold.Boosted(boost=3.0, learning_rate=0.1))[1].optimizer.boost == 3
    assert taken_over(Untold.Private(boost=3.0, learning_rate=0.1))[1].optimizer._boost == 3
    with pytest.raises(
        lottery.LotteryError,
        match="the get_config of Hidden leaves out 'boost', .*add it. Wrap the model, then",
    ):
        taken_over(Untold.Hidden(boost=3.0))
    inner = taken_over(scaled(Untold.Boosted(boost=3.0)))[1].optimizer.inner_optimizer
    assert inner.boost == 3 and type(inner) is Untold.Boosted
    _, wrapped = taken_over("sgd", metrics=[Untold.Beta(beta=3.0)])
    (metric,) = wrapped._compile_config.config["metrics"]
    assert metric.beta == 3


def test_attributes_set_later():
    optimizer = Untold.Boosted()
    optimizer.boost, optimizer.table, optimizer.clipnorm = 4.0, [np.ones(2), {"a": 1}], 0.5
    model, wrapped = taken_over(optimizer, trained=True)
    assert (wrapped.optimizer.boost, wrapped.optimizer.clipnorm) == (4, 0.5)
    assert wrapped.optimizer.table[0].tolist() == [1, 1] and wrapped.optimizer.table[1] == {"a": 1}
    model.optimizer.learning_rate.assign(0.125)
    ENGINE.compile_like(wrapped, model)
    assert (
        float(array(wrapped.optimizer.learning_rate)) == 0.125
        and int(array(wrapped.optimizer.iterations)) == 0
    )


class Warmup(OPTIMIZERS.schedules.LearningRateSchedule):
    """Its config says less than it does."""

    def __init__(self, peak, shape=lambda step: step):
        self.peak, self.shape = peak, shape

    def __call__(self, step):
        return self.peak * self.shape(step)

    def get_config(self):
        return {"peak": self.peak}


def test_a_schedule_is_the_very_one():
    schedule = Warmup(0.1, shape=lambda step: 3.0)
    _, wrapped = taken_over(OPTIMIZERS.Adam(schedule))
    assert float(array(wrapped.optimizer.learning_rate)) == pytest.approx(0.3)


def test_runs_of_other_losses_share_no_folder(tmp_path):
    def run(gamma):
        x, y = arrays()
        model = compiled(lottery.wrap(dense()), "sgd", Untold.Focal(gamma), metrics=[])
        return search(model, (x, np.eye(3)[y]), run_dir=tmp_path / "run", epochs=1, rounds=1)

    run(2.0)
    with pytest.raises(lottery.LotteryError, match="another configuration: compiled.attributes"):
        run(3.0)


def squares(factor):
    def loss(y_true, y_pred):
        return factor * (y_pred - y_true) ** 2

    return loss


def times(factor):
    return lambda step: factor * 1.0 if factor in {1, 2, 3} else step


def test_what_no_config_tells_of_a_run():
    """Functions by what they do, arrays by their values; nothing where Keras' configs tell all."""

    def told(loss, optimizer="sgd"):
        return {
            name: value
            for name, value in ENGINE.compiled(compiled(dense(), optimizer, loss, metrics=[])).items()
            if name in ("attributes", "without_decay")
        }

    assert (
        told(LOGITS)
        == told("mse")
        == told(keras.losses.MeanSquaredError())
        == told([keras.losses.mean_squared_error])
        == {}
    )
    assert told(squares(2)) == told(squares(2)) != told(squares(3))
    assert told(lambda a, b: a - b) != told(lambda a, b: b - a)
    optimizer, other = Untold.Boosted(), Untold.Boosted()
    optimizer.table, other.table = np.ones(100), np.arange(100)
    optimizer.functions = [times(2)]  # not told by where they are in memory
    assert (
        told("mse", optimizer) != told("mse", other)
        and len(text := str(told("mse", optimizer))) < 200
        and "0x" not in text
    )
    assert told("mse", OPTIMIZERS.SGD(Warmup(1.0, times(2)))) != told(
        "mse", OPTIMIZERS.SGD(Warmup(1.0, times(3)))
    )
    assert told("mse", OPTIMIZERS.SGD(OPTIMIZERS.schedules.CosineDecay(1.0, 5))) == {}


@skip_unless("tf_keras", reason="Keras 3 has no legacy optimizers")
def test_legacy_optimizers_keep_what_transforms_gradients():
    def double(pairs):
        return [(2 * gradient, variable) for gradient, variable in pairs]

    _, wrapped = taken_over(OPTIMIZERS.legacy.SGD(lambda: 0.25, gradient_transformers=[double]))
    assert wrapped.optimizer.gradient_transformers == [double] and callable(
        wrapped.optimizer._hyper["learning_rate"]
    )


@skip_unless("keras", reason="tf_keras has one optimizer")
def test_several_optimizers_keep_what_is_theirs():
    named = OPTIMIZERS.AdamW(0.01, weight_decay=0.5)
    named.exclude_from_weight_decay(var_names=["bias"])
    optimizer = OPTIMIZERS.MultiOptimizer(
        OPTIMIZERS.OptimizerMap(OPTIMIZERS.SGD(0.1, weight_decay=0.5), {"a/.*": named})
    )
    _, wrapped = taken_over(optimizer)
    assert ENGINE.compiled(wrapped)["without_decay"][1] == BIASES
    with pytest.raises(
        lottery.LotteryError, match="a MultiOptimizer that asks a function .* Wrap the model, then compile"
    ):
        taken_over(OPTIMIZERS.MultiOptimizer(lambda variable: OPTIMIZERS.SGD()))


@skip_unless("keras", reason="tf_keras has one optimizer")
def test_an_optimizer_that_paths_choose_trains_the_same_weights_and_its_averages_are_written():
    nested = keras.Sequential([L.Dense(4, name="d")], name="nested")
    model = keras.Sequential([keras.Input((8,)), nested, L.Dense(3, name="head")], name="net")
    averaging = OPTIMIZERS.SGD(0.1, use_ema=True, ema_momentum=0.5)
    chosen = OPTIMIZERS.OptimizerMap(OPTIMIZERS.SGD(0.1), {model.variables[0].path: averaging})
    compiled(model, OPTIMIZERS.MultiOptimizer(chosen), run_eagerly=world.EAGER)
    wrapped = lottery.wrap(model)
    assert [one.path for one in wrapped.inner.variables] == [one.path for one in model.variables]
    ENGINE.compile_like(wrapped, model)
    for _ in range(2):
        wrapped.train_on_batch(*arrays(8))
    kernel, slots = wrapped.inner.variables[0], wrapped.optimizer.optimizers[0].variables
    (average,) = (array(slot) for slot in slots if "average" in slot.name)
    assert not np.array_equal(array(kernel), average)
    ENGINE.finalize_optimizer(wrapped)
    assert np.array_equal(array(kernel), average)
