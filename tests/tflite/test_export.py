"""Exported files: loaded, run, as small as they can be, with exactly the model's zeros; or nothing at all."""

import dataclasses
import errno
import itertools
import json
import os
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_lottery as lottery
from keras_lottery import engines, models
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.masking import prune
from keras_lottery.tflite import conversion, convert, encoding, flatbuffer, weights8
from keras_lottery.tflite.choose import pick, problem_of
from keras_lottery.tflite.record import Variant

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
    rows = [
        runner(**{name: value[i : i + 1].astype("float32") for name, value in inputs.items()})
        for i in range(len(next(iter(inputs.values()))))
    ]
    return np.concatenate([next(iter(row.values())) for row in rows])


def tensors_in(path):
    """All weights of a file as they multiply: sparse ones after the file's own DENSIFY, without any
    delegate."""
    interpreter = Interpreter(
        str(path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    interpreter.invoke()
    return [
        interpreter.get_tensor(detail["index"])
        for detail in interpreter.get_tensor_details()
        if detail["shape"].size and not detail["sparsity_parameters"]
    ]


def test_the_smaller_file_is_written_and_gives_the_models_answers(tmp_path, capfd):
    model, path = net(), tmp_path / "new" / "folder" / "net.tflite"
    images = np.random.default_rng(1).normal(size=(9, 8, 8, 3)).astype("float32")
    before = model.get_weights()
    capfd.readouterr()
    record = lottery.export(model, path, images=images, formats="float32")

    dense, sparse = record.variants
    assert (
        (dense.name, sparse.name) == ("float32 dense", "float32 sparse")
        and not dense.problem
        and not sparse.problem
    )
    assert sparse.bytes < dense.bytes / 3 and record.chosen.name == sparse.name
    assert path.stat().st_size == sparse.bytes and os.listdir(path.parent) == ["net.tflite"]
    assert sparse.largest_difference < 1e-4 and dense.largest_difference < 1e-4
    assert np.abs(run_dense(path, image=images) - model(images).numpy()).max() < 1e-4
    assert json.loads(json.dumps(record.to_dict()))["chosen"] == "float32 sparse"
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    printed = capfd.readouterr()
    assert f"{sparse.bytes:,}" in printed.out and f"wrote {path}: float32 sparse" in printed.out
    assert printed.err == "", "conversion is quiet"


@pytest.mark.quick("float32-sparse", "int8-weights-sparse")
@pytest.mark.parametrize(
    "form, encoding",
    sorted(set(itertools.product(convert.FORMATS, convert.ENCODINGS)) - {("int8-dynamic", "sparse")}),
)
def test_zeros_in_the_file_are_exactly_the_models(tmp_path, form, encoding):
    model, path = net(), tmp_path / "net.tflite"
    samples = {"image": np.random.default_rng(1).normal(size=(9, 8, 8, 3)).astype("float32")}
    content = conversion.to_tflite(model, [form], samples)[form, encoding]
    path.write_bytes(flatbuffer.small(flatbuffer.read(content)))
    found = tensors_in(path)
    for name in ("conv2", "dense"):
        kernel = model.get_layer(name).kernel.numpy()
        kept = np.moveaxis(kernel, -1, 0) != 0  # TFLite keeps the output channel first
        assert 0.09 < kept.mean() < 0.11
        # Eight bits of a converter of TensorFlow's may round a weight to zero; ours, and 16 and 32 bits, do
        # not.
        same = (
            np.array_equal
            if form != "int8-dynamic" and form != "int8"
            else lambda found, kept: not (found & ~kept).any() and (found ^ kept).mean() < 0.01
        )
        assert any(tensor.shape == kept.shape and same(tensor != 0, kept) for tensor in found), name


def test_a_wrapped_model_is_stripped_and_keeps_its_zeros(tmp_path):
    model, path = lottery.wrap(net()), tmp_path / "net.tflite"
    record = lottery.export(model, path, formats="float32")
    assert record.chosen.relative_difference < 1e-4
    kernel = lottery.prunable(model)["conv2/kernel"].numpy()
    kept = np.moveaxis(kernel, -1, 0) != 0
    assert any(
        tensor.shape == kept.shape and np.array_equal(tensor != 0, kept) for tensor in tensors_in(path)
    )


@pytest.mark.matrix
def test_without_zeros_the_dense_file_is_chosen_and_repeats_byte_for_byte(tmp_path):
    model = models.build("lenet", (8, 8, 1), 3, width=0.1)
    record = lottery.export(model, tmp_path / "a.tflite", formats=["float32"])
    lottery.export(model, str(tmp_path / "b.tflite"), formats=["float32"])
    assert record.chosen.name == "float32 dense"
    assert record.variants[1].problem == "has no tensor with zeros enough to encode"
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()


@pytest.mark.matrix
@pytest.mark.quick("mixed_bfloat16")
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_mixed_precision_is_exported_as_float32_with_the_same_weights(tmp_path, policy):
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        mixed = net()
        record = lottery.export(mixed, tmp_path / "net.tflite", formats="float32")
        assert tf_keras.mixed_precision.global_policy().name == policy
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
    plain = net()
    plain.set_weights(mixed.get_weights())
    images = np.random.default_rng(1).normal(size=(8, 8, 8, 3)).astype("float32")
    assert record.chosen.name == "float32 sparse"
    assert np.abs(run_dense(tmp_path / "net.tflite", image=images) - plain(images).numpy()).max() < 1e-4


@pytest.mark.matrix
def test_keras_3_in_mixed_precision_and_compacted_with_inputs_that_have_no_name(tmp_path):
    import keras

    rng = np.random.default_rng(0)
    before, images = keras.config.dtype_policy(), rng.normal(50, 9, size=(16, 20)).astype("float32")
    normalise = keras.layers.Normalization()
    normalise.adapt(images)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = keras.Sequential(
            [
                keras.Input((20,)),
                normalise,
                keras.layers.Dense(8, "relu"),
                keras.layers.Dense(2, dtype="float32"),
            ]
        )
    finally:
        keras.config.set_dtype_policy(before)
    kernel = mixed.layers[1].kernel
    kernel.assign(kernel.numpy() * (np.arange(8) > 3))
    expected = np.asarray(mixed(images))
    for compact in (False, True):
        record = lottery.export(
            mixed, tmp_path / "m.tflite", formats="float32", images=images, compact=compact, overwrite=True
        )
        runner = Interpreter(record.path).get_signature_runner()
        [name] = runner.get_input_details()
        assert name.startswith("input_layer")
        assert (
            np.abs(
                np.concatenate([next(iter(runner(**{name: row[None]}).values())) for row in images])
                - expected
            ).max()
            < 0.05
        )


@pytest.mark.quick("self")
@pytest.mark.parametrize("name", ["class", "self", "file"])
def test_inputs_called_as_python_calls_things(tmp_path, name):
    x = layers.Input((4,), name=name)
    model = tf_keras.Model(x, layers.Dense(2)(x))
    assert lottery.export(model, tmp_path / "m.tflite", formats="float32", images=np.ones((3, 4))).chosen


@pytest.mark.matrix
def test_several_inputs_and_outputs_with_awkward_names(tmp_path):
    a, b = layers.Input((4,), name="a/b"), layers.Input((5,), name="2nd", dtype="int32")
    embedded = layers.Flatten()(layers.Embedding(3, 2)(b))
    x = layers.Concatenate()([a, embedded])
    model = tf_keras.Model([a, b], [layers.Dense(3, name="p")(x), layers.Dense(2, name="q")(x), a])
    first, second = np.random.rand(6, 4), np.random.randint(0, 3, (6, 5))
    for images in (None, [first, second], {"a/b": first, "2nd": second}):
        assert lottery.export(
            model, tmp_path / "m.tflite", images=images, overwrite=True, formats="float32"
        ).chosen
    assert set(Interpreter(str(tmp_path / "m.tflite")).get_signature_runner().get_output_details()) == {
        "p",
        "q",
        "a_b",
    }
    for wrong, words in (
        ([first], "list of 2 arrays"),
        ({"a/b": first}, "expected the model's inputs"),
        ([first, second[:2]], "differ in how many"),
    ):
        with pytest.raises(LotteryError, match=words):
            lottery.export(model, tmp_path / "n.tflite", images=wrong)


@pytest.mark.matrix
def test_every_output_and_input_is_in_the_file_though_keras_calls_them_alike(tmp_path):
    """One layer called twice, and names that differ only in what a signature cannot hold."""
    import keras

    for library in (tf_keras, keras):
        a, b = library.Input((4,), name="x-1"), library.Input((4,), name="x_1")
        shared = library.layers.Dense(3, name="o")
        model = library.Model([a, b], [shared(a), shared(b)])
        record = lottery.export(model, tmp_path / "m.tflite", overwrite=True, formats="float32")
        runner = Interpreter(record.path).get_signature_runner()
        first, second = np.random.rand(2, 1, 4).astype("float32")
        said = runner(x_1=first, x_1_1=second)
        for found, expected in zip(
            (said[name] for name in sorted(said)), model([first, second]), strict=True
        ):
            assert np.allclose(found, expected, atol=1e-5)


def test_a_keras_3_model_of_several_inputs_and_its_own_class(tmp_path):
    import keras

    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, given):
            return self.dense(given["left"]) - 2 * self.dense(given["right"])

    model, given = (
        Two(),
        {"left": np.random.rand(1, 4).astype("float32"), "right": np.random.rand(1, 4).astype("float32")},
    )
    expected = model(given)
    record = lottery.export(model, tmp_path / "two.tflite", images=given, formats="float32")
    (found,) = Interpreter(record.path).get_signature_runner()(**given).values()
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.matrix
def test_a_recurrent_file_answers_the_second_example_as_the_first(tmp_path):
    sequence = layers.Input((4, 3), name="sequence")
    model = tf_keras.Model(sequence, layers.LSTM(8)(sequence))
    lottery.export(model, tmp_path / "lstm.tflite", formats="float32")
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
    assert lottery.export(model, tmp_path / "own.tflite", formats="float32").chosen.largest_difference < 1e-5


def custom_operation():
    x = layers.Input((4, 4))
    return tf_keras.Model(x, layers.Lambda(lambda t: tf.linalg.svd(t)[0])(x), name="svd")


def random_answers():
    x = layers.Input((4,))
    return tf_keras.Model(x, layers.Lambda(lambda t: t + tf.random.uniform((1, 4)))(x))


def sparse_input():
    x = layers.Input((4,), sparse=True)
    return tf_keras.Model(x, layers.Dense(2)(x), name="sparse")


def with_nan():
    model = tiny()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    return model


def tiny():
    return tf_keras.Sequential([layers.Input((4,), name="x"), layers.Dense(2)], name="tiny")


@pytest.mark.parametrize(
    "model, words",
    [
        (lambda: "net.keras", "got str"),
        (lambda: tf_keras.Sequential([layers.Dense(2)], name="open"), "'open' does not know its input shape"),
        (
            lambda: tf_keras.Sequential([layers.Input((None, None, 3)), layers.Conv2D(2, 1)]),
            "shape (None, None, None, 3)",
        ),
        (
            lambda: tf_keras.Sequential([layers.Input((1,), dtype="string"), layers.StringLookup()]),
            "takes string",
        ),
        (custom_operation, "'svd' does not convert: TFLite has no operation for tf.Svd"),
        (with_nan, "itself gives NaN"),
        (lambda: sparse_input(), "'sparse' takes sparse or ragged tensors"),
        (random_answers, "nothing was written: the float32 dense file differs from the Keras model by"),
    ],
)
def test_a_model_that_cannot_be_exported_gets_one_line_and_no_file(tmp_path, capfd, model, words):
    with pytest.raises(LotteryError) as error:
        lottery.export(model(), tmp_path / "net.tflite", formats="float32")
    assert words in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == [] and capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "images, words",
    [
        (np.ones((4,)), "images has shape (4,): input 'x' takes (examples, 4)"),
        (np.ones((8, 5)), "images has shape (8, 5)"),
        (np.ones((0, 4)), "at least one example"),
        ("photo.png", "something other than numbers"),
        ([[1, 2, 3, 4], [1, 2]], "rows of different shapes"),
        ({"y": np.ones((8, 4))}, "keys ['y']: expected the model's inputs, ['x']"),
    ],
)
def test_images_that_do_not_fit(tmp_path, images, words):
    with pytest.raises(LotteryError) as error:
        lottery.export(tiny(), tmp_path / "net.tflite", images=images)
    assert words in str(error.value) and os.listdir(tmp_path) == []


def test_images_that_are_no_pixels_are_not_rounded_to_some(tmp_path):
    with pytest.raises(
        LotteryError, match="images holds float64 numbers from 0 to 0.9: input 'image' takes uint8"
    ):
        lottery.export(
            net(),
            tmp_path / "net.tflite",
            normalization=(0.5, 0.5),
            images=np.linspace(0, 0.9, 192).reshape(1, 8, 8, 3),
        )
    whole = np.arange(192.0).reshape(1, 8, 8, 3)
    lottery.export(
        net(), tmp_path / "net.tflite", normalization=([[0.5]], [[0.5]]), images=whole, formats="float32"
    )


def test_small_whole_numbers_may_be_indices(tmp_path):
    for dtype in ("int16", "uint8"):
        model = tf_keras.Sequential(
            [layers.Input((5,), dtype=dtype), layers.Embedding(10, 4), layers.Flatten(), layers.Dense(2)]
        )
        lottery.export(
            model, tmp_path / f"{dtype}.tflite", images=np.arange(10).reshape(2, 5), formats="float32"
        )
        with pytest.raises(LotteryError, match="cannot be run on one example at a time"):
            lottery.export(model, tmp_path / "other.tflite", images=np.full((2, 5), 99), formats="float32")
    assert sorted(os.listdir(tmp_path)) == ["int16.tflite", "uint8.tflite"]


def test_names_of_any_alphabet(tmp_path):
    given = layers.Input((4,), name="größe")
    model = tf_keras.Model(given, layers.Dense(2)(given))
    lottery.export(model, tmp_path / "net.tflite", formats="float32")
    signature = Interpreter(str(tmp_path / "net.tflite")).get_signature_list()["serving_default"]
    assert signature["inputs"] == ["gr__e"]


def test_variants_of_an_older_export_do_not_stay(tmp_path, monkeypatch):
    stale = tmp_path / "float32-sparse.tflite"
    stale.write_text("an older model's")
    lottery.export(tiny(), tmp_path / "net.tflite", formats="float32", variants_dir=tmp_path, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["float32-dense.tflite", "net.tflite"]
    with pytest.raises(LotteryError, match="is where variants_dir keeps one of the variants"):
        lottery.export(tiny(), stale, formats="float32", variants_dir=tmp_path, overwrite=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LotteryError, match="is where variants_dir keeps one of the variants"):
        lottery.export(tiny(), stale.name, formats="float32", variants_dir=tmp_path, overwrite=True)


def test_a_file_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_text("mine")
    with pytest.raises(LotteryError, match="exists: choose another path, or pass overwrite=True"):
        lottery.export(tiny(), path)
    assert path.read_text() == "mine"
    lottery.export(tiny(), path, overwrite=True, formats="float32")
    assert run_dense(path, x=np.ones((1, 4))).shape == (1, 2)


@pytest.mark.matrix
def test_paths_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.tflite").mkdir()
    for path, words in (
        (tmp_path / "file" / "net.tflite", "not a folder"),
        (tmp_path / "net.keras", "ends in .tflite"),
        (tmp_path / "folder.tflite", "it is a folder"),
        (3, "ends in .tflite"),
        ("/proc/net.tflite", "/proc/net.tflite"),
        (tmp_path / ("x" * 300 + ".tflite"), "File name too long"),
    ):
        with pytest.raises(LotteryError) as error:
            lottery.export(tiny(), path, overwrite=True)
        assert words in str(error.value) and "\n" not in str(error.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.tflite"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "net.tflite"
    path.write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(LotteryError, match="No space left on device"):
        lottery.export(tiny(), path, overwrite=True, formats="float32")
    assert os.listdir(tmp_path) == ["net.tflite"] and path.read_text() == "old"


def images_and_labels(model, count=40):
    images = np.random.default_rng(1).integers(0, 256, (count, 8, 8, 3), "uint8")
    return images, model((images / 255 - MEAN) / STD).numpy().argmax(-1)


# The newest version of each operation in TensorFlow Lite 2.17, by the runtime_version.cc of LiteRT.
BY_2_17 = {
    flatbuffer.Op.ADD: 5,
    flatbuffer.Op.AVERAGE_POOL_2D: 3,
    flatbuffer.Op.CAST: 7,
    flatbuffer.Op.CONV_2D: 8,
    flatbuffer.Op.DENSIFY: 1,
    flatbuffer.Op.DEPTHWISE_CONV_2D: 7,
    flatbuffer.Op.DEQUANTIZE: 5,
    flatbuffer.Op.FULLY_CONNECTED: 12,
    flatbuffer.Op.MAX_POOL_2D: 3,
    flatbuffer.Op.MEAN: 3,
    flatbuffer.Op.MUL: 7,
    flatbuffer.Op.PAD: 4,
    flatbuffer.Op.QUANTIZE: 3,
    flatbuffer.Op.RESHAPE: 1,
    flatbuffer.Op.SOFTMAX: 3,
    flatbuffer.Op.SUB: 5,
}
MEAN, STD = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])


@pytest.fixture(scope="module")
def all_formats(tmp_path_factory):
    """A net exported with labelled images as a camera gives them: (model, images, labels, path, record)."""
    model, path = net(), tmp_path_factory.mktemp("all") / "net.tflite"
    images, truth = images_and_labels(model)
    record = lottery.export(
        model,
        path,
        images=images,
        labels=truth,
        max_loss=5,
        normalization=(MEAN, STD),
        class_names=[f"class {n}" for n in range(10)],
        variants_dir=path.parent / "each",
    )
    return model, images, truth, path, record


def test_every_format_is_tried_measured_and_the_smallest_good_one_written(all_formats):
    *_, path, record = all_formats
    rows = {row.name: row for row in record.variants}
    assert list(rows) == [f"{form} {encoding}" for form in convert.FORMATS for encoding in convert.ENCODINGS]
    good = [row for row in record.variants if not row.problem]
    assert record.accuracy == 1 and len(good) >= 8
    assert record.chosen.bytes == min(row.bytes for row in good) < rows["float32 dense"].bytes / 8
    assert path.stat().st_size == record.chosen.bytes
    assert {file.stem: file.stat().st_size for file in (path.parent / "each").iterdir()} == {
        f"{row.format}-{row.encoding}": row.bytes for row in good
    }
    for row in good:
        assert (
            row.accuracy >= 0.95
            and row.latency_ms > 0
            and row.load_ms > 0
            and row.gzip < row.bytes
            and row.zstd < row.bytes
        )
        assert (row.sparse_tensors > 0) == (row.encoding == "sparse")
    assert rows["int8-weights dense"].bytes < rows["float16 dense"].bytes < rows["float32 dense"].bytes


def test_the_file_takes_a_cameras_images_and_holds_its_labels(all_formats):
    model, images, truth, path, record = all_formats
    (given,) = Interpreter(str(path)).get_signature_runner().get_input_details().values()
    assert given["dtype"] is np.uint8 and given["name"] and list(given["shape"]) == [1, 8, 8, 3]
    runner = Interpreter(str(path)).get_signature_runner()
    (found,) = zip(*(runner(image=image[None]).values() for image in images))
    assert (np.concatenate(found).argmax(-1) == truth).mean() == record.chosen.accuracy
    with zipfile.ZipFile(path) as inside:
        assert inside.read("labels.txt").decode().splitlines() == [f"class {n}" for n in range(10)]


def test_each_file_is_what_the_page_on_phones_says(all_formats, tmp_path):
    """One signature of one uint8 input and one float32 output; both of LiteRT's interfaces give the same
    answers; no operation is newer than TensorFlow Lite 2.17, the last for iOS."""
    _, images, _, path, record = all_formats
    kept = sorted(path.parent.glob("each/*.tflite"))
    assert "int8-weights-sparse.tflite" in {file.name for file in kept}
    for file in kept:
        runner = Interpreter(str(file)).get_signature_runner()  # of the only one, or it would ask which
        ((name, given),) = runner.get_input_details().items()
        (answer,) = runner.get_output_details().values()
        assert (given["dtype"], list(given["shape"])) == (np.uint8, [1, 8, 8, 3])
        assert (answer["dtype"], list(answer["shape"])) == (np.float32, [1, 10])
        model = CompiledModel.from_file(str(file))
        inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
        inputs[0].write(images[0].ravel())
        model.run_by_index(0, inputs, outputs)
        (scores,) = runner(**{name: images[:1]}).values()
        assert np.array_equal(outputs[0].read(10, np.float32), scores[0])
        codes = flatbuffer.read(file.read_bytes()).operatorCodes
        assert [one for one in codes if one.version > BY_2_17[one.builtinCode]] == []
        zipfile.main(["-e", str(file), str(tmp_path)])
        assert (tmp_path / "labels.txt").read_text().splitlines() == [f"class {n}" for n in range(10)]


def test_int8_reads_each_pixel_as_it_is(tmp_path):
    """Whatever the brightest of the representative images was."""
    model = tf_keras.Sequential([layers.Input((8, 8, 3)), layers.GlobalAveragePooling2D(), layers.Dense(3)])
    dark = np.random.default_rng(0).integers(20, 60, (20, 8, 8, 3), "uint8")
    lottery.export(
        model,
        tmp_path / "m.tflite",
        images=dark,
        labels=np.zeros(20, int),
        max_loss=100,
        normalization=(MEAN, STD),
        formats="int8",
    )
    ((scale, zero),) = [
        entry["quantization"] for entry in Interpreter(str(tmp_path / "m.tflite")).get_input_details()
    ]
    assert zero == 0 and abs(scale - 1) < 1e-6


def test_the_goal_decides(all_formats):
    *_, record = all_formats
    good = [row for row in record.variants if not row.problem]
    assert pick(record.variants, "download").zstd == min(row.zstd for row in good)
    assert pick(record.variants, "accuracy").format == "float32"
    fastest = min(row.latency_ms for row in good)
    assert pick(record.variants, "latency").latency_ms <= 1.03 * fastest


@pytest.mark.matrix
def test_without_labels_only_what_answers_alike_is_taken(tmp_path):
    images = np.random.default_rng(1).normal(size=(9, 8, 8, 3))
    record = lottery.export(net(), tmp_path / "net.tflite", images=images, formats=["float16", "int8"])
    assert record.accuracy is None and record.chosen.relative_difference < 1e-3
    assert any("give labels" in (row.problem or "") for row in record.variants if row.format == "int8")
    record = lottery.export(tiny(), tmp_path / "other.tflite", formats=["float32", "int8"])
    assert [row.problem for row in record.variants if row.format == "int8"] == [
        "needs representative examples"
    ] * 2


def test_a_loss_of_accuracy_above_the_limit_is_refused():
    row = Variant(
        "int8",
        "dense",
        1,
        1,
        1,
        latency_ms=1,
        largest_difference=0.1,
        relative_difference=0.1,
        accuracy=0.9,
        sparse_tensors=0,
    )
    assert problem_of(row, 0.904, 0.5) is None
    assert problem_of(row, 0.906, 0.5) == "loses 0.60 points of accuracy, more than 0.5"


def test_what_litert_refuses_is_told_in_one_phrase_and_why_is_in_the_record(tmp_path, capsys):
    model = tf_keras.Sequential([layers.Input((16,)), layers.Dense(64, "relu"), layers.Dense(4)])
    kernel = model.layers[0].kernel
    kernel.assign(np.where(np.arange(16 * 64).reshape(kernel.shape) % 10, 0, kernel))
    images = np.random.default_rng(0).normal(size=(8, 16)).astype("float32")
    given = {"images": images, "labels": np.zeros(8, int), "max_loss": 100, "overwrite": True}
    path = tmp_path / "net.tflite"
    record = lottery.export(model, path, formats=["int8-dynamic", "int8"], **given)
    refused = [row for row in record.variants if row.refused]
    assert [row.name for row in refused] == ["int8-dynamic sparse", "int8 sparse"]
    assert all("failed to delegate" in row.problem and row.bytes for row in refused)
    said = capsys.readouterr().out
    assert "\nint8-dynamic sparse, int8 sparse: not supported by LiteRT, left out\n" in said
    assert "delegate" not in said + record._repr_html_()
    loses = dataclasses.replace(record.variants[2], problem="loses 2 points")
    with pytest.raises(LotteryError, match="loses 2 points; the int8 sparse file is not supported"):
        pick([loses, refused[1]], "size")
    with pytest.raises(LotteryError, match="int8 sparse file does not load or run: failed to delegate"):
        pick(refused, "size")


@pytest.mark.parametrize(
    "given, words",
    [
        (dict(goal="speed"), "goal"),
        (dict(formats="int4"), "formats"),
        (dict(formats=[]), "formats is empty"),
        (dict(labels=[0, 1]), "labels without images"),
        (dict(images=np.ones((2, 4)), labels=[0]), "labels has shape (1,)"),
        (dict(images=np.ones((2, 4)), labels=[0, 2]), "labels are 0 to 2"),
        (dict(images=np.ones((2, 4)), labels=[0, 1], max_loss=-1), "max_loss is -1"),
        (dict(normalization=(0, 1)), "normalization is for a model of one input of images"),
        (dict(class_names=["a"]), "class_names is ['a']"),
        (
            dict(class_names=["a", "b", "c"]),
            "class_names holds 3 names: the model's first output has 2 scores",
        ),
        (dict(class_names=["a\rb", "c"]), "each a line of text"),
        (dict(class_names=5), "class_names is 5"),
        (dict(formats=5), "formats=5"),
        (dict(images=np.ones((2, 4)), labels=[[0], [1, 2]]), "labels holds rows of different lengths"),
    ],
)
def test_arguments_that_do_not_fit(tmp_path, given, words):
    with pytest.raises(LotteryError) as error:
        lottery.export(tiny(), tmp_path / "net.tflite", **given)
    assert words in str(error.value) and "\n" not in str(error.value) and os.listdir(tmp_path) == []


@pytest.mark.parametrize("given", [(0.5, 0), (0.5,), ("a", "b"), ([0.1, 0.2], [1, 1]), (np.nan, 1)])
def test_a_normalization_that_does_not_fit(tmp_path, given):
    with pytest.raises(LotteryError, match="normalization is"):
        lottery.export(net(), tmp_path / "net.tflite", normalization=given)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(3, 5), (4, 3, 3, 6), (1, 300), (7, 1, 1, 260)]),
    st.floats(0, 1),
    st.sampled_from([1, 4]),
)
def test_the_sparse_encoding_is_undone_exactly(seed, shape, zeros, block):
    rng = np.random.default_rng(seed)
    kept = np.repeat(rng.random((*shape[:-1], -(-shape[-1] // block))) >= zeros, block, -1)[..., : shape[-1]]
    array = (rng.normal(size=shape) * kept).astype("float32")
    values, sparsity = encoding.encode(array)
    assert np.count_nonzero(array) <= len(values) <= array.size
    assert np.array_equal(encoding.decode(values, shape, sparsity), array)


@pytest.mark.parametrize("last", [0, 255, 256, 65535, 65536])
def test_sparse_indices_have_as_many_bytes_as_the_last_of_them_needs(last):
    array = np.zeros((2, last + 1), "float32")
    array[1, last] = 1
    values, sparsity = encoding.encode(array)
    assert len(values) == 1 and np.array_equal(encoding.decode(values, array.shape, sparsity), array)


def test_rows_lie_along_the_dimension_whose_indices_take_one_byte(tmp_path):
    """Of a 1x1 convolution of 600 channels to 64 the outputs are counted, and the runtime reads it so."""
    model = tf_keras.Sequential(
        [layers.Input((4, 4, 600)), layers.Conv2D(64, 1), layers.GlobalAveragePooling2D()]
    )
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(1, 1, 600, 64)) * (rng.random((1, 1, 600, 64)) > 0.9)
    model.layers[0].set_weights([kernel, rng.normal(size=64)])
    array = kernel[0, 0].T.reshape(64, 1, 1, 600).astype("float32")
    values, sparsity = encoding.encode(array)
    assert list(sparsity.traversalOrder) == [1, 2, 3, 0]
    assert encoding.size(values, sparsity) == (4 + 1) * np.count_nonzero(array) + 2 * 601
    record = lottery.export(
        model,
        tmp_path / "m.tflite",
        images=rng.normal(size=(8, 4, 4, 600)).astype("float32"),
        labels=np.zeros(8, int),
        max_loss=100,
        formats="int8-weights",
    )
    dense, sparse = record.variants
    assert sparse.sparse_tensors == 1 and sparse.relative_difference == dense.relative_difference


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1]))
def test_rounding_keeps_zeros_and_only_those(seed, dimension):
    rng = np.random.default_rng(seed)
    kernel = (rng.normal(size=(6, 9)) * 10.0 ** rng.integers(-30, 30) * (rng.random((6, 9)) < 0.5)).astype(
        "float32"
    )
    codes, scales = weights8.rounded(kernel, dimension)
    back = codes * np.expand_dims(scales, 1 - dimension)
    assert np.array_equal(codes != 0, kernel != 0)
    largest = np.abs(kernel).max(1 - dimension, keepdims=True)
    assert (np.abs(back - kernel) <= largest / weights8.LARGEST_CODE * 1.02).all()


@pytest.mark.quick("<lambda>1")
@pytest.mark.parametrize(
    "layer", [lambda: layers.Conv2D(16, 3), lambda: layers.Conv2DTranspose(16, 3), lambda: layers.Dense(64)]
)
def test_biases_of_eight_bit_files_have_ten_significant_bits(tmp_path, layer):
    model = tf_keras.Sequential([layers.Input((6, 6, 8)), layer(), layers.Flatten()])
    bias = np.random.default_rng(0).normal(size=model.weights[1].shape).astype("float32")
    model.layers[0].bias.assign(bias)
    lottery.export(
        model,
        tmp_path / "net.tflite",
        formats=["int8-weights"],
        images=np.ones((2, 6, 6, 8), "float32"),
        labels=np.zeros(2, int),
        max_loss=100,
    )
    found = flatbuffer.read((tmp_path / "net.tflite").read_bytes())
    constants = [
        flatbuffer.constant(found, tensor, "<f4")
        for tensor in found.subgraphs[0].tensors
        if list(tensor.shape) == list(bias.shape)
    ]
    (stored,) = [values for values in constants if values is not None]
    assert not (stored.view("uint32") & 0x3FFF).any()
    np.testing.assert_allclose(stored, bias, rtol=2**-10)


@pytest.mark.matrix
def test_lenets_blocks_of_zeros_survive_eight_bits(tmp_path):
    """The runtime gives garbage for some chains of unpacking; the file avoids them."""
    model = lottery.strip(lottery.load_ticket("lenet-fashion_mnist-95").model("trained"))
    images = np.random.default_rng(0).normal(size=(20, 28, 28, 1)).astype("float32")
    record = lottery.export(
        model, tmp_path / "lenet.tflite", images=images, formats=["float32", "int8-weights"]
    )
    row = next(row for row in record.variants if row.name == "int8-weights sparse")
    assert row.relative_difference < 0.05 and row.bytes < 0.6 * record.variants[1].bytes


@pytest.mark.matrix
def test_pruned_in_blocks_dense_layers_run_sparse_and_every_format_takes_fewer_bytes(tmp_path):
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype("float32")

    def rows(block):
        tf_keras.utils.set_random_seed(0)
        model = lottery.wrap(
            tf_keras.Sequential(
                [layers.Input((8, 8, 3)), layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(10)]
            ),
            block=block,
        )
        scores = {path: np.abs(weight.numpy()) for path, weight in lottery.prunable(model).items()}
        engines.of(model).set_masks(
            prune(scores, lottery.masks(model), 0.9, **engines.of(model).settings()[1])
        )
        record = lottery.export(
            model,
            tmp_path / f"{block}.tflite",
            images=images,
            formats=["float32", "float16", "int8-weights", "int8"],
        )
        return {row.name: row for row in record.variants if row.encoding == "sparse"}

    single, four, sixteen = map(rows, (1, 4, 16))
    assert [row["float32 sparse"].sparse_kernels for row in (single, four, sixteen)] == [0, 1, 1]
    for name in ("float32 sparse", "float16 sparse", "int8-weights sparse"):
        assert four[name].bytes < 0.95 * single[name].bytes
    assert (
        four["float16 sparse"].relative_difference < 1e-2
        and sixteen["float16 sparse"].relative_difference < 1e-2
    )
    assert (
        "does not load" in single["int8 sparse"].problem and sixteen["int8 sparse"].relative_difference < 0.1
    )


@pytest.mark.matrix
@pytest.mark.quick("float32", "int8-weights")
@pytest.mark.parametrize("form", ["float32", "float16", "int8-weights"])
def test_blocks_that_do_not_fill_the_rows_are_encoded_anew(tmp_path, form):
    """Of a Dense layer of 287 units before another TensorFlow's converter makes blocks of 4."""
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential(
        [layers.Input((64,)), layers.Dense(287, "relu"), layers.Dense(128, "relu"), layers.Dense(10)]
    )
    rng = np.random.default_rng(0)
    for layer, zeros in zip(model.layers, (0.95, 0.98, 0.5)):
        layer.kernel.assign(layer.kernel * (rng.random(layer.kernel.shape) > zeros))
    images = rng.normal(size=(8, 64)).astype("float32")
    record = lottery.export(
        model, tmp_path / "m.tflite", images=images, labels=np.zeros(8, int), max_loss=100, formats=form
    )
    dense, sparse = record.variants
    assert sparse.problem is None and sparse.bytes < 0.5 * dense.bytes and sparse.sparse_tensors >= 2
    assert abs(sparse.relative_difference - dense.relative_difference) < 1e-5


def test_blocks_that_do_not_fill_the_rows_are_never_handed_over(tmp_path):
    """Of a Dense layer with 6 inputs TensorFlow's converter makes blocks of 4."""
    model = tf_keras.Sequential([layers.Input((6,)), layers.Dense(6), layers.ReLU(), layers.Dense(3)])
    kernel = np.zeros((6, 6), "float32")
    kernel[4, 1] = kernel[0, 3] = kernel[5, 5] = 1
    model.layers[0].set_weights([kernel, np.ones(6)])
    record = lottery.export(model, tmp_path / "m.tflite", formats="float32")
    assert (
        record.variants[1].problem == "has no tensor with zeros enough to encode"
        and record.chosen.encoding == "dense"
    )


@pytest.mark.matrix
def test_int8_of_a_loop_is_refused_before_the_converter_crashes(tmp_path):
    images = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    for unroll in (False, True):
        model = tf_keras.Sequential([layers.Input((5, 3)), layers.GRU(8, unroll=unroll), layers.Dense(3)])
        record = lottery.export(
            model,
            tmp_path / f"{unroll}.tflite",
            images=images,
            labels=np.zeros(4, int),
            max_loss=100,
            formats=["float32", "int8"],
        )
        problems = [row.problem for row in record.variants]
        assert problems[0] is None and (problems[2] is None if unroll else "unroll=True" in problems[2])


def test_the_reason_of_a_layer_that_fails_is_told(tmp_path):
    inputs = layers.Input((16,), batch_size=8)
    model = tf_keras.Model(inputs, layers.Dense(3)(layers.Lambda(lambda x: tf.reshape(x, (8, 16)))(inputs)))
    with pytest.raises(LotteryError, match="'lambda.*eshape"):
        lottery.export(model, tmp_path / "m.tflite")
