"""One process at a time works in the folder of a run; one that was killed leaves it free."""

import signal
import subprocess
import sys

import pytest
from small import files, search

import keras_lottery as lottery
from keras_lottery.core.alone import alone

pytest.importorskip("fcntl")

OTHER = """
import sys, time
from keras_lottery.core.alone import alone
with alone(sys.argv[1]):
    print("inside", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other():
    """A function that starts another process, which works in a folder."""
    started = []

    def start(folder):
        started.append(
            subprocess.Popen([sys.executable, "-c", OTHER, str(folder)], stdout=subprocess.PIPE, text=True)
        )
        assert started[-1].stdout.readline() == "inside\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_search_leaves_the_folder_of_another_process_alone(other, tmp_path, overwrite):
    options = {"epochs": 1, "rounds": 1, "run_dir": tmp_path / "run"}
    search(**options)
    (tmp_path / "run" / ".writing-half").mkdir()
    before, process = files(tmp_path / "run"), other(tmp_path / "run")
    with pytest.raises(lottery.LotteryError, match="another process works in '.*run': let it end"):
        search(**options, overwrite=overwrite)
    assert files(tmp_path / "run") == before and (tmp_path / "run" / ".writing-half").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    search(**options, overwrite=overwrite)
    assert not (tmp_path / "run" / ".writing-half").exists()


def test_a_process_may_enter_its_folder_again_and_under_another_name(other, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with alone(tmp_path), alone(tmp_path / "link"), alone(tmp_path):
        pass
    with pytest.raises(KeyError), alone(tmp_path):
        raise KeyError
    other(tmp_path / "link")
    with pytest.raises(lottery.LotteryError, match="another process"), alone(tmp_path):
        pass


def test_an_ended_search_leaves_its_folder_free(other, tmp_path):
    search(epochs=1, rounds=1, run_dir=tmp_path / "run")
    other(tmp_path / "run")
