"""Files that anyone can make: opening one runs no code, writes nothing and takes no more than it declares."""

import itertools
import json
import time

import hostile
import pytest
from hostile import CONTAINERS, KINDS, PLACES, open_file, put, thing, write
from small import ROOT, files, python
from world import KERAS3, keras, skip_unless

import keras_lottery as lottery
from keras_lottery import engines
from keras_lottery.architecture import trust
from keras_lottery.core.pixels import Pixels
from keras_lottery.experiments import optimizers

pytestmark = pytest.mark.keras3

L = keras.layers
ENGINE = engines.engine_of(hostile.KIND)


@pytest.mark.quick(
    "ticket-bytecode",
    "ticket-function",
    "ticket-path",
    ".keras-passive",
    ".keras-bytecode",
    ".keras-operation",
    ".keras-typespec",
    ".keras-lambda",
    ".keras-function",
    ".h5-lambda",
    ".h5-function",
    ".h5-path",
)
@pytest.mark.parametrize("container, kind", [*itertools.product(CONTAINERS, KINDS)])
def test_no_file_runs_code(tmp_path, monkeypatch, container, kind):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for place in PLACES:
        folder = tmp_path / f"{place}-file"
        folder.mkdir()
        marker = tmp_path / "here" / "ran"
        path = write(container, folder, lambda config: put(config, place, thing(kind, marker), marker))
        marker.unlink(missing_ok=True)
        before, begin = files(tmp_path), time.monotonic()
        with pytest.raises(lottery.LotteryError) as error:
            open_file(path)
        assert time.monotonic() - begin < 10 and files(tmp_path) == before, (place, error.value)
        assert "\n" not in str(error.value) and len(str(error.value)) < 600, (place, error.value)
        if container == "ticket":
            for other in ("tf_keras", "keras"):
                with pytest.raises(lottery.LotteryError):
                    lottery.load_ticket(path).model(keras=other)
        assert files(tmp_path) == before
        assert (
            "cannot be built: it holds" in str(error.value)
            or "it names" in str(error.value)
            or "it holds" in str(error.value)
        ), error.value


@skip_unless("tf_keras", reason="Keras 3 refuses these itself")
@pytest.mark.parametrize(
    "kind, place",
    [("function", "layer"), ("operation", "layer"), ("passive", "activation"), ("passive", "constraint")],
)
def test_these_files_would_run_code(tmp_path, kind, place):
    """What the package refuses is no straw man: Keras alone runs it, whatever it raises afterwards."""
    config = ENGINE.architecture(hostile.model())
    marker = tmp_path / "ran"
    what = thing(kind, marker)
    marker.unlink(missing_ok=True)
    put(config, place, what, marker)
    with pytest.raises(Exception):
        net = keras.models.model_from_json(json.dumps(config))
        net.compile("sgd", "mse")
        net.fit([[0.0] * 8], [[0.0] * 3], verbose=0)
        raise ValueError("no error")
    assert marker.exists()


CONSTANT = {"args": [1.0], "kwargs": {}} if KERAS3 else ["_CONSTANT_VALUE", -1, [900, 900], {}]
LIKE_TENSOR = {"class_name": "__keras_tensor__", "config": {"keras_history": ["given", 0, 0]}}


def called(config, calls):
    """Adds an operation that fills a tensor, with these calls."""
    if KERAS3:
        config["config"]["layers"].append(
            {
                "module": "keras.src.ops.numpy",
                "class_name": "Full",
                "registered_name": "Full",
                "config": {"name": "made", "shape": [900, 900]},
            }
        )
    else:
        config["config"]["layers"].append(
            {
                "module": "tf_keras.src.layers.core.tf_op_layer",
                "class_name": "TFOpLambda",
                "registered_name": "TFOpLambda",
                "config": {"name": "made", "trainable": True, "dtype": "float32", "function": "zeros"},
            }
        )
    config["config"]["layers"][-1].update(name="made", inbound_nodes=calls)
    return config["config"]


def beside(what):
    """A call on a constant with `what` where Keras does not read it as a tensor."""
    if KERAS3:
        return [{"args": [1.0, what], "kwargs": {}}]
    return [["_CONSTANT_VALUE", -1, {"class_name": "__tuple__", "items": [900, 900], "more": what}, {}]]


def as_a_tuple(config):
    graph = called(config, [CONSTANT])
    graph["layers"] = {"class_name": "__tuple__", "items": graph["layers"]}


HIDDEN = {  # calls that Keras computes at once
    "plainly": lambda config: called(config, [CONSTANT]),
    "no inputs": lambda config: called(config, [CONSTANT]).pop("input_layers"),
    "no outputs": lambda config: called(config, [CONSTANT]).pop("output_layers"),
    "a tuple of layers": as_a_tuple,
    "a tuple of calls": lambda config: called(config, {"class_name": "__tuple__", "items": [CONSTANT]}),
    "beside it": lambda config: called(
        config, [{**CONSTANT, "more": LIKE_TENSOR}] if KERAS3 else beside(["given", 0, "x"])
    ),
    "like a tensor of the other": lambda config: called(config, beside(["given", 0, 0])),
    "in a marker": lambda config: called(
        config, beside({"class_name": "__ellipsis__", "config": LIKE_TENSOR})
    ),
}


@pytest.mark.parametrize("how", HIDDEN)
def test_no_operation_is_called_on_constants(tmp_path, how):
    path = write("ticket", tmp_path, lambda config: HIDDEN[how](config) and None)
    with pytest.raises(lottery.LotteryError, match="constants alone|outside a model's graph|as the calls of"):
        open_file(path)


@pytest.mark.parametrize("key", ["vocabulary", "idf_weights"])
def test_no_file_opens_another(key, tmp_path):
    names = engines.engine_of("keras" if KERAS3 else "tf_keras").NAMES
    layer = {"class_name": "TextVectorization", "config": {"name": "words", key: str(tmp_path / "secret")}}
    with pytest.raises(lottery.LotteryError, match=f"the file .* as {key}; save the model with its"):
        trust.trusted(layer, names)


@pytest.mark.matrix
def test_no_file_takes_more_than_it_declares(tmp_path):
    """Gigabytes, hangs and endless graphs: one line each, at once, in no more memory than TensorFlow's
    own."""
    done = python(ROOT / "tests/support/hostile_sizes.py", tmp_path / "files")
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["said"] == [] and told["cases"] > 60


def test_notes_of_a_ticket_that_commands_cannot_use():
    pytest.importorskip("ai_edge_litert")
    from keras_lottery.tflite import labels

    for mean in (10**400, [[10**400]], {"a": 1}):
        with pytest.raises(lottery.LotteryError, match="normalization is"):
            Pixels.of((mean, 1.0), 1)
    for name in ("a\ud800", "\x1b[2J", "\x00", "a\nb"):
        with pytest.raises(lottery.LotteryError, match="each a line of text"):
            labels.checked([name, "b"])


def test_a_model_for_batches_of_a_billion_is_not_tried():
    given = L.Input((8,), batch_size=10**9)
    net = keras.Model(given, L.Dense(3)(given))
    assert optimizers.classifier_loss(net).get_config()["from_logits"]
