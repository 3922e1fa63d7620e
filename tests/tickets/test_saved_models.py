"""The tickets that come with the repository load, say what they are and can be carried on."""

import shutil
from pathlib import Path

import pytest
import scripts
import tf_keras

import keras_lottery as lottery
from keras_lottery import data
from keras_lottery.tickets.card import card

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "saved_models").glob("*/ticket.json"))


def test_there_are_some():
    assert len(FOLDERS) >= 4


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_card_is_what_this_version_writes(folder):
    """python docs/study/ship.py writes them anew."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    files = sorted(path for path in folder.iterdir() if path.name != "README.md")
    assert text == card(lottery.load_ticket(folder), folder.name, folder.name, files)
    told = text.partition("\n---\n")[0]
    assert 'license: "apache-2.0"' in told and f'datasets: ["{folder.name.split("-")[1]}"]' in told


def test_cards_are_written_anew_and_no_other_file(tmp_path):
    (folder,) = [folder for folder in FOLDERS if folder.name == "lenet-fashion_mnist-95"]
    copy = shutil.copytree(folder, tmp_path / folder.name)
    (copy / "README.md").write_text("of another version")
    scripts.load(scripts.ROOT / "docs" / "study" / "ship.py").write_cards(tmp_path)
    for file in folder.iterdir():
        assert (copy / file.name).read_bytes() == file.read_bytes(), file


@pytest.mark.quick("lenet-fashion_mnist-95")
@pytest.mark.parametrize(
    "folder",
    [pytest.param(folder, marks=[pytest.mark.stress] * folder.name.endswith("90")) for folder in FOLDERS],
    ids=lambda folder: folder.name,
)
def test_shipped_ticket_trains_on_digits_with_its_zeros(folder):
    ticket = lottery.load_ticket(folder.name)
    assert abs(ticket.sparsity - int(folder.name[-2:]) / 100) < 0.005
    assert f"{100 * ticket.sparsity:.1f}%" in (folder / "README.md").read_text()
    _, side, _, channels = ticket.model().input_shape
    digits = data.load("digits", image_size=side, channels=channels)
    student = lottery.transfer(ticket, num_classes=digits.num_classes)
    student.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    student.fit(digits.train.take(2), verbose=0)
    assert all(
        (weight.numpy()[~ticket.masks[path]] == 0).all() for path, weight in lottery.prunable(student).items()
    )
