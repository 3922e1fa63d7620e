"""Run folders of earlier versions are those of the same runs."""

import gzip

import pytest

from keras_lottery.core.errors import LotteryError
from keras_lottery.training import older, run_folder

DATA = {"name": "digits", "input_shape": [8, 8, 1], "image_size": None, "channels": None}
SAID = {**DATA, "image_size": [8, 8], "channels": 1}


@pytest.mark.parametrize("put", [lambda data: {"data": data}, lambda data: {"info": {"data": data}}])
def test_a_size_that_images_had_by_themselves_may_be_said(put, tmp_path):
    there, now = {"run": "transfer", **put(DATA)}, {"run": "transfer", **put(SAID)}
    assert older.config(there, now, tmp_path) == now
    other = {"run": "transfer", **put({**SAID, "image_size": [9, 9], "input_shape": [9, 9, 1]})}
    assert older.config(there, other, tmp_path) == there


def test_what_was_chosen_is_told_before_what_follows_from_it(tmp_path):
    def config(rate):
        return {"compiled": {"optimizer": {"lr": rate}}, "info": {"recipe": {"learning_rate": rate}}}

    def entered(rate):
        with run_folder.open_run(tmp_path / "run", "find_ticket", config(rate)):
            pass

    entered(0.1)
    with pytest.raises(LotteryError, match=r": info.recipe.learning_rate was 0.1, now 0.2; compiled"):
        entered(0.2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        gzip.compress(b"{}")[:-9],
        gzip.compress(b"["),
        gzip.compress(b"{}"),
        gzip.compress(bytes(2**25)),
    ],
)
def test_a_damaged_architecture_of_an_earlier_run_is_told(tmp_path, content):
    (tmp_path / "round_00").mkdir()
    (tmp_path / "round_00" / "architecture.json.gz").write_bytes(content)
    with pytest.raises(LotteryError, match="architecture.json.gz' .* from a copy"):
        older.config({"run": "find_ticket", "seed": 0}, {"run": "find_ticket"}, tmp_path)
