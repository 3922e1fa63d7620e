"""resize: models and layers inside a model take another input and another head as those of the outermost
model do."""

import warnings

import numpy as np
import pytest
from small import L, compiled, search, state_of
from world import EAGER, keras, register, skip_unless

import keras_lottery as lottery

pytestmark = pytest.mark.keras3


def functional(shape, *layers, name=None):
    inputs = x = L.Input(shape)
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name=name)


def sequential(shape, *layers, name=None):
    return keras.Sequential([L.Input(shape), *layers], name=name)


def conv(filters, name, **settings):
    return L.Conv2D(filters, 3, padding="same", name=name, **settings)


def images(shape, classes=3):
    return np.random.default_rng(0).normal(size=(12, *shape)).astype("float32"), np.arange(12) % classes


def ticket_of(model):
    data = images(model.input_shape[1:])
    model(data[0])  # Keras 3 builds a layer that is an activation by nothing else
    return search(compiled(model, run_eagerly=EAGER), data, epochs=1, rounds=1)


def check(ticket, input_shape=None, new=()):
    """A student with just the head and `new` not the ticket's, told of in warnings, that trains with its
    zeros held."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        student = lottery.transfer(ticket, num_classes=4, input_shape=input_shape)
    said = [str(one.message) for one in caught if "channels" in str(one.message)]
    assert len(said) == len(new) and all(
        f"{path} is new and dense" in text for path, text in zip(new, said)
    ), said
    values, masks = state_of(student), lottery.masks(student)
    carried = {path for path in values if not path.startswith((f"{ticket.heads[0]}/", *new))}
    assert values.keys() == ticket.weights.keys() and carried
    assert all(np.array_equal(values[path], ticket.weights[path]) for path in carried)
    assert masks.keys() == ticket.masks.keys() & carried and all(
        np.array_equal(masks[path], ticket.masks[path]) for path in masks
    )
    x, y = images(student.input_shape[1:], 4)
    compiled(student, run_eagerly=EAGER).fit(x, y, verbose=0)
    plain = lottery.strip(student)
    assert plain.predict(x, verbose=0).shape == (12, 4) and plain.input_shape[1:] == (
        input_shape or ticket.model().input_shape[1:]
    )
    values = state_of(plain)
    assert all(not values[path][~mask].any() for path, mask in masks.items())


def inner(kind, shape):
    return {"Sequential": sequential, "functional": functional}[kind](
        shape, conv(4, "c"), L.BatchNormalization(), L.ReLU(), name="inner"
    )


def nets(kind):
    """{name: (model, another input shape, what is new for it)}"""
    top = L.GlobalMaxPooling2D(), L.Dense(5, "relu", name="d"), L.Dense(3, name="h")
    flat = conv(4, "c"), L.Flatten(), L.Dense(5, name="e")
    made = {"Sequential": sequential, "functional": functional}[kind]
    return {
        "another size in the middle": lambda: (
            functional((8, 8, 3), L.Conv2D(4, 3, name="stem"), inner(kind, (6, 6, 4)), *top),
            (10, 9, 3),
            (),
        ),
        "the input's shape in the middle": lambda: (
            made((8, 8, 4), conv(4, "stem"), inner(kind, (8, 8, 4)), *top),
            (8, 8, 1),
            ("stem/kernel",),
        ),
        "both": lambda: (
            functional((8, 8, 4), conv(4, "stem"), inner(kind, (8, 8, 4)), *top),
            (9, 10, 1),
            ("stem/kernel",),
        ),
        "behind pooling": lambda: (
            made((8, 8, 3), L.MaxPooling2D(), inner(kind, (4, 4, 3)), *top),
            (12, 12, 1),
            ("inner/c/kernel",),
        ),
        "two deep": lambda: (
            functional((8, 8, 4), made((8, 8, 4), conv(4, "stem"), inner(kind, (8, 8, 4)), name="out"), *top),
            (9, 9, 1),
            ("out/stem/kernel",),
        ),
        "behind Resizing": lambda: (
            functional((9, 9, 3), L.Resizing(6, 6), made((6, 6, 3), *flat, name="inner"), top[-1]),
            (7, 7, 1),
            ("inner/c/kernel",),
        ),
    }


@pytest.mark.quick("both-Sequential")
@pytest.mark.parametrize("kind", ["Sequential", "functional"])
@pytest.mark.parametrize("name", nets("Sequential"))
def test_models_in_the_model(name, kind):
    model, shape, new = nets(kind)[name]()
    check(ticket_of(model), shape, new)


def test_a_merge_with_the_input_has_the_channels_of_what_it_is_merged_with():
    inputs = L.Input((8, 8, 4))
    merged = L.Multiply()([conv(4, "stem")(inputs), L.ReLU()(inputs)])
    x = L.GlobalAveragePooling2D()(inner("Sequential", (8, 8, 4))(merged))
    check(ticket_of(keras.Model(inputs, L.Dense(3, name="h")(x))), (8, 8, 1), ("stem/kernel",))


@pytest.mark.matrix
@pytest.mark.quick("before the head", "in a convolution")
@pytest.mark.parametrize("where", ["before the head", "in the head", "in a convolution"])
def test_a_layer_as_activation(where):
    """Only its own build_config builds it in Keras 3."""
    first = (
        conv(5, "a", activation=L.PReLU(shared_axes=[1, 2]))
        if where == "in a convolution"
        else L.Conv2D(5, 3, name="a")
    )
    middle = L.Dense(6, activation=L.PReLU() if where == "before the head" else "relu", name="b")
    head = L.Dense(3, activation=L.PReLU() if where == "in the head" else None, name="h")
    ticket = ticket_of(functional((8, 8, 1), first, L.GlobalAveragePooling2D(), middle, head))
    assert any(path.endswith("activation/alpha") for path in ticket.weights)
    check(ticket)
    check(ticket, (10, 9, 1))


HEADS = {
    "Conv1DTranspose": (8, 2),
    "Conv2DTranspose": (4, 4, 2),
    "Conv3DTranspose": (3, 3, 3, 2),
    "SeparableConv1D": (8, 2),
    "SeparableConv2D": (4, 4, 2),
}


@pytest.mark.matrix
@pytest.mark.quick("Conv2DTranspose", "SeparableConv1D")
@pytest.mark.parametrize("kind", HEADS)
def test_heads_with_filters(kind):
    shape = HEADS[kind]
    pool = getattr(L, f"GlobalAveragePooling{len(shape) - 1}D")()
    ticket = ticket_of(
        functional(
            shape, L.Dense(6, "relu", name="a"), getattr(L, kind)(3, 2, padding="same", name="h"), pool
        )
    )
    assert ticket.heads == ["h"]
    check(ticket)
    check(ticket, (*(side + 1 for side in shape[:-1]), 2))


@register
class Ending(L.Layer):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.o = L.Dense(3, name="o")

    def build(self, shape):
        self.o.build(shape)
        super().build(shape)

    def call(self, x):
        return self.o(x)


def one_line(ticket, said, **arguments):
    with pytest.raises(lottery.LotteryError, match=said) as error:
        lottery.transfer(ticket, num_classes=4, **arguments)
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)


@skip_unless("keras", reason="tf_keras takes the layer itself for the head")
def test_a_head_in_a_custom_layer_is_said_to_be_there():
    ticket = ticket_of(functional((8,), L.Dense(6, name="a"), Ending(name="hd")))
    one_line(ticket, "the output layer 'hd/o' lies inside 'hd', whose class makes it")


def test_a_head_without_units_is_said_to_be_one():
    ticket = ticket_of(
        functional((8, 8, 3), conv(4, "a"), L.DepthwiseConv2D(3, name="h"), L.GlobalAveragePooling2D())
    )
    one_line(ticket, "'h' is a DepthwiseConv2D: transfer can replace a Dense or convolution layer with units")


IMPOSSIBLE = {
    "of an inner model": lambda: [L.Flatten(), sequential((192,), L.Dense(5, name="e"), name="inner")],
    "weights for each pixel": lambda: [conv(4, "c", activation=L.PReLU()), L.GlobalAveragePooling2D()],
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
@skip_unless("keras", reason="tf_keras checks less when it builds")
def test_what_keras_says_of_an_impossible_shape_is_told(name):
    """And not only where it was called."""
    ticket = ticket_of(functional((8, 8, 3), *IMPOSSIBLE[name](), L.Dense(3, name="h")))
    one_line(ticket, "cannot be built: (?!Exception encountered)", input_shape=(6, 6, 3))
