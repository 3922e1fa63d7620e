"""Files of models that make much of little, or do not say what Keras says: refused before they are read."""

import struct
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from keras_lottery.core.errors import LotteryError
from keras_lottery.models import arrays, saved
from keras_lottery.models.attributes import text_bytes

COUNT, LENGTH = 100, 2**21  # texts that are one, and the bytes of it


def one_text_often(path, places):
    """Let the references to texts at places of a file, 16 bytes each, refer to the long one that is there."""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<I", LENGTH))
    for place in places(content):
        content[place : place + 16] = content[at : at + 16]
    path.write_bytes(content)


def with_attribute(path, name):
    with h5py.File(path, "w") as file:
        text = h5py.string_dtype()
        file.attrs.create(name, np.array([f"text {n:06}" for n in range(COUNT)], object), dtype=text)
        file.attrs.create("long", "x" * LENGTH, dtype=text)

    def places(content):
        short = struct.pack("<I", len("text 000000"))
        first = next(
            n
            for n in range(len(content))
            if all(content[n + 16 * k : n + 16 * k + 4] == short for k in range(COUNT))
        )
        return range(first, first + 16 * COUNT, 16)

    one_text_often(path, places)
    return path


def with_texts_as_weights(path):
    with h5py.File(path, "w") as file:
        group, names = file.create_group("layer"), [f"w{n}" for n in range(COUNT)]
        texts = [group.create_dataset(name, data=name, dtype=h5py.string_dtype()) for name in names]
        long = group.create_dataset("long", data="x" * LENGTH, dtype=h5py.string_dtype())
        file.attrs["layer_names"], group.attrs["weight_names"] = [b"layer"], [n.encode() for n in names]
        places, at = [text.id.get_offset() for text in texts], long.id.get_offset()
    assert at > max(places)
    one_text_often(path, lambda content: places)
    return path


def with_a_chunk(path):
    """60 kB of zeros, of a chunk that unpacks to 64 MB."""
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=np.zeros(2**26, "u1"), chunks=(2**26,), maxshape=(None,), compression=9)
        file["w"].resize((60_000,))
    return path


def stored(path):
    with h5py.File(path) as file, open(path, "rb") as raw:
        return arrays.stored(file, raw)


@pytest.fixture
def memory():
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize(
    "make, said",
    [
        (
            lambda path: with_attribute(path, "weight_names"),
            "its attribute 'weight_names' holds one text many times",
        ),
        (
            lambda path: with_attribute(path, "model_config"),
            "its attribute 'model_config' holds one text many times",
        ),
        (with_texts_as_weights, "its '/layer/w0' is listed as a weight and is a text"),
        (with_a_chunk, r"its 'w' is told as \(60000,\), of which the file does not hold all"),
    ],
)
def test_little_that_unpacks_to_much_is_refused_before_it_is_read(tmp_path, make, said, memory):
    path = make(tmp_path / "net.h5")
    tracemalloc.reset_peak()
    with pytest.raises(LotteryError, match=said):
        stored(path)
    assert memory() < 10 * LENGTH


def test_the_version_is_one_text(tmp_path, memory):
    path = with_attribute(tmp_path / "net.h5", "keras_version")
    tracemalloc.reset_peak()
    assert saved.keras_of(path) is None and memory() < 10 * LENGTH


def test_chunks_that_are_stored_whole_are_read(tmp_path):
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.create_dataset("w", data=np.ones((5, 7), "float32"), chunks=(2, 3))
        file["none"] = np.ones((0, 3), "float32")
    assert stored(tmp_path / "net.h5") == 4 * 3 * 3 * 2 * 3


def encrypted(path, text):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(saved.METADATA, text)
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


def plain(path, text):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(saved.METADATA, text)


@pytest.mark.parametrize(
    "write, text",
    [
        (plain, "[" * 60_000),
        (plain, '"3"'),
        (plain, '{"keras_version": 3}'),
        (plain, '{"keras_version": "3.\\u001b[2J"}'),
        (plain, '{"keras_version": "' + "3" * 1000 + '"}'),
        (encrypted, '{"keras_version": "3.1"}'),
    ],
)
def test_metadata_that_say_no_version(tmp_path, write, text):
    write(tmp_path / "net.keras", text)
    assert saved.keras_of(tmp_path / "net.keras") is None


def test_texts_are_measured_without_being_read(tmp_path):
    """In the headers of files that h5py writes as Keras does, with many attributes and long names."""
    path, names = tmp_path / "net.h5", {f"{'n' * n}é": [f"text {k}" for k in range(n)] for n in range(1, 60)}
    with h5py.File(path, "w") as file:
        group = file.create_group("layer")
        for name, texts in names.items():
            group.attrs[name] = [text.encode() for text in texts]
        group.attrs["none"], group.attrs["number"] = [], 3
    with h5py.File(path) as file, open(path, "rb") as raw:
        found = text_bytes(raw, h5py.h5o.get_info(file["layer"].id).addr)
        assert {name: found[name] for name in names} == {
            name: sum(map(len, texts)) for name, texts in names.items()
        }
        assert arrays.stored(file, raw) == 0
    with h5py.File(tmp_path / "new.h5", "w", libver="latest") as file:
        file.attrs["names"] = [b"a"]
    with pytest.raises(LotteryError, match="a version of HDF5 that Keras does not write"):
        stored(tmp_path / "new.h5")
