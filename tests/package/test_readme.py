"""What README shows is what happens."""

import re
from pathlib import Path

import pytest

from apps import benchmark, export_ticket, find_ticket, study, transfer_ticket, tune

COMMANDS = {
    "find": find_ticket,
    "transfer": transfer_ticket,
    "export": export_ticket,
    "study": study,
    "tune": tune,
    "benchmark": benchmark,
}
ROOT = Path(__file__).parents[2]
README, IN_AN_APP = ((ROOT / name).read_text() for name in ("README.md", "docs/phone/README.md"))


def python_of(text):
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    return code


@pytest.mark.matrix
def test_the_ten_lines_of_python_run_and_those_of_an_app_on_their_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(python_of(README), names)
    assert names["ticket"].sparsity == pytest.approx(0.9, abs=1e-4)
    assert names["lottery"].sparsity(names["student"]) == pytest.approx(0.9, abs=1e-4)
    assert (tmp_path / "student.tflite").stat().st_size < 80_000
    capsys.readouterr()
    exec(python_of(IN_AN_APP), {})
    assert capsys.readouterr().out.strip() in names["target"].class_names


def test_every_flag_shown_exists():
    for command, app in COMMANDS.items():
        for call in re.findall(rf"lottery-{command} ((?:.|\\\n)*?)(?:\n(?!  --)|$)", README):
            for flag in re.findall(r"--(\w+)", call):
                known = flag in app.FLAGS or flag in ("flagfile", "helpshort")
                assert known, f"lottery-{command} has no --{flag}"
