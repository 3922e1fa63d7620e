"""Keras 3 on JAX where TensorFlow is not installed; and what is imported where it is."""

import importlib.metadata
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from small import ROOT
from world import runs_on

pytestmark = pytest.mark.keras3

NEEDED = """
    absl-py h5py jax jaxlib jinja2 keras markdown-it-py markupsafe mdurl ml_dtypes namex numpy opt_einsum
    optree packaging psutil pygments rich safetensors scipy typing_extensions
""".split()

USE = """
import json, sys, warnings
import keras, numpy as np
import keras_lottery as lottery

keras.utils.set_random_seed(0)
L = keras.layers
rng = np.random.default_rng(0)
x, y = rng.normal(size=(96, 8, 8, 1)).astype("float32"), np.arange(96) % 3

def net():
    return keras.Sequential([L.Input((8, 8, 1)), L.Conv2D(4, 3, name="conv"), \
L.BatchNormalization(name="bn"), L.ReLU(), L.Dropout(0.2),
                             L.GlobalAveragePooling2D(), L.Dense(64, "relu", name="dense"), L.Dense(3, \
name="head")])

def compiled(model):
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model

schedule = lottery.LotterySchedule(rounds=2, rate=0.5, round_steps=4)
callback = lottery.LotteryCallback()
model = compiled(lottery.wrap(net(), schedule=schedule))
model.fit(x, y, batch_size=32, epochs=4, callbacks=[callback], verbose=0)
assert abs(callback.ticket.sparsity - 0.75) < 0.01

ticket = lottery.find_ticket(compiled(net()), (x, y), (x, y), epochs=2, rounds=2, rate=0.5, rewind=2, \
run_dir="run", verbose=0)
again = lottery.find_ticket(compiled(net()), (x, y), (x, y), epochs=2, rounds=2, rate=0.5, rewind=2, \
run_dir="run", verbose=0)
assert again.rounds == ticket.rounds and len(ticket.rounds) == 3
ticket.save("ticket")
loaded = lottery.load_ticket("ticket")
assert loaded.info["jax"] and all(np.array_equal(loaded.masks[path], mask) for path, mask in \
ticket.masks.items())
assert loaded.model("trained").predict(x, verbose=0).shape == (96, 3)

student = compiled(lottery.transfer(loaded, num_classes=5, input_shape=(9, 7, 1)))
student.fit(np.zeros((32, 9, 7, 1)), np.arange(32) % 5, verbose=0)
assert lottery.sparsity(student) == loaded.sparsity == lottery.sparsity(lottery.strip(student))
assert sum(row["pruned"] for row in lottery.summary(student)) == len(lottery.masks(student)) == 2
assert lottery.models.build("resnet8", (8, 8, 1), 3, keras="keras").count_params() > 70000
lottery.controls.random_mask(loaded, lottery.load_ticket("run/round_00"), 1).model()
"""

NONE_OF_IT = """
assert not {"tensorflow", "tf_keras", "tensorflow_model_optimization"} & {name.split(".")[0] for name in \
sys.modules}
"""

# Keras and JAX themselves ask for TensorFlow where it is there: to write a model's config, a cache. They do
# without.
WHO = """
import sys, traceback

asked = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "tf_keras", "tensorflow_model_optimization"):
            asking = [frame.filename for frame in traceback.extract_stack()[:-1] if "importlib" not in \
frame.filename]
            asked.append((name, asking[-1]))
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Watch())
"""
NOT_US = """
assert not [by for name, by in asked if name != "tensorflow" or "keras_lottery" in by], asked
"""

BOTH = """
import os
import keras_lottery as lottery
assert "TF_USE_LEGACY_KERAS" not in os.environ
import keras, tf_keras, numpy as np

x, y = np.ones((64, 4), "float32"), np.ones((64, 2), "float32")
for round in range(2):
    for of in (tf_keras, keras):
        net = of.Sequential([of.layers.Input((4,)), of.layers.Dense(8), of.layers.Dense(2)])
        model = lottery.wrap(net, schedule=lottery.LotterySchedule(rounds=2, rate=0.5, round_steps=4))
        model.compile("sgd", "mse")
        callback = lottery.LotteryCallback()
        model.fit(x, y, batch_size=16, epochs=3, callbacks=[callback], verbose=0)
        net.compile("adam", "mse")
        ticket = lottery.find_ticket(net, (x, y), epochs=1, rounds=2, rate=0.5, verbose=0)
        for each in (callback.ticket, ticket):
            assert each.sparsity == 0.75 and type(each.model()).__module__.split(".")[0] in (of.__name__, \
"keras_lottery")
            assert isinstance(each.model(), of.Model) and isinstance(lottery.transfer(each, \
num_classes=3), of.Model)
assert "TF_USE_LEGACY_KERAS" not in os.environ
import tensorflow as tf
assert tf.keras.Model is keras.Model
"""


def run(python, code, cwd, **env):
    clean = {
        name: value for name, value in os.environ.items() if name not in ("TF_USE_LEGACY_KERAS", "PYTHONHOME")
    }
    clean |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **env}
    done = subprocess.run(
        [python, "-c", code], cwd=cwd, env=clean, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python that finds what Keras 3 on JAX needs, as it is installed here, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    for name in NEEDED:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            (packages / top).symlink_to(Path(distribution.locate_file(top)).resolve())
    return folder / "bin" / "python"


@pytest.mark.skipif(not runs_on("jax"), reason="the world of jax does it")
def test_without_tensorflow(bare, tmp_path):
    gone = "import importlib.util, sys\n" + "".join(
        f"assert importlib.util.find_spec({name!r}) is None\n" for name in ("tensorflow", "tf_keras", "torch")
    )
    run(bare, gone + USE + NONE_OF_IT, tmp_path, KERAS_BACKEND="jax")


@pytest.mark.skipif(not runs_on("jax"), reason="the world of jax does it")
@pytest.mark.matrix
def test_tensorflow_is_left_alone_where_it_is(tmp_path):
    run(sys.executable, WHO + USE + NOT_US, tmp_path, KERAS_BACKEND="jax")


@pytest.mark.matrix
@pytest.mark.parametrize("backend", [pytest.param("tensorflow", marks=pytest.mark.stress), "jax"])
@pytest.mark.skipif(not runs_on("tf_keras"), reason="the world of tf_keras does it")
def test_both_keras_side_by_side(backend, tmp_path):
    run(sys.executable, BOTH, tmp_path, KERAS_BACKEND=backend)
