"""One command from a model and photos to a file: what it finds out, when it stops, what it writes."""

import dataclasses
import json

import numpy as np
import pytest
from small import command, python
from world import KIND, keras

import keras_lottery as lottery
from apps import shrink as app
from keras_lottery.config import DataConfig
from keras_lottery.experiments import jobs
from keras_lottery.experiments.configs import ShrinkConfig
from keras_lottery.experiments.look import opened
from keras_lottery.experiments.shrink import candidates, judged, table
from keras_lottery.experiments.shrink.enough import Clock, Enough, UntilEnough
from keras_lottery.experiments.shrink.trainings import Job, Net

pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="the commands' data are TensorFlow's")
L = keras.layers
QUICK = ["--dataset=digits", "--epochs=2", "--noverbose", "--precision=float32", "--seed=1"]


def net(*first, classes=10):
    """A small net of 8x8 grey images whose first layers are given."""
    return keras.Sequential(
        [
            L.Input((8, 8, 1)),
            *first,
            L.Conv2D(8, 3, padding="same", use_bias=False, name="one"),
            L.BatchNormalization(name="bn"),
            L.ReLU(),
            L.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="two"),
            L.BatchNormalization(name="bn2"),
            L.ReLU(),
            L.GlobalAveragePooling2D(),
            L.Dense(classes, name="head"),
        ]
    )


def trained(normalization, *first, classes=None):
    """Such a net, trained on digits in a scaling."""
    keras.utils.set_random_seed(0)
    data = lottery.data.load("digits", normalization=normalization, classes=classes, batch_size=32)
    model = net(*first, classes=data.num_classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(data.train, epochs=3, verbose=0)
    return model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of three saved nets: one that scales itself, one of -1..1, one of other classes."""
    folder = tmp_path_factory.mktemp("models")
    trained((0.0, 1 / 255), L.Rescaling(1 / 127.5, -1, name="scale")).save(folder / "own.keras")
    trained((0.5, 0.5)).save(folder / "minus1to1.h5")
    trained((0.5, 0.5), classes=[0, 1, 2]).save(folder / "three.keras")
    return folder


def run(folder, model, *flags):
    given = [f"--model={model}", f"--output={folder / 'net.tflite'}", f"--run_dir={folder / 'run'}"]
    return command(app, *given, *QUICK, *flags)


def found(model, **flags):
    """What lottery-shrink finds out of a model and digits, before it trains."""
    config = ShrinkConfig(model=str(model), output="net.tflite", seed=1)
    sizes = {name: flags.pop(name) for name in ("image_size",) if name in flags}
    given = dataclasses.replace(config, **flags), DataConfig("digits", **sizes)
    return opened(*given, config.seed, "tf_keras", jobs.load)


@pytest.mark.matrix
def test_a_model_that_scales_itself(models, tmp_path, monkeypatch):
    """The whole command. File and pruning together may lose what --max_loss says, not each of them."""
    asked, export = [], candidates.export
    keep = lambda *a, **k: asked.append(k["max_loss"]) or export(*a, **k)
    monkeypatch.setattr(candidates, "export", keep)
    code, out, err = run(tmp_path, models / "own.keras", "--max_loss=8")
    assert code == 0, err
    assert "in the scaling 'own'" in out and "its head fits" in out and "points lost in test" in out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["preprocessing"] == "own"
    dense, pruned = result["files"]
    assert (tmp_path / "net.tflite").stat().st_size == pruned["bytes"] < dense["bytes"] and pruned["chosen"]
    rows = result["rounds"]["search"]
    chosen = [row for row in rows if row["fits"]][-1]
    assert rows[0]["sparsity"] == 0 and chosen["folder"] == result["ticket"]
    assert asked[-1] == pytest.approx(8 - chosen["points_lost"]) and result["test"]["images"] == 359
    assert f"one of which is {100 / 144:.2f} points" in out and "this took" in out
    masks = lottery.load_ticket(result["ticket"]).masks
    kept, total = (sum(map(of, masks.values())) for of in (np.count_nonzero, np.size))
    assert 1 - kept / total == pytest.approx(result["sparsity"])


@pytest.mark.matrix
def test_a_round_that_lost_too_much_is_trained_once_more_under_its_mask(models, tmp_path):
    code, out, err = run(tmp_path, models / "own.keras", "--max_loss=0", "--verbose")
    assert code == 0, err
    rows = json.loads((tmp_path / "run" / "result.json").read_text())["rounds"]["search"]
    again = [row for row in rows if "again" in row["folder"]]
    lost = [row for row in rows if not row["fits"] and row not in again]
    assert again and all(row["fits"] for row in again[:-1]), "the first that does not suffice is the last"
    for row, before in zip(again, lost):
        assert (row["sparsity"], row["trainings"]) == (before["sparsity"], before["trainings"] + 1)
        assert f"training {row['trainings']} of the net with {row['sparsity']:.1%} zeros" in out
        ours, theirs = (lottery.load_ticket(of["folder"]) for of in (row, before))
        assert ours.info["recipe"] == theirs.info["recipe"], "a transfer takes it over"
        for path, mask in theirs.masks.items():
            np.testing.assert_array_equal(ours.masks[path], mask)
            assert not ours.trained[path][~mask].any()


@pytest.mark.matrix
def test_the_same_command_gives_the_same_rounds(models, tmp_path):
    rows = []
    for _ in range(2):
        code, _, err = run(tmp_path, models / "own.keras", "--overwrite")
        assert code == 0, err
        rows.append(json.loads((tmp_path / "run" / "result.json").read_text())["rounds"])
    assert rows[0] == rows[1]


def test_how_a_model_takes_images_is_measured(models):
    measured = found(models / "minus1to1.h5")
    told = "\n".join(measured.told)
    assert "images as minus1to1" in told and ", then " in told and "scaled as minus1to1" in told
    asked = found(models / "minus1to1.h5", preprocessing="minus1to1")
    assert "images as" not in "\n".join(asked.told) and asked.scaling == measured.scaling
    for one, other in zip(asked.model.get_weights(), measured.model.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_other_classes_get_a_new_head(models):
    three = found(models / "three.keras")
    assert "it gets a new one" in "\n".join(three.told) and three.model.output_shape == (None, 10)
    larger = found(models / "three.keras", image_size=12)
    assert "10 classes, 12x12x1" in "\n".join(larger.told) and larger.model.input_shape == (None, 12, 12, 1)
    assert "is not trained" in "\n".join(found("resnet8").told)


def test_a_body_that_was_frozen_is_trained_and_pruned(tmp_path):
    """As after Keras' guide to transfer learning: a frozen body under a head of one's own."""
    body = net()
    body.trainable = False
    model = keras.Sequential([L.Input((8, 8, 1)), L.Rescaling(1 / 255), body])
    model.save(tmp_path / "frozen.keras")
    given = found(tmp_path / "frozen.keras")
    assert "5 of its layers were frozen: they are trained and pruned" in "\n".join(given.told)
    assert {path.split("/")[-2] for path in lottery.prunable(given.model)} == {"one", "two"}
    assert given.model.layers[-1].get_layer("bn").trainable


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--model="], "no model given"),
        (["--output="], "no output given"),
        (["--model=gone.keras"], "there is no such file"),
        (["--model=resnet21"], "no model is called 'resnet21'"),
        (["--goal=speed"], "--goal=speed is unknown: choose 'size', 'download', 'latency'"),
        (["--preprocessing=tanh"], "--preprocessing=tanh is unknown"),
        (["--max_loss=-1"], "--max_loss=-1.0 is impossible"),
        (["--budget=0"], "--budget=0.0 is impossible"),
        (["--validation=0"], "leaves no images to judge rounds by"),
        (["--weights=imagenet"], "is for names: a saved model has its own"),
        (["--controls=random"], "--controls=random is unknown: choose 'dense-cyclic'"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_trained(models, tmp_path, monkeypatch, flags, said):
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("training has begun"))
    code, out, err = run(tmp_path, models / "own.keras", *flags)
    assert code == 2 and err.count("\n") == 1 and said in err, err
    assert not (tmp_path / "run").exists() and not (tmp_path / "net.tflite").exists()


def test_a_file_that_is_there_stays(models, tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"mine")
    code, _, err = run(tmp_path, models / "own.keras")
    assert code == 2 and "exists" in err and (tmp_path / "net.tflite").read_bytes() == b"mine"


def test_two_rounds_in_a_row_that_lose_too_much_are_enough(tmp_path):
    """A round that loses too much between good ones ends nothing; what may be lost is one image at least."""

    def rounds(*accuracies, best=None):
        found = []
        for number, accuracy in enumerate(accuracies):
            found.append({"round": number, "metrics": {"val_accuracy": accuracy}})
        UntilEnough(tmp_path, 1.0, 6, Clock(None, 2), best).check(found)

    rounds(0.9, 0.8)
    rounds(0.9, 0.8, 0.9)
    rounds(0.9, 0.8, 0.9, 0.8)
    rounds(0.9, 0.891, 0.89)
    for accuracies, best in ((0.9, 0.9, 0.8, 0.7), None), ((0.5, 0.8, 0.7), 0.9):
        with pytest.raises(Enough, match="the last 2 rounds lost 10.0 and 20.0 points"):
            rounds(*accuracies, best=best)
    given = type("Given", (), {"data": type("Data", (), {"sizes": {"validation": 50}})})
    job = Job(ShrinkConfig(max_loss=0.5), None, given, None, None, None)
    assert job.allowed == 2.0


def test_a_net_that_gained_by_more_trainings_says_little_of_what_pruning_loses():
    def told(lost, *controls):
        net = {"folder": "here", "trainings": 4, "points_lost": lost}
        test = {name: {"points_lost": lost, "half": 1.0} for name in ("chosen", *controls)}
        result = {"test": test, "rounds": {"search": [net]}, "ticket": "here", "allowed": 2.0, "minutes": 1}
        return any("trained 4 times" in line for line in table.lines(result))

    assert told(-5.0) and not told(-5.0, "dense-cyclic") and not told(-2.0) and not told(1.0)


def test_one_image_may_be_lost_whatever_float32_makes_of_it(tmp_path):
    for images in range(1, 300):
        sizes = {"validation": images}
        given = type("Given", (), {"data": type("Data", (), {"sizes": sizes})})
        job = Job(ShrinkConfig(max_loss=0.0), None, given, None, None, None)
        for right in range(2, images + 1):
            best, one, two = (float(np.float32(some / images)) for some in (right, right - 1, right - 2))
            assert Net.of(job, tmp_path, 2, 0.5, one, best).fits
            assert not Net.of(job, tmp_path, 2, 0.5, two, best).fits


def test_a_training_begins_only_if_it_ends_in_the_share_of_the_time_that_is_its_own():
    clock = Clock(10, epochs=4)
    clock.check()  # nothing is known of how long a training takes
    clock.epoch = 70
    clock.check()
    with pytest.raises(Enough, match="would not end within 10 minutes"):
        clock.check(clock.for_others(3))
    assert clock.for_others(1) == 0 and Clock(None, 4).for_others(3) == 0


def test_the_time_of_a_command_that_was_stopped_counts(tmp_path):
    for ends in range(1, 3):
        clock = Clock(10, epochs=1)
        clock.keep(tmp_path / "clock.json")
        clock.begun -= 100
        clock.on_epoch_begin(0)
        clock.on_epoch_end(0)
        assert clock.whole == pytest.approx(100 * ends, abs=5) and clock.left == pytest.approx(500, abs=5)


@pytest.mark.matrix
def test_a_file_of_keras_3_is_read_by_it(tmp_path):
    code = (
        "import keras; L = keras.layers;"
        "keras.Sequential([L.Input((8, 8, 1)), L.Rescaling(1 / 255), L.Conv2D(4, 3), L.BatchNormalization(),"
        "L.ReLU(), L.GlobalAveragePooling2D(), L.Dense(10)]).save('net.keras')"
    )
    assert python("-c", code, cwd=tmp_path).returncode == 0
    flags = ["--model=net.keras", "--output=net.tflite", *QUICK, "--epochs=1"]
    done = python("-m", "apps.shrink", *flags, cwd=tmp_path)
    assert done.returncode == 0 and "wrote" not in done.stderr, done.stderr
    result = json.loads((tmp_path / "runs" / "shrink" / "result.json").read_text())
    assert result["backend"] == "tensorflow" and np.isfinite(result["test"]["chosen"]["points_lost"])


def test_an_interval_over_images_on_which_both_agree_is_none_of_certainty():
    right = np.arange(24) > 3
    assert judged.points_lost(right, right)["half"] == pytest.approx(100 * 3 / 24)
    other = right ^ (np.arange(24) == 5)
    assert 0 < judged.points_lost(right, other)["half"] < 100 * 3 / 24
    told = judged.accuracy(right | True)
    assert told["accuracy"] == told["high"] == 1 and 0.8 < told["low"] < 0.9


def test_arm_that_cannot_be_emulated_is_told_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: None)
    code, _, err = run(tmp_path, "gone.keras", "--arm")
    assert code == 2 and err.count("\n") == 1 and "--arm needs Linux with apt" in err, err


def stem(*_):
    """A net of the form that sparse kernels ask for, but for 'same' padding at stride 2."""
    first = x = L.Input((8, 8, 3))
    for layer in (
        L.Conv2D(8, 3, strides=2, padding="same"),
        L.ReLU(),
        L.Conv2D(24, 1),
        L.ReLU(),
        L.DepthwiseConv2D(3, strides=2, padding="same"),
        L.ReLU(),
        L.Conv2D(24, 1),
        L.ReLU(),
        L.GlobalAveragePooling2D(),
        L.Dense(10, name="head"),
    ):
        x = layer(x)
    return keras.Model(first, x)


@pytest.mark.matrix
def test_for_latency_dense_int8_taken_out_channels_and_sparse_kernels_are_weighed(tmp_path, monkeypatch):
    """The sparse form at 9 pixels for 8; beside the dense net trained as often. Given again, it goes on."""
    stem().save(tmp_path / "net.keras")
    flags = ["--goal=latency", "--max_loss=100", "--epochs=1", "--controls=dense-cyclic", "--channels=3"]
    flags += ["--preprocessing=minus1to1"]
    code, out, err = run(tmp_path, tmp_path / "net.keras", *flags)
    assert code == 0, err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    names = ["dense", "dense-int8", "pruned-int8", "pruned-float", "compact-int8", "pruned-float-odd"]
    files = {file["name"]: file for file in result["files"]}
    assert list(files) == names and "sparse kernels of ARM processors run at 9x9, not at 8x8" in out
    assert files["pruned-float-odd"]["input_shape"] == [9, 9, 3] and files["dense"]["sparsity"] == 0
    assert files[result["chosen"]]["latency_ms"] <= 1.03 * files["dense-int8"]["latency_ms"]
    assert (tmp_path / "net.tflite").stat().st_size == files[result["chosen"]]["bytes"]
    assert [len(nets) for nets in result["rounds"].values()][:2] == [7, 8]
    assert "trained as often (dense-cyclic)" in out
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("it trains again"))
    code, _, err = run(tmp_path, tmp_path / "net.keras", *flags, f"--output={tmp_path / 'again.tflite'}")
    assert code == 0, err
