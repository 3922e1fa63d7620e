"""A model exported with its data: chosen on validation images, judged on test images."""

import dataclasses
import os
import zipfile

import numpy as np
import pytest
import tf_keras
from ai_edge_litert.interpreter import Interpreter

import keras_lottery as lottery
from keras_lottery import data
from keras_lottery.core.errors import LotteryError
from keras_lottery.tflite.accuracy import checked, judge

L = tf_keras.layers


def trained(digits, head):
    """A small net of 8x8 images, fitted for some epochs."""
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential(
        [
            L.Input(digits.input_shape),
            L.Conv2D(8, 3, activation="relu"),
            L.Flatten(),
            L.Dense(32, "relu"),
            head,
        ]
    )
    loss = "binary_crossentropy" if head.units == 1 else "sparse_categorical_crossentropy"
    model.compile(tf_keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    model.fit(digits.train, epochs=6, verbose=0)
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """(model, data, record) of a wrapped model that was exported with data."""
    digits = data.load("digits", classes=[3, 5, 8], batch_size=32)
    model = lottery.wrap(trained(digits, L.Dense(3, "softmax")), verbose=False)
    path = tmp_path_factory.mktemp("exported") / "digits.tflite"
    return model, digits, lottery.export(model, path, data=digits, verbose=False)


def answers(path, images):
    """The first output of a file for uint8 images, one at a time."""
    runner = Interpreter(str(path)).get_signature_runner()
    ((name, given),) = runner.get_input_details().items()
    assert given["dtype"] is np.uint8
    return np.concatenate([next(iter(runner(**{name: image[None]}).values())) for image in images])


@pytest.mark.matrix
def test_the_file_takes_pictures_holds_the_names_and_is_judged_on_the_test_images(exported):
    model, digits, record = exported
    images, labels = digits.pixels("test")
    assert record.test["file"] == (answers(record.path, images).argmax(-1) == labels).mean() > 0.8
    assert record.test["keras"] == (model.predict(digits.test, verbose=0).argmax(-1) == labels).mean()
    assert record.test["examples"] == digits.sizes["test"]
    with zipfile.ZipFile(record.path) as file:
        assert file.read("labels.txt").decode().split() == ["3", "5", "8"]
    assert record.to_dict()["test"] == record.test and record.restated is None


def test_validation_images_choose_and_int8_takes_its_ranges_from_them(exported):
    model, digits, record = exported
    rows = {row.name: row for row in record.variants}
    assert rows["int8 dense"].problem is None and rows["int8 dense"].accuracy > 0.8
    right = model.predict(digits.validation, verbose=0).argmax(-1)
    assert record.accuracy == (right == digits.pixels("validation")[1]).mean()
    judged = dataclasses.replace(digits, test=digits.validation)
    again = lottery.export(
        model, record.path, data=judged, formats="int8", overwrite=True, verbose=False, max_loss=100
    )
    assert again.test["file"] == again.chosen.accuracy == rows["int8 dense"].accuracy


@pytest.mark.parametrize(
    "given, words",
    [
        ({"data": (1, 2)}, "data is a tuple: give what lottery.data.load returns"),
        ({"images": np.ones((1, 8, 8, 1)), "labels": [1]}, "leave out images and labels"),
        ({"normalization": (0, 1)}, "leave out normalization"),
        ({"validation": 0}, "validation is 0"),
        ({"class_names": ["a", "b"]}, "the model's first output has 3 scores"),
    ],
)
def test_what_does_not_go_with_data(exported, tmp_path, given, words):
    model, digits, _ = exported
    if given.pop("validation", None) == 0:
        given["data"] = dataclasses.replace(digits, validation=None)
    with pytest.raises(LotteryError, match=words):
        lottery.export(model, tmp_path / "m.tflite", **{"data": digits, **given})
    assert not os.listdir(tmp_path)


@pytest.mark.matrix
def test_a_head_of_one_sigmoid_has_the_names_of_two_classes(tmp_path):
    digits = data.load("digits", classes=[3, 8], batch_size=32)
    for head in (L.Dense(1, "sigmoid"), L.Dense(1)):
        model = trained(digits, head)
        record = lottery.export(
            model, tmp_path / "m.tflite", data=digits, formats="int8-weights", overwrite=True, verbose=False
        )
        images, labels = digits.pixels("test")
        scores = answers(record.path, images)[:, 0]
        assert (
            record.test["file"]
            == ((scores > (0.5 if head.activation.__name__ == "sigmoid" else 0)) == labels).mean()
        )
        assert record.test["file"] > 0.8
        with zipfile.ZipFile(record.path) as file:
            assert file.read("labels.txt").decode().split() == ["3", "8"]


@pytest.mark.matrix
def test_several_outputs_with_labels_each(tmp_path):
    tf_keras.utils.set_random_seed(0)
    x = L.Input((6,), name="x")
    many = L.Dense(4, "sigmoid", name="many")(x)
    model = tf_keras.Model(x, [L.Dense(3, name="kind")(x), L.Dense(1, "sigmoid", name="hot")(x), many])
    images = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
    kind, hot, many = model.predict(images, verbose=0)
    labels = {"kind": kind.argmax(-1), "hot": hot > 0.5, "many": (many > 0.5).astype("float32")}
    given = {"images": images, "formats": "float16", "overwrite": True, "verbose": False}
    assert lottery.export(model, tmp_path / "m.tflite", labels=labels, **given).accuracy == 1
    labels["hot"] = ~labels["hot"]
    record = lottery.export(model, tmp_path / "m.tflite", labels=labels, **given)
    assert record.accuracy == pytest.approx(2 / 3)
    with pytest.raises(
        LotteryError, match="labels are given for cold: the model's outputs are kind, hot, many"
    ):
        lottery.export(model, tmp_path / "m.tflite", labels={"cold": labels["hot"]}, **given)


def test_what_counts_as_right():
    """By what labels and scores look like."""
    scores = np.array([[0.1, 0.7, 0.9], [0.8, 0.2, 0.6]])

    def share(labels, scores=scores):
        return judge(checked(labels, 2), {"out": scores})({"out": scores})

    assert share([2, 1]) == share([[2], [1]]) == share([[0, 0, 1], [0, 1, 0]]) == 0.5
    assert share([[0, 1, 1], [1, 0, 0]]) == pytest.approx(5 / 6), "each score by itself"
    assert share([0, 1], scores[:, 1:2]) == 0.0 and share([1, 0], scores[:, 1:2]) == 1.0
    assert share([1, 0], scores[:, 1:2] - 0.5) == 1.0, "logits"
    pixels = np.stack([scores, 1 - scores])
    assert share(pixels.argmax(-1), pixels) == 1.0, "a class for each pixel"
    for labels, said in (
        ([0, 3], "labels are 0 to 3, of shape .*expected 0 to 2 for each example"),
        ([[0, 2, 1], [1, 0, 0]], "or 0 and 1 for each score"),
        ([0, 1, 2], "labels has shape"),
        ([0.5, 1], "labels has shape .*expected 2 whole numbers"),
        (["cat", "dog"], "labels has shape"),
    ):
        with pytest.raises(LotteryError, match=said):
            share(labels)
