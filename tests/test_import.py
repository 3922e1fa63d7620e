"""Importing the package: silent, light, in any order, and a name is always the same thing.

Each case runs in its own process, because a process imports TensorFlow only once.
"""
import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BOTH = ("masks", "transfer", "compact", "export")     # names of a function and of a sub-module


def fresh(code, **env):
    """Run code in a new interpreter with this checkout on its path."""
    clean = {k: v for k, v in os.environ.items() if k not in ("TF_USE_LEGACY_KERAS", "KERAS_BACKEND")}
    clean.update(PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="2", **env)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_import_is_silent_and_light():
    done = fresh(
        "import os, sys, keras_lottery\n"
        "assert 'TF_USE_LEGACY_KERAS' not in os.environ\n"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'numpy', 'tensorflow_model_optimization'} & set(sys.modules)\n"
        "assert not heavy, heavy\n")
    assert done.stdout == done.stderr == ""


def test_no_legacy_keras_switch_after_every_public_name():
    """Names may import TensorFlow and TF-MOT; tf.keras must stay what the user had."""
    fresh(
        "import os, keras_lottery as lottery\n"
        "for name in lottery.__all__: getattr(lottery, name)\n"
        "import keras, tensorflow as tf\n"
        "assert tf.keras.Model is keras.Model, tf.keras.Model\n"
        "assert 'TF_USE_LEGACY_KERAS' not in os.environ\n")


def test_public_names():
    fresh(
        "import keras_lottery as lottery, types\n"
        "assert set(lottery.__all__) <= set(dir(lottery))\n"
        "for name in lottery.__all__:\n"
        "    value = getattr(lottery, name)\n"
        "    assert isinstance(value, types.ModuleType) == (name in lottery._MODULES), name\n"
        "    assert value is getattr(lottery, name)\n"
        "try: lottery.no_such_name\n"
        "except AttributeError as e: assert 'no_such_name' in str(e)\n"
        "else: raise SystemExit('no AttributeError')\n")


USE = """
import keras_lottery as lottery
lottery.wrap, lottery.find_ticket
import numpy as np, keras, tf_keras, tensorflow as tf
x = np.ones((4, 3), "float32")
for k in (keras, tf_keras):
    m = k.Sequential([k.layers.Input((3,)), k.layers.Dense(2)])
    m.compile("sgd", "mse")
    m.fit(x, x[:, :2], verbose=0)
assert issubclass(keras.Sequential, keras.Model) and not issubclass(tf_keras.Sequential, keras.Model)
m = tf_keras.Sequential([tf_keras.layers.Input((3,)), tf_keras.layers.Dense(5), tf_keras.layers.Dense(2)])
w = lottery.wrap(m)
w.compile("sgd", "mse")
w.fit(x, x[:, :2], verbose=0)
assert lottery.sparsity(lottery.strip(w)) == 0
tf.keras.layers.Dense(1)(x)
"""


@pytest.mark.parametrize("first", [
    "import keras_lottery; keras_lottery.wrap; import keras, tf_keras, tensorflow",
    *(pytest.param(first, marks=pytest.mark.stress) for first in (
        "import tensorflow as tf; tf.keras.layers; import keras_lottery", "import tf_keras, keras_lottery", "import keras, keras_lottery", "import tensorflow_model_optimization, keras, keras_lottery")),
])
def test_orders(first):
    fresh(first + "\n" + USE)


@pytest.mark.parametrize("first", [
    "",
    "import keras_lottery.export as _; from keras_lottery.masks import __name__; import keras_lottery.transfer",
    *(pytest.param(first, marks=pytest.mark.stress) for first in (
        "import keras_lottery.masks, keras_lottery.transfer, keras_lottery.export",
        "from keras_lottery import export, masks, transfer", "import keras_lottery; keras_lottery.controls; keras_lottery.find_ticket")),
])
def test_functions_win_over_modules(first):
    fresh(first + f"""
import importlib, sys, types
import keras_lottery as lottery
for again in range(2):
    for name in {BOTH}:
        function = getattr(lottery, name)
        assert isinstance(function, types.FunctionType), (name, function)
        module = importlib.import_module("keras_lottery." + name)
        assert isinstance(module, types.ModuleType) and sys.modules["keras_lottery." + name] is module
        assert getattr(lottery, name) is function
        scope = {{}}
        exec(f"from keras_lottery import {{name}}", scope)
        assert scope[name] is function
""")


def test_package_never_asks_for_a_module_that_is_a_function():
    """`from . import masks` gives the function or the module, whichever comes first."""
    for path in (ROOT / "keras_lottery").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in (None, "keras_lottery"):
                bad = {a.name for a in node.names} & set(BOTH)
                assert not bad, f"{path.name}:{node.lineno}: import from the sub-module {bad} instead"
