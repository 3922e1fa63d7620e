"""Notes of the caller's and settings of the search are kept apart: no note is taken for a setting, whatever
it is called."""

import dataclasses
import json

import by_name
import numpy as np
import pytest
from small import L, arrays, compiled, dense, everything, files, keras, search
from world import skip_unless

import keras_lottery as lottery
from keras_lottery.core.files import read_json
from keras_lottery.core.jsonable import differences
from keras_lottery.experiments import controls
from keras_lottery.search.stopping import was_cut
from keras_lottery.tflite import measure
from keras_lottery.tickets.ticket import shipped
from keras_lottery.tickets.ticket_file import checksum as _checksum
from keras_lottery.training import older

NOTES = {
    "budget": "2000 EUR",
    "early_bird": "the owl",
    "blocks": ["north", "south"],
    "scope": "Leipzig",
    "rewind": "1999",
    "epochs": "many",
    "seed": {"of": "oak"},
    "structured": "yes",
    "rewind_once": "no",
    "results": "see the paper",
    "data": "mean std classes name splits",
    "model": 7,
    "width": "wide",
    "recipe": "secret",
    "control": "left",
    "settings": {"budget": 1},
    "run": "today",
    "masks": "of carnival",
}


def no_pixels():
    return keras.Sequential([L.Input((8, 8, 1)), L.Flatten(), L.Dense(6, name="a"), L.Dense(3, name="head")])


@pytest.mark.matrix
def test_no_note_is_taken_for_a_setting(tmp_path):
    bare = search(epochs=1, rounds=1, run_dir=tmp_path / "bare")
    noted = search(epochs=1, rounds=1, run_dir=tmp_path / "noted", info=NOTES)
    assert noted.settings == bare.settings and NOTES.items() <= noted.info.items()
    loaded = lottery.load_ticket(tmp_path / "noted" / "round_01")
    assert everything(loaded) == everything(noted) and loaded.images == {}
    assert not was_cut(loaded) and loaded.pruned_by == bare.pruned_by == {"scope": "global", "blocks": {}}
    dense_net = lottery.load_ticket(tmp_path / "noted" / "round_00")
    for control in ("one-shot", "late-reset", "shuffled", "random"):
        controls.student(control, loaded, dense_net)
    card = (tmp_path / "noted" / "round_01" / "README.md").read_text()
    assert (
        "| budget | 2000 EUR |" in card and "| results | see the paper |" in card and "| seed | 0 |" in card
    )
    assert everything(search(epochs=1, rounds=1, run_dir=tmp_path / "noted", info=NOTES)) == everything(noted)


@pytest.mark.matrix
@skip_unless("tf_keras", reason="the commands' data are TensorFlow's")
def test_reports_take_settings_alone(tmp_path):
    x = np.random.default_rng(0).normal(size=(48, 8, 8, 1)).astype("float32")
    search(
        compiled(no_pixels()),
        (x, np.arange(48) % 3),
        epochs=1,
        rounds=1,
        run_dir=tmp_path / "find",
        info=NOTES,
    )
    by_name.transfer(
        ticket=tmp_path / "find" / "round_01",
        dataset={"name": "digits"},
        epochs=1,
        seed=0,
        precision="float32",
        strategy="none",
        recipe={"optimizer": "sgd", "learning_rate": 0.1},
        run_dir=tmp_path / "carry",
        controls=("one-shot",),
        verbose=0,
    )
    rows = lottery.report.collect([tmp_path / "carry" / "result.json"])
    assert {"budget", "early_bird", "structured", "rewind_once", "scope"}.isdisjoint(rows[0])
    assert (rows[0]["rewind"], rows[0]["model"], rows[0]["ticket_seed"]) == ("init", "own model", 0)
    lottery.report.write(rows, tmp_path / "page")


def test_the_command_is_no_part_of_what_a_run_is(tmp_path):
    """Others may say the same in other words."""
    first = search(epochs=1, rounds=1, run_dir=tmp_path / "run", info={"command": "make it"})
    again = search(epochs=1, rounds=1, run_dir=tmp_path / "run", info={"command": "do it"})
    assert everything(again) == everything(first) and again.info["command"] == "make it"
    card = (tmp_path / "run" / "round_01" / "README.md").read_text()
    assert "| command | make it |" in card


def as_of_before(folder):
    """Make a ticket's folder what the first format held: settings among the notes."""
    content = json.loads((folder / "ticket.json").read_text())
    content |= {"format": 1, "info": {**content["info"], **content.pop("settings")}}
    del content["checksum"]
    (folder / "ticket.json").write_text(json.dumps({**content, "checksum": _checksum(content)}))


def test_tickets_and_runs_of_earlier_versions_are_read(tmp_path):
    options = dict(budget="2.5x", info={"data": "mine", "note": None}, run_dir=tmp_path / "run")
    ticket = search(**options)
    config = read_json(tmp_path / "run" / "config.json")
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config.pop("info"), **config}))
    for folder in (tmp_path / "run").glob("round_*"):
        as_of_before(folder)
    assert everything(lottery.load_ticket(tmp_path / "run" / "round_02")) == everything(ticket)
    assert everything(search(**options)) == everything(ticket)
    with pytest.raises(lottery.LotteryError, match='info.data was "mine", now "yours"'):
        search(**{**options, "info": {"data": "yours", "note": None}})
    of_before = [ticket for ticket in map(lottery.load_ticket, shipped().values()) if ticket.rounds]
    assert len(of_before) == 8
    for of_shipped in of_before:
        assert (
            of_shipped.settings["rewind"] == 200
            and of_shipped.pruned_by == {"scope": "global", "blocks": {}}
            and not was_cut(of_shipped)
        )
        assert of_shipped.images["name"] and not set(older.SETTINGS) & of_shipped.info.keys()


def test_none_is_told_from_what_is_missing(tmp_path):
    assert differences({"a": {"b": None}}, {"a": {}, "c": None}) == [
        "a.b was null, now missing",
        "c was missing, now null",
    ]
    run = tmp_path / "run"
    search(epochs=1, rounds=1, run_dir=run, info={"note": None})
    before = files(run)
    with pytest.raises(lottery.LotteryError, match="info.note was null, now missing"):
        search(epochs=1, rounds=1, run_dir=run)
    assert files(run) == before


def ticket():
    return search(epochs=1, rounds=1)


JOB = dict(
    dataset={"name": "digits"},
    epochs=1,
    seed=0,
    precision="float32",
    strategy="none",
    run_dir="x",
    recipe={"optimizer": "sgd", "learning_rate": 0.1},
)
SWITCHES = {
    "structured": lambda no: search(structured=no),
    "rewind_once": lambda no: search(rewind_once=no),
    "overwrite": lambda no: search(overwrite=no),
    "prune_head": lambda no: lottery.wrap(dense(), prune_head=no),
    "freeze_backbone": lambda no: lottery.transfer(ticket(), num_classes=4, freeze_backbone=no),
    "freeze_backbone of a control": lambda no: controls.student("ticket", ticket(), None, freeze_backbone=no),
    "trained": lambda no: ticket().save("x", trained=no),
    "overwrite of a ticket": lambda no: ticket().save("x", overwrite=no),
    "compact": lambda no: lottery.export(dense(), "x.tflite", compact=no),
    "structured of a job": lambda no: by_name.find(**JOB, model="lenet", structured=no),
    "overwrite of a job": lambda no: by_name.find(**JOB, model="lenet", overwrite=no),
    "freeze_backbone of a job": lambda no: by_name.transfer(
        **JOB, ticket="lenet-fashion_mnist-95", freeze_backbone=no
    ),
    "compact of a job": lambda no: by_name.export(
        ticket="lenet-fashion_mnist-95", output="x.tflite", compact=no
    ),
    "arm": lambda no: measure.benchmark(["x.tflite"], arm=no),
    "augment": lambda no: lottery.data.load("digits", augment=no),
    "shuffle": lambda no: lottery.data.batches(arrays()[0], batch_size=8, shuffle=no),
}


@pytest.mark.quick("freeze_backbone", "rewind_once", "overwrite", "compact", "structured", "prune_head")
@skip_unless("tf_keras", reason="these are the same lines on each Keras")
@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_true_or_false(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in ("no", 1):
        with pytest.raises(
            lottery.LotteryError, match=f"^{name.split()[0]}={value!r} is impossible: give True or False.$"
        ):
            SWITCHES[name](value)
    assert not list(tmp_path.iterdir())


@skip_unless("tf_keras", reason="the job is the same on each Keras")
def test_random_weights_are_not_exported(tmp_path):
    with pytest.raises(lottery.LotteryError, match="start='random' is unknown: choose 'trained', 'rewind'"):
        by_name.export(ticket="lenet-fashion_mnist-95", output=tmp_path / "x.tflite", start="random")
    assert not list(tmp_path.iterdir())


def test_settings_that_are_no_dict_are_damage(tmp_path):
    ticket().save(tmp_path / "t")
    content = json.loads((tmp_path / "t" / "ticket.json").read_text())
    del content["checksum"]
    for settings in ([1], None, "x"):
        changed = {**content, "settings": settings}
        (tmp_path / "t" / "ticket.json").write_text(json.dumps({**changed, "checksum": _checksum(changed)}))
        with pytest.raises(lottery.LotteryError, match="is damaged"):
            lottery.load_ticket(tmp_path / "t")


@pytest.mark.parametrize(
    "told",
    [
        {"mean": 5},
        {"mean": "0.5"},
        {"mean": [0.5, 0.5]},
        {"std": [0.0]},
        {"std": [float("nan")]},
        {"mean": None},
        {"splits": []},
        {"splits": {"train": 5}},
        {"splits": "train"},
        {"classes": "abc"},
        {"classes": [1, 2]},
        {"name": ["digits"]},
        {"label": 3},
        {"input_shape": "28x28"},
        {"input_shape": [28.5, 28, 1]},
    ],
    ids=str,
)
def test_notes_of_images_in_another_form_are_none(told):
    ticket = lottery.load_ticket("lenet-fashion_mnist-95")
    assert ticket.images == ticket.info["data"] != {}
    other = dataclasses.replace(ticket, info={**ticket.info, "data": {**ticket.images, **told}})
    assert other.images == {} and other.dataset is None
