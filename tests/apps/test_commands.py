"""The commands from end to end: what they print, what they leave, and that doing it again changes nothing."""

import dataclasses
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import by_name
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from small import L, bits, command, conv, files, python, start, well

import keras_lottery as lottery
from apps import benchmark, export_ticket, find_ticket, transfer_ticket
from apps import flags as shared
from keras_lottery import data, engines
from keras_lottery.core import processes
from keras_lottery.core.files import read_arrays
from keras_lottery.experiments import optimizers
from keras_lottery.experiments.metrics import correct_images
from keras_lottery.models.saved import builder
from keras_lottery.tflite import of_ticket
from keras_lottery.tflite.config import ExportConfig
from keras_lottery.tickets.ticket import from_model
from keras_lottery.training import resumable

QUICK = [
    "--train_split=train[:40%]",
    "--batch_size=64",
    "--optimizer=adam",
    "--learning_rate=0.01",
    "--noverbose",
    "--precision=float32",
]
FIND = [
    *QUICK,
    "--classes=0,1,2,3,4",
    "--epochs=2",
    "--rounds=2",
    "--rate=0.5",
    "--rewind=3",
    "--run_dir=find",
]
CARRY = [
    *QUICK,
    "--classes=5,6,7,8,9",
    "--epochs=3",
    "--run_dir=carry",
    "--ticket=find/round_02",
    "--controls=random,dense-transferred",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a search of a saved model, its transfer and its export have been run, and what they said."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tf_keras.utils.set_random_seed(0)
        conv(activation="softmax").save("net.keras")
        said = [
            command(find_ticket, "--model=net.keras", "--compare_at=0.7,0.75,0.5", *FIND),
            command(transfer_ticket, *CARRY),
            command(
                export_ticket,
                "--ticket=carry/ticket/student",
                "--output=out/student.tflite",
                "--dataset=digits",
                "--formats=float32,int8-weights,int8",
                "--variants_dir=out/each",
                "--compact",
            ),
        ]
    return folder, said


def test_find_transfer_export(folder):
    where, said = folder
    for code, out, err in said:
        assert code == 0 and well(err), err
    (_, found, _), (_, carried, _), (_, exported, _) = said
    assert "random: a random mask with the same counts" not in found  # --noverbose
    assert (
        "the run is in find, its last ticket (75.1% sparse) in find/round_02; next:\n  lottery-transfer "
        "--ticket=find/round_02 --dataset=...\n  lottery-export --ticket=find/round_02 --dataset=digits "
        "--output=find/student.tflite\n" in found
    )
    assert found.count("recipe: --optimizer=adam") == 1  # which was open, in part
    assert "are pruned in rounds, 2 of 9 weights.\n" in found and "head/kernel: output layer\n" in found
    assert (
        "the trained student in carry/ticket/student; next:\n  lottery-export --ticket=carry/ticket/student"
        in carried
    )
    assert "out/student.tflite has" in exported
    result = json.loads((where / "find" / "result.json").read_text())
    assert [(row["control"], row["sparsity"]) for row in result["rows"]] == [
        ("dense", 0.0),
        ("ticket", 0.5),
        ("ticket", pytest.approx(0.75, abs=0.002)),
        ("random", 0.5),
        ("random", pytest.approx(0.75, abs=0.002)),
    ]
    assert all(f"{row['test_accuracy']:.2%}" in found for row in result["rows"])
    assert json.loads((where / "carry" / "config.json").read_text())["run"] == "transfer"
    carry = json.loads((where / "carry" / "result.json").read_text())
    for row in (*result["rows"], *carry["rows"]):
        assert (
            correct_images(row).mean() == pytest.approx(row["test_accuracy"], abs=1e-6)
            and 0 < row["calibration_error"] < 1
        )
        assert row["effective_sparsity"] >= row["sparsity"] and row["multiply_adds"] > 0
        assert "corrupted" not in row  # which takes long for a command
    for row in carry["rows"]:
        assert (
            row["validation_accuracy"]
            == max(epoch["val_accuracy"] for epoch in row["history"])
            == row["history"][row["epoch"] - 1]["val_accuracy"]
        )
    written = json.loads((where / "out" / "student.tflite.json").read_text())
    assert written["bytes"] == (where / "out" / "student.tflite").stat().st_size
    assert (where / "out" / "student.labels.txt").read_text().split() == ["5", "6", "7", "8", "9"]
    assert sorted(path.stem for path in (where / "out" / "each").iterdir()) == sorted(
        row["name"].replace(" ", "-") for row in written["variants"] if not row["problem"]
    )
    student = lottery.load_ticket(where / "carry" / "ticket" / "student")
    test = lottery.data.load("digits", classes=[5, 6, 7, 8, 9], train_split="train[:40%]", batch_size=64).test
    model = student.model("trained")
    optimizers.compile_classifier(model, "sgd")
    assert model.evaluate(test, verbose=0)[1] == carry["rows"][0]["test_accuracy"]
    assert written["test"]["keras"] == pytest.approx(carry["rows"][0]["test_accuracy"], abs=1e-6)
    assert (
        f"the model {100 * written['test']['keras']:.2f}%, the file {100 * written['test']['file']:.2f}%"
        in exported
    )


def test_again_changes_nothing_and_trains_nothing(folder, monkeypatch):
    where, said = folder
    monkeypatch.chdir(where)
    monkeypatch.setattr(tf_keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
    before = files(where)
    again = [
        command(find_ticket, "--model=net.keras", "--compare_at=0.7,0.75,0.5", *FIND),
        command(transfer_ticket, *CARRY),
    ]
    assert [code for code, *_ in again] == [0, 0] and files(where) == before
    assert again[1][:2] == said[1][:2]  # that a training had few steps is said once


def test_more_controls_and_other_settings(folder, monkeypatch):
    """Controls can be added to a finished run; anything else is another run, refused until --overwrite."""
    where, _ = folder
    monkeypatch.chdir(where)
    student = (where / "carry" / "ticket" / "student" / "trained.safetensors").read_bytes()
    code, out, err = command(transfer_ticket, *CARRY, "--controls=random,dense-transferred,reinit")
    assert code == 0 and out.count("reinit") == 1
    assert (where / "carry" / "ticket" / "student" / "trained.safetensors").read_bytes() == student
    code, out, err = command(transfer_ticket, *CARRY, "--epochs=1")
    assert code == 2 and err.count("\n") == 1 and "epochs was 3, now 1" in err and "--overwrite" in err
    code, out, err = command(transfer_ticket, *CARRY, "--run_dir=find", "--overwrite=false")
    assert code == 2 and "it is a run of find_ticket, not transfer" in err
    code, out, err = command(transfer_ticket, *CARRY, "--epochs=1", "--controls=", "--overwrite")
    assert code == 0 and not (where / "carry" / "random").exists()
    assert json.loads((where / "carry" / "result.json").read_text())["epochs"] == 1


def test_random_control_starts_from_the_rewind_point(folder):
    where, _ = folder
    rewind = read_arrays(where / "find" / "rewind.safetensors")[0]
    initial = read_arrays(where / "find" / "initial.safetensors")[0]
    control = lottery.load_ticket(where / "find" / "controls" / "random_02" / "student")
    for path, mask in control.masks.items():
        assert (control.weights[path][mask] == rewind[path][mask]).all() and (
            rewind[path] != initial[path]
        ).any()


@pytest.mark.parametrize("app", [find_ticket, transfer_ticket, export_ticket, benchmark])
def test_help_shows_all_flags(app):
    for flag in ("--helpshort", "--help"):
        code, out, err = command(app, flag)
        assert code == 0 and not err and out.startswith(app.__doc__.strip().splitlines()[0])
    shown = [line.split()[0] for line in out.splitlines() if line.startswith("  --")]
    assert shown[-len(list(app.FLAGS)) :] == [f"--{name}" for name in app.FLAGS]
    assert all(len(line) <= 100 for line in out.splitlines())
    for name in {"optimizer", "learning_rate", "schedule", "weight_decay", "warmup"} & set(app.FLAGS):
        assert "(default: chosen from the model and the data)" in app.FLAGS[name].help
    assert {
        "find_ticket": {"dataset", "model", "rounds", "compare_at", "overwrite"},
        "transfer_ticket": {"ticket", "start", "controls", "freeze_backbone"},
        "export_ticket": {"ticket", "output", "start", "overwrite"},
        "benchmark": {"threads", "arm", "adb", "output"},
    }[app.__name__.split(".")[-1]] <= set(app.FLAGS)


def test_defaults_of_one_command_are_not_those_of_another():
    assert (find_ticket.FLAGS["epochs"].default, transfer_ticket.FLAGS["epochs"].default) == (5, 10)
    assert find_ticket.FLAGS["run_dir"].default != transfer_ticket.FLAGS["run_dir"].default


@pytest.mark.matrix
def test_as_programs(tmp_path):
    """Exit code 2 and one line, nothing of TensorFlow's; --helpshort without importing it."""
    quiet = dict(cwd=tmp_path)
    done = python("-X", "importtime", "-m", "apps.find_ticket", "--helpshort", **quiet)
    assert done.returncode == 0 and "--final_sparsity" in done.stdout and "tensorflow" not in done.stderr
    done = python("-m", "apps.find_ticket", "--rate=0", **quiet)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.startswith("lottery-find: --rate=0.0 is impossible: give a share")
        and done.stderr.count("\n") == 1
    )


@pytest.mark.matrix
def test_a_good_run_is_silent_on_stderr(tmp_path):
    given = [*QUICK, "--model=lenet", "--epochs=12", "--rounds=1", "--run_dir=a"]  # 9 steps an epoch
    done = python("-m", "apps.find_ticket", *given, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "" and "next:" in done.stdout, done.stderr
    assert not list(tmp_path.rglob(".writing-*"))


@pytest.mark.stress
def test_mirrored(tmp_path, monkeypatch):
    """Two replicas, each its half of the batch; searching, testing, a control and a transfer."""
    assert len(tf.config.list_logical_devices("CPU")) == 2
    monkeypatch.chdir(tmp_path)
    conv().save("net.keras")
    code, out, err = command(
        find_ticket,
        "--model=net.keras",
        *FIND,
        "--epochs=1",
        "--rounds=1",
        "--strategy=mirrored",
        "--compare_at=0.5",
    )
    assert code == 0, err
    code, out, err = command(
        transfer_ticket,
        *CARRY,
        "--epochs=1",
        "--ticket=find/round_01",
        "--controls=random",
        "--strategy=mirrored",
    )
    assert code == 0, err
    ticket, student = lottery.load_ticket("find/round_01"), lottery.load_ticket("carry/ticket/student")
    assert bits(student.masks) == bits(ticket.masks) and ticket.sparsity == pytest.approx(0.5, abs=0.002)
    assert not any(student.trained[path][~mask].any() for path, mask in student.masks.items())


@pytest.mark.matrix
def test_fast_takes_three_trainings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(find_ticket, *QUICK, "--fast", "--epochs=4", "--run_dir=fast")
    assert (
        code == 0
        and well(err)
        and "fast: --rate=0.32 --final_sparsity=0.9 --rewind_once=True --budget=3x" in out
    )
    rows = json.loads(Path("fast/result.json").read_text())["rows"]
    epochs = [len(row["history"]) for row in rows]
    assert sum(epochs) <= 3 * 4 == 3 * epochs[-1] and rows[-1]["sparsity"] == pytest.approx(0.9, abs=1e-4)
    assert [row["control"] for row in rows] == [*["on the way"] * (len(rows) - 1), "ticket"], (
        "what was cut or not rewound is not compared"
    )
    code, _, err = command(
        transfer_ticket, *CARRY, "--ticket=fast/round_06", "--controls=dense-transferred", "--run_dir=carried"
    )
    assert (
        code == 2
        and "needs the dense net trained in full, and its search ended that after 1 of 4 epochs" in err
        and not Path("carried").exists()
    )
    code, _, err = command(find_ticket, *QUICK, "--fast", "--epochs=4", "--rate=0.2", "--run_dir=slow")
    assert code == 2 and "--budget=3x is too small: 12 rounds" in err and not Path("slow").exists()


def test_ctrl_c_says_how_to_go_on(monkeypatch):
    monkeypatch.setattr(data, "load", lambda **k: (_ for _ in ()).throw(KeyboardInterrupt))
    code, out, err = command(find_ticket)
    assert code == 130 and "the same command goes on from the last finished epoch" in err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        RuntimeError("RESOURCE_EXHAUSTED: Out"),
    ],
)
def test_too_little_memory_is_one_line(error, monkeypatch):
    monkeypatch.setattr(data, "load", lambda **k: (_ for _ in ()).throw(error))
    code, out, err = command(find_ticket)
    assert (code, err) == (
        2,
        "lottery-find: there is not enough memory: give a smaller --batch_size, smaller images or a "
        "smaller net\n",
    )


@pytest.mark.matrix
@pytest.mark.quick("15")
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_says_the_same_whatever_stops_it(stop, tmp_path):
    arguments = [*QUICK, "--model=lenet", "--epochs=2000", "--rounds=1", "--run_dir=a", "--verbose"]
    running = start("-u", "-m", "apps.find_ticket", *arguments, cwd=tmp_path)
    while "round 0" not in running.stdout.readline():
        assert running.poll() is None
    running.send_signal(stop)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (
        128 + stop,
        "\nstopped; the same command goes on from the last finished epoch\n",
    )


def test_a_study_that_is_stopped_does_not_wait_for_its_processes():
    with pytest.raises(KeyboardInterrupt), processes.pool(1) as pool, processes.ended_with_this_block():
        pool.submit(os.getpid).result()
        pool.submit(time.sleep, 3600)
        raise KeyboardInterrupt  # or the test takes an hour


def test_demo_and_report_still_run_through_these_flags():
    """Other apps rely on run_command(name, main) and the shared FLAGS."""
    assert callable(shared.run_command) and shared.FLAGS is not find_ticket.FLAGS
    assert Path(sys.modules["apps.flags"].__file__).parent.name == "apps"


def test_saved_models_of_many_kinds(tmp_path, monkeypatch):
    """A wrapped model's file is taken as the plain one in it; .h5 as well as .keras."""
    wrapped = lottery.wrap(conv())
    wrapped.save(tmp_path / "wrapped.keras")
    conv().save(tmp_path / "net.h5")
    nested = tf_keras.Sequential([L.Input((8, 8, 1)), conv(classes=6), L.Dense(5)])
    nested.save(tmp_path / "nested.keras")
    for name in ("wrapped.keras", "net.h5", "nested.keras"):
        model = builder(tmp_path / name)((8, 8, 1), 5)
        assert not lottery.wrapping.is_wrapped(model) and model.output_shape == (None, 5)


@pytest.mark.matrix
def test_statistics_that_do_not_fit_float32_are_taken_anew(tmp_path):
    """As after training in 16 bits, where they may belong to rounded activations."""
    tf_keras.utils.set_random_seed(0)
    digits = data.load("digits")
    inputs = L.Input(digits.input_shape)
    x = L.Flatten()(inputs)
    near_one = L.BatchNormalization(epsilon=1e-9, name="bn")(
        L.Dense(1, kernel_initializer="zeros", name="near_one")(x)
    )
    shift = L.Dense(10, use_bias=False, kernel_initializer="zeros", trainable=False, name="shift")(near_one)
    model = lottery.wrap(tf_keras.Model(inputs, L.Add()([L.Dense(10)(L.Dense(32, "relu")(x)), shift])))
    optimizers.compile_classifier(model, optimizers.make_optimizer("adam", 0.01))
    start = engines.of(model).values()
    model.fit(digits.train, epochs=4, verbose=0)
    right = from_model(model, start, [], {"data": digits.describe()})
    rounded = {
        "near_one/bias": [1.001],
        "bn/moving_mean": [1.0],
        "bn/moving_variance": [0.0],
        "bn/gamma": [1.0],
        "bn/beta": [0.0],
        "shift/kernel": [[1000.0] + 9 * [0.0]],
    }  # bfloat16 has no 1.001
    rounded = {
        path: np.reshape(np.float32(rounded.get(path, value)), value.shape)
        for path, value in right.trained.items()
    }
    found = {}
    for name, ticket in (("right", right), ("rounded", dataclasses.replace(right, trained=rounded))):
        ticket.save(tmp_path / name)
        found[name] = by_name.export(
            ticket=tmp_path / name,
            output=tmp_path / f"{name}.tflite",
            formats=["float32"],
            dataset={"name": "digits"},
        )
    assert found["right"]["restated"] is None
    restated = found["rounded"]["restated"]
    assert (
        restated["before"] < 0.5 < 0.8 < restated["after"]
        and abs(restated["in_16_bits"] - restated["after"]) < 0.03
    )
    assert abs(found["rounded"]["test"]["file"] - found["right"]["test"]["file"]) < 0.03


def test_a_run_that_was_moved_says_where_it_is_and_a_changed_model_is_another(folder, tmp_path, monkeypatch):
    where, _ = folder
    monkeypatch.chdir(tmp_path)
    shutil.copytree(where / "find", "moved")
    shutil.copy(where / "net.keras", "net.keras")
    again = [*FIND, "--model=net.keras", "--compare_at=0.7,0.75,0.5", "--run_dir=moved"]
    with monkeypatch.context() as patch:
        patch.setattr(tf_keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
        code, out, err = command(find_ticket, *again)
    assert code == 0 and "moved/round_02" in out and "find/round" not in out, err
    assert json.loads(Path("moved/result.json").read_text())["ticket"] == "moved/round_02"
    conv(activation="softmax").save("net.keras")
    code, out, err = command(find_ticket, *again)
    assert code == 2 and "model_sha256 was" in err


@pytest.mark.matrix
def test_a_control_that_was_killed_ends_as_early_as_one_that_was_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [
        "--dataset=digits",
        "--width=0.1",
        "--epochs=8",
        "--patience=2",
        "--rounds=1",
        "--rate=0.5",
        "--optimizer=adam",
        "--learning_rate=0.02",
        "--validation=0.05",
        "--compare_at=0.5",
        "--noverbose",
        "--precision=float32",
        "--seed=4",
    ]
    assert command(find_ticket, *given, "--run_dir=whole")[0] == 0
    saved = resumable._Backup.on_epoch_end

    def killed(keeper, epoch, logs=None):
        saved(keeper, epoch, logs)
        if "controls" in str(keeper.path) and epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resumable._Backup, "on_epoch_end", killed)
        assert command(find_ticket, *given, "--run_dir=cut")[0] != 0
    assert command(find_ticket, *given, "--run_dir=cut")[0] == 0
    assert (
        json.loads(Path("cut/result.json").read_text())["rows"]
        == json.loads(Path("whole/result.json").read_text())["rows"]
    )


@pytest.mark.matrix
def test_patience_lets_the_rewind_point_come(tmp_path):
    made = by_name.find(
        dataset={"name": "digits", "train_split": "train[:40%]", "batch_size": 64},
        model="lenet",
        width=0.1,
        epochs=4,
        rounds=1,
        rate=0.5,
        recipe={"optimizer": "sgd", "learning_rate": 1e-6},
        seed=0,
        precision="float32",
        strategy="none",
        run_dir=tmp_path / "run",
        rewind=25,
        patience=1,
        verbose=0,
    )
    assert [row["epoch"] for row in made["rows"]] == [
        4,
        4,
    ]  # 9 steps an epoch; the validation accuracy stands still


@pytest.mark.matrix
def test_a_frozen_backbone_is_frozen_in_every_arm(folder, tmp_path, monkeypatch):
    where, _ = folder
    monkeypatch.chdir(where)
    given = [
        *CARRY,
        "--freeze_backbone",
        f"--run_dir={tmp_path}/frozen",
        "--epochs=1",
        "--controls=dense-transferred",
    ]
    code, _, err = command(transfer_ticket, *given)
    assert code == 0 and "trains the head alone" in err
    for control in ("ticket", "dense-transferred"):
        student = lottery.load_ticket(tmp_path / "frozen" / control / "student")
        assert all(
            np.array_equal(student.trained[path], student.weights[path]) == path.startswith("c")
            for path in ("c1/kernel", "c2/kernel", "head/kernel")
        )
    code, _, err = command(transfer_ticket, *given, "--controls=snip")
    assert code == 2 and "freeze_backbone trains the head alone: leave out one of them" in err


def test_images_given_to_an_export_are_normalised_as_the_tickets_were(folder):
    where, _ = folder
    images = lottery.load_ticket(where / "find" / "round_02").info["data"]
    other = data.load("digits", classes=[5, 6, 7, 8, 9])
    loaded = of_ticket._data_for(
        {"name": "digits", "classes": [5, 6, 7, 8, 9]}, ExportConfig(), conv(), {**images, "name": "another"}
    )
    (x, _), (y, _) = next(iter(loaded.test)), next(iter(other.test))
    assert loaded.mean == tuple(images["mean"]) != other.mean
    pixels = [
        part.numpy() * std + mean
        for part, mean, std in ((x, loaded.mean, loaded.std), (y, other.mean, other.std))
    ]
    assert np.allclose(pixels[0][:100], pixels[1][:100], atol=1e-6)
