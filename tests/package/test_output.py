"""What a session shows: one line for a ticket or an export, and nothing where verbose=False is asked for."""

import dataclasses
import sys

import numpy as np
import pytest
from small import dense, python, search

import keras_lottery as lottery
from keras_lottery import data
from keras_lottery.config import Run
from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments.report.table import Table


def test_a_ticket_is_one_line():
    ticket = search(epochs=1, rounds=1)
    kept, total = (sum(int(count(mask)) for mask in ticket.masks.values()) for count in (np.sum, np.size))
    assert (
        repr(ticket)
        == f"Ticket({ticket.sparsity:.1%} zeros: {kept:,} of {total:,} weights in {len(ticket.masks)} "
        "tensors)"
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


def test_what_a_notebook_shows_is_a_short_line_or_a_table(tmp_path, capsys):
    ticket = search(epochs=1, rounds=1)
    written = lottery.export(dense(), tmp_path / "net.tflite", formats="float32", verbose=False)
    rows = lottery.summary(ticket.model())
    table = Table("a <b>", "", ("x",), (("1",),))
    capsys.readouterr()
    for shown, cells in ((ticket, len(ticket.masks)), (written, 2), (rows, len(rows)), (table, 1)):
        assert len(repr(shown)) < 200 and "\n" not in repr(shown)
        html = shown._repr_html_()
        assert html.startswith("<table><caption>") and html.count("<tr>") == cells + 1
    assert repr(rows).startswith("Summary(") and list(rows)[0]["path"]
    assert repr(table) == "Table(a <b>: 1 rows)" and "a &lt;b&gt;" in table._repr_html_()


def test_bars_are_drawn_on_a_terminal_and_are_lines_in_a_file(monkeypatch):
    assert [Run(verbose=given).progress for given in (False, 0, 1, 2, "auto")] == [0, 0, 1, 2, "auto"]
    for terminal, progress in ((True, "auto"), (False, 2)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
        assert Run().progress == progress


@pytest.mark.stress
def test_the_demo_shows_one_export_and_one_comparison_and_no_bars_in_a_file(tmp_path):
    done = python("-m", "apps.demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("latency") == 1 and done.stdout.count("accuracy on the target") == 1
    assert not any(sign in done.stdout for sign in ("\r", "\b", "Epoch", "loss:"))
    assert len(list((tmp_path / "runs/demo").glob("*.tflite"))) == 4
