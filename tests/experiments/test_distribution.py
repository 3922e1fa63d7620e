"""Training on several machines: what a single process gives, written once, whoever is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from small import ROOT, command, python
from world import KERAS3

import keras_lottery as lottery
from apps import find_ticket
from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments.machine import place
from keras_lottery.training import run_folder

pytestmark = pytest.mark.skipif(KERAS3, reason="the workers train with tf_keras")
# Not Adam: a gradient of about its epsilon, of a weight that does nothing, makes a step of what rounding left
# of it. Nor a learning rate at which rounding grows: 0.05 ends the dense training on one device and on four
# 4e-4 apart, 0.02 1e-7.
FIND = (
    "--dataset=digits --model=conv2 --width=0.25 --rate=0.4 --optimizer=sgd --learning_rate=0.02 --rewind=5 "
    "--precision=float32 --batch_size=64 --noverbose"
).split()


COMMAND = "from apps.find_ticket import run; run()"
FOUR_DEVICES = (
    "import tensorflow as tf; "
    "tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0], "
    "[tf.config.LogicalDeviceConfiguration()] * 4); "
)


def start(run_dir, *flags, workers=0, index=0, ports=(), first=""):
    """One process of lottery-find, the `index`th of so many workers, or alone; Python code may come first."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if workers:
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        environment["TF_CONFIG"] = json.dumps(
            {"cluster": cluster, "task": {"type": "worker", "index": index}}
        )
        flags = (*flags, "--strategy=multiworker")
    return subprocess.Popen(
        [sys.executable, "-c", first + COMMAND, *FIND, f"--run_dir={run_dir}", *flags],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def two_workers(run_dir, *flags):
    """Two processes that train together, and a function that starts one of them again."""
    ports = free_ports(2)

    def worker(index):
        return start(run_dir, *flags, workers=2, index=index, ports=ports)

    return [worker(0), worker(1)], worker


def ended(process):
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    return out


def same_search(one, other, rounds):
    for number in range(rounds + 1):
        a, b = (lottery.load_ticket(run_folder.round_folder(folder, number)) for folder in (one, other))
        assert (
            all((a.masks[path] == b.masks[path]).all() for path in a.masks)
            and a.masks.keys() == b.masks.keys()
        )
        for epoch, again in zip(a.rounds[-1]["history"], b.rounds[-1]["history"], strict=True):
            assert epoch == pytest.approx(again, abs=1e-4)


@pytest.mark.matrix
@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.stress)])
def test_two_workers_give_what_one_process_gives(tmp_path, rounds):
    flags = (f"--rounds={rounds}", "--epochs=1", "--compare_at=0.5")
    processes, _ = two_workers(tmp_path / "two", *flags)
    code, _, err = command(find_ticket, *FIND, *flags, f"--run_dir={tmp_path / 'one'}")
    assert code == 0, err
    told = [ended(process) for process in processes]
    assert "the run is in" in told[0] and told[1] == ""
    same_search(tmp_path / "one", tmp_path / "two", rounds=rounds)
    one, two = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "two"))
    assert [row["correct"] for row in one["rows"]] == [row["correct"] for row in two["rows"]]
    assert [(row["control"], row["test_accuracy"]) for row in one["rows"]] == [
        (row["control"], pytest.approx(row["test_accuracy"], abs=1e-4)) for row in two["rows"]
    ]


@pytest.mark.stress
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_comes_back_and_the_run_ends_the_same(tmp_path, victim):
    flags = ("--rounds=2", "--epochs=6")
    killed, again = two_workers(tmp_path / "killed", *flags)
    while not (tmp_path / "killed" / "round_00").exists():
        assert all(process.poll() is None for process in killed), killed[victim].communicate()
        time.sleep(0.2)
    killed[victim].send_signal(signal.SIGKILL)
    killed[victim].wait()
    killed[victim] = again(victim)
    for process in killed:
        ended(process)
    for process in two_workers(tmp_path / "whole", *flags)[0]:
        ended(process)
    for number in range(3):
        a, b = (
            lottery.load_ticket(run_folder.round_folder(tmp_path / name, number))
            for name in ("killed", "whole")
        )
        assert a.rounds == b.rounds
        for one, other in ((a.masks, b.masks), (a.weights, b.weights), (a.trained, b.trained)):
            assert one.keys() == other.keys() and all((one[path] == other[path]).all() for path in one)


@pytest.mark.stress
def test_four_replicas_give_what_one_process_gives_though_killed(tmp_path):
    flags = ("--rounds=5", "--epochs=2")
    four = start(tmp_path / "four", *flags, "--strategy=mirrored", first=FOUR_DEVICES)
    while not (tmp_path / "four" / "round_02").exists():
        assert four.poll() is None, four.communicate()
        time.sleep(0.2)
    four.kill()
    four.wait()
    ended(start(tmp_path / "four", *flags, "--strategy=mirrored", first=FOUR_DEVICES))
    ended(start(tmp_path / "one", *flags))
    same_search(tmp_path / "one", tmp_path / "four", rounds=5)


@pytest.mark.matrix
def test_batches_that_jax_devices_cannot_share_are_told_before_any_training(tmp_path):
    first = "import os; os.environ['XLA_FLAGS'] = '--xla_force_host_platform_device_count=2'; "
    flags = (
        "--dataset=digits --batch_size=128 --model=lenet --epochs=1 --rounds=1 --precision=float32 "
        "--backend=jax --strategy=mirrored"
    ).split()
    done = python("-c", first + COMMAND, *flags, f"--run_dir={tmp_path / 'run'}")
    assert done.returncode == 2 and not done.stdout, done.stderr
    assert (
        "2 devices cannot share the last batch of test evenly, of 103 examples" in done.stderr
        and not (tmp_path / "run").exists()
    )


@pytest.mark.parametrize(
    "config, said",
    [
        (None, "TF_CONFIG is not set. Give each machine its own, such as TF_CONFIG="),
        ("{", "does not name a worker"),
        ('{"cluster": {"worker": ["a:1"]}}', "does not name a worker"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "does not name a worker or the chief",
        ),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}}',
            "does not name a worker or the chief",
        ),
        (
            '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
            "does not name a worker or the chief",
        ),
    ],
)
def test_a_missing_or_damaged_configuration(monkeypatch, config, said):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(LotteryError, match=said):
        place("multiworker", "tf_keras")


@pytest.mark.parametrize(
    "strategy, backend, said",
    [
        ("tpu", "jax", "is for backend='tf_keras', not 'jax'"),
        ("multiworker", "torch", "is for backend='tf_keras'"),
        ("mirrored", "torch", "is not there for backend='torch'"),
        ("tpu", "tf_keras", "no TPU at 'local'"),
    ],
)
def test_strategies_that_cannot_be_had(strategy, backend, said):
    with pytest.raises(LotteryError, match=said) as error:
        place(strategy, backend)
    assert "\n" not in str(error.value)


def test_a_tpu_that_does_not_answer_is_not_waited_for():
    with pytest.raises(
        LotteryError, match="no TPU at 'grpc://127.0.0.1:1': .*refused. Give its name, as tpu='NAME'"
    ):
        place("tpu", "tf_keras", "grpc://127.0.0.1:1")  # TensorFlow tries for minutes
