"""A ticket's card: its head is what the Hugging Face Hub reads, whatever is in the ticket."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import dense, pruned_ticket

import keras_lottery as lottery
from keras_lottery.tickets.card import card
from keras_lottery.tickets.card_head import head

ModelCard = pytest.importorskip("huggingface_hub").ModelCard

DATA = {"name": "mnist", "splits": {}, "classes": ["a", "b"], "mean": [0.5], "std": [0.5], "validation": 0.1}
TICKET = pruned_ticket(dense(), trained=False)
TEXT = st.text(st.characters(codec=None), max_size=30)
JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | TEXT, st.lists, max_leaves=5)


def of(info, rounds=(), **more):
    return dataclasses.replace(TICKET, info=info, rounds=list(rounds), **more)


def read(text):
    """The head of a card as the hub takes it."""
    return ModelCard(text, ignore_metadata_errors=False).data


def test_the_head_says_what_the_hub_asks(tmp_path):
    record = {"round": 1, "sparsity": 0.9, "metrics": {"loss": 0.2, "val_accuracy": 0.91234}}
    ticket = of(
        {"data": {**DATA, "label": "mnist[0-4]"}, "command": "lottery-find --dataset=mnist"}, [record]
    )
    ticket.save(tmp_path / "t", name="Zwölf: 'a' | \"b\" # c", license="cc-by-4.0", author="Ada")
    text = (tmp_path / "t" / "README.md").read_text(encoding="utf-8")
    told = read(text)
    assert (told.license, told.library_name, told.datasets, told.metrics) == (
        "cc-by-4.0",
        "keras_lottery",
        ["mnist"],
        ["accuracy"],
    )
    assert {"keras", "lottery-ticket", "image-classification"} <= set(told.tags)
    (result,) = told.eval_results
    assert (told.model_name, result.dataset_name) == ("Zwölf: 'a' | \"b\" # c", "mnist[0-4]")
    assert (result.metric_value, result.metric_name) == (0.9123, "validation accuracy")
    for row in (
        "| source | mnist[0-4] |",
        "| accuracy | 91.23% of the validation images |",
        "| author | Ada |",
    ):
        assert row in text
    assert "| command | lottery-find --dataset=mnist |" in text and "# Zwölf: 'a' \\| \"b\" # c\n" in text


def test_a_student_has_a_source_and_a_target():
    told = {"data": {**DATA, "name": "digits"}, "source": "mnist", "test_accuracy": 0.75}
    student = of(told, settings={"control": "ticket"})
    text = card(student, "s", "s", [])
    assert "| source | mnist |\n| target | digits |\n| accuracy | 75.00% of the test images |\n" in text
    assert read(text).datasets == ["mnist", "digits"]
    (result,) = read(text).eval_results
    assert (result.dataset_type, result.metric_value) == ("digits", 0.75)
    assert "| source | digits |" in card(of(told), "s", "s", [])  # of a search: a note that somebody made


def test_little_is_said_of_a_ticket_that_says_little():
    told = read(card(of({}), "t", "t", []))
    assert told.to_dict() == {
        "library_name": "keras_lottery",
        "tags": ["keras", "lottery-ticket", "pruning", "sparse"],
    }


@pytest.mark.filterwarnings("error")
def test_a_weight_without_numbers_has_no_zeros():
    text = card(of({}, masks={"empty": np.ones((0, 3), bool)}), "t", "t", [])
    assert "| empty | 0x3 | 0 | 0.0000 |" in text
    assert "0.0%" in of({}, masks={"empty": np.ones((0, 3), bool)})._repr_html_()


def test_what_is_said_stays_with_the_ticket(tmp_path):
    TICKET.save(tmp_path / "a", license="mit", author="Ada", name="One")
    lottery.load_ticket(tmp_path / "a").save(tmp_path / "b", author="Bob")
    told = lottery.load_ticket(tmp_path / "b").info
    assert (told["license"], told["author"], told["name"]) == ("mit", "Bob", "One")
    assert (tmp_path / "b" / "README.md").read_text().startswith('---\nlicense: "mit"\n')
    assert TICKET.info.keys().isdisjoint({"license", "author", "name"})


BAD = {
    "license": ("MIT License", "", "a\nb", 5, "x" * 99, "mit]"),
    "author": ("", " ", "a\nb", "\x1b[2J", 5, "x" * 500, "\ud800"),
    "name": ("", "a\nb", "a\u2028b", str),
}


@pytest.mark.parametrize("name", BAD)
def test_what_a_card_cannot_say_is_refused(name, tmp_path):
    for value in BAD[name]:
        with pytest.raises(
            lottery.LotteryError, match=f"^{name}=.* (is impossible|is no identifier)"
        ) as error:
            TICKET.save(tmp_path / "t", **{name: value})
        assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


@settings(max_examples=100, deadline=None)
@given(TEXT, TEXT, TEXT, JSON, JSON)
def test_no_text_of_a_stranger_breaks_the_head(name, data, source, license, accuracy):
    told = {"data": {**DATA, "name": data}, "source": source, "license": license, "test_accuracy": accuracy}
    student = of(told, settings={"control": "ticket"})
    lines = head(student, name).split("\n")
    assert [line.partition(": ")[0] for line in lines if line.startswith(("lib", "tags"))] == [
        "library_name",
        "tags",
    ]
    found = read(card(student, name, name, []))
    assert found.library_name == "keras_lottery"
    if isinstance(license, str) and found.license is not None:
        assert found.license == license
    for result in found.eval_results or ():
        assert result.dataset_name == re.sub("[\ud800-\udfff]", "\ufffd", data or source)


def test_no_text_of_a_stranger_is_more_than_text():
    name = "\x1b[2J<img src=//a.org> ![x](//a.org/x.png) a|b"
    text = card(of({"data": {**DATA, "label": name}, name: name}), "t", "t", [])
    shown = r"\x1b[2J&lt;img src=//a.org> ![x]\(//a.org/x.png) a\|b"
    assert f"| source | {shown} |" in text and f"| {shown} | {shown} |" in text
    assert "\x1b" not in text and "<img" not in text.partition("\n---\n")[2]
    ticket = of({"data": {**DATA, "label": "\x1b[2J\ud800"}})
    assert repr(ticket).endswith(r"found on \x1b[2J\ud800)") and r"\ud800" in ticket._repr_html_()


def test_notes_of_any_kind_are_saved(tmp_path):
    """Of a ticket of a stranger, say, whose notes are like those that cards know."""
    notes = [
        {"name": 5, "license": ["mit"], "author": {"a": 1}, "command": None, "test_accuracy": "high"},
        {"results": {"title": "a\n# b", "note": "|", "header": 5, "rows": 3}},
        {"results": {"title": "a", "note": "b", "header": [1], "rows": [[{"a|b": 1}], 5]}},
        {"results": {"title": "a\n# b", "note": "c\nd", "header": ["x|y"], "rows": [["1\n2"]]}},
    ]
    for number, info in enumerate(notes):
        of(
            info, [{"round": {"a": 1}, "sparsity": 1, "metrics": {"a|b": "c"}, "start": "|", "stop": []}]
        ).save(tmp_path / str(number))
        text = (tmp_path / str(number) / "README.md").read_text(encoding="utf-8")
        assert read(text).library_name == "keras_lottery" and "\n# b" not in text
        assert lottery.load_ticket(tmp_path / str(number)).info == info
