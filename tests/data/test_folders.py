"""Folders of photos as people have them: WebP, turned cameras, splits, odd shapes, and files that are no
images."""

import time
import tracemalloc
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_lottery import data
from keras_lottery.core.errors import LotteryError
from keras_lottery.data import photos, sources

PLAIN = sources.Form(None, None)


def save(path, array, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.uint8(array)).save(path, **how)


def grey(folder, values, ending="png"):
    """Images of 6x6 pixels, each of one value."""
    for value in values:
        save(folder / f"{value:03}.{ending}", np.full((6, 6), value))


def values(dataset, made):
    """The value that every pixel of each image has."""
    images = np.concatenate([x.numpy() for x, _ in dataset])
    return sorted(np.rint((images * made.std + made.mean)[:, 0, 0, 0] * 255).astype(int).tolist())


@pytest.fixture
def folder(tmp_path):
    grey(tmp_path / "set" / "cat", range(0, 20))
    grey(tmp_path / "set" / "dog", range(100, 130))
    return tmp_path / "set"


# Formats


@pytest.mark.parametrize("how", [{"lossless": True}, {"quality": 90}])
def test_webp_is_read(tmp_path, how):
    image = np.zeros((20, 30, 3)) + [200, 40, 90]
    save(tmp_path / "a.webp", image, **how)
    assert photos.header(tmp_path / "a.webp") == (20, 30, False)
    assert abs(photos.pixels(tmp_path / "a.webp", PLAIN).astype(int) - image).max() <= 4


def test_a_folder_of_webp_is_a_data_set(tmp_path):
    for label, name in enumerate("ab"):
        for n in range(5):
            save(tmp_path / name / f"{n}.WEBP", np.full((6, 6, 3), 100 * label + n), lossless=True)
    made = data.load(tmp_path, validation=0, batch_size=8)
    assert made.input_shape == (6, 6, 3) and made.sizes == {"train": 8, "validation": 0, "test": 2}
    assert values(made.train, made) + values(made.test, made) != [] and values(made.test, made)[1] >= 100


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_as_its_exif_says(tmp_path, ending, orientation):
    """What is stored under each orientation, by the EXIF standard's table: where row 0 and column 0 are."""
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8], upright[8:, 16:] = 250, 120
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / f"a.{ending}", stored, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    assert photos.header(tmp_path / f"a.{ending}")[:2] == (16, 24)
    seen = photos.pixels(tmp_path / f"a.{ending}", PLAIN)
    assert seen.shape == (16, 24, 3) and abs(seen.astype(int) - upright).mean() < 4


def test_broken_exif_does_not_make_a_photo_bad(tmp_path):
    save(tmp_path / "a.jpg", np.full((8, 9, 3), 90), exif=b"Exif\0\0garbage")
    assert photos.pixels(tmp_path / "a.jpg", PLAIN).shape == (8, 9, 3)


@pytest.mark.parametrize(
    "mode, channels",
    [("1", 1), ("L", 1), ("LA", 1), ("I;16", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)],
)
def test_every_kind_of_png_keeps_its_grey_or_colour(tmp_path, mode, channels):
    value = {"1": 255, "P": 204}.get(mode, 200)  # 204 is in Pillow's palette
    if mode == "I;16":
        image = Image.fromarray(np.full((4, 5), 200 * 257, np.uint16))
    else:
        image = Image.new("RGB", (5, 4), (value,) * 3).convert(mode)
    image.save(tmp_path / "a.png")
    assert photos.header(tmp_path / "a.png") == (4, 5, channels == 1)
    seen = photos.pixels(tmp_path / "a.png", sources.Form(None, channels))
    assert seen.shape == (4, 5, channels) and (seen == value).all()


def test_a_large_photo_of_a_camera_is_reduced_as_it_is_decoded(tmp_path):
    y, x = np.mgrid[:800, :1200]
    save(tmp_path / "a.jpg", np.stack([x / 5, y / 4, 0 * x + 50], -1), quality=95)
    seen = photos.pixels(tmp_path / "a.jpg", sources.Form((40, 60), 3)).astype(float)
    np.testing.assert_allclose(seen[20, :, 0], (np.arange(60) + 0.5) * 4, atol=4)


# Shapes


@pytest.mark.parametrize("shape", [(30, 60), (60, 30)])
def test_cropping_keeps_the_middle_and_the_aspect_ratio_and_squeezing_neither(tmp_path, shape):
    """A disc in the middle of a long image: round when cropped, half as wide when squeezed."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    disc = 255 * ((y - shape[0] / 2 + 0.5) ** 2 + (x - shape[1] / 2 + 0.5) ** 2 < 12**2)
    for name in "ab":
        for n in range(2):
            save(tmp_path / name / f"{n}.png", disc)
    for crop in (True, False):
        made = data.load(tmp_path, image_size=30, crop=crop, validation=0, normalization=(0, 1))
        image = next(iter(made.test))[0].numpy()[0, ..., 0]
        height, width = ((image > 0.5).any(axis).sum() for axis in (1, 0))
        assert (height, width) == ((24, 24) if crop else (24, 12) if shape[0] < shape[1] else (12, 24))
        assert made.describe().get("crop", False) is crop


@pytest.mark.parametrize("shape, size", [((30, 60), (10, 10)), ((33, 20), (8, 16)), ((7, 9), (7, 9))])
def test_tensors_are_cropped_as_files_are(tmp_path, shape, size):
    image = np.tile(np.linspace(0, 255, shape[0] * shape[1]).reshape(shape), (3, 1, 1)).transpose(1, 2, 0)
    save(tmp_path / "a.png", image)
    form = sources.Form(size, 3, True)
    ours = form(tf.constant(np.uint8(image))).numpy().astype(int)
    assert ours.shape == (*size, 3) and abs(ours - photos.pixels(tmp_path / "a.png", form)).max() <= 8


def test_crop_without_a_size_is_refused():
    with pytest.raises(LotteryError, match="crop=True cuts images to the shape of image_size: give that too"):
        data.load("digits", crop=True)
    with pytest.raises(LotteryError, match="crop='yes' is impossible"):
        data.load("digits", crop="yes", image_size=8)
    assert data.load("digits", crop=True, image_size=(8, 4)).input_shape == (8, 4, 1)


# Splits


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_the_folders_of_the_splits_are_used(tmp_path, name):
    for split, start in (("train", 0), ("test", 50), (name, 90)):
        grey(tmp_path / split / "cat", range(start, start + 5))
        grey(tmp_path / split / "dog", range(start + 5, start + 10))
    made = data.load(tmp_path, batch_size=10)
    assert values(made.train, made) == list(range(10))
    assert values(made.test, made) == list(range(50, 60))
    assert values(made.validation, made) == list(range(90, 100))


def test_without_a_test_folder_a_fifth_of_train_is_held_out(tmp_path):
    for split, start in (("train", 0), ("val", 90)):
        grey(tmp_path / split / "cat", range(start, start + 10))
        grey(tmp_path / split / "dog", range(start + 10, start + 20))
    made = data.load(tmp_path, batch_size=16)
    assert made.sizes == {"train": 16, "validation": 20, "test": 4}
    assert values(made.train, made) + values(made.test, made) != [] and values(made.validation, made) == list(
        range(90, 110)
    )
    assert sorted(values(made.train, made) + values(made.test, made)) == list(range(20))


@pytest.mark.parametrize(
    "folders, said",
    [
        (["train", "val", "valid"], "holds val/ and valid/: expected one of them"),
        (["val", "test"], "holds test/, val/: expected a sub-folder for each class, or train/ and"),
        (["train", "fox"], "holds train/, fox/: expected a sub-folder for each class, or train/ and"),
    ],
)
def test_folders_that_are_no_splits_are_refused(tmp_path, folders, said):
    for name in folders:
        grey(tmp_path / name / "cat", [1])
        grey(tmp_path / name / "dog", [2])
    with pytest.raises(LotteryError, match=said):
        data.load(tmp_path)


# What is refused, and what is left out


def spoil(folder):
    whole = (folder / "dog" / "105.png").read_bytes()
    (folder / "dog" / "105.png").write_bytes(whole[: len(whole) // 2])  # its header is fine
    (folder / "cat" / "003.png").write_bytes(b"no")
    (folder / "cat" / "notes.txt").write_text("x")
    (folder / "dog" / "live.heic").write_bytes(b"x")


def test_all_bad_files_are_listed_in_one_go(folder):
    spoil(folder)
    with pytest.raises(LotteryError) as caught:
        data.load(folder)
    for file in ("cat/003.png", "dog/105.png", "cat/notes.txt", "dog/live.heic"):
        assert file in str(caught.value)
    assert str(caught.value).endswith(". skip_bad=True leaves them out") and "\n" not in str(caught.value)
    with pytest.raises(
        LotteryError, match="dog/105.png cannot be read as an image"
    ):  # found by decoding alone
        for file in ("cat/003.png", "cat/notes.txt", "dog/live.heic"):
            (folder / file).unlink()
        data.load(folder)


def test_bad_files_are_skipped_with_a_warning_that_lists_them(folder):
    spoil(folder)
    with pytest.warns(UserWarning, match="left out of .*: cat/notes.txt cannot .*dog/105.png") as told:
        made = data.load(folder, skip_bad=True, validation=0, batch_size=1)
    assert len(told) == 1
    left = {*range(20), *range(100, 130)} - {3, 105}
    assert sorted(values(made.train, made) + values(made.test, made)) == sorted(left)
    with pytest.warns(UserWarning):
        again = data.load(folder, skip_bad=True, validation=0, batch_size=1)
    data.set_epoch(made.train, 0)
    for one, two in zip(made.train, again.train):
        np.testing.assert_array_equal(one[0], two[0])


def test_nothing_is_said_of_good_files(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.load(folder, skip_bad=True)


def test_a_folder_without_one_readable_image_is_refused(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"no")
    with pytest.raises(LotteryError, match="no image can be read: a/1.png, b/1.png cannot be read"):
        data.load(tmp_path, skip_bad=True)


@pytest.mark.parametrize(
    "places, said",
    [
        (["a.png"], "set: files and no sub-folders; expected a sub-folder of images for each class"),
        (["photos/cat/a.png", "photos/dog/b.png"], "holds one folder, photos, .*: give .*set/photos"),
        (["cat/a.png", "cat/b.png"], "1 class to tell apart, cat; expected 2 or more"),
        (
            ["cat/a.png", "cat/old/b.png", "dog/c.png"],
            "cat/old cannot be used, being a folder in the folder of a class: move",
        ),
        (["cat/a.png", "dog/b.png"], "one image a class, which is held out for test; expected several"),
    ],
)
def test_photos_that_lie_elsewhere_than_in_a_folder_a_class_are_told_from_each_other(tmp_path, places, said):
    for place in places:
        save(tmp_path / "set" / place, np.zeros((6, 6)))
    with pytest.raises(LotteryError, match=said):
        data.load(tmp_path / "set")


def test_folders_that_disks_and_zip_files_add_are_no_classes(folder):
    grey(folder / "__MACOSX" / "cat", [1])
    grey(folder / "@eaDir" / "dog", [1])
    grey(folder / "cat" / "@eaDir", [1])
    (folder / "cat" / "Thumbs.db").write_bytes(b"x")
    made = data.load(folder)
    assert made.class_names == ("cat", "dog") and sum(made.sizes.values()) == 50


def test_large_images_are_decoded_one_at_a_time(folder, monkeypatch):
    """Each of them may take a gigabyte, though its file is small."""
    monkeypatch.setattr(photos, "_LARGE", 30)
    at_once, most, resize = [], [], Image.Image.resize

    def counted(image, *arguments):
        at_once.append(image)
        most.append(len(at_once))
        time.sleep(0.005)
        at_once.pop()
        return resize(image, *arguments)

    monkeypatch.setattr(Image.Image, "resize", counted)
    data.load(folder, image_size=4)
    assert most == [1] * 50


def test_sixteen_bits_a_pixel_take_little_more_memory_than_they_have(tmp_path):
    deep = np.arange(2**20, dtype="uint16").reshape(1024, 1024)
    Image.fromarray(deep).save(tmp_path / "a.png")
    tracemalloc.start()
    found = photos.pixels(tmp_path / "a.png", PLAIN)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(found, np.repeat((deep >> 8)[..., None], 3, 2))
    assert most < 12 * deep.size  # of which the image in colour takes 3


def test_an_image_of_too_many_pixels_is_named(folder, monkeypatch):
    save(folder / "cat" / "huge.png", np.zeros((60, 60)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(LotteryError, match="cat/huge.png has more than .* million pixels"):
        data.load(folder)


@pytest.mark.parametrize(
    "how, said",
    [
        (dict(classes=["cat", "dgo"]), "class 'dgo' is not in .*did you mean dog"),
        (dict(train_split="trian"), "train_split='trian' is not in"),
        (dict(train_split="train[:1]", validation=0), r"no image to train on in \["),
        (dict(normalization=([0.5, 0.5, 0.5], 0.5)), "each one number or one for each of 1 channels"),
        (dict(image_size=10**6), "need .* GB"),
    ],
)
def test_what_headers_and_names_tell_is_refused_before_an_image_is_decoded(folder, how, said, monkeypatch):
    monkeypatch.setattr(photos, "pixels", None)
    with pytest.raises(LotteryError, match=said):
        data.load(folder, **how)


def test_sizes_that_differ_are_refused_before_an_image_is_decoded(folder, monkeypatch):
    save(folder / "cat" / "x.jpg", np.zeros((12, 8)))
    monkeypatch.setattr(photos, "pixels", None)
    with pytest.raises(LotteryError, match="differing sizes, 6x6 .*and 12x8 .*x.jpg.*; give image_size"):
        data.load(folder)
