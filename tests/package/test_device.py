"""benchmarks/device.py, which holds the package to its guarantees on accelerators, tried on the processor."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from world import KIND

FILE = Path(__file__).parents[2] / "benchmarks" / "device.py"
pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="it starts the backends by itself")


@pytest.fixture(scope="module")
def device():
    sys.path.insert(0, str(FILE.parent))
    try:
        spec = importlib.util.spec_from_file_location("device", FILE)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FILE.parent))
    return module


@pytest.mark.matrix
def test_it_measures_what_always_holds(device):
    done = subprocess.run(
        [sys.executable, str(FILE), "--processor", "--backends", "tf_keras"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = [ast.literal_eval(line.removeprefix("held: ")) for line in done.stdout.splitlines()]
    assert [row["precision"] for row in rows] == ["float32", "mixed_bfloat16"]
    for row in rows:
        assert device.holds(row)
        assert row["kept"][1:] == [row["kept"][0] // 2, row["kept"][0] // 4]


@pytest.mark.parametrize(
    "fault",
    [
        {"pruned_weights_not_zero": 1},
        {"kept": [100, 50, 50]},
        {"rewound_to_the_bit": [True, False]},
        {"finite": False},
    ],
)
def test_a_fault_is_seen(device, fault):
    row = {
        "pruned_weights_not_zero": 0,
        "kept": [100, 50, 25],
        "rewound_to_the_bit": [True, True],
        "finite": True,
    }
    assert device.holds(row) and not device.holds({**row, **fault})
