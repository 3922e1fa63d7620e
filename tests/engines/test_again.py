"""What a file cannot bring back of a model is said as it is wrapped, with the cure; what a copy would lose is
refused."""

import warnings

import numpy as np
import pytest
import world
import zoo
from small import compiled, search, state_of
from world import KERAS3, keras, register, skip_unless
from zoo import Input, L

import keras_lottery as lottery
from keras_lottery.tickets.ticket import from_model

pytestmark = pytest.mark.keras3

Model, Sequential = keras.Model, keras.Sequential
ops = keras.ops if KERAS3 else __import__("tensorflow")


class Net(Model):
    """Without a constructor: called as Net(inputs, outputs)."""


@register
class KnownNet(Model):
    pass


class Own(L.Dense):
    pass


@register
class Known(L.Dense):
    pass


class Scaled(L.Dense):
    """Its get_config is Dense's."""

    def __init__(self, units, factor=1.0, **kwargs):
        super().__init__(units, **kwargs)
        self.factor = factor

    def call(self, x):
        return self.factor * super().call(x)


@register
class KnownScaled(Scaled):
    def get_config(self):
        return super().get_config() | {"factor": self.factor}


class Penalty(keras.regularizers.Regularizer):
    def __call__(self, x):
        return 0.1 * ops.abs(x)[0, 0]

    def get_config(self):
        return {}


def twice(x):
    return 2 * x


def net(kind=Model, layer=L.Dense, **arguments):
    x = Input((8,))
    return kind(x, L.Dense(3, name="head")(layer(12, name="a", **arguments)(x)))


def nested():
    x = Input((8,))
    return Model(x, L.Dense(3)(net(Net)(x)))


def with_lambda():
    return Sequential([Input((8,)), L.Lambda(twice, name="double"), L.Dense(12), L.Dense(3)])


REGISTER = r"put @(tf_)?keras.saving.register_keras_serializable\(\) before that class"
LOST = {
    "net": (lambda: net(Net), f"the model is a Net, which is not registered: {REGISTER}"),
    "nested": (nested, f"layer 'net.*' is a Net, which is not registered: {REGISTER}"),
    "layer": (lambda: net(layer=Own), f"layer 'a' is a Own, which is not registered: {REGISTER}"),
    "lambda": (
        with_lambda,
        "layer 'double' is a Lambda, and no file may run code: make it a layer class with a get_config",
    ),
    "function": (lambda: net(activation=twice), "it names 'twice'.*import what registers it first"),
    "regularizer": (
        lambda: net(kernel_regularizer=Penalty()),
        "it names 'Penalty'.*import what registers it first",
    ),
}
KEPT = {
    "net": lambda: net(KnownNet),
    "layer": lambda: net(layer=Known),
    "arguments": lambda: net(layer=KnownScaled, factor=3.0),
    "keras": net,
}


@pytest.mark.parametrize("name", LOST)
def test_what_no_file_brings_back(name):
    """It wraps, computes the same and is searched; its ticket's model is refused in one line."""
    make, said = LOST[name]
    model = make()
    with pytest.warns(UserWarning, match=f"the model of a saved ticket could not be built again: {said}"):
        wrapped = lottery.wrap(model)
    x, _ = zoo.data(model)
    assert zoo.same(zoo.outputs(wrapped, x), zoo.outputs(model, x))
    ticket = from_model(wrapped, state_of(wrapped), [])
    with pytest.raises(lottery.LotteryError, match="cannot be built") as error:
        ticket.model()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", KEPT)
def test_what_a_file_brings_back(name, tmp_path):
    model = KEPT[name]()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the model of a saved ticket")
        ticket = search(compiled(model, run_eagerly=world.EAGER), epochs=1, rounds=1)
    ticket.save(tmp_path / "t")
    again = lottery.load_ticket(tmp_path / "t").model("trained")
    x, _ = zoo.data(model)
    assert type(lottery.strip(again)) is type(model) and np.isfinite(zoo.outputs(again, x)[0]).all()
    assert zoo.same(zoo.outputs(again, x), zoo.outputs(ticket.model("trained"), x))


@pytest.mark.parametrize("call", [lottery.wrap, lottery.strip], ids=["wrap", "strip"])
def test_a_copy_that_would_compute_something_else_is_refused(call):
    with pytest.raises(
        lottery.LotteryError,
        match="a copy of 'a' .* has another 'factor', 1.0 for 3.0: the get_config of Scaled must hold it",
    ):
        call(net(layer=Scaled, factor=3.0))
    if call is lottery.wrap:
        call(net(layer=Scaled))  # the default, which a copy has too


def test_a_lambda_that_a_layer_was_given():
    with pytest.raises(
        lottery.LotteryError,
        match="'a' was given a lambda, which no config can name: give it a function that has a name",
    ):
        lottery.wrap(net(activation=lambda x: x))


@skip_unless("keras", reason="tf_keras copies each layer by itself")
def test_two_functions_of_one_name():
    def other():
        def twice(x):
            return 3 * x

        return twice

    x = Input((8,))
    model = Model(x, L.Dense(3)(L.Dense(12, other())(L.Dense(12, twice)(x))))
    with pytest.raises(lottery.LotteryError, match="two classes or functions in .* are called 'twice'"):
        lottery.wrap(model)
