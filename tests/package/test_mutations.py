"""The breakages that `python tests/mutations.py` tries are of the code that there is."""

import re
from pathlib import Path

import house
import pytest
from breakages import BREAKAGES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.what)
def test_a_breakage_is_of_code_that_is_there_and_names_tests_that_are_there(breakage):
    text = (ROOT / breakage.file).read_text()
    assert text.count(breakage.old) == 1, "the code has changed: say in tests/breakages.py what to break now"
    compile(text.replace(breakage.old, breakage.new), breakage.file, "exec")
    for test in breakage.tests.split():
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name or 'test_'}", (ROOT / "tests" / file).read_text(), re.MULTILINE), test


def test_every_room_is_broken():
    def room(file):
        module = file.removeprefix("keras_lottery/").removesuffix(".py").removesuffix("/__init__")
        return house.room(module.replace("/", ".")).split(".")[0]

    assert {room(breakage.file) for breakage in BREAKAGES} == {room.split(".")[0] for room in house.ROOMS}
    assert len({breakage.what for breakage in BREAKAGES}) == len(BREAKAGES)
