"""Tuning: the best trial is one command away, a kill loses nothing, several processes share the trials."""

import collections
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tf_keras
from small import ROOT, command, conv, files, python, well

from apps import find_ticket
from apps import tune as app
from keras_lottery import data
from keras_lottery.core.schedule import round_sparsities
from keras_lottery.experiments import drawing

TUNE = [
    "--model=net.keras",
    "--train_split=train[:40%]",
    "--batch_size=65",
    "--optimizer=adam",
    "--learning_rate=0.01",
    "--noverbose",
    "--precision=float32",
    "--backend=tf_keras",
    "--run_dir=tune",
    "--final_sparsity=0.6",
    "--rates=0.4,0.5",
    "--epochs=1",
    "--trials=2",
]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner")  # as outside of pytest
Tuned = collections.namedtuple("Tuned", "where, said, files")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A net and a finished run of two trials, and what that run printed."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        scaled_inside().save("net.keras")
        return Tuned(folder, command(app, *TUNE), files(folder))


def scaled_inside():
    """A net that takes images as they are, 0..255."""
    return tf_keras.Sequential(
        [
            tf_keras.layers.Input((8, 8, 1)),
            tf_keras.layers.Rescaling(1 / 127.5, -1.0),
            *conv(classes=10).layers,
        ]
    )


def trials():
    """{path: record} of the finished trials of the run in the present folder."""
    return {path: json.loads(path.read_text()) for path in Path().glob("tune/trials/*/trial.json")}


def start(**variables):
    """lottery-tune as a program of its own, in the present folder."""
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "apps.tune", *TUNE],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_for(happened, process):
    until = time.monotonic() + 300
    while not happened():
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.001)


def test_result(folder):
    """Best first, by the validation accuracy of the round at the wanted sparsity; each trial's price is said
    before it."""
    code, out, err = folder.said
    assert code == 0 and well(err), err
    assert out.startswith("2 trials of at most 3 epochs each, 6 in all\n")
    result = json.loads(folder.files["tune/result.json"])
    assert result["preprocessing"] == "own" and result["data"]["mean"] == [0.0]  # as lottery-find has it
    rows = result["rows"]
    assert len(rows) == 2 and rows[0]["validation_accuracy"] >= rows[1]["validation_accuracy"]
    for row in rows:
        last = json.loads(folder.files[f"{row['run_dir']}/result.json"])["rows"][-1]
        assert (last["sparsity"], last["validation_accuracy"]) == (
            row["sparsity"],
            row["validation_accuracy"],
        )
        assert row["sparsity"] == pytest.approx(0.6, abs=0.005) and f"{row['validation_accuracy']:.2%}" in out
        assert row["rounds"] == len(round_sparsities(rate=row["rate"], final_sparsity=0.6))
        assert row["epochs_in_all"] == (row["rounds"] + 1) * row["epochs"]
        assert (
            row["rate"] in (0.4, 0.5)
            and row["rewind"] in ("init", "1")
            and 0.01 / 3 <= row["learning_rate"] <= 0.03
        )
        assert (
            f"learning rate {row['learning_rate']:g}, epochs a round 1, epochs in all "
            f"{row['epochs_in_all']}\n" in out
        )


@pytest.mark.matrix
def test_a_trial_that_diverges_is_one_of_them(folder, tmp_path, monkeypatch):
    """It comes last and ends no other; of nothing but such trials there is no best one."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(folder.where / "net.keras", ".")
    code, out, err = command(app, *TUNE, "--trials=4", "--learning_rate_range=0.001,1e6")
    outcomes = [
        json.loads(path.read_text())["validation_accuracy"]
        for path in Path().glob("tune/trials/*/trial.json")
    ]
    assert code == 0 and len(outcomes) == 4 and None in outcomes and any(outcomes), (outcomes, err)
    rows = json.loads(Path("tune/result.json").read_text())["rows"]
    assert (
        rows[0]["validation_accuracy"] == max(filter(None, outcomes))
        and rows[-1]["validation_accuracy"] is None
    )
    assert (
        ": diverged\n" in out or ": dead\n" in out
    ) and f"--learning_rate={rows[0]['learning_rate']}" in out
    layers = tf_keras.layers  # without a ReLU, whose death would leave the outputs finite
    tf_keras.Sequential([layers.Flatten(input_shape=(8, 8, 1)), layers.Dense(8), layers.Dense(10)]).save(
        "linear.keras"
    )
    code, out, err = command(
        app, *TUNE, "--model=linear.keras", "--learning_rate_range=1e29,1e30", "--run_dir=lost"
    )
    assert code == 0 and "every trial diverged" in out and "lottery-find" not in out, err


def test_printed_command_is_the_best_trial(folder, monkeypatch):
    """lottery-find takes it as the run that it is: nothing differs, nothing is trained."""
    monkeypatch.chdir(folder.where)
    monkeypatch.setattr(tf_keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
    best = json.loads(folder.files["tune/result.json"])["rows"][0]
    words = shlex.split(folder.said[1].strip().splitlines()[-1])
    assert words[0] == "lottery-find" and f"--run_dir={best['run_dir']}" in words
    code, out, err = command(find_ticket, *words[1:])
    assert code == 0 and f"{best['validation_accuracy']:.2%}" in out, err
    assert files(folder.where) == folder.files


@pytest.mark.matrix
def test_again_and_more(folder, tmp_path, monkeypatch):
    """The same command trains nothing, other settings are refused, and more trials are added to those that
    are there."""
    shutil.copytree(folder.where, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    with monkeypatch.context() as patch:
        patch.setattr(tf_keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
        code, out, err = command(app, *TUNE)
        assert code == 0 and files(".") == folder.files and out in folder.said[1]
        code, out, err = command(app, *TUNE, "--rates=0.4,0.6", "--seed=1")
        assert (
            code == 2 and "ranges.rate was [0.4, 0.5], now [0.4, 0.6]" in err and "seed was 0, now 1" in err
        )
    code, out, err = command(app, *TUNE, "--trials=3")
    assert code == 0 and len(trials()) == 3
    after = files(".")
    assert all(after[name] == folder.files[name] for name in folder.files if name != "tune/result.json")


@pytest.mark.stress
def test_killed(folder, tmp_path, monkeypatch):
    """kill -9 amid the second trial, and just before it is counted: every file is that of a run that was left
    alone."""
    monkeypatch.chdir(tmp_path)
    Path("net.keras").write_bytes(folder.files["net.keras"])
    killed = start()
    wait_for(lambda: len(list(Path().glob("tune/trials/*/round_00"))) == 2, killed)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert len(trials()) == 1
    assert command(app, *TUNE)[0] == 0
    assert files(tmp_path) == folder.files
    for path in trials():
        path.unlink()
    Path("tune/result.json").unlink()
    monkeypatch.setattr(tf_keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
    assert command(app, *TUNE)[0] == 0
    assert files(tmp_path) == folder.files


@pytest.mark.matrix
def test_a_trial_is_run_by_one_process_at_a_time(folder, monkeypatch):
    """Who comes second waits, and takes what the first has found."""
    monkeypatch.chdir(folder.where)
    path = next(iter(trials()))
    record = path.read_bytes()
    path.unlink()
    (folder.where / "tune" / "result.json").unlink()
    with open(path.parent / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=command, args=(app, *TUNE))
        second.start()
        second.join(2)
        assert second.is_alive()
        path.write_bytes(record)
    second.join()
    assert files(folder.where) == folder.files


@pytest.mark.parametrize(
    "given, said, early",
    [
        ("--final_sparsity=1", "final_sparsity=1.0 is impossible: give a share between 0 and 1", True),
        ("--final_sparsity=0", "final_sparsity=0.0 is impossible", True),
        ("--trials=0", "trials=0 is impossible: give a whole number from 1 up", True),
        ("--rates=", "rates is empty: give one value or more", True),
        ("--rates=0.2,2", "rates=2 is impossible: give a share", True),
        ("--rewinds=", "rewinds is empty", True),
        ("--rewinds=init,soon", "rewinds=soon is unknown: give 'init', a step", True),
        ("--rewinds=5,8", "rewind=8 is past the first round, which has 8 steps: give an earlier step", False),
        (
            "--learning_rate_range=",
            "learning_rate_range=: give the lowest and the highest, as in LOW,HIGH",
            True,
        ),
        (
            "--learning_rate_range=0.1,0.01",
            "learning_rate_range=0.1,0.01 is out of order: give the lowest first",
            True,
        ),
        ("--learning_rate_range=0,0.01", "learning_rate_range=0 is impossible: give a number above 0", True),
        (
            "--learning_rate_range=low,0.01",
            "learning_rate_range=low is impossible: give a number above 0",
            True,
        ),
        ("--learning_rate=0", "learning_rate=0.0 is impossible", True),
        ("--epochs_range=2", "epochs_range=2: give the lowest and the highest", True),
        ("--epochs_range=3,2", "epochs_range=3,2 is out of order", True),
        ("--epochs_range=0,2", "epochs_range=0 is impossible: give a whole number from 1 up", True),
        ("--epochs_range=1,many", "epochs_range=many is impossible", True),
        ("--epochs=0", "epochs=0 is impossible", True),
        ("--scope=locale", "scope=locale is unknown", True),
        ("--model=resnet21", "no model is called 'resnet21'", True),
        ("--precision=float16", "precision=float16 is unknown", True),
        ("--validation=0", "validation=0 leaves no images to compare trials on", False),
        ("--final_sparsity=0.9999999", "leaves none of the", False),
    ],
)
def test_bad_input(given, said, early, folder, monkeypatch):
    """One line, before anything is trained; nothing is left behind."""
    monkeypatch.chdir(folder.where)
    monkeypatch.setattr(tf_keras.Model, "fit", lambda *a, **k: pytest.fail("training has begun"))
    if early:
        monkeypatch.setattr(data, "load", lambda **k: pytest.fail("data were loaded"))
    before = files(folder.where)
    code, out, err = command(app, *TUNE, "--run_dir=new", given)
    assert (
        code == 2 and out == "" and err.startswith("lottery-tune: ") and err.count("\n") == 1 and said in err
    ), err
    assert files(folder.where) == before and not Path("new").exists()


def test_a_cluster_of_keras_tuner_is_refused(folder, monkeypatch):
    monkeypatch.chdir(folder.where)
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    code, out, err = command(app, *TUNE)
    assert code == 2 and "KERASTUNER_ORACLE_IP is set, but trials cannot be shared among processes" in err


@pytest.mark.matrix
def test_what_is_drawn_again_and_for_longer_is_the_same():
    """So a run that was killed goes on, and more trials can be added; later ones lie nearer to the best."""
    ranges = {
        "rate": [0.2, 0.5],
        "rewind": ["init", "5"],
        "learning_rate": [0.001, 1.0],
        "epochs": [2, 9],
    }

    def drawn(trials, seed=0):
        found = []

        def trial(number, setting):
            found.append(setting)
            far = abs(np.log10(setting["learning_rate"]) + 1) + 0.1 * (setting["rate"] == 0.5)
            return {"validation_accuracy": 1 - far / 4}

        drawing.draw(trial, ranges, trials, seed)
        return found

    once = drawn(11)
    assert drawn(7) == once[:7] and drawn(5, seed=1) != once[:5]
    far = [abs(np.log10(setting["learning_rate"]) + 1) for setting in once]
    assert np.mean(far[-4:]) < np.mean(far[: drawing.DRAWN]), once


@pytest.mark.stress
def test_keras_3(tmp_path):
    """keras-tuner itself imports Keras 3, by then on the backend that is asked for."""
    done = python(
        "-m", "apps.tune", *TUNE, "--model=lenet", "--backend=jax", "--rates=0.6", "--trials=1", cwd=tmp_path
    )
    assert (
        done.returncode == 0 and "validation accuracy at 60.0% sparse" in done.stdout and not done.stderr
    ), done.stderr
    assert json.loads((tmp_path / "tune" / "result.json").read_text())["backend"] == "jax"
