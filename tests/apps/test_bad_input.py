"""Every mistake gets one clear line and exit code 2, before any training, and leaves nothing behind."""

import ast
import doctest
import re

import pytest
import tf_keras
from show_bad_input import CASES, prepare, say
from small import ROOT, command, files

from apps import find_ticket, shrink, synonyms, words
from keras_lottery import data
from keras_lottery.search.alive import _cure


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    prepare(folder)
    return folder


@pytest.mark.parametrize(
    "app, given, said, early", CASES, ids=[f"{app} {given}" for app, given, _, _ in CASES]
)
def test_one_line(app, given, said, early, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tf_keras.Model, "fit", lambda *a, **k: pytest.fail("training has begun"))
    if early:
        monkeypatch.setattr(data, "load", lambda **k: pytest.fail("data were loaded"))
    before = files(folder)
    code, out, err = say(app, given)
    assert code == 2, (out, err)
    assert (
        err.startswith(f"lottery-{app}: ")
        and err.count("\n") == 1
        and "Traceback" not in err
        and len(err) < 700
    )
    assert re.search(said, err), err
    assert not re.search(r"(?<![\w.'#-])[a-z]\w*=", err), "a command speaks of flags, not of arguments"
    # What is pruned is printed only where the shape of the data decided.
    assert out == "" or (not early and "parameters are pruned" in out)
    assert files(folder) == before and not (folder / "runs").exists() and not list(folder.rglob(".writing-*"))


def test_who_forgets_the_photos_gets_no_file_of_digits(folder, monkeypatch):
    monkeypatch.chdir(folder)
    code, out, err = command(shrink, "--model=net.keras", "--output=x.tflite")
    assert code == 2 and not out, (out, err)
    assert "no data set given: give --dataset=FOLDER with one sub-folder of images for each class" in err


def test_there_are_twenty_and_more():
    assert len({given for _, given, _, _ in CASES}) >= 40


def test_a_remark_on_what_a_command_has_no_flag_for_is_left_out():
    dead = f"the net gives one answer{_cure('global')}."
    said = words.in_flags(dead, find_ticket.FLAGS)
    assert "smaller rate or --final_sparsity, or give --scope=layer" in said
    assert words.in_flags(dead, shrink.FLAGS) == "the net gives one answer."
    kept = "no answer (host='a.org', port=443), images (height, width, channels) and f(x=1) stay"
    assert words.in_flags(kept, shrink.FLAGS) == kept


def test_the_library_speaks_of_arguments_and_the_commands_of_flags():
    """What the library raises and warns of has no flag in it, and what it prints goes through `say`; the
    commands put its arguments in their words."""
    for file in sorted((ROOT / "keras_lottery").rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            in_other_words = file.name in ("saying.py", "guest.py")
            assert in_other_words or getattr(call.func, "id", "") != "print", f"{file.name}: say(...) it"
            if getattr(call.func, "id", getattr(call.func, "attr", "")) in (
                "LotteryError",
                "Diverged",
                "warn",
            ):
                said = " ".join(
                    part.value
                    for part in ast.walk(call)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )
                assert not re.search(r"(?<!\w)--\w|\bflags?\b", said), f"{file.name}: {said}"
    for module in (words, synonyms):
        examples = doctest.testmod(module)
        assert examples.attempted and not examples.failed
