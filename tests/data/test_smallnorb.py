"""SmallNORB from its own files, through TFDS' builder, to what the sparse transfer literature trains on.

That is the left image of each pair at 32x32 in three equal channels: Mehta 2019 (arXiv 1905.07785).
"""

import json
import os
import re
import socket
import time
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tensorflow_datasets as tfds
from small import bits, command, well

import keras_lottery as lottery
from apps import find_ticket, transfer_ticket
from keras_lottery import data
from keras_lottery.data import tfds_source

MAGIC = {"uint8": 0x1E3D4C55, "int32": 0x1E3D4C54}
CLASSES = ("four-legged animals", "human figures", "airplanes", "trucks", "cars")
PAPERS = {"image_size": 32, "channels": 3}
QUICK = [
    "--epochs=1",
    "--batch_size=16",
    "--image_size=32",
    "--channels=3",
    "--optimizer=adam",
    "--learning_rate=0.01",
    "--precision=float32",
    "--noverbose",
]


@pytest.fixture(scope="module")
def norb(tmp_path_factory):
    """A small SmallNORB, prepared: data_dir, and for each split the left images at 32x32 and their labels."""
    folder = tmp_path_factory.mktemp("norb")
    train, test = write_split(folder, "training", 80), write_split(folder, "testing", 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tfds.download.DownloadManager,
            "download_and_extract",
            lambda self, urls: {part: str(folder / part) for part in urls},
        )
        tfds.builder("smallnorb", data_dir=folder / "tfds").download_and_prepare()
    return SimpleNamespace(data_dir=str(folder / "tfds"), train=train, test=test)


def write_split(folder, split, count):
    """The three files of a split, the right image the negative of the left; (left images at 32x32,
    labels)."""
    rng = np.random.default_rng(count)
    left = rng.integers(0, 256, (count, 96, 96), np.uint8)
    labels = np.arange(count, dtype=np.int32) % 5
    write_matrix(folder / f"{split}_dat", np.stack([left, 255 - left], axis=1))
    write_matrix(folder / f"{split}_cat", labels)
    write_matrix(folder / f"{split}_info", rng.integers(0, [10, 9, 18, 6], (count, 4)) * [1, 1, 2, 1])
    return np.stack([resized(image) for image in left]), labels


def resized(image):
    """At 32x32, in unrounded grey levels, as torchvision's Resize and so the literature does it."""
    return np.asarray(
        PIL.Image.fromarray(image.astype(np.float32)).resize((32, 32), PIL.Image.Resampling.BILINEAR)
    )


def write_matrix(path, array):
    """NORB's binary matrix format: magic, number of dimensions, at least three sizes, the values;
    little-endian."""
    array = array.astype("uint8" if array.dtype == np.uint8 else "<i4")
    sizes = [*array.shape, 1, 1][: max(3, array.ndim)]
    head = np.array([MAGIC[array.dtype.name], array.ndim, *sizes], "<i4")
    path.write_bytes(head.tobytes() + array.tobytes())


def served(dataset, made):
    """Images in grey levels, 0..255, and labels."""
    batches = list(dataset.as_numpy_iterator())
    images, labels = [np.concatenate(part) for part in zip(*batches)]
    assert images.shape[1:] == (32, 32, 3) and (images == images[..., :1]).all()
    return (images[..., 0] * made.std[0] + made.mean[0]) * 255, labels


def places(images, among):
    """For each image the row of `among` that it is, to the rounding of a grey level."""
    far = np.abs(images[:, None] - among[None]).max((2, 3))
    assert far.min(1).max() < 0.51, f"an image is {far.min(1).max():.1f} grey levels off"
    return far.argmin(1).tolist()


def test_the_left_image_at_32x32_in_three_equal_channels(norb):
    made = data.load(
        "smallnorb", data_dir=norb.data_dir, validation=0.1, batch_size=24, download=False, **PAPERS
    )
    assert made.sizes == {"train": 72, "validation": 8, "test": 40}
    assert made.input_shape == (32, 32, 3) and made.class_names == CLASSES and made.num_classes == 5
    assert len(set(made.mean)) == len(set(made.std)) == 1
    found = {}
    for part, (left, stored) in {"train": norb.train, "validation": norb.train, "test": norb.test}.items():
        images, labels = served(getattr(made, part), made)
        found[part] = places(images, left)
        assert labels.tolist() == stored[found[part]].tolist()
    assert sorted(found["train"] + found["validation"]) == list(range(80)) and sorted(found["test"]) == list(
        range(40)
    )


def test_flip_and_crop_leave_the_channels_equal(norb):
    made = data.load(
        "smallnorb", data_dir=norb.data_dir, augment=True, batch_size=24, download=False, **PAPERS
    )
    images, _ = served(made.train, made)
    with pytest.raises(AssertionError, match="grey levels off"):
        places(images, norb.train[0])


@pytest.mark.matrix
def test_a_ticket_is_found_on_it(norb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(
        find_ticket,
        "--dataset=smallnorb",
        f"--data_dir={norb.data_dir}",
        "--model=lenet",
        "--rounds=1",
        "--run_dir=find",
        *QUICK,
    )
    assert code == 0 and well(err), err
    result = json.loads((tmp_path / "find" / "result.json").read_text())
    assert result["data"]["classes"] == list(CLASSES)
    assert result["data"]["sizes"] == {"train": 72, "validation": 8, "test": 40}
    assert lottery.load_ticket("find/round_01").masks["dense1/kernel"].shape == (32 * 32 * 3, 300)


@pytest.mark.matrix
def test_a_ticket_of_other_images_is_carried_to_it(norb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(
        find_ticket,
        "--dataset=digits",
        "--train_split=train[:10%]",
        "--model=resnet8",
        "--width=0.25",
        "--rounds=1",
        "--rate=0.5",
        "--run_dir=find",
        *QUICK,
    )
    assert code == 0 and well(err), err
    code, out, err = command(
        transfer_ticket,
        "--ticket=find/round_01",
        "--dataset=smallnorb",
        f"--data_dir={norb.data_dir}",
        "--run_dir=carry",
        *QUICK,
    )
    assert code == 0 and well(err), err
    ticket, student = lottery.load_ticket("find/round_01"), lottery.load_ticket("carry/ticket/student")
    assert bits(student.masks) == bits(ticket.masks) and ticket.sparsity == pytest.approx(0.5, abs=0.002)
    assert student.trained["logits/kernel"].shape[1] == 5
    assert json.loads((tmp_path / "carry" / "result.json").read_text())["data"]["classes"] == list(CLASSES)


def test_without_it_and_without_a_network_the_command_says_what_to_run(tmp_path, monkeypatch):
    def no_such_host(*_, **__):
        raise socket.gaierror("no network")

    for variable in [v for v in os.environ if v.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    monkeypatch.setattr(tfds_source, "PROBE_SECONDS", 1)
    start = time.monotonic()
    code, out, err = command(find_ticket, "--dataset=smallnorb", "--data_dir=new", "--run_dir=find", *QUICK)
    assert time.monotonic() - start < 5
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.match(
        "lottery-find: smallnorb is not in .*/new and cannot be fetched: no answer from cs.nyu.edu; where "
        "there is a network, run: python -c .*tfds.builder.'smallnorb', "
        "data_dir='.*/new'.*download_and_prepare",
        err,
    )
    assert not os.listdir(tmp_path)
