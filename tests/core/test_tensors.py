"""Files of arrays: what is written is what safetensors reads, and one array at a time is in memory."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_lottery.core import files
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.lazily import Lazily

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)
ARRAYS = {
    "float32": RNG.normal(size=(3, 5)).astype("float32"),
    "transposed": RNG.normal(size=(3, 5)).T,
    "no dimension": np.float64(2.5),
    "empty": np.zeros((0, 3), "float32"),
    "bfloat16": RNG.normal(size=7).astype(ml_dtypes.bfloat16),
    "float16": RNG.normal(size=(1, 3)).astype("float16"),
    "complex64": np.array([1 + 2j], "complex64"),
    "bool/ä/名": np.array([True, False, True]),
    "big-endian": np.arange(5, dtype=">i4"),
    **{kind: np.arange(3, dtype=kind) for kind in ("int8", "uint8", "int16", "int64", "uint64")},
}


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        native = np.asarray(array).astype(np.asarray(array).dtype.newbyteorder("="))
        assert found[name].dtype == native.dtype and found[name].shape == native.shape
        assert found[name].tobytes() == native.tobytes()


def test_safetensors_reads_what_is_written(tmp_path):
    files.write_arrays(tmp_path / "a.safetensors", ARRAYS, round=1)
    same(load_file(tmp_path / "a.safetensors"), ARRAYS)
    found, notes = files.read_arrays(tmp_path / "a.safetensors")
    same(found, ARRAYS)
    assert notes == {"round": 1}


def test_each_array_is_aligned(tmp_path):
    files.write_arrays(tmp_path / "a.safetensors", ARRAYS)
    content = (tmp_path / "a.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0 and header.keys() - ARRAYS.keys() == {"__metadata__"}
    for name, array in ARRAYS.items():
        assert header[name]["data_offsets"][0] % array.itemsize == 0


@pytest.mark.parametrize("name", ["a.safetensors", "a.safetensors.gz"])
def test_equal_arrays_are_equal_files(name, tmp_path):
    for folder, given in (("one", ARRAYS), ("other", dict(reversed(ARRAYS.items())))):
        (tmp_path / folder).mkdir()
        files.write_arrays(tmp_path / folder / name, given)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    same(files.read_arrays(tmp_path / "one" / name)[0], ARRAYS)


@pytest.mark.parametrize("name", ["a.safetensors", "a.safetensors.gz"])
def test_one_array_at_a_time_is_in_memory(name, tmp_path):
    size = 2**20
    made = Lazily(dict.fromkeys("abcdefgh", 1), lambda number: np.full(size, number, np.uint8))
    tracemalloc.start()
    files.write_arrays(tmp_path / name, made)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size < peak < 1.6 * size  # the array that is written, and a remainder
    same(files.read_arrays(tmp_path / name)[0], dict(made))


def test_a_dtype_that_the_format_has_not_is_told(tmp_path):
    with pytest.raises(LotteryError, match="cannot write .*complex128"):
        files.write_arrays(tmp_path / "a.safetensors", {"a": np.zeros(2, "complex128")})
    assert not list(tmp_path.iterdir())


def test_a_new_file_has_the_rights_of_any_other(tmp_path):
    files.write_arrays(tmp_path / "a.safetensors", ARRAYS)
    (tmp_path / "b").touch()
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "b").stat().st_mode


PEAK = """
import sys
from pathlib import Path
from keras_lottery.core import files

def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

before = peak()
arrays, _ = files.read_arrays("a.safetensors")
print((peak() - before) / arrays["a"].nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory of a process")
def test_a_file_is_read_and_not_mapped(tmp_path):
    """Whoever cuts a file that is mapped kills the process, and what is mapped is in memory twice."""
    files.write_arrays(tmp_path / "a.safetensors", {"a": np.ones(2**23)})
    done = subprocess.run(
        [sys.executable, "-c", PEAK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0.9 < float(done.stdout) < 1.3


def test_arrays_that_were_read_outlive_their_file(tmp_path):
    path = tmp_path / "a.safetensors"
    big = {"a": RNG.normal(size=2**17), "b": RNG.normal(size=2**17)}
    files.write_arrays(path, big)
    found, _ = files.read_arrays(path)
    path.open("r+b").truncate(100)
    same(found, big)
    with pytest.raises(LotteryError, match="is missing, cut or altered"):
        files.read_arrays(path)
    path.unlink()
    same(found, big)
