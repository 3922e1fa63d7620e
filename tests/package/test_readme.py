"""What README shows is what happens."""

import re
from pathlib import Path

import by_name
import pytest

from apps import benchmark, export_ticket, find_ticket, push_ticket, study, transfer_ticket, tune

COMMANDS = {
    "find": find_ticket,
    "transfer": transfer_ticket,
    "export": export_ticket,
    "study": study,
    "tune": tune,
    "benchmark": benchmark,
    "push": push_ticket,
}
README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.matrix
def test_the_ten_lines_of_python_run(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert names["ticket"].sparsity == pytest.approx(0.9, abs=1e-4)
    assert names["lottery"].sparsity(names["student"]) == pytest.approx(0.9, abs=1e-4)
    assert (tmp_path / "student.tflite").stat().st_size < 80_000


def test_every_flag_shown_exists():
    for command, app in COMMANDS.items():
        for call in re.findall(rf"lottery-{command} ((?:.|\\\n)*?)(?:\n(?!  --)|$)", README):
            for flag in re.findall(r"--(\w+)", call):
                known = flag in app.FLAGS or flag in ("flagfile", "helpshort")
                assert known, f"lottery-{command} has no --{flag}"


@pytest.mark.matrix
def test_the_phones_ten_lines_of_python_run(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(
        r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "phone" / "README.md").read_text(), re.S
    )
    monkeypatch.chdir(tmp_path)
    by_name.export(ticket="lenet-fashion_mnist-95", output="student.tflite", formats="float32")
    capsys.readouterr()
    exec(code, {})
    assert capsys.readouterr().out.strip() in (tmp_path / "student.labels.txt").read_text().splitlines()
