"""What a ticket says of its images is what commands do with others, where nobody says another thing."""

import json

import numpy as np
import pytest
from small import command, conv, pruned_ticket
from world import KIND, keras

import keras_lottery as lottery
from apps import export_ticket, transfer_ticket
from keras_lottery import data
from keras_lottery.core.errors import LotteryError
from keras_lottery.models import noted

pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="the commands' data are TensorFlow's")
QUICK = ["--epochs=1", "--noverbose", "--precision=float32", "--optimizer=adam", "--learning_rate=0.01"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of colour photos of two classes, each of another size."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for n, name in enumerate(("cat", "dog")):
        (folder / name).mkdir()
        for number in range(12):
            image = rng.integers(60 * n, 120 + 60 * n, (9 + number % 3, 11, 3))
            keras.utils.save_img(folder / name / f"{number}.png", image, scale=False)
    return folder


def found(normalization=None):
    """A ticket of digits, from Python, that nobody gave notes."""
    digits = data.load("digits", classes=[0, 1, 2, 3, 4], batch_size=64, normalization=normalization)
    model = conv()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return lottery.find_ticket(model, digits.train, epochs=1, rounds=1, rate=0.5, verbose=0), digits


def carried(folder, ticket, *flags):
    ticket.save(folder / "ticket")
    given = [f"--ticket={folder / 'ticket'}", f"--run_dir={folder / 'run'}", *QUICK, *flags]
    code, out, err = command(transfer_ticket, *given)
    assert code == 0, err
    return json.loads((folder / "run" / "result.json").read_text())["data"], out, err


@pytest.mark.matrix
def test_photos_are_brought_to_the_tickets_form_and_scaled_by_themselves(photos, tmp_path):
    """A net that learned from images of mean 0 and deviation 1 takes others so."""
    ticket, digits = found()
    assert ticket.images == digits.describe() and "digits" in repr(ticket)
    loaded, out, _ = carried(tmp_path, ticket, f"--dataset={photos}")
    assert loaded["input_shape"] == [8, 8, 1] and loaded["classes"] == ["cat", "dog"]
    own = data.load(photos, image_size=8, channels=1)
    assert tuple(loaded["mean"]) == own.mean and "normalization" not in loaded
    export = next(line for line in out.splitlines() if "lottery-export" in line).split()
    code, out, err = command(export_ticket, *export[1:], "--formats=float32")
    assert code == 0, err
    assert (tmp_path / "run" / "student.labels.txt").read_text().split() == ["cat", "dog"]


@pytest.mark.matrix
def test_a_scaling_that_was_told_stays(photos, tmp_path):
    """As for a pretrained net, through transfers; what the user says wins."""
    ticket, _ = found((0.5, 0.5))
    loaded, _, _ = carried(tmp_path / "a", ticket, f"--dataset={photos}", "--image_size=10")
    assert (loaded["mean"], loaded["std"], loaded["input_shape"]) == ([0.5], [0.5], [10, 10, 1])
    student = lottery.load_ticket(tmp_path / "a" / "run" / "ticket" / "student")
    loaded, _, _ = carried(
        tmp_path / "b", student, "--dataset=digits", "--preprocessing=0to1", "--classes=5,6"
    )
    assert (loaded["mean"], loaded["std"], loaded["input_shape"]) == ([0.0], [1.0], [10, 10, 1])


@pytest.mark.matrix
def test_a_ticket_without_notes_is_exported_once_its_scaling_is_told(tmp_path):
    ticket = pruned_ticket(conv(), 0.5)
    assert not ticket.images
    ticket.save(tmp_path / "ticket")
    given = [f"--ticket={tmp_path / 'ticket'}", f"--output={tmp_path / 'm.tflite'}", "--formats=float32"]
    given += ["--dataset=digits", "--classes=0,1,2,3,4"]
    code, _, err = command(export_ticket, *given)
    assert code == 2 and "say how its net takes them, --preprocessing=none, own" in err
    code, out, err = command(export_ticket, *given, "--preprocessing=minus1to1")
    assert code == 0 and "test images: the model" in out, err
    assert (tmp_path / "m.labels.txt").read_text().split() == list("01234")


@pytest.mark.parametrize("rewind, kind", [("lr", "a pretrained net"), ("init", "a new net")])
def test_a_ticket_without_a_recipe_is_trained_as_what_its_weights_are(rewind, kind, tmp_path):
    """As one from Python, where the optimizer is one that no recipe names."""
    digits = data.load("digits", classes=[0, 1, 2, 3, 4], batch_size=64)
    model = conv()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.5), "sparse_categorical_crossentropy")
    ticket = lottery.find_ticket(model, digits.train, epochs=1, rounds=1, rate=0.5, rewind=rewind, verbose=0)
    ticket.save(tmp_path / "ticket")
    given = [f"--ticket={tmp_path / 'ticket'}", f"--run_dir={tmp_path / 'run'}", "--dataset=digits"]
    code, out, err = command(transfer_ticket, *given, "--epochs=1", "--noverbose", "--precision=float32")
    assert code == 0, err
    assert f"chosen for {kind}" in out


def test_images_that_the_net_scales_once_more_are_told(tmp_path):
    scaling = keras.Sequential([keras.layers.Rescaling(1 / 255, name="scale"), *conv().layers])
    scaling.build((None, 8, 8, 1))
    _, _, err = carried(tmp_path, pruned_ticket(scaling, 0.5), "--dataset=digits")
    assert err.count("images are scaled twice") == 1 and "as --preprocessing=own does" in err


def test_what_does_not_go_with_a_ticket():
    notes = {"normalization": "given", "mean": [0.5] * 3, "std": [0.5] * 3}
    assert (
        noted.normalization("auto", notes, 3) == ((0.5,) * 3,) * 2
        and noted.normalization("auto", {}, 1) is None
    )
    with pytest.raises(LotteryError, match="scaled in 3 channels: leave channels out"):
        noted.normalization("auto", notes, 1)
    with pytest.raises(LotteryError, match="caffe.*give preprocessing='auto'"):
        noted.normalization("caffe", notes, 3)
    assert noted.in_form({"image_size": None}, (9, 7, 3), {"crop": True})["crop"]
    assert noted.in_form({"image_size": 5}, (9, 7, 3), {"crop": True}) == {"image_size": 5, "channels": 3}
