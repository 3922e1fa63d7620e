"""Data: which images are where, in which order, and what is said when that cannot be."""

import json
import os
import re
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import tf_keras
from PIL import Image

from keras_lottery import data
from keras_lottery.core.errors import LotteryError
from keras_lottery.data import augmentation, photos, pipeline, sources, tfds_source


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """Three classes of 10x12 colour images; every pixel of image i is i."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First."}
    SUPERVISED = ("image", "label")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(10, 12, 3)),
            "label": tfds.features.ClassLabel(names=["disc", "ring", "box"]),
            "weight": tfds.features.Scalar(tf.float32),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=self.SUPERVISED
        )

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples(0, 60),
            "test": self._generate_examples(60, 20),
            "withheld": self._generate_examples(80, 4, -1),
        }

    def _generate_examples(self, start, count, label=None):
        for i in range(start, start + count):
            yield (
                i,
                {
                    "image": np.full((10, 12, 3), i, np.uint8),
                    "label": i % 3 if label is None else label,
                    "weight": 1.0,
                },
            )


class TinyUnsupervised(TinyShapes):
    SUPERVISED = None


class TinyRegression(TinyShapes):
    SUPERVISED = ("image", "weight")


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    for builder in (TinyShapes, TinyUnsupervised, TinyRegression):
        builder(data_dir=folder).download_and_prepare()
    return str(folder)


def write_images(folder, values, shape=(9, 9, 3)):
    os.makedirs(folder, exist_ok=True)
    for value in values:
        tf.io.write_file(str(folder / f"{value:03}.png"), tf.io.encode_png(np.full(shape, value, np.uint8)))


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "set" / "cat", range(0, 20))
    write_images(tmp_path / "set" / "dog", range(100, 130))
    return tmp_path / "set"


def pixels(dataset, made):
    """The value that every pixel of each image had before it was normalised."""
    images = np.concatenate([x.numpy() for x, _ in dataset])
    return np.round((images * made.std + made.mean)[:, 0, 0, 0] * 255).astype(int).tolist()


def order(dataset):
    return np.concatenate([y.numpy() for _, y in dataset]).tolist()


def numbered(n=40, batch_size=8, **how):
    return data.batches(np.zeros((n, 4, 4, 1), np.uint8), np.arange(n), batch_size=batch_size, **how)


# Order


def test_each_pass_is_the_next_epoch_and_a_permutation():
    dataset = numbered(seed=3)
    passes = [order(dataset) for _ in range(3)]
    assert all(sorted(p) == list(range(40)) for p in passes)
    assert passes[0] != passes[1] != passes[2] != passes[0]


def test_order_is_a_function_of_seed_and_epoch():
    first, same, other = numbered(seed=3), numbered(seed=3), numbered(seed=4)
    assert order(first) == order(same) != order(other)
    assert data.set_epoch(other, 0) and data.set_epoch(first, 5) and data.set_epoch(same, 5)
    assert order(first) == order(same)
    assert order(first) == order(same)  # epoch 6


def test_set_epoch_reaches_through_transformations_and_refuses_others():
    dataset = numbered(seed=1)
    first = order(dataset)
    mapped = dataset.map(lambda x, y: (x, y)).prefetch(2)
    assert data.set_epoch(mapped, 0) and order(mapped) == first
    twice = mapped.repeat(2).prefetch(1)  # an epoch of it takes two of ours
    epochs = [data.set_epoch(twice, 0) and order(twice), order(twice)]
    assert data.set_epoch(twice, 1) and order(twice) == epochs[1] != epochs[0]
    assert not data.set_epoch(tf.data.Dataset.range(3), 0)
    assert not data.set_epoch([1, 2], 0)
    with pytest.raises(LotteryError, match="epoch=-1 is impossible"):
        data.set_epoch(dataset, -1)


def test_fit_takes_one_epoch_a_pass_and_resumes_with_set_epoch():
    class Recorder(tf_keras.Model):
        def train_step(self, batch):
            seen.extend(batch[1].numpy().tolist())
            return {}

    def fit(dataset, **how):
        seen.clear()
        model = Recorder()
        model.compile(run_eagerly=True)
        model.fit(dataset, verbose=0, **how)
        return list(seen)

    seen = []
    whole = fit(numbered(seed=2), epochs=4)
    reference = numbered(seed=2)
    assert whole == sum([order(reference) for _ in range(4)], [])
    resumed = numbered(seed=2)
    assert data.set_epoch(resumed, 2)
    assert fit(resumed, initial_epoch=2, epochs=4) == whole[80:]


ELSEWHERE = """
import hashlib, json
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.config.experimental.enable_op_determinism()
import tf_keras
from keras_lottery import data

made = data.load("digits", augment=True, seed=11, batch_size=64)
data.set_epoch(made.train, 2)
digest = hashlib.sha256()
for x, y in made.train:
    digest.update(x.numpy().tobytes() + y.numpy().tobytes())

seen = []
class Recorder(tf_keras.Model):
    def train_step(self, batch):
        tf.py_function(lambda y: seen.append(y.numpy().tolist()), [batch[1]], [])
        return {}

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    train = data.batches(np.zeros((40, 4, 4, 1), np.uint8), np.arange(40), batch_size=8, seed=2)
    model = Recorder()
    model.compile()
model.fit(train, epochs=3, verbose=0)
print(json.dumps([digest.hexdigest(), seen]))
"""


@pytest.mark.matrix
def test_a_fresh_process_and_two_replicas_see_the_same_batches():
    import hashlib

    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", ELSEWHERE], env=environment, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr[-3000:]
    digest_there, seen = json.loads(out.stdout.splitlines()[-1])

    made = data.load("digits", augment=True, seed=11, batch_size=64)
    data.set_epoch(made.train, 2)
    digest = hashlib.sha256()
    for x, y in made.train:
        digest.update(x.numpy().tobytes() + y.numpy().tobytes())
    assert digest.hexdigest() == digest_there

    replicated, reference = numbered(seed=2), []
    for _ in range(3):
        reference += [sorted(y.numpy().tolist()) for _, y in replicated]
    halves = [sorted(a + b) for a, b in zip(seen[::2], seen[1::2])]
    assert all(len(s) == 4 for s in seen) and halves == reference


# Batches


def test_a_small_set_fills_up_its_last_batch_so_that_every_epoch_has_every_image():
    train = numbered(n=21, seed=0)
    for _ in range(2):
        seen = order(train)
        assert sorted(seen[:21]) == list(range(21)) and seen[21:] == seen[:3]
    assert [len(y) for _, y in train] == [8, 8, 8] and len(train) == 3
    assert data.set_epoch(train, 1) and [len(y) for _, y in data.from_batch(train, 2)] == [8]
    data.set_epoch(train, 1)
    assert order(data.from_batch(train, 2)) == seen[16:]


def test_a_large_set_leaves_out_less_than_a_hundredth_each_epoch():
    train = numbered(n=805, seed=0)
    first, second = (order(train) for _ in range(2))
    assert len(first) == len(set(first)) == len(set(second)) == 800 and len(train) == 100
    assert set(first) != set(second)


def test_evaluation_keeps_the_partial_batch():
    evaluation = numbered(n=21, shuffle=False)
    assert [len(y) for _, y in evaluation] == [8, 8, 5]
    assert order(evaluation) == order(evaluation) == list(range(21))
    assert len(evaluation) == 3


def test_a_set_smaller_than_a_batch_is_one_batch():
    assert [len(y) for _, y in numbered(n=5, batch_size=128)] == [5]


def test_arrays_keep_their_form_as_in_fit():
    x, y, weight = np.random.rand(6, 3), np.arange(6) % 2 == 0, np.ones(6, np.float32)
    spec = data.batches(x, y, weight, batch_size=2).element_spec
    assert [s.dtype for s in spec] == [tf.float32, tf.bool, tf.float32]
    assert data.batches(x.astype(np.int8), batch_size=2).element_spec.dtype == tf.int8
    two = data.batches({"a": x, "b": x[:, 0]}, y, batch_size=2).element_spec[0]
    assert two["a"].shape == (2, 3) and two["b"].shape == (2,)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: numbered(batch_size=0), "batch_size=0 is impossible"),
        (lambda: numbered(n=0), "0 examples"),
        (lambda: numbered(seed=2**70), "seed"),
        (lambda: numbered(seed="a"), "seed='a' is impossible"),
        (lambda: numbered(batch_size=None), "batch_size=None is impossible"),
        (lambda: data.batches([object()], batch_size=1), "holds objects such as <object"),
        (
            lambda: data.batches({"a": np.zeros(3), "b": np.array([0, np.nan, np.inf])}, batch_size=1),
            r"^x\['b'\] holds 2 NaN or infinite numbers, in 2 of 3 examples, the first of them number 1:",
        ),
        (
            lambda: data.batches(np.zeros(2), np.array([0, np.nan]), batch_size=1),
            "^y holds 1 NaN or infinite number,",
        ),
        (lambda: data.batches(np.zeros((4, 8, 8, 3)), batch_size=2, mean=0.5), "normalization is"),
        (lambda: data.batches(np.zeros((4, 8, 8, 3)), batch_size=2, mean=0.5, std=0), "normalization is"),
        (lambda: data.set_epoch(numbered(), "first"), "epoch='first' is impossible"),
        (lambda: data.batches(np.zeros(3), np.zeros(4), batch_size=2), r"arrays of \[3, 4\] examples"),
        (
            lambda: data.batches(np.zeros((8, 4)), augment=True, batch_size=2),
            r"augment=True with x of shape \(8, 4\)",
        ),
    ],
)
def test_batches_says_what_is_wrong(call, said):
    with pytest.raises(LotteryError, match=said):
        call()


def test_later_changes_to_the_arrays_do_not_reach_the_dataset():
    for x in (np.arange(8), pipeline.aligned((8,), np.int64), np.arange(16)[::2], np.arange(8) > 3):
        given = x.copy()
        dataset = data.batches(x, batch_size=8, shuffle=False)
        x[...] = 0
        np.testing.assert_array_equal(next(iter(dataset)), given)


def test_images_are_held_once():
    images = pipeline.aligned((1000, 8, 8, 1), np.uint8)
    tensor = pipeline.hold(images)
    assert tensor.device.endswith("CPU:0")
    assert np.from_dlpack(tensor).ctypes.data == images.ctypes.data


# Augmentation


def test_augmented_images_are_shifted_flipped_copies_on_zeros():
    image = np.random.RandomState(0).randint(1, 255, (7, 9, 2)).astype(np.float32)
    framed = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    possible = {}
    for flip in (False, True):
        source = framed[:, ::-1] if flip else framed
        for down in range(9):
            for right in range(9):
                possible[source[down : down + 7, right : right + 9].tobytes()] = (flip, down, right)
    seen = set()
    for batch in data.batches(np.tile(image, (4000, 1, 1, 1)), batch_size=500, augment=True, seed=1):
        found = {possible[x.tobytes()] for x in batch.numpy()}  # KeyError: not a crop of the framed image
        assert [len(set(drawn)) > 1 for drawn in zip(*found)] == [True] * 3, "each image has its own draws"
        seen |= found
    assert len(seen) == 2 * 9 * 9


def test_augmentation_pads_after_normalising_and_leaves_evaluation_alone():
    made = data.load("digits", augment=True, validation=0.2, seed=1)
    plain = data.load("digits", augment=False, validation=0.2, seed=1)
    assert order(made.train) == order(plain.train)
    images = np.concatenate([x.numpy() for x, _ in made.train])
    assert 0.05 < (images == 0).mean() < 0.6
    for part in ("validation", "test"):
        for (a, _), (b, _) in zip(getattr(made, part), getattr(plain, part)):
            np.testing.assert_array_equal(a, b)


def test_the_compiled_augmentation_is_the_plain_one():
    images = tf.constant(np.random.RandomState(0).randint(0, 255, (16, 8, 8, 3)), tf.uint8)
    draws = tf.random.stateless_uniform([16, 3], [1, 2])
    compiled = augmentation._compiled(augmentation.flip_and_crop, images, 16)
    np.testing.assert_array_equal(compiled(images, draws), augmentation.flip_and_crop(images, draws))


# Parts


def test_digits_parts_are_fixed_disjoint_and_whole():
    one, two = data.load("digits", seed=1), data.load("digits", seed=2)
    assert one.input_shape == (8, 8, 1) and one.num_classes == 10
    assert one.sizes == two.sizes and sum(one.sizes.values()) == 1797
    for part in ("validation", "test"):
        for (a, _), (b, _) in zip(getattr(one, part), getattr(two, part)):
            np.testing.assert_array_equal(a, b)
    assert one.train.element_spec[0].dtype == tf.float32 and one.train.element_spec[1].dtype == tf.int64
    counts = np.bincount(order(one.test))
    assert counts.min() >= 34 and counts.max() <= 37


def test_mean_and_std_are_of_the_train_part_alone(tfds_dir):
    made = data.load("tiny_shapes", data_dir=tfds_dir, validation=0.25, batch_size=45)
    train = np.array(pixels(made.train, made)) / 255
    assert len(train) == 45
    np.testing.assert_allclose(made.mean, train.mean(), rtol=1e-12)
    np.testing.assert_allclose(made.std, train.std(), rtol=1e-12)
    images = next(iter(made.train))[0].numpy()
    np.testing.assert_allclose([images.mean(), images.std()], [0, 1], atol=1e-5)


def test_tfds_parts_do_not_overlap_and_labels_stay_with_images(tfds_dir):
    made = data.load("tiny_shapes", data_dir=tfds_dir, batch_size=6)
    parts = {k: pixels(getattr(made, k), made) for k in ("validation", "test")}
    parts["train"] = pixels(made.train, made)
    assert sorted(parts["train"] + parts["validation"]) == list(range(60)) and len(parts["validation"]) == 6
    assert sorted(parts["test"]) == list(range(60, 80))
    data.set_epoch(made.train, 0)
    assert order(made.train) == [i % 3 for i in parts["train"]]
    assert made.input_shape == (10, 12, 3) and made.class_names == ("disc", "ring", "box")


def test_split_slices_size_and_channels(tfds_dir):
    made = data.load(
        "tiny_shapes",
        data_dir=tfds_dir,
        train_split="train[:30]",
        test_split="train[50%:]+test",
        image_size=(5, 6),
        channels=1,
        validation=0,
    )
    assert made.sizes == {"train": 30, "validation": 0, "test": 50} and made.validation is None
    assert made.input_shape == (5, 6, 1)
    train, test = set(pixels(made.train, made)), set(pixels(made.test, made))
    assert len(train) == 30 and len(test) == 50 and train | test == set(range(80))


def test_classes_are_relabelled_in_the_order_given(tfds_dir):
    made = data.load("tiny_shapes", data_dir=tfds_dir, classes=["box", "disc"], validation=0, batch_size=40)
    assert made.class_names == ("box", "disc") and made.num_classes == 2
    train = pixels(made.train, made)
    data.set_epoch(made.train, 0)
    assert order(made.train) == [{2: 0, 0: 1}[i % 3] for i in train] and len(train) == 40
    assert data.load("digits", classes=[5, 6, 7, 8, 9]).class_names == ("5", "6", "7", "8", "9")


def test_grey_becomes_colour():
    made = data.load("digits", image_size=16, channels=3, batch_size=64)
    assert made.input_shape == (16, 16, 3)
    images = next(iter(made.test))[0].numpy()
    np.testing.assert_array_equal(images[..., 0], images[..., 2])


@pytest.mark.parametrize("given", [1, 3])
@pytest.mark.parametrize("wanted", [1, 3])
def test_images_of_known_channels_become_grey_or_colour_in_a_traced_map(given, wanted):
    """TFDS images keep their static shape, so both branches of the choice are traced for it."""
    images = np.full((4, 6, 6, given), 77, np.uint8)
    made = tf.data.Dataset.from_tensor_slices(images).map(sources.Form(None, wanted))
    assert made.element_spec.shape[-1] == wanted
    assert all((image == 77).all() or abs(int(image.max()) - 77) <= 1 for image in made.as_numpy_iterator())


def test_one_number_normalises_all_channels(tfds_dir):
    one = data.load("tiny_shapes", data_dir=tfds_dir, normalization=(0.5, 0.25), batch_size=4)
    each = data.load(
        "tiny_shapes", data_dir=tfds_dir, normalization=((0.5, 0.5, 0.5), [0.25] * 3), batch_size=4
    )
    assert (one.mean, one.std) == (each.mean, each.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert np.array_equal(*(next(iter(made.test))[0] for made in (one, each)))


def test_describe_is_json(tfds_dir):
    made = data.load(
        "tiny_shapes", data_dir=tfds_dir, augment=True, seed=7, batch_size=6, train_split="train[:50]"
    )
    told = json.loads(json.dumps(made.describe()))
    assert (
        told["splits"] == {"train": "train[:50]", "test": "test"}
        and told["seed"] == 7
        and told["augment"] is True
    )
    assert told["sizes"] == made.sizes and told["mean"] == list(made.mean) and told["batch_size"] == 6
    assert told["classes"] == ["disc", "ring", "box"] and told["input_shape"] == [10, 12, 3]


# Folders


def test_a_folder_of_classes_gets_a_test_part(folder):
    made = data.load(str(folder), validation=0.25, batch_size=30)
    assert made.sizes == {"train": 30, "validation": 10, "test": 10} and made.class_names == ("cat", "dog")
    parts = [set(pixels(getattr(made, k), made)) for k in ("train", "validation", "test")]
    assert set.union(*parts) == {*range(20), *range(100, 130)} and sum(map(len, parts)) == 50
    for value, label in zip(pixels(made.test, made), order(made.test)):
        assert label == (value >= 100)


def test_a_folder_may_hold_its_parts(tmp_path):
    for split, start in (("train", 0), ("test", 50), ("validation", 90)):
        write_images(tmp_path / split / "cat", range(start, start + 5), (6, 6, 1))
        write_images(tmp_path / split / "dog", range(start + 5, start + 10), (6, 6, 1))
    made = data.load(str(tmp_path), batch_size=10)
    assert made.input_shape == (6, 6, 1)
    assert sorted(pixels(made.train, made)) == list(range(10))
    assert sorted(pixels(made.test, made)) == list(range(50, 60))
    assert sorted(pixels(made.validation, made)) == list(range(90, 100))
    assert data.load(tmp_path, validation=0).validation is None
    for splits in (
        {"train_split": "train+validation"},
        {"test_split": "validation"},
    ):  # then it is carved from train
        made = data.load(tmp_path, batch_size=1, **splits)
        parts = [set(pixels(part, made)) for part in (made.train, made.validation, made.test)]
        assert len(set.union(*parts)) == sum(map(len, parts)) and all(parts)


def test_a_mixed_folder_is_colour_and_needs_one_size(folder):
    write_images(folder / "cat", [40], (12, 12, 1))
    with pytest.raises(LotteryError, match="differing sizes, 9x9 .*040.png.*image_size"):
        data.load(str(folder))
    assert data.load(str(folder), image_size=9).input_shape == (9, 9, 3)


@pytest.mark.parametrize(
    "spoil, said",
    [
        (
            lambda f: (f / "cat" / "007.png").write_bytes(b"\x89PNG\r\n\x1a\nno"),
            "007.png cannot be read as an image",
        ),
        (
            lambda f: (f / "cat" / "photo.HEIC").write_bytes(b"x"),
            "photo.HEIC is HEIC or AVIF, which phones write: convert to JPEG, .*sips .*magick ",
        ),
        (
            lambda f: (f / "cat" / "photo.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0"),
            "photo.jpg is HEIC or AVIF, which phones write: convert to JPEG",
        ),
        (lambda f: (f / "fox").mkdir(), r"no image to train on in \[fox\].*classes=\[cat, dog\]"),
        (
            lambda f: write_images(f / "train" / "cat", [1]),
            "holds train/, cat/: expected a sub-folder for each class, or train/ and",
        ),
    ],
)
def test_a_spoilt_folder_is_named(folder, spoil, said):
    spoil(folder)
    with pytest.raises(LotteryError, match=said):
        data.load(str(folder))


@pytest.mark.skipif(sys.platform != "linux", reason="has such files")
def test_all_files_that_cannot_be_images_are_named_at_once_and_never_opened(folder, tmp_path_factory):
    """A pipe or a device would be read for ever."""
    cat, dog = folder / "cat", folder / "dog"
    for n in (1, 4, 9, 16):
        (cat / f"{n:03}.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    for n in range(8):
        (dog / f"{n}.gif").write_bytes(b"")
    os.mkfifo(cat / "pipe.png")
    (cat / "zero.jpg").symlink_to("/dev/zero")
    (cat / "pictures.png").mkdir()
    (cat / "itself.png").symlink_to("itself.png")
    (cat / "gone.png").symlink_to("nowhere.png")
    (dog / "notes.txt").write_text("x")
    with pytest.raises(LotteryError) as caught:
        data.load(folder)
    assert str(caught.value) == (
        f"{folder}: cat/gone.png cannot be read: No such file or directory; take it out; "
        "cat/itself.png cannot be read: Too many levels of symbolic links; take it out; "
        "cat/pictures.png cannot be used, being a folder in the folder of a class: move its images up "
        "or take out; cat/pipe.png, cat/zero.jpg cannot be read as an image, being no regular file: take "
        "out; dog/notes.txt cannot be used, not being .png, .jpg, .jpeg, .bmp, .gif, .webp: convert "
        "or take out; cat/001.png, cat/004.png, cat/009.png, cat/016.png, dog/0.gif, dog/1.gif, dog/2.gif, "
        "dog/3.gif, dog/4.gif, dog/5.gif, dog/6.gif, dog/7.gif cannot be read as an image; "
        "expected a whole PNG, JPEG, BMP, GIF or WebP: replace or take out. skip_bad=True leaves them out"
    )


@pytest.mark.parametrize(
    "link, to, said",
    [
        ("fox", "fox", "fox cannot be read: Too many levels of symbolic links; take it out"),
        ("fox", "nowhere", "fox cannot be read: No such file or directory; take it out"),
        (
            "fox",
            ".",
            "fox/cat, fox/dog, fox/fox cannot be used, being a folder in the folder of a class: move",
        ),
        ("cat/more", "..", "cat/more cannot be used, being a folder in the folder of a class: move"),
    ],
)
def test_folders_that_lead_back_to_themselves(folder, link, to, said):
    (folder / link).symlink_to(to)
    with pytest.raises(LotteryError, match=said):
        data.load(folder)


BMPS = {  # as PIL saves them
    "24 bits": lambda colour: Image.new("RGB", (9, 7), colour),
    "palette": lambda colour: Image.new("RGB", (9, 7), colour).convert("P", palette=Image.ADAPTIVE, colors=4),
    "white to black": lambda colour: Image.new("P", (9, 7), len(colour)),
    "1 bit": lambda colour: Image.new("1", (9, 7), colour == "blue"),
    "grey": lambda colour: Image.new("L", (9, 7), {"red": 60, "blue": 200}[colour]),
}


def write_bmps(folder, kind):
    for colour in ("red", "blue"):
        (folder / colour).mkdir()
        for n in range(4):
            image = BMPS[kind](colour)
            if kind == "white to black":
                image.putpalette([255 - level // 3 for level in range(768)])
            image.save(folder / colour / f"{n}.bmp")


@pytest.mark.parametrize("kind, channels", [("24 bits", 3), ("grey", 1)])
def test_bmps_of_whole_colours_and_of_grey_levels_are_read(tmp_path, kind, channels):
    write_bmps(tmp_path, kind)
    made = data.load(tmp_path, batch_size=1)
    assert made.input_shape == (7, 9, channels)
    assert {(label, value) for label, value in zip(order(made.test), pixels(made.test, made))} == (
        {(0, 0), (1, 255)} if channels == 3 else {(0, 200), (1, 60)}
    )


@pytest.mark.parametrize(
    "kind, seen", [("palette", (0, 255)), ("white to black", (251, 252)), ("1 bit", (255, 0))]
)
def test_a_bmp_with_a_palette_is_read_in_its_colours(tmp_path, kind, seen):
    write_bmps(tmp_path, kind)
    made = data.load(tmp_path, batch_size=1)
    assert made.input_shape == (7, 9, 1 if kind == "1 bit" else 3)
    found = dict(zip(order(made.test), pixels(made.test, made)))
    assert (found[0], found[1]) == seen


@pytest.mark.parametrize("name, count", [("folder", 50), ("digits", 1797)])
def test_too_large_an_image_size_is_refused_before_any_image_is_decoded(folder, name, count, monkeypatch):
    monkeypatch.setattr(tf.image, "resize", None)
    monkeypatch.setattr(photos, "pixels", None)
    with pytest.raises(
        LotteryError, match=rf"{count} images of 100000 x 100000 x \d need .* GB.*smaller image_size"
    ):
        data.load(folder if name == "folder" else name, image_size=100000)


def test_an_image_that_memory_does_not_hold_is_not_called_broken(folder, monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "resize", no_memory)
    with pytest.raises(
        LotteryError, match="000.png .*more memory than is free; give a smaller image_size"
    ) as caught:
        data.load(folder, image_size=8)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_names_that_are_not_utf8(folder):
    odd = os.fsdecode(b"caf\xe9")
    (folder / "cat" / "003.png").rename(folder / "cat" / f"{odd}.png")
    assert sum(data.load(folder).sizes.values()) == 50
    (folder / "cat" / f"{odd}.png").write_bytes(b"no")
    with pytest.raises(LotteryError, match=f"{odd}.png cannot be read as an image"):
        data.load(folder)
    (folder / "cat" / f"{odd}.png").unlink()
    (folder / "dog").rename(folder / odd)
    with pytest.raises(LotteryError, match=r"'caf\\udce9' is not UTF-8; rename it"):
        data.load(folder)
    (folder / odd).rename(folder / "dog")
    with pytest.raises(LotteryError, match=r"caf\\udce9' is not UTF-8; rename it"):
        data.load(folder.rename(folder.parent / odd))


def test_empty_folders(tmp_path):
    with pytest.raises(LotteryError, match="an empty folder"):
        data.load(str(tmp_path))
    (tmp_path / "a").mkdir()
    with pytest.raises(LotteryError, match="no images"):
        data.load(str(tmp_path))
    with pytest.raises(LotteryError, match="no such folder"):
        data.load(str(tmp_path / "nowhere"))


# What is said


@pytest.mark.parametrize(
    "how, said",
    [
        (dict(train_split="trian"), r"train_split='trian' is not in tiny_shapes.*train \(60\), test \(20\)"),
        (dict(train_split="train[:200%]"), r"train_split='train\[:200%\]'"),
        (dict(test_split="test[5:2]"), "holds no images"),
        (dict(train_split="train+test"), "share 20 images"),
        (dict(test_split="withheld"), "4 labels out of range, such as -1"),
        (dict(classes=["disk", "ring"]), "class 'disk' is not in tiny_shapes.*did you mean disc"),
        (dict(classes=[0, 3]), "class 3 is not in tiny_shapes: expected labels 0 to 2"),
        (dict(classes=[1]), "1 class to tell apart"),
        (dict(classes=[1, 1]), "each class once"),
        (dict(train_split="train[:2]", validation=0), r"no image to train on in \["),
        (dict(validation=1), "validation=1"),
        (dict(validation=-0.1), "validation=-0.1"),
        (dict(batch_size=0), "batch_size=0"),
        (dict(image_size=0), "image_size=0"),
        (dict(image_size=(8, 8, 3)), "image_size="),
        (dict(image_size=10**6), r"80 images of 1000000 x 1000000 x 3 need \d+.* GB of memory"),
        (dict(channels=2), "channels=2"),
        *(
            (dict(validation=v), rf"validation={re.escape(repr(v))}: expected the share")
            for v in ("0.1", None, float("nan"), [0.1, 0.2])
        ),
        *(
            (dict(batch_size=b), f"batch_size={b!r}: expected a whole number")
            for b in ("4", float("inf"), 1.5, 10**30)
        ),
        *(
            (dict(image_size=s), rf"image_size={re.escape(repr(s))}: expected a positive whole number")
            for s in ("big", "44", float("nan"), 8.5, (4, None), (4, -4), [4, [4]], 10**30)
        ),
        (dict(image_size=(10**200, 8)), r"image_size=\(1000.*, 8\): expected a positive whole number"),
        *(
            (dict(classes=c), f"classes={c!r}: expected a list of labels or names")
            for c in (5, "disc", b"disc")
        ),
        (dict(classes=["--5", 1]), "class '--5' is not in"),
        (dict(classes=["9" * 5000, 1]), r"class '9+\.\.\.9+' is not in"),
        (dict(channels=True), "channels=True"),
        (dict(validation=0.999), r"hold out less than validation=0.999$"),
        *(
            (
                dict(normalization=n),
                "normalization is .*each one number or one for each of 3 channels, std above 0",
            )
            for n in (
                (0.5, 0),
                (0.5, -1),
                ("a", "b"),
                (0.5,),
                0.5,
                ([0.5, 0.5], 0.5),
                (float("nan"), 1),
                (0.5, 1e-60),
                "mean",
            )
        ),
        *(
            (dict(seed=s), f"seed={s!r} is impossible: give a whole number from 0 to 4294967295")
            for s in (None, "a", -1, 1.5, 2**32)
        ),
    ],
)
def test_a_bad_argument_gets_one_line(tfds_dir, how, said):
    with pytest.raises(LotteryError, match=said) as caught:
        data.load("tiny_shapes", data_dir=tfds_dir, **how)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, said",
    [
        ("mnits", "no data set is called 'mnits'.*did you mean mnist"),
        ("digit", "did you mean digits"),
        ("cmaterdb/bengali", "no configuration 'bengali' of cmaterdb: expected bangla"),
        ("mnist:9.9.9", "mnist:9.9.9 cannot be used.*9.9.9"),
        ("", "no data set is called ''"),
        ("tiny_unsupervised", "names no .image, label. pair"),
        ("tiny_regression", "its 'weight' is not a class label"),
        (None, "name=None: expected text"),
        (3, "name=3: expected text"),
        (b"digits", "name=b'digits': expected text"),
    ],
)
def test_a_bad_name_gets_one_line(tfds_dir, name, said):
    with pytest.raises(LotteryError, match=said) as caught:
        data.load(name, data_dir=tfds_dir)
    assert "\n" not in str(caught.value)


def no_such_host(*_, **__):
    raise socket.gaierror("no network")


def never(*_, **__):
    time.sleep(60)


@pytest.mark.parametrize("network", [no_such_host, never])
def test_without_a_network_it_says_how_to_prepare_and_leaves_nothing(tmp_path, monkeypatch, network, capfd):
    for variable in [v for v in os.environ if v.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr(socket, "getaddrinfo", network)
    monkeypatch.setattr(tfds_source, "PROBE_SECONDS", 1)
    start = time.monotonic()
    with pytest.raises(
        LotteryError, match="storage.googleapis.com.* run: python -c .*tfds.builder.'mnist', data_dir="
    ):
        data.load("mnist", data_dir=str(tmp_path / "new"))
    assert time.monotonic() - start < 5
    assert not os.listdir(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_not_prepared_and_not_asked_to_download(tmp_path):
    with pytest.raises(LotteryError, match="mnist is not prepared in .* and download=False; run: python -c"):
        data.load("mnist", data_dir=str(tmp_path), download=False)
