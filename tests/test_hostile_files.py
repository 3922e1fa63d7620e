"""Files that anyone can make: opening one runs no code, writes nothing and takes no more than it declares."""

import itertools
import json
import time

import hostile
import pytest
from hostile import CONTAINERS, KINDS, PLACES, open_file, put, thing, write
from small import ROOT, files, python
from world import keras, skip_unless

import keras_lottery as lottery
from keras_lottery import pruning

L = keras.layers
ENGINE = pruning.engine_of(hostile.KIND)


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


def test_no_file_takes_more_than_it_declares(tmp_path):
    """Gigabytes, hangs and endless graphs: one line each, at once, in no more memory than TensorFlow's own."""
    done = python(ROOT / "tests/hostile_sizes.py", tmp_path / "files")
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["said"] == [] and told["cases"] > 60
