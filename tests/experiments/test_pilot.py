"""docs/study/pilot.py: each of its measurements is made once, and chosen from."""

import json
import sys
import time

import pytest
import scripts
from small import python, start
from world import KIND

pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="a study's data are TensorFlow's")


@pytest.fixture
def file(tmp_path):
    """A copy of the script, which measures two rewind points alone."""
    file = scripts.copied(tmp_path, "docs/study/pilot.py") / "docs" / "study" / "pilot.py"
    points = "POINTS = (0, 100, 400, 1000)"
    assert points in file.read_text()
    file.write_text(file.read_text().replace(points, "POINTS = (0, 3)"))
    return file


@pytest.fixture
def pilot(file, monkeypatch, tmp_path):
    def run(*given):
        monkeypatch.setattr(sys, "argv", ["pilot.py", *given, f"--runs={tmp_path / 'runs'}"])
        module = scripts.load(file)
        module.main()
        return module.rows()

    return run


def test_rates_are_tried_once_and_the_best_is_marked(pilot, file, tmp_path):
    given = ["rates", "lenet", "--dataset=digits", "--epochs=1", "--precision=float32", "--decays", "0.001"]
    rows = pilot(*given, "--rates", "0.01", "1e-6")
    assert [row["learning_rate"] for row in rows] == [0.01, 1e-6]
    assert rows[0]["validation_accuracy"] > rows[1]["validation_accuracy"]
    assert pilot(*given, "--rates", "0.01", "1e-6") == rows
    page = file.with_suffix(".md").read_text()
    assert page.count("(chosen)") == 1
    assert f"| 0.01 | 0.001 | {100 * rows[0]['validation_accuracy']:.2f} (chosen) |" in page
    assert not list((tmp_path / "runs").rglob("*.safetensors"))


@pytest.mark.matrix
def test_connectivity_has_a_row_for_each_rewind_point(pilot, file):
    given = ["connectivity", "lenet", "--dataset=digits", "--epochs=1", "--precision=float32"]
    given += ["--learning_rate=0.01", "--weight_decay=0.001"]
    rows = pilot(*given)
    assert [row["rewind"] for row in rows] == [3, 0]
    assert all(row["barrier"] >= 0 for row in rows)
    assert pilot(*given) == rows
    assert "Linear mode connectivity" in file.with_suffix(".md").read_text()
    other = pilot(*given[:-2], "--learning_rate=0.1", "--weight_decay=0.001")[2:]
    assert [row["rewind"] for row in other] == [3, 0] and other[1]["errors"] != rows[1]["errors"]


@pytest.mark.stress
@pytest.mark.parametrize(
    "what, killed_at",
    [
        (["rates", "--rates", "0.01", "--decays", "0.001"], ["*.safetensors"]),
        (
            ["connectivity", "--learning_rate=0.01", "--weight_decay=0.001"],
            ["*/at_0.safetensors", "*/step_0/epoch.safetensors", "*/step_3/order_0*"],
        ),
    ],
    ids=["rates", "connectivity"],
)
def test_a_killed_pilot_ends_with_the_same_rows(what, killed_at, file, tmp_path):
    given = [file, what[0], "lenet", "--dataset=digits", "--augment", "--epochs=3", "--precision=float32"]
    rows = file.with_suffix(".jsonl")
    done = python(*given, *what[1:], f"--runs={tmp_path / 'whole'}")
    assert done.returncode == 0, done.stderr
    whole = list(map(json.loads, rows.read_text().splitlines()))
    rows.unlink()
    given += [*what[1:], f"--runs={tmp_path / 'killed'}"]
    for pattern in killed_at:
        process = start(*given)
        while not list((tmp_path / "killed").glob(pattern)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.kill()
        process.communicate()
    done = python(*given)
    assert done.returncode == 0, done.stderr
    assert list(map(json.loads, rows.read_text().splitlines())) == whole
