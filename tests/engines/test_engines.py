"""Both engines keep the Protocols of `engines.protocol`, and nobody asks an engine for anything else."""

import ast
import inspect

import house
import pytest
from world import KIND, keras

from keras_lottery import engines
from keras_lottery.core.errors import LotteryError
from keras_lottery.engines.protocol import Engine, Handle

pytestmark = pytest.mark.engine

OWN = {"model", "engine", "on"}  # what a handle has of itself
NAMES = ("engine", "handle")  # what engines and handles are called where they are used


def asked(protocol):
    """{name: function or None} that a Protocol itself asks for."""
    names = {**dict.fromkeys(protocol.__annotations__), **vars(protocol)}
    return {name: value for name, value in names.items() if not name.startswith("_")}


def parameters(function):
    return [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()]


FUNCTIONS = {
    name: function for of in (Engine, Handle) for name, function in asked(of).items() if name not in OWN
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_engine_has_what_the_protocol_asks_for(name):
    engine, function = engines.engine_of(KIND), FUNCTIONS[name]
    assert hasattr(engine, name)
    if function is not None:
        wanted, given = parameters(function)[1:], parameters(getattr(engine, name))  # without self
        if name in asked(Handle):
            assert given.pop(0)[0] == "model"
        assert given == wanted


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if function is not None])
def test_the_protocol_says_in_a_line_what_a_function_does(name):
    assert FUNCTIONS[name].__doc__.strip()


def test_a_handle_puts_its_model_into_the_functions_of_its_engine():
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
    handle = engines.of(net)
    assert handle.model is net and handle.engine is engines.engine_of(KIND) and handle.keras is keras
    assert list(handle.variables()) == ["head/kernel", "head/bias"] and handle.masks() == {}
    wrapped = handle.on(handle.wrap_paths(["head/kernel"]))
    assert list(wrapped.masks()) == ["head/kernel"]


def test_a_handle_has_nothing_that_no_protocol_names():
    handle = engines.of(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    assert hasattr(handle.engine, "walk")
    with pytest.raises(AttributeError, match="engines.protocol names no 'walk'"):
        handle.walk


def test_what_is_no_model_has_no_handle():
    with pytest.raises(LotteryError, match="expected a Keras model, got int"):
        engines.of(3)


def is_look_up(node):
    return isinstance(node, ast.Call) and ast.unparse(node.func) in (
        "engines.of",
        "engines.engine_of",
        "of",
        "engine_of",
    )


def test_outside_the_engines_an_engine_is_asked_for_what_the_protocols_name():
    known, strangers = {*FUNCTIONS, *OWN}, []
    for module, path in house.modules().items():
        if module.startswith("engines"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr not in known:
                owner = ast.unparse(node.value)
                if is_look_up(node.value) or owner.split(".")[-1] in NAMES:
                    strangers.append(f"{module}:{node.lineno} {owner}.{node.attr}")
    assert strangers == []


def test_what_a_look_up_gives_is_called_engine_or_handle():
    """So that the test above sees what it is asked for."""
    others = []
    for module, path in house.modules().items():
        if module.startswith("engines"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign):
                names, values = (getattr(side, "elts", [side]) for side in (node.targets[0], node.value))
                found = [ast.unparse(name) for name, value in zip(names, values) if is_look_up(value)]
                others += [f"{module}: {name}" for name in found if name.split(".")[-1] not in NAMES]
    assert others == []
