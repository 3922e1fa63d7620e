"""What docs/out.md shows runs, and each way out of the package keeps the zeros."""

import collections
import re
from pathlib import Path

import numpy as np
import pytest
from world import skip_unless

import keras_lottery as lottery

pytestmark = skip_unless("tf_keras", reason="the lines name the Keras that they need, and TensorFlow")

TEXT = (Path(__file__).parents[2] / "docs" / "out.md").read_text()
FIRST = "A ticket outside of this package"
CODE = {  # heading: the lines below it
    part.partition("\n")[0]: re.findall(r"```python\n(.*?)```", part, re.S)
    for part in re.split("^#+ ", TEXT, flags=re.M)
}
LENET, RESNET = "lenet-fashion_mnist-95", "resnet8x2-fashion_mnist-90"


@pytest.fixture(params=[LENET, RESNET], ids=["lenet", "resnet"])
def ran(request, tmp_path, monkeypatch):
    """A function that runs the code below a heading; the names that it leaves."""
    monkeypatch.chdir(tmp_path)

    def run(heading, blocks=None):
        names = {}
        for code in [*CODE[FIRST], *CODE[heading][:blocks]]:
            exec(code.replace(LENET, request.param), names)
        return names

    return run


def outputs(names):
    return lottery.strip(names["ticket"].model("trained")).predict(names["images"], verbose=0)


def assert_zeros(arrays, ticket, exactly=True):
    """Each masked weight is among the arrays, with as many zeros, or with at least as many."""
    found = collections.defaultdict(list)
    for array in arrays:
        found[np.size(array)].append(int((np.asarray(array) == 0).sum()))
    for mask in sorted(ticket.masks.values(), key=lambda mask: -int((~mask).sum())):
        zeros, there = int((~mask).sum()), found[mask.size]
        fitting = [count for count in there if (count == zeros if exactly else count >= zeros)]
        assert fitting, (mask.shape, zeros, there)
        there.remove(fitting[0])


def read(path):
    """The constant tensors of a .tflite file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    for detail in interpreter.get_tensor_details():
        try:
            yield interpreter.get_tensor(detail["index"])
        except ValueError:  # of an inner step, which has no value yet
            pass


def test_every_part_of_the_page_is_run_here():
    source = Path(__file__).read_text()
    assert all(f'ran("{heading}"' in source for heading in CODE if CODE[heading] and heading != FIRST)


@pytest.mark.quick("lenet")
def test_numpy(ran):
    names = ran("NumPy and PyTorch", blocks=1)
    assert_zeros(names["arrays"].values(), names["ticket"])
    with np.load("ticket.npz") as there:
        assert all(np.array_equal(there[path], array) for path, array in names["arrays"].items())
    assert {path: mask.sum() for path, mask in names["masks"].items()} == {
        path: mask.sum() for path, mask in names["ticket"].masks.items()
    }


def test_pytorch(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in [*CODE[FIRST], *CODE["NumPy and PyTorch"]]:
        exec(code, names)
    assert np.allclose(names["logits"].numpy(), outputs(names), atol=1e-4)


@pytest.mark.quick("lenet")
def test_saved_model(ran):
    names = ran("SavedModel")
    assert np.allclose(names["logits"], outputs(names), atol=1e-4)
    assert_zeros([variable.numpy() for variable in names["served"].variables], names["ticket"])


@pytest.mark.matrix
@pytest.mark.quick("lenet")
def test_onnx(ran):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("tf2onnx")
    names = ran("ONNX")
    assert np.allclose(names["logits"], outputs(names), atol=1e-4)
    constants = onnx.load("net.onnx").graph.initializer
    assert_zeros(map(onnx.numpy_helper.to_array, constants), names["ticket"])


@pytest.mark.matrix
def test_litert(ran):
    """What is in the file, tests/tflite tests."""
    names = ran("LiteRT")
    assert 0 < Path("net.tflite").stat().st_size < 4 * sum(map(np.size, names["ticket"].masks.values())) / 10


@pytest.mark.matrix
@pytest.mark.quick("lenet")
def test_pqat(ran):
    before = lottery.load_ticket(LENET)
    names = ran("Quantization-aware training that preserves the zeros")
    trained = [weight.numpy() for weight in names["net"].trainable_weights]
    assert_zeros(trained, names["ticket"])
    kernels = {path: before.trained[path] for path in before.masks}
    assert not any(np.array_equal(kernel, weight) for kernel in kernels.values() for weight in trained)
    assert_zeros(read("int8.tflite"), names["ticket"], exactly=False)


@pytest.mark.quick("lenet")
def test_int8_of_keras(ran):
    import keras

    names = ran("int8 in Keras 3")
    kinds = {variable.path: variable.dtype for variable in names["net"].variables}
    assert "int8" in kinds.values()
    assert_zeros(
        [keras.ops.convert_to_numpy(v) for v in names["net"].variables], names["ticket"], exactly=False
    )
    whole = outputs(names)
    assert np.abs(names["logits"] - whole).max() < 0.1 * np.abs(whole).max()
    again = keras.saving.load_model("int8.keras")
    assert np.array_equal(again.predict(names["images"], verbose=0), names["logits"])
