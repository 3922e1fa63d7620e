"""Nothing that Keras, the package or the user has is refused: as many good files as hostile ones."""

import contextlib
import inspect
import json
import time

import numpy as np
import pytest
import zoo
from graphs import drawn, graphs
from hypothesis import given
from small import bits, state_of
from world import KERAS3, KIND, keras, register, set_policy, skip_unless

import keras_lottery as lottery
from keras_lottery import engines, models, wrapping
from keras_lottery.architecture.trust import trusted
from keras_lottery.models import saved
from keras_lottery.tickets.ticket import shipped

L = keras.layers
ENGINE = engines.engine_of(KIND)


def loads(model, folder=None):
    """A model's JSON builds it, of the weights that are told before; a file of it is the same model."""
    architecture = ENGINE.architecture(model)
    told = ENGINE.shapes(architecture)
    assert ENGINE.variables(ENGINE.build(architecture)).keys() == told.keys()
    state = state_of(model)
    assert {path: shape for path, (shape, _) in told.items()} == {
        path: value.shape for path, value in state.items()
    }
    if folder is not None:
        model.save(folder / "net.keras")
        assert bits(state_of(saved.load(folder / "net.keras", ENGINE))) == bits(state)


# Of these no JSON tells all: a Lambda's code, layers' names, that two models share a layer.
UNTOLD = ("lambda_and_tf_ops", "lambda_and_keras_ops", "config_without_names", "shared_with_nested")


def some(names, of):
    """The names, of which those that are not `of` run in the stress tests alone."""
    return [pytest.param(name, marks=() if name in of else pytest.mark.stress) for name in names]


@pytest.mark.quick(
    "time_distributed_model",
    "custom_composite",
    "nested_used_twice",
    "dots_in_names",
    "separable2d",
    "subclass_of_conv",
    "shared_layer",
    "dense",
)
@pytest.mark.parametrize("name", some(sorted(zoo.CASES.keys() - {*UNTOLD}), sorted(zoo.CASES)[::4]))
def test_every_kind_of_layer(name, tmp_path):
    model = zoo.CASES[name].build()
    loads(model, tmp_path if ENGINE.walk.is_graph(model) else None)


@pytest.mark.matrix
@drawn(15)
@given(model=graphs())
def test_random_models(model):
    loads(model)


@pytest.mark.quick("conv2")
@pytest.mark.parametrize("name", some(models.names(), ("conv2", "resnet8", "mobilenet")))
def test_builders(name):
    loads(models.build(name, (64, 64, 3), 10, width=0.1, keras=KIND))


@pytest.mark.parametrize("name", some(sorted(shipped()), ("lenet-fashion_mnist-90",)))
def test_shipped_tickets(name):
    ticket = lottery.load_ticket(name)
    assert bits(lottery.masks(ticket.model(keras=KIND))) == bits(ticket.masks)


def applications():
    return [name for name, value in vars(keras.applications).items() if inspect.isfunction(value)]


@contextlib.contextmanager
def without_values():
    """In the block, models have no weights in memory."""
    from keras_lottery.engines.sizes import Budget

    if KERAS3:
        from keras_lottery.engines.keras3.building import _symbolic as scope
    else:
        import tensorflow as tf

        from keras_lottery.engines.tf_keras.building import _creator

        def scope():
            return tf.variable_creator_scope(_creator(Budget(float("inf")), True))

    with scope():
        yield


@pytest.mark.quick("MobileNetV3Small")
@pytest.mark.parametrize(
    "name", some(applications(), ("MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny"))
)
def test_applications(name):
    with without_values():
        told = json.loads(getattr(keras.applications, name)(weights=None).to_json())
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        trusted(told, ENGINE.NAMES)
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.5


def test_shapes_are_told_without_making_the_weights():
    """2 TB of them; nor do they appear when another model is built next."""
    numbers = L.Input((3,), dtype="int32")
    with without_values():
        told = ENGINE.architecture(
            keras.Model(numbers, L.Dense(2, name="head")(L.Embedding(2**30, 512, name="large")(numbers)))
        )
    assert ENGINE.shapes(told)["large/embeddings"] == ((2**30, 512), "float32")
    assert keras.Sequential([L.Input((2,)), L.Dense(1)])(np.ones((1, 2))).shape == (1, 1)


def test_batches_of_one_size():
    given = L.Input(batch_shape=(64, 64, 64, 3))
    loads(keras.Model(given, L.Dense(2)(L.GlobalAveragePooling2D()(L.Conv2D(128, 1)(given) * 2.0))))


def test_vocabularies_in_the_file(tmp_path):
    words = L.StringLookup(vocabulary=["a", "b", "c"], name="words")
    numbers = L.IntegerLookup(vocabulary=[3, 5], name="numbers")
    text, whole = L.Input((1,), dtype="string", name="t"), L.Input((1,), dtype="int64", name="n")
    x = L.Flatten()(L.Embedding(9, 4)(words(text)))
    model = keras.Model(
        [text, whole], L.Dense(2)(L.Concatenate()([x, L.Flatten()(L.Embedding(9, 3)(numbers(whole)))]))
    )
    loads(model, tmp_path)


def test_adapted_vocabularies(tmp_path):
    words = L.TextVectorization(max_tokens=8, output_sequence_length=4)
    words.adapt(["a b", "b c"])
    text = L.Input((1,), dtype="string")
    model = keras.Model(text, L.Dense(2)(L.Flatten()(L.Embedding(8, 3)(words(text)))))
    model.save(tmp_path / "net.keras")
    loaded = saved.load(tmp_path / "net.keras", ENGINE)
    assert [layer for layer in loaded.layers if hasattr(layer, "get_vocabulary")][
        0
    ].get_vocabulary() == words.get_vocabulary()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy, tmp_path):
    set_policy(policy)
    given = L.Input((4, 4, 1))
    loads(keras.Model(given, L.Dense(3, dtype="float32")(L.Flatten()(L.Conv2D(4, 3)(given)))), tmp_path)


@skip_unless("keras", reason="tf_keras has no such policies")
def test_quantized_and_mapped_policies(tmp_path):
    model = keras.Sequential([L.Input((8,)), L.Dense(8, name="a"), L.Dense(3, name="b")])
    model.quantize("int8")
    told = json.loads(model.to_json())
    assert "Quantized" in json.dumps(told)
    trusted(told, ENGINE.NAMES)
    policies = keras.dtype_policies.DTypePolicyMap()
    policies["net/a"] = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    trusted(
        json.loads(
            keras.Sequential([L.Input((8,)), L.Dense(8, name="a", dtype=policies)], name="net").to_json()
        ),
        ENGINE.NAMES,
    )


def test_operators(tmp_path):
    given = L.Input((4, 6))
    x = (1 - given * 2.0 + given) / 3.0
    x = L.Dense(6)(x[:, 1:]) @ np.ones((6, 5), "float32")
    if KERAS3:
        x = keras.ops.concatenate([keras.ops.relu(x), keras.ops.mean(x, axis=-1, keepdims=True)], axis=-1)
    else:
        import tensorflow as tf

        x = tf.concat([tf.nn.relu(tf.cast(x, tf.float32)), tf.reduce_mean(x, -1, keepdims=True)], -1)
    loads(keras.Model(given, L.Dense(2)(L.Flatten()(x))), tmp_path)


@register
class Twice(L.Layer):
    """Holds another layer, and a function of its own."""

    def __init__(self, layer, function=None, **settings):
        super().__init__(**settings)
        self.layer, self.function = layer, keras.activations.get(function)

    def build(self, shape):
        if not self.layer.built:
            self.layer.build(shape)
        super().build(shape)

    def call(self, x):
        return self.function(self.layer(x)) * 2

    def compute_output_shape(self, shape):
        return self.layer.compute_output_shape(shape)

    def get_config(self):
        tell = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "layer": tell(self.layer),
            "function": keras.activations.serialize(self.function),
        }

    @classmethod
    def from_config(cls, config):
        return cls(L.deserialize(config.pop("layer")), **config)


@register
def scaled(x):
    return x * 0.5


def test_registered_layers_inside_others(tmp_path):
    given = L.Input((3, 4))
    inner = keras.Sequential(
        [L.Input((4,)), Twice(L.Dense(5, activation=scaled), scaled), L.Dense(4, activation=scaled)]
    )
    x = Twice(L.Dense(4), "relu")(given)
    loads(keras.Model(given, L.Dense(2)(L.Flatten()(L.TimeDistributed(inner)(x)))), tmp_path)


def test_a_wrapped_model(tmp_path):
    wrapped = lottery.wrap(
        keras.Sequential([L.Input((8,)), L.Dense(8, name="a"), L.Dense(3, name="b")]),
        schedule=lottery.LotterySchedule(rounds=2, rate=0.5, round_steps=10),
    )
    wrapped.save(tmp_path / "net.keras")
    loaded = saved.load(tmp_path / "net.keras", ENGINE)
    assert wrapping.is_wrapped(loaded) and bits(state_of(loaded)) == bits(state_of(wrapped))
