"""Importing the package: silent, light, in any order, and a name is always the same thing.

Each case runs in its own process, because a process imports TensorFlow only once.
"""

import os
import subprocess
import sys
import types
from pathlib import Path

import jedi
import pytest

import keras_lottery as lottery

ROOT = Path(__file__).resolve().parents[2]


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
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'numpy', 'tensorflow_model_optimization'} & "
        "set(sys.modules)\nassert not heavy, heavy\n"
    )
    assert done.stdout == done.stderr == ""


@pytest.mark.matrix
def test_no_legacy_keras_switch_after_every_public_name():
    """Names may import TensorFlow and TF-MOT; tf.keras must stay what the user had."""
    fresh(
        "import os, keras_lottery as lottery\n"
        "for name in lottery.__all__: getattr(lottery, name)\n"
        "import keras, tensorflow as tf\n"
        "assert tf.keras.Model is keras.Model, tf.keras.Model\n"
        "assert 'TF_USE_LEGACY_KERAS' not in os.environ\n"
    )


@pytest.mark.matrix
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
        "else: raise SystemExit('no AttributeError')\n"
    )


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


@pytest.mark.parametrize(
    "first",
    [
        "import keras_lottery; keras_lottery.wrap; import keras, tf_keras, tensorflow",
        *(
            pytest.param(first, marks=pytest.mark.stress)
            for first in (
                "import tensorflow as tf; tf.keras.layers; import keras_lottery",
                "import tf_keras, keras_lottery",
                "import keras, keras_lottery",
                "import tensorflow_model_optimization, keras, keras_lottery",
            )
        ),
    ],
)
@pytest.mark.matrix
def test_orders(first):
    fresh(first + "\n" + USE)


def test_no_public_name_is_that_of_a_module_of_the_package():
    """So `lottery.transfer` is the function, whatever was imported before."""
    modules = {
        path.stem
        for path in (ROOT / "keras_lottery").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    same = {name for name in lottery.__all__ if name in modules}
    assert same == {"data", "models"} and all(
        isinstance(getattr(lottery, name), types.ModuleType) for name in same
    )


def test_an_editor_sees_the_public_names_and_where_they_are_defined():
    """Though each is imported only when it is used."""
    code = "import keras_lottery as lottery\nlottery."
    offered = {found.name for found in jedi.Script(code, project=jedi.Project(ROOT)).complete(2, 8)}
    assert offered >= set(lottery.__all__)
    for name in set(lottery.__all__) - {"__version__"}:
        script = jedi.Script(f"import keras_lottery as lottery\nlottery.{name}", project=jedi.Project(ROOT))
        [place] = script.goto(2, 10, follow_imports=True)
        value = getattr(lottery, name)
        home = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
        assert place.module_name == home, (name, place)


def test_the_package_shows_its_public_names_alone():
    assert dir(lottery) == sorted(lottery.__all__)
