"""What README shows is what happens."""

import re
from pathlib import Path

import pytest
import stress_study
from small import LOGITS, arrays, command, dense

import keras_lottery as lottery
from apps import export_ticket, transfer_ticket

ROOT = Path(__file__).parents[2]
README, IN_AN_APP = ((ROOT / name).read_text() for name in ("README.md", "docs/phone/README.md"))


QUESTIONS = (
    "how-do-i-shrink-a-model",
    "how-do-i-reuse-a-ticket",
    "what-do-90-zeros-cost-in-accuracy",
    "what-do-they-buy-on-a-phone",
)


def python_of(text, number=0):
    return re.findall(r"```python\n(.*?)```", text, re.S)[number]


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


def test_the_loop_of_ones_own_runs():
    code = python_of(README, 1)
    model = lottery.wrap(dense(), verbose=False)
    model.compile("sgd", LOGITS)
    x, y = arrays(16)
    names = {
        "lottery": lottery,
        "model": model,
        "optimizer": model.optimizer,
        "train_step": lambda model, optimizer, step: model.train_on_batch(x, y),
        "batch": lambda step: step,
    }
    exec(code.replace("2000", "3").replace("200", "1").replace("steps=3,", "steps=3, rate=0.7,"), names)
    assert names["ticket"].sparsity == pytest.approx(0.9, abs=1e-2)
    assert [(r["start"], r["stop"]) for r in names["ticket"].rounds] == [(0, 3), (1, 3), (1, 3)]


@pytest.mark.matrix
def test_a_ticket_that_comes_with_the_package_is_reused_as_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stress_study.make_images(tmp_path)
    (tmp_path / "images").rename("photos")
    shown = re.search(r"(lottery-transfer --ticket=resnet8x2.*)\n(lottery-export .*)", README)
    for app, line, more in (
        (transfer_ticket, shown[1], ["--epochs=1"]),
        (export_ticket, shown[2], ["--max_loss=100"]),
    ):
        code, _, err = command(app, *line.split()[1:], *more)
        assert code == 0, err
    assert (tmp_path / "student.tflite").exists()


def test_each_question_of_a_newcomer_has_its_answer_on_one_page():
    assert len(README.splitlines()) <= 120
    sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", README, re.M))
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-"): text for title, text in sections.items()
    }
    for question in QUESTIONS:
        assert "](docs/" in anchors[question], "an answer, and where there is more of it"
