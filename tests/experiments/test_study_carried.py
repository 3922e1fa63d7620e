"""docs/study/carry.py: a study goes on where its run folder was lost."""

import json
import sys
from pathlib import Path

import pytest
from small import command
from world import KIND

from apps import study

FOLDER = Path(__file__).parents[2] / "docs" / "study"
pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="a study's data are TensorFlow's")


@pytest.fixture
def carry(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import carry

    yield carry.main
    sys.modules.pop("carry", None)


def results(folder):
    """{run: bytes of its result}."""
    return {file.parent.name: file.read_bytes() for file in folder.glob("runs/*/result.json")}


@pytest.mark.matrix
def test_finished_seeds_are_not_run_again(carry, tmp_path):
    given = ["--source=digits", "--model=lenet", "--sparsities=0.5", "--controls=dense-scratch"]
    given += ["--targets=digits", "--source_classes=0,1,2,3,4", "--target_classes=5,6,7,8,9"]
    given += ["--target_epochs=1", "--epochs=1", "--precision=float32", "--optimizer=adam"]
    code, _, err = command(study, *given, "--seeds=1", f"--run_dir={tmp_path / 'first'}")
    assert code == 0, err
    carry(tmp_path / "first", tmp_path / "kept")
    assert not list((tmp_path / "kept").rglob("*.safetensors"))
    carry(tmp_path / "kept", tmp_path / "second")
    before = results(tmp_path / "first")
    assert results(tmp_path / "second") == before
    code, out, err = command(study, *given, "--seeds=2", f"--run_dir={tmp_path / 'second'}")
    assert code == 0, err
    after = results(tmp_path / "second")
    assert len(after) == 2 * len(before) and {name: after[name] for name in before} == before
    rows = [json.loads(line) for line in (tmp_path / "second" / "rows.jsonl").read_text().splitlines()]
    assert {row["seed"] for row in rows} == {0, 1}
    first = [json.loads(line) for line in (tmp_path / "first" / "rows.jsonl").read_text().splitlines()]
    assert [row for row in rows if row["seed"] == 0] == first


def test_what_is_there_stays(carry, tmp_path):
    for folder, said in (("a", "theirs"), ("b", "ours")):
        (tmp_path / folder / "runs" / "x").mkdir(parents=True)
        (tmp_path / folder / "study.json").write_text(said)
        (tmp_path / folder / "runs" / "x" / "result.json").write_text(said)
    carry(tmp_path / "a", tmp_path / "b")
    assert results(tmp_path / "b") == {"x": b"ours"}
