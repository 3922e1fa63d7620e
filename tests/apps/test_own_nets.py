"""lottery-find with a net that is there already: how it takes images, its head, what of it stays frozen."""

import json

import numpy as np
import pytest
from small import command
from world import KIND, keras

import keras_lottery as lottery
from apps import find_ticket, transfer_ticket
from keras_lottery import data
from keras_lottery.config import DataConfig, Net
from keras_lottery.experiments import jobs
from keras_lottery.experiments.configs import OwnNet
from keras_lottery.experiments.look import OWN, _by_name, opened

pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="the commands' data are TensorFlow's")
L = keras.layers
QUICK = [
    "--dataset=digits",
    "--train_split=train[:40%]",
    "--epochs=1",
    "--rounds=1",
    "--rate=0.5",
    "--optimizer=adam",
    "--learning_rate=0.01",
    "--noverbose",
    "--precision=float32",
]


def net(*first, classes=10, norm=True):
    """A small net of 8x8 grey images whose first layers are given; without norm nothing in it tells whether
    it is trained."""
    norms = [L.BatchNormalization(name="bn")] if norm else []
    return keras.Sequential(
        [
            L.Input((8, 8, 1)),
            *first,
            L.Conv2D(8, 3, padding="same", use_bias=norm, name="one"),
            *norms,
            L.ReLU(),
            L.GlobalAveragePooling2D(),
            L.Dense(16, "relu", use_bias=norm, name="two"),
            L.Dense(classes, use_bias=norm, name="head"),
        ]
    )


def trained(scaling, *first, classes=None):
    digits = data.load("digits", normalization=scaling, classes=classes, batch_size=32)
    model = net(*first, classes=digits.num_classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    model.fit(digits.train, epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets")
    trained((0.0, 1 / 255), L.Rescaling(1 / 255)).save(folder / "own.keras")
    trained((0.5, 0.5), classes=[0, 1, 2]).save(folder / "three.h5")
    net().save(folder / "new.keras")
    net(norm=False).save(folder / "unknown.keras")
    return folder


def find(folder, model, *flags):
    code, out, err = command(find_ticket, f"--model={model}", f"--run_dir={folder / 'run'}", *QUICK, *flags)
    assert code == 0, err
    result = json.loads((folder / "run" / "result.json").read_text())
    return result, lottery.load_ticket(result["ticket"]), out


def found(model, **options):
    """What lottery-find finds out before it trains."""
    return opened(OwnNet(model=str(model), **options), DataConfig("digits"), 0, "tf_keras", jobs.load)


@pytest.mark.matrix
def test_a_net_that_scales_itself_gets_pixels_and_so_does_what_is_made_of_its_ticket(nets, tmp_path):
    result, ticket, out = find(tmp_path, nets / "own.keras")
    assert "takes images in the scaling 'own'" in out and "its head fits, and gets" in out
    assert result["preprocessing"] == "own" == ticket.info["preprocessing"]
    assert result["data"]["std"] == [1 / 255] and result["data"]["image_size"] == [8, 8]
    given = [f"--ticket={result['ticket']}", f"--run_dir={tmp_path / 'carry'}", *QUICK[:3], *QUICK[-4:]]
    code, _, err = command(transfer_ticket, *given, "--classes=3,5")
    assert code == 0 and "scaled twice" not in err, err
    assert json.loads((tmp_path / "carry" / "result.json").read_text())["data"]["std"] == [1 / 255]


@pytest.mark.matrix
def test_other_classes_want_a_new_head(nets, tmp_path):
    code, _, err = command(find_ticket, f"--model={nets / 'three.h5'}", *QUICK)
    assert code == 2 and "--new_head gives it a new head, for 10 classes" in err
    result, ticket, out = find(tmp_path, nets / "three.h5", "--new_head")
    assert "it gets a new one" in out and "images as minus1to1" in out
    assert ticket.model().output_shape == (None, 10) and result["preprocessing"] == "minus1to1"
    start = keras.models.load_model(nets / "three.h5", compile=False).get_layer("one").kernel.numpy()
    mask = ticket.masks["one/kernel"]
    np.testing.assert_array_equal(ticket.weights["one/kernel"][mask], start[mask])


@pytest.mark.matrix
def test_a_new_net_takes_images_by_their_own_mean(nets, tmp_path):
    """As before there was a word for it; where nothing tells whether it is new, that is said."""
    own = data.load("digits")
    for name, said in (
        ("new.keras", "is not trained"),
        ("unknown.keras", "taken for a new net, which takes"),
    ):
        given = found(nets / name)
        assert given.scaling == OWN and given.data.mean == own.mean and said in "\n".join(given.told)
    assert "preprocessing=none, minus1to1" in "\n".join(given.told)
    result, ticket, out = find(tmp_path, nets / "new.keras")
    assert "preprocessing" not in result and "normalization" not in result["data"]
    plain, wide = (
        jobs.found_net(kind("lenet"), DataConfig("digits"), 0, "tf_keras", jobs.load)
        for kind in (Net, OwnNet)
    )
    assert plain.data.describe() == wide.data.describe() == own.describe() and plain.notes == wide.notes == {}
    assert not plain.told and not wide.told
    told = jobs.found_net(
        OwnNet("lenet", preprocessing="0to1"), DataConfig("digits"), 0, "tf_keras", jobs.load
    )
    assert (
        told.data.mean == (0.0,) and told.load(3).mean == (0.0,) and told.notes == {"preprocessing": "0to1"}
    )


@pytest.mark.matrix
def test_what_is_frozen_is_left_so_on_request(nets, tmp_path):
    model = keras.models.load_model(nets / "own.keras", compile=False)
    for name in ("one", "bn"):
        model.get_layer(name).trainable = False
    model.save(tmp_path / "frozen.keras")
    assert "2 of its layers were frozen: they are trained" in "\n".join(found(tmp_path / "frozen.keras").told)
    _, ticket, out = find(tmp_path, tmp_path / "frozen.keras", "--freeze_backbone")
    assert "2 of its layers were frozen: they stay so" in out and list(ticket.masks) == ["two/kernel"]
    for path, same in (("one/kernel", True), ("bn/moving_mean", True), ("head/kernel", False)):
        assert np.array_equal(ticket.trained[path], ticket.weights[path]) == same, path


@pytest.mark.matrix
def test_of_a_net_that_is_not_frozen_the_head_is_all_that_trains(nets, tmp_path):
    result, ticket, out = find(tmp_path, nets / "own.keras", "--freeze_backbone")
    assert "its head alone is trained and pruned" in out and list(ticket.masks) == ["head/kernel"]
    assert np.array_equal(ticket.trained["two/kernel"], ticket.weights["two/kernel"])
    assert result["freeze_backbone"] and result["rows"][-1]["sparsity"] == 0.5


def test_a_network_of_keras_applications_is_called_one():
    told = _by_name(OwnNet("MobileNetV2"), DataConfig(), "tf_keras")[2]
    assert told == ["MobileNetV2 is a network of keras.applications, with new weights"]
    assert not _by_name(OwnNet("mobilenet"), DataConfig(), "tf_keras")[2]


def test_after_a_search_on_a_folder_comes_its_export(nets, tmp_path):
    rng = np.random.default_rng(0)
    for n, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(15):
            image = rng.integers(90 * n, 120 + 90 * n, (10, 11, 3))
            keras.utils.save_img(tmp_path / "photos" / name / f"{number}.png", image, scale=False)
    given = [*QUICK[2:], f"--dataset={tmp_path / 'photos'}", "--new_head", f"--run_dir={tmp_path / 'run'}"]
    code, out, err = command(find_ticket, f"--model={nets / 'own.keras'}", *given)
    assert code == 0 and "2 classes, 8x8x1" in out, err
    last = f"--ticket={tmp_path / 'run' / 'round_01'} --dataset={tmp_path / 'photos'}"
    assert f"next:\n  lottery-export {last} --output={tmp_path / 'run'}/student.tflite" in out
