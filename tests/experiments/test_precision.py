"""The precision that commands choose, and that runs keep."""

import json

import pytest
from small import command
from world import KIND, keras

from apps import find_ticket, study
from keras_lottery.core import files
from keras_lottery.experiments import precision
from keras_lottery.experiments.precision import set_precision
from keras_lottery.training import run_folder

pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="other backends train in float32")
QUICK = ["--epochs=1", "--optimizer=adam", "--learning_rate=0.01"]
FASTER = {"float32": 2.0, "bfloat16": 1.0}
SLOWER = {"float32": 1.0, "bfloat16": 2.0}


@pytest.fixture(autouse=True)
def has_bfloat16(monkeypatch, tmp_path):
    """A processor with instructions for bfloat16, and a cache folder of its own."""
    monkeypatch.setattr(precision, "processor", lambda: ["model name: one", "flags: avx512_bf16"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def remembered():
    """The file of the trial."""
    (file,) = files.cache_folder("precision").iterdir()
    return file


def test_a_trial_decides_once():
    chosen = set_precision()
    taken = json.loads(remembered().read_text())
    assert min(taken.values()) > 0
    assert chosen == ("mixed_bfloat16" if taken["bfloat16"] < 0.9 * taken["float32"] else "float32")
    assert keras.mixed_precision.global_policy().name == chosen
    for wanted, taken in (("mixed_bfloat16", FASTER), ("float32", SLOWER)):
        remembered().write_text(json.dumps(taken))
        assert set_precision() == wanted, "it is not measured again"


def test_a_gain_within_the_noise_is_none():
    set_precision()
    remembered().write_text(json.dumps({"float32": 1.0, "bfloat16": 0.95}))
    assert set_precision() == "float32"


@pytest.mark.parametrize("content", ["", "[]", "null", '{"float32": 1.0}', '{"float32": "x"}'])
def test_a_damaged_file_is_written_anew(content):
    set_precision()
    remembered().write_text(content)
    set_precision()
    assert set(json.loads(remembered().read_text())) == {"float32", "bfloat16"}


def test_it_needs_no_cache_folder(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert set_precision() in ("float32", "mixed_bfloat16")


def test_another_processor_has_a_trial_of_its_own(monkeypatch):
    set_precision()
    remembered().write_text(json.dumps(FASTER))
    monkeypatch.setattr(precision, "processor", lambda: ["model name: two", "flags: avx512_bf16"])
    set_precision()
    assert len(list(files.cache_folder("precision").iterdir())) == 2


def test_a_processor_without_bfloat16_has_no_trial(monkeypatch):
    monkeypatch.setattr(precision, "processor", lambda: ["model name: one", "flags: avx2"])
    assert set_precision() == "float32"
    assert not files.cache_folder("precision").exists()


@pytest.mark.parametrize("config", [None, [], {}, {"precision": 3, "compiled": "x"}, {"compiled": {}}])
def test_a_folder_that_does_not_say_its_precision_leaves_it_open(config):
    assert run_folder.precision(config) == "auto"


def test_a_search_goes_on_in_its_precision(tmp_path):
    """As in a folder that came from another machine."""
    run = [
        "--dataset=digits",
        "--model=lenet",
        "--rounds=1",
        f"--run_dir={tmp_path / 'run'}",
        "--noverbose",
        *QUICK,
    ]
    assert command(find_ticket, *run, "--precision=mixed_bfloat16")[0] == 0
    set_precision()
    remembered().write_text(json.dumps(SLOWER))
    code, _, err = command(find_ticket, *run)
    assert code == 0, err
    assert json.loads((tmp_path / "run" / "result.json").read_text())["precision"] == "mixed_bfloat16"
    code, _, err = command(find_ticket, *run, "--precision=float32")
    assert code == 2 and "precision" in err
    assert command(find_ticket, *run, "--overwrite")[0] == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["precision"] == "float32"


@pytest.mark.matrix
def test_a_study_goes_on_in_its_precision(tmp_path):
    given = ["--source=digits", "--model=lenet", "--sparsities=0.5", "--seeds=1", "--controls="]
    given += ["--targets=digits", "--source_classes=0,1,2,3,4", "--target_classes=5,6,7,8,9"]
    given += ["--target_epochs=1", f"--run_dir={tmp_path / 'study'}", *QUICK]
    code, _, err = command(study, *given, "--precision=mixed_bfloat16")
    assert code == 0, err
    runs = {path.name for path in (tmp_path / "study" / "runs").iterdir()}
    set_precision()
    remembered().write_text(json.dumps(SLOWER))
    code, _, err = command(study, *given)
    assert code == 0, err
    assert {path.name for path in (tmp_path / "study" / "runs").iterdir()} == runs
