"""docs/study/pilot.py: each of its measurements is made once, and chosen from."""

import importlib.util
import sys
from pathlib import Path

import pytest
from world import KIND

FILE = Path(__file__).parents[2] / "docs" / "study" / "pilot.py"
pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="a study's data are TensorFlow's")


@pytest.fixture
def pilot(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("docs_study_pilot", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path)
    monkeypatch.setattr(module, "ROWS", tmp_path / "pilot.jsonl")
    monkeypatch.setattr(module, "POINTS", (0, 3))

    def run(*given):
        monkeypatch.setattr(sys, "argv", ["pilot.py", *given, f"--runs={tmp_path / 'runs'}"])
        module.main()
        return module.rows()

    return run


def test_rates_are_tried_once_and_the_best_is_marked(pilot, tmp_path):
    given = ["rates", "lenet", "--dataset=digits", "--epochs=1", "--precision=float32", "--decays", "0.001"]
    rows = pilot(*given, "--rates", "0.01", "1e-6")
    assert [row["learning_rate"] for row in rows] == [0.01, 1e-6]
    assert rows[0]["validation_accuracy"] > rows[1]["validation_accuracy"]
    assert pilot(*given, "--rates", "0.01", "1e-6") == rows
    page = (tmp_path / "pilot.md").read_text()
    assert page.count("(chosen)") == 1
    assert f"| 0.01 | 0.001 | {100 * rows[0]['validation_accuracy']:.2f} (chosen) |" in page
    assert not list((tmp_path / "runs").rglob("*.safetensors"))


@pytest.mark.matrix
def test_connectivity_has_a_row_for_each_rewind_point(pilot, tmp_path):
    given = ["connectivity", "lenet", "--dataset=digits", "--epochs=1", "--precision=float32"]
    given += ["--learning_rate=0.01", "--weight_decay=0.001"]
    rows = pilot(*given)
    assert [row["rewind"] for row in rows] == [0, 3]
    assert all(row["barrier"] >= 0 for row in rows)
    assert pilot(*given) == rows
    assert "Linear mode connectivity" in (tmp_path / "pilot.md").read_text()
