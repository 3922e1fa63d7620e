"""Who imports whom: no import from a floor above, no circle, and no more rooms than one sees at a glance."""

import house


def test_no_room_imports_from_a_floor_above():
    assert house.upward(house.arrows()) == []


def test_no_rooms_import_each_other():
    assert house.circle(house.arrows()) == []


def test_every_module_is_in_a_room():
    assert {name for name in house.modules() if name and not house.room(name)} == set()


def test_the_house_is_small():
    assert len(house.ROOMS) <= 22 and len(house.FLOORS) <= 8 and len(house.arrows()) <= 80


def test_the_tests_have_the_same_rooms():
    """Beside them the folders of what is about all rooms, and of what tests share."""
    folders = {path.parent for path in (house.ROOT / "tests").glob("*/*.py")}
    assert {folder.name for folder in folders} - {"package", "support"} <= house.ROOMS.keys()
    assert not any(path.name.startswith("test_") for path in (house.ROOT / "tests/support").iterdir())
