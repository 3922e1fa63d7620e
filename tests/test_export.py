"""Exported files: loaded, run, as small as they can be, with exactly the model's zeros; or nothing at all."""

import doctest
import errno
import json
import os
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import keras_lottery as lottery
from keras_lottery import models
from keras_lottery.errors import LotteryError

layers = tf_keras.layers


def net():
    """A convolution net with BatchNorm, as after training, whose larger kernels are 90% zeros."""
    tf_keras.utils.set_random_seed(0)
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(16, 3, padding="same", name="conv1")(image)
    x = layers.BatchNormalization(name="bn1")(x)
    x = layers.ReLU(name="relu1")(x)
    x = layers.Conv2D(64, 3, strides=2, padding="same", use_bias=False, name="conv2")(x)
    x = layers.BatchNormalization(name="bn2")(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.Dense(128, activation="relu", name="dense")(layers.Flatten(name="flatten")(x))
    return randomised(tf_keras.Model(image, layers.Dense(10, name="logits")(x), name="net"))


def randomised(model, sparsity=0.9):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        value = weight.numpy() + 0.1 * np.abs(rng.normal(size=weight.shape))
        if "kernel" in weight.name and value.size > 1000:
            value = weight.numpy()
            value[np.abs(value) < np.quantile(np.abs(value), sparsity)] = 0
        weight.assign(value)
    return model


def run_dense(path, **inputs):
    """The first output, one example at a time, by an interpreter that export had no part in."""
    runner = Interpreter(str(path)).get_signature_runner()
    rows = [runner(**{name: value[i:i + 1].astype("float32") for name, value in inputs.items()})
            for i in range(len(next(iter(inputs.values()))))]
    return np.concatenate([next(iter(row.values())) for row in rows])


def tensors_in(path):
    """All weights of a file as they multiply: sparse ones after the file's own DENSIFY, without any delegate."""
    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True,
                              experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    interpreter.allocate_tensors()
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_tensor_details()
            if detail["shape"].size and not detail["sparsity_parameters"]]


def test_the_smaller_file_is_written_and_gives_the_models_answers(tmp_path, capfd):
    model, path = net(), tmp_path / "new" / "folder" / "net.tflite"
    images = np.random.default_rng(1).normal(size=(9, 8, 8, 3)).astype("float32")
    before = model.get_weights()
    capfd.readouterr()
    record = lottery.export(model, path, images=images)

    dense, sparse = record.variants
    assert (dense.name, sparse.name) == ("dense", "sparse") and dense.loads and sparse.loads
    assert sparse.bytes < dense.bytes / 3 and record.chosen is sparse
    assert path.stat().st_size == sparse.bytes and os.listdir(path.parent) == ["net.tflite"]
    assert sparse.largest_difference < 1e-4 and dense.largest_difference < 1e-4
    assert np.abs(run_dense(path, image=images) - model(images).numpy()).max() < 1e-4
    assert json.loads(json.dumps(record.to_dict()))["chosen"] == "sparse"
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    printed = capfd.readouterr()
    assert f"{sparse.bytes:,}" in printed.out and "written" in printed.out and str(path) in printed.out
    assert printed.err == "", "conversion is quiet"


@pytest.mark.parametrize("sparse", [False, True])
def test_zeros_in_the_file_are_exactly_the_models(tmp_path, sparse):
    model, path = net(), tmp_path / "net.tflite"
    record = lottery.export(model, path, sparse=sparse)
    assert record.chosen.name == ("sparse" if sparse else "dense")
    found = tensors_in(path)
    for name in ("conv2", "dense"):
        kernel = model.get_layer(name).kernel.numpy()
        kept = np.moveaxis(kernel, -1, 0) != 0          # TFLite keeps the output channel first
        assert 0.09 < kept.mean() < 0.11
        assert any(tensor.shape == kept.shape and np.array_equal(tensor != 0, kept) for tensor in found), name


def test_a_wrapped_model_is_stripped_and_keeps_its_zeros(tmp_path):
    model, path = lottery.wrap(net()), tmp_path / "net.tflite"
    record = lottery.export(model, path, sparse=False)
    assert record.chosen.relative_difference < 1e-4
    kernel = lottery.prunable(model)["conv2/kernel"].numpy()
    kept = np.moveaxis(kernel, -1, 0) != 0
    assert any(tensor.shape == kept.shape and np.array_equal(tensor != 0, kept) for tensor in tensors_in(path))


def test_without_zeros_the_dense_file_is_chosen_and_repeats_byte_for_byte(tmp_path):
    model = models.build("lenet", (8, 8, 1), 3, width=0.1)
    record = lottery.export(model, tmp_path / "a.tflite")
    lottery.export(model, str(tmp_path / "b.tflite"))
    assert record.chosen.name == "dense"
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_exported_as_float32_with_the_same_weights(tmp_path, policy):
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        mixed = net()
        record = lottery.export(mixed, tmp_path / "net.tflite")
        assert tf_keras.mixed_precision.global_policy().name == policy
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
    plain = net()
    plain.set_weights(mixed.get_weights())
    images = np.random.default_rng(1).normal(size=(8, 8, 8, 3)).astype("float32")
    assert record.chosen.name == "sparse"
    assert np.abs(run_dense(tmp_path / "net.tflite", image=images) - plain(images).numpy()).max() < 1e-4


def test_several_inputs_and_outputs_with_awkward_names(tmp_path):
    a, b = layers.Input((4,), name="a/b"), layers.Input((5,), name="2nd", dtype="int32")
    embedded = layers.Flatten()(layers.Embedding(3, 2)(b))
    x = layers.Concatenate()([a, embedded])
    model = tf_keras.Model([a, b], [layers.Dense(3, name="p")(x), layers.Dense(2, name="q")(x), a])
    first, second = np.random.rand(6, 4), np.random.randint(0, 3, (6, 5))
    for images in (None, [first, second], {"a/b": first, "2nd": second}):
        assert lottery.export(model, tmp_path / "m.tflite", images=images, overwrite=True).chosen.loads
    assert set(Interpreter(str(tmp_path / "m.tflite")).get_signature_runner().get_output_details()) == {"p", "q", "a_b"}
    for wrong, words in (([first], "list of 2 arrays"), ({"a/b": first}, "expected the model's inputs"),
                         ([first, second[:2]], "differ in how many")):
        with pytest.raises(LotteryError, match=words):
            lottery.export(model, tmp_path / "n.tflite", images=wrong)


def test_every_output_and_input_is_in_the_file_though_keras_calls_them_alike(tmp_path):
    """One layer called twice, and names that differ only in what a signature cannot hold."""
    import keras

    for library in (tf_keras, keras):
        a, b = library.Input((4,), name="x-1"), library.Input((4,), name="x_1")
        shared = library.layers.Dense(3, name="o")
        model = library.Model([a, b], [shared(a), shared(b)])
        record = lottery.export(model, tmp_path / "m.tflite", overwrite=True)
        runner = Interpreter(record.path).get_signature_runner()
        first, second = np.random.rand(2, 1, 4).astype("float32")
        said = runner(x_1=first, x_1_1=second)
        for found, expected in zip((said[name] for name in sorted(said)), model([first, second]), strict=True):
            assert np.allclose(found, expected, atol=1e-5)


def test_a_keras_3_model_of_several_inputs_and_its_own_class(tmp_path):
    import keras

    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, given):
            return self.dense(given["left"]) - 2 * self.dense(given["right"])

    model, given = Two(), {"left": np.random.rand(1, 4).astype("float32"), "right": np.random.rand(1, 4).astype("float32")}
    expected = model(given)
    record = lottery.export(model, tmp_path / "two.tflite", images=given)
    (found,) = Interpreter(record.path).get_signature_runner()(**given).values()
    assert np.allclose(found, expected, atol=1e-5)


def test_a_recurrent_file_answers_the_second_example_as_the_first(tmp_path):
    sequence = layers.Input((4, 3), name="sequence")
    model = tf_keras.Model(sequence, layers.LSTM(8)(sequence))
    lottery.export(model, tmp_path / "lstm.tflite")
    twice = np.repeat(np.random.default_rng(0).normal(size=(1, 4, 3)), 2, axis=0)
    first, second = run_dense(tmp_path / "lstm.tflite", sequence=twice)
    assert np.array_equal(first, second) and np.abs(first - model(twice).numpy()[0]).max() < 1e-5


def subclassed():
    class Own(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x)
    return Own()


def test_a_subclassed_model_is_exported_once_it_was_called(tmp_path):
    model = subclassed()
    with pytest.raises(LotteryError, match="call it once"):
        lottery.export(model, tmp_path / "own.tflite")
    model(np.ones((3, 4), "float32"))
    assert lottery.export(model, tmp_path / "own.tflite").chosen.largest_difference < 1e-5


def custom_operation():
    x = layers.Input((4, 4))
    return tf_keras.Model(x, layers.Lambda(lambda t: tf.linalg.svd(t)[0])(x), name="svd")


def random_answers():
    x = layers.Input((4,))
    return tf_keras.Model(x, layers.Lambda(lambda t: t + tf.random.uniform((1, 4)))(x))


def with_nan():
    model = tiny()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    return model


def tiny():
    return tf_keras.Sequential([layers.Input((4,), name="x"), layers.Dense(2)], name="tiny")


@pytest.mark.parametrize("model, words", [
    (lambda: "net.keras", "got str"),
    (lambda: tf_keras.Sequential([layers.Dense(2)], name="open"), "'open' does not know its input shape"),
    (lambda: tf_keras.Sequential([layers.Input((None, None, 3)), layers.Conv2D(2, 1)]), "shape (None, None, None, 3)"),
    (lambda: tf_keras.Sequential([layers.Input((1,), dtype="string"), layers.StringLookup()]), "takes string"),
    (custom_operation, "'svd' does not convert: TFLite has no operation for tf.Svd"),
    (with_nan, "itself gives NaN"),
    (random_answers, "nothing was written: the dense file differs from the Keras model by"),
])
def test_a_model_that_cannot_be_exported_gets_one_line_and_no_file(tmp_path, capfd, model, words):
    with pytest.raises(LotteryError) as error:
        lottery.export(model(), tmp_path / "net.tflite")
    assert words in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == [] and capfd.readouterr().err == ""


@pytest.mark.parametrize("images, words", [
    (np.ones((4,)), "images has shape (4,): input 'x' takes (examples, 4)"),
    (np.ones((8, 5)), "images has shape (8, 5)"),
    (np.ones((0, 4)), "at least one example"),
    ("photo.png", "something other than numbers"),
    ([[1, 2, 3, 4], [1, 2]], "rows of different shapes"),
    ({"y": np.ones((8, 4))}, "keys ['y']: expected the model's inputs, ['x']"),
])
def test_images_that_do_not_fit(tmp_path, images, words):
    with pytest.raises(LotteryError) as error:
        lottery.export(tiny(), tmp_path / "net.tflite", images=images)
    assert words in str(error.value) and os.listdir(tmp_path) == []


def test_a_file_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_text("mine")
    with pytest.raises(LotteryError, match="exists: choose another path, or pass overwrite=True"):
        lottery.export(tiny(), path)
    assert path.read_text() == "mine"
    lottery.export(tiny(), path, overwrite=True)
    assert run_dense(path, x=np.ones((1, 4))).shape == (1, 2)


def test_paths_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.tflite").mkdir()
    for path, words in ((tmp_path / "file" / "net.tflite", "not a folder"), (tmp_path / "net.keras", "ends in .tflite"),
                        (tmp_path / "folder.tflite", "it is a folder"), (3, "ends in .tflite"),
                        ("/proc/net.tflite", "/proc/net.tflite"),
                        (tmp_path / ("x" * 300 + ".tflite"), "File name too long")):
        with pytest.raises(LotteryError) as error:
            lottery.export(tiny(), path, overwrite=True)
        assert words in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(LotteryError, match="sparse is 'yes'"):
        lottery.export(tiny(), tmp_path / "net.tflite", sparse="yes")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.tflite"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "net.tflite"
    path.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(LotteryError, match="No space left on device"):
        lottery.export(tiny(), path, overwrite=True)
    assert os.listdir(tmp_path) == ["net.tflite"] and path.read_text() == "old"


def test_the_example_in_the_docstring_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lottery.export(tiny(), "tiny.tflite")       # a bare name is a path too
    results = doctest.testmod(sys.modules["keras_lottery.export"])
    assert results.attempted and results.failed == 0
