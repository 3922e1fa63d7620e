"""What a session shows: one line for a ticket or an export, and nothing where verbose=False is asked for."""

import dataclasses

import numpy as np
import pytest
from small import dense, search

import keras_lottery as lottery
from keras_lottery import data
from keras_lottery.core.errors import LotteryError


def test_a_ticket_is_one_line():
    ticket = search(epochs=1, rounds=1)
    kept, total = (sum(int(count(mask)) for mask in ticket.masks.values()) for count in (np.sum, np.size))
    assert (
        repr(ticket)
        == f"Ticket({ticket.sparsity:.1%} zeros: {kept:,} of {total:,} weights in {len(ticket.masks)} tensors)"
    )
    named = dataclasses.replace(ticket, info={"data": data.load("digits", classes=[0, 1]).describe()})
    assert repr(named).endswith(", found on digits[0-1])")


def test_an_export_is_one_line(tmp_path):
    written = lottery.export(dense(), tmp_path / "net.tflite", formats="float32", verbose=False)
    assert repr(written) == (
        f"Export({tmp_path / 'net.tflite'}: float32 dense, {written.chosen.bytes:,} bytes, "
        f"the best of {len(written.variants)} for size)"
    )


def test_quiet_where_asked_for(tmp_path, capfd):
    model = lottery.wrap(dense(), verbose=False)
    lottery.compact(model, verbose=False)
    lottery.export(model, tmp_path / "net.tflite", formats="float32", compact=True, verbose=False)
    assert capfd.readouterr().out == ""
    lottery.wrap(dense())
    assert "parameters are pruned in rounds" in capfd.readouterr().out


@pytest.mark.parametrize(
    "call", [lottery.wrap, lottery.compact, lambda model, **how: lottery.export(model, "net.tflite", **how)]
)
def test_verbose_is_true_or_false(call):
    with pytest.raises(LotteryError, match="verbose='no' is impossible: give True or False"):
        call(dense(), verbose="no")
