"""A Lambda layer's code is told the same at any moment, or the same net would be another one."""

import base64
import marshal

from small import ENGINE, L
from world import keras

from keras_lottery.engines import bytecode


def lambda_net():
    return keras.Sequential([L.Input((4,)), L.Lambda(lambda x: x * 0.5 + 0.25, name="half"), L.Dense(2)])


def test_code_is_the_same_though_marshal_marks_it_otherwise():
    code = (lambda x: x * 0.5 + 0.25).__code__
    texts = {base64.b64encode(marshal.dumps(code, version)).decode() for version in (2, 3, 4)}
    assert len(texts) > 1 and len({bytecode.canonical(text) for text in texts}) == 1
    assert marshal.loads(base64.b64decode(bytecode.canonical(texts.pop()))) == code


def test_a_nets_architecture_says_the_same_however_its_code_was_marshalled(monkeypatch):
    model, dumps = lambda_net(), marshal.dumps
    first = ENGINE.architecture(model)
    monkeypatch.setattr(marshal, "dumps", lambda value, version=None: dumps(value, version or 2))
    assert ENGINE.architecture(model) == first


def test_what_another_layer_calls_a_function_is_left_alone():
    for config in (
        {"class_name": "Own", "config": {"function_type": "lambda", "function": ["relu"]}},
        {"class_name": "Own", "config": {"function": {"class_name": "__lambda__", "config": {"code": "no"}}}},
    ):
        assert bytecode.with_canonical_code(config) == config
