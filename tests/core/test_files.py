"""Files that appear whole or not at all, beside other processes that write the same."""

import os
import sys

import pytest

import keras_lottery as lottery
from keras_lottery.core import files
from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments import report
from keras_lottery.models import saved


def test_a_folder_that_appeared_meanwhile_is_not_overwritten(tmp_path):
    """Of two processes that save the same, the second one is told."""
    with pytest.raises(LotteryError, match="cannot write .*a': Directory not empty"):
        with files.new_folder(tmp_path / "a") as one, files.new_folder(tmp_path / "a") as other:
            (one / "of").write_text("one")
            (other / "of").write_text("other")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "of").read_text() == "other"
    with files.new_folder(tmp_path / "a", overwrite=True) as folder:
        (folder / "of").write_text("one")
    assert (tmp_path / "a" / "of").read_text() == "one"


def test_two_that_write_one_file_at_once_write_one_of_both(tmp_path, monkeypatch):
    """Though their processes have one number, as those of two containers or machines may."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with files.new_file(tmp_path / "a") as one, files.new_file(tmp_path / "a") as other:
        one.write_text("one" * 1000)
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "one" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_names_may_be_as_long_as_the_system_lets_them(tmp_path):
    name = "ä" * 127
    files.write_json(tmp_path / f"{name}a", {})
    with files.new_folder(tmp_path / name) as folder:
        (folder / "a").write_text("")
    with files.new_folder(tmp_path / name, overwrite=True):
        pass
    assert sorted(map(len, os.listdir(os.fsencode(tmp_path)))) == [254, 255]
    assert os.listdir(tmp_path / name) == []


@pytest.mark.parametrize("text", ["1" * 400, "-" + "1" * 400, f"[{'1' * 5000}]"])
def test_a_number_that_no_float_holds_is_damage(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(LotteryError, match="a.json' is damaged: .* digits"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(f"[{2**70}, {-(10**300)}]")
    assert files.read_json(tmp_path / "a.json") == [2**70, -(10**300)]
    assert sys.float_info.max > 10**300


@pytest.fixture
def shut(tmp_path):
    """A folder that this process has no rights to."""
    folder = tmp_path / "shut"
    folder.mkdir(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="has other rights")
def test_what_is_in_a_folder_without_rights_to_it_is_told_in_a_line(shut):
    for said, use in {
        "no ticket at": lambda: lottery.load_ticket(shut / "ticket"),
        "there is no file .*jsonl": lambda: report.read(shut / "rows.jsonl"),
        "there is no file .*json'": lambda: report.collect([shut / "result.json"]),
        "there is no such file": lambda: saved.keras_of(shut / "net.keras"),
        "cannot write to .*Permission denied": lambda: files.new_folder(shut / "a").__enter__(),
    }.items():
        with pytest.raises(LotteryError, match=said):
            use()
