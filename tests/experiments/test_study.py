"""A study runs each of its runs once, whatever happens; one with more seeds, targets or controls keeps those
it has."""

import dataclasses
import json
import os
import random
import shutil
from pathlib import Path

import by_name
import pytest
import scripts
import stress_study
from hypothesis import given, settings
from hypothesis import strategies as st
from small import command

from apps import study as app
from keras_lottery.config import DataConfig, Machine, Net, Recipe, SearchConfig
from keras_lottery.core.errors import LotteryError
from keras_lottery.core.jsonable import plain
from keras_lottery.experiments import report
from keras_lottery.experiments import study as studies
from keras_lottery.experiments.configs import Control
from keras_lottery.experiments.corruptions import CONSTANTS, SEVERITIES
from keras_lottery.experiments.metrics import correct_images
from keras_lottery.experiments.study import Size, Task, plan, workers
from keras_lottery.tickets.ticket import load_ticket

NAMES = {
    "search, rewind 0 on digits, seed 0": "05441cb23406",
    "search, rewind 5 on digits, seed 0": "c9d96d51b4e8",
    "search, rewind lr on digits, seed 0": "112599563d8e",
    "random at 80% on digits, seed 0": "e8268101a584",
    "one-shot at 80% on digits, seed 0": "e81f7ae2cc5d",
    "snip at 80% on digits, seed 0": "976b17a69716",
    "reinit at 90% on digits, seed 0": "0304663fa04e",
    "random at 90% on digits, seed 0": "657fd1f0ef66",
    "one-shot at 90% on digits, seed 0": "0e3db86dc745",
    "snip at 90% on digits, seed 0": "08d2f901daf0",
    "dense-scratch on mnist, seed 0": "7cc5ff52e3d5",
    "dense-transferred on mnist, seed 0": "6c51ec914b8e",
    "ticket at 80% on mnist, seed 0": "2ab624736c35",
    "random at 80% on mnist, seed 0": "311309629a1e",
    "one-shot at 80% on mnist, seed 0": "626475629cd7",
    "snip at 80% on mnist, seed 0": "9408e37d00f1",
    "ticket at 90% on mnist, seed 0": "8f60b332f39c",
    "reinit at 90% on mnist, seed 0": "8f441ce47ca5",
    "random at 90% on mnist, seed 0": "465b978ab730",
    "one-shot at 90% on mnist, seed 0": "bad2d8318ad6",
    "snip at 90% on mnist, seed 0": "2fca94266e34",
}
SIZES = {name: Size(10, 1, 2, (8, 8, 1), 10) for name in ("digits", "mnist", "fashion_mnist", "cifar10")}


RECIPE = {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "cosine", "weight_decay": 0.0, "warmup": 0.0}


def study(**changes):
    given = dict(
        source="digits",
        targets=("mnist",),
        model="lenet",
        sparsities=(0.8, 0.9),
        rate=0.6,
        epochs=2,
        target_steps=25,
        recipe=RECIPE,
        data={"data_dir": "/somewhere", "batch_size": 8},
        controls=("random", "reinit@0.9", "one-shot", "dense-scratch", "dense-transferred", "snip"),
        seeds=3,
    )
    return by_name.study(**{**given, **changes})


def names(of):
    return {task.name for task in plan(of, SIZES)}


@pytest.mark.matrix
@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 6),
    st.sampled_from([(), ("mnist",), ("mnist", "fashion_mnist"), ("cifar10",)]),
    st.lists(
        st.sampled_from(["random", "reinit", "shuffled", "gradual@0.8", "dense-scratch", "trained@0.9"]),
        unique=True,
    ),
    st.sampled_from([(0,), (0, 5), (0, "lr"), (0, "finetune", 7)]),
)
def test_what_a_study_adds_leaves_its_other_runs_as_they_are(seeds, targets, controls, rewinds):
    small = study(seeds=seeds, targets=targets, controls=tuple(controls), rewinds=rewinds)
    tasks = plan(small, SIZES)
    assert len({task.name for task in tasks}) == len(tasks)
    done = set()
    for task in tasks:  # in an order in which they can be done
        assert done.issuperset(task.needs)
        done.add(task.name)
    more = study(
        seeds=seeds + 1,
        targets=tuple(dict.fromkeys((*targets, "fashion_mnist"))),
        rewinds=(*rewinds, "trained"),
        controls=tuple(dict.fromkeys([*controls, "one-shot"])),
    )
    assert names(small) < names(more)
    assert names(small) == names(
        dataclasses.replace(small, data=dataclasses.replace(small.data, data_dir="/elsewhere"))
    )


def test_runs_depend_on_what_they_are_made_of_and_nothing_else():
    def of(control, **changes):
        return {
            task.name
            for task in plan(study(**changes), SIZES)
            if task.about.get("control") == control and task.about["dataset"] == "mnist"
        }

    assert (
        of("dense-scratch")
        == of("dense-scratch", rewinds=(5,))
        == of("dense-scratch", sparsities=(0.9,))
        != of("dense-scratch", width=2)
    )
    assert (
        of("dense-transferred") == of("dense-transferred", rewinds=(5,)) != of("dense-transferred", epochs=3)
    )
    assert of("ticket").isdisjoint(of("ticket", rewinds=(5,))) and of("random").isdisjoint(
        of("random", epochs=3)
    )
    assert of("random").isdisjoint(of("random", target_learning_rate=0.3)) and of("snip").isdisjoint(
        of("snip", target_learning_rate=0.3)
    )
    assert {
        task.name
        for task in plan(study(target_learning_rate=0.3), SIZES)
        if task.about["dataset"] == "digits"
    } == {task.name for task in plan(study(), SIZES) if task.about["dataset"] == "digits"}
    assert of("snip") == of("snip", rewinds=(5,)) and of("snip").isdisjoint(of("snip", scope="layer"))
    for changes in (
        {"precision": "float32"},
        {"recipe": {**RECIPE, "optimizer": "adam"}},
        {"data": {"batch_size": 4}},
    ):
        assert names(study()).isdisjoint(names(study(**changes)))


def test_another_model_of_the_same_name_is_another_study(tmp_path):
    file = tmp_path / "net.keras"
    file.write_bytes(b"one")
    one = names(study(model=str(file)))
    assert names(study(model=str(file))) == one
    file.write_bytes(b"other")
    assert names(study(model=str(file))).isdisjoint(one)


def test_a_study_has_the_runs_it_says():
    tasks = plan(study(), SIZES)
    on_target = sorted(
        (task.about["control"], task.about["sparsity"])
        for task in tasks
        if task.about["dataset"] == "mnist" and task.about["seed"] == 1
    )
    assert on_target == [
        ("dense-scratch", 0.0),
        ("dense-transferred", 0.0),
        ("one-shot", 0.8),
        ("one-shot", 0.9),
        ("random", 0.8),
        ("random", 0.9),
        ("reinit", 0.9),
        ("snip", 0.8),
        ("snip", 0.9),
        ("ticket", 0.8),
        ("ticket", 0.9),
    ]
    on_source = {
        task.about["control"]
        for task in tasks
        if task.kind == "train_control" and task.about["dataset"] == "digits"
    }
    assert on_source == {
        "random",
        "reinit",
        "one-shot",
        "snip",
    }  # the searches train the ticket and the dense net there
    [search] = {task.arguments["search"].final_sparsity[-1] for task in tasks if task.kind == "find"}
    ticket = next(
        task for task in tasks if task.about.get("control") == "ticket" and task.about["sparsity"] == 0.9
    )
    assert search == 0.9 and ticket.arguments["control"].ticket.endswith("/round_03")  # 60, 80, 90%
    assert {task.arguments["control"].epochs for task in tasks if task.about["dataset"] == "mnist"} == {
        2
    }  # 25 steps, 10 an epoch


@pytest.mark.parametrize(
    "wrong, said",
    [
        (dict(sparsities=(0.9, 0.8)), "rising"),
        (dict(sparsities=(0.9, 1.2)), "sparsities=1.2 is impossible"),
        (dict(rewinds=()), "at least one rewind point"),
        (dict(rewinds=("soon",)), "'soon' is unknown"),
        (dict(controls=("randon",)), "Did you mean 'random'"),
        (dict(controls=("random@0.7",)), "one of the study's sparsities, 0.8, 0.9"),
        (dict(controls=("dense-scratch@0.9",)), "a dense control takes none"),
        (dict(targets=("digits",)), "is the source"),
        (
            dict(targets=("digits",), source_classes=(0, 1), target_classes=(0, 1)),
            r"'digits\[0-1\]' is the source",
        ),
        (dict(target_weight_decay=-1), "target_weight_decay=-1"),
        (dict(targets=("mnist", "mnist")), "give each once"),
        (dict(seeds=0), "seeds=0 is impossible"),
        (dict(rate=0), "rate=0 is impossible"),
        (dict(target_steps=0), "target_steps=0 is impossible"),
    ],
)
def test_impossible_study_is_one_line(wrong, said):
    with pytest.raises(LotteryError, match=said):
        study(**wrong)


def test_other_classes_of_the_source_are_a_target_of_their_own_name():
    halves = study(
        targets=("digits", "mnist"),
        source_classes=(0, 1, 2),
        target_classes=("5", "6", "9"),
        target_train_split="train[:50%]",
        target_weight_decay=0.5,
        target_learning_rate=0.3,
    )
    assert list(halves.datasets) == ["digits[0-2]", "digits[5-6,9]", "mnist[5-6,9]"]
    tasks = plan(halves, {name: Size(10, 1, 2, (8, 8, 1), 3) for name in halves.datasets})
    given = {task.about["dataset"]: task.arguments for task in tasks}
    shared = DataConfig(data_dir="/somewhere", batch_size=8)
    assert given["digits[0-2]"]["data"] == dataclasses.replace(shared, classes=(0, 1, 2))
    assert given["mnist[5-6,9]"]["data"] == dataclasses.replace(
        shared, dataset="mnist", classes=("5", "6", "9"), train_split="train[:50%]"
    )
    assert given["mnist[5-6,9]"]["recipe"] == Recipe("sgd", 0.3, "cosine", 0.5, 0.0)
    assert given["digits[0-2]"]["recipe"] == Recipe("sgd", 0.1, "cosine", 0.0, 0.0)


def test_the_source_by_another_name_is_no_target(tmp_path):
    flags = ["--source=digits", "--targets=digits", "--model=lenet", "--noaugment", "--sparsities=0.5"]
    for classes in ("0,1,2,3,4,5,6,7,8,9", "9,8,7,6,5,4,3,2,1,0"):
        with pytest.raises(LotteryError, match="has the classes of the source, 'digits'"):
            prepared(tmp_path / "study", *flags, f"--target_classes={classes}")


def test_the_source_may_have_other_controls_than_the_targets():
    def of(on, **changes):
        tasks = plan(study(seeds=1, **changes), SIZES)
        return sorted(
            {
                task.about["control"]
                for task in tasks
                if task.kind == "train_control" and task.about["dataset"] == on
            }
        )

    assert of("digits", controls=("random", "dense-rewound", "dense-scratch")) == ["dense-rewound", "random"]
    own = dict(controls=("random", "dense-rewound", "dense-scratch"), source_controls=("reinit@0.9",))
    assert of("digits", **own) == ["reinit"] and of("mnist", **own) == [
        "dense-rewound",
        "dense-scratch",
        "random",
        "ticket",
    ]
    assert of("digits", source_controls=()) == []
    with pytest.raises(LotteryError, match="Did you mean 'random'"):
        study(source_controls=("randon",))


@pytest.mark.matrix
def test_rows_of_a_study_within_one_data_set_tell_source_and_target_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = [
        "--source=digits",
        "--targets=digits",
        "--source_classes=0,1,2,3,4",
        "--target_classes=5,6,7,8,9",
        "--model=lenet",
        "--width=0.1",
        "--sparsities=0.5",
        "--rate=0.5",
        "--epochs=1",
        "--target_epochs=1",
        "--controls=random-rescaled",
        "--noaugment",
        "--batch_size=128",
    ]
    made, tasks = prepared("study", *flags)
    for task in tasks:
        workers.perform(task, "study")
    studies.run(made, tasks, "study", output="results", tell=pytest.fail)
    rows = report.read("results/rows.jsonl")
    assert {(row["source"], row["target"]) for row in rows} == {
        ("digits[0-4]", "digits[0-4]"),
        ("digits[0-4]", "digits[5-9]"),
    }
    assert len(report.by_setting(rows)) == 2 and not Path("study/rows.jsonl").exists()
    titles = [table.title for table in report.tables(rows)]
    assert {"lenet x0.1, rate 0.5 on digits[0-4]", "lenet x0.1, rate 0.5, digits[0-4] -> digits[5-9]"} <= set(
        titles
    )


def prepared(run_dir, *flags):
    """What the command makes of the flags: (study, tasks)."""
    for name in app.FLAGS:
        app.FLAGS[name].unparse()
    app.FLAGS(["", *flags, "--seeds=1"])
    made, _, tasks = studies.prepare(app.given(), run_dir)
    return made, tasks


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with the images, and a study in it, done in this process."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stress_study.make_images(folder)
        made, tasks = prepared("whole", *stress_study.FLAGS)
        for task in tasks:
            workers.perform(task, "whole")
        assert (
            workers.run(tasks, "whole", tell=pytest.fail) == {}
        )  # nothing is left to do, and no process is started
        report.write(
            studies.rows(made, tasks, "whole"), "whole", plain(studies.tickets(made, tasks, "whole"))
        )
    yield folder


@pytest.mark.stress
def test_killed_study_ends_the_same(tmp_path):
    """The study, then a worker of it, at random moments."""
    stress_study.make_images(tmp_path)
    stress_study.finish(stress_study.start(tmp_path, tmp_path / "whole", "--seeds=1"), tmp_path)
    killed, again = stress_study.stress(
        tmp_path, tmp_path / "killed", "both", 2, random.Random(os.urandom(4)), "--seeds=1"
    )
    assert killed == 2 and not again
    assert stress_study.written(tmp_path / "killed") == stress_study.written(tmp_path / "whole")


@pytest.mark.stress
def test_same_command_and_one_more_control_do_only_what_is_new(whole, monkeypatch):
    monkeypatch.chdir(whole)
    before = stress_study.results(whole / "whole")
    rows = report.read(whole / "whole" / "rows.jsonl")
    flags = [flag.replace("dense-scratch", "dense-scratch,reinit@0.8") for flag in stress_study.FLAGS]
    code, out, err = command(app, *flags, "--seeds=1", "--run_dir=whole", "--dry_run")
    assert code == 0 and "2 of 13 runs are to be done" in out, err
    code, out, err = command(app, *flags, "--seeds=1", "--run_dir=whole")
    assert code == 0 and out.count("right in test") == 2, err
    after = stress_study.results(whole / "whole")
    assert before.items() < after.items() and len(after) == len(before) + 2
    assert {row["run"] for row in report.read("whole/rows.jsonl")} > {row["run"] for row in rows}


def test_rows_have_every_control_and_regenerate_the_report(whole, tmp_path):
    rows = report.read(whole / "whole" / "rows.jsonl")
    controls = {(row["target"], row["control"], row["rewind"], row["ticket_sparsity"]) for row in rows}
    assert {
        ("digits", "dense", 2, 0.0),
        ("digits", "ticket", 2, 0.5),
        ("digits", "ticket", "lr", 0.8),
        ("./images", "ticket", "lr", 0.5),
        ("./images", "gradual", 2, 0.8),
        ("./images", "dense-scratch", 2, 0.0),
    } <= controls
    assert ("digits", "dense", "lr", 0.0) not in controls and (
        "./images",
        "random",
        "lr",
        0.8,
    ) not in controls
    on_target = [row for row in rows if row["target"] == "./images"]
    assert (
        len({row["rate"] for row in rows}) == len(report.by_setting(on_target)) == 1
    )  # what has rounds beside what has none
    report.write(rows, tmp_path, report.read(whole / "whole" / "tickets.jsonl"))
    for name in ("tables.md", "page.html", "rows.csv", "tickets.jsonl"):
        assert (tmp_path / name).read_text() == (whole / "whole" / name).read_text()


def test_rows_hold_what_was_measured_beside_accuracy(whole):
    for row in report.read(whole / "whole" / "rows.jsonl"):
        correct, folder = correct_images(row), row["target"] == "./images"
        assert row["test_accuracy"] == pytest.approx(correct.mean(), abs=1e-6)
        assert len(correct) == row["test_images"] == (60 if folder else 359)
        assert set(row["class_accuracy"]) == set("abc" if folder else "0123456789")
        assert 0 <= row["calibration_error"] <= 1 and row["test_loss"] > 0 and row["multiply_adds"] > 0
        assert row["corrupted"].keys() == CONSTANTS.keys()
        assert all(len(of) == len(SEVERITIES) for of in row["corrupted"].values())
        assert row["sparsity"] - 1e-4 <= row["effective_sparsity"] < 1
    titles = [table.title for table in report.tables(report.read(whole / "whole" / "rows.jsonl"))]
    assert sum(title.startswith("Beyond accuracy: lenet x0.1") for title in titles) == 2  # source and target
    assert "Beyond accuracy: lenet x0.1, rate 0.6" in (whole / "whole" / "page.html").read_text()
    assert "correct" not in (whole / "whole" / "rows.csv").read_text().splitlines()[0].split(",")


@pytest.mark.matrix
def test_failed_run_does_not_stop_the_others_and_is_named(tmp_path):
    """A task whose data are gone, one that needs it, and one that has nothing to do with them."""
    search = {
        "search": SearchConfig(1, rate=0.5, final_sparsity=(0.5,)),
        "net": Net("lenet", 0.1),
        "recipe": Recipe(),
        "machine": Machine("float32", "tf_keras"),
    }
    bad = Task(
        "find",
        {**search, "data": DataConfig("./gone")},
        {"n": 1},
        (),
        {"rewind": 0, "dataset": "gone", "seed": 0},
        1,
    )
    child = Task(
        "train_control",
        {"control": Control(dense="x")},
        {"n": 2},
        (bad.name,),
        {"control": "random", "sparsity": 0.5, "dataset": "gone", "seed": 0},
        1,
    )
    good = Task(
        "find",
        {**search, "data": DataConfig("digits")},
        {"n": 3},
        (),
        {"rewind": 0, "dataset": "digits", "seed": 0},
        1,
    )
    told = []
    failed = workers.run([bad, child, good], tmp_path, jobs=2, tell=told.append)
    assert (
        set(failed) == {bad.name, child.name} and "gone" in failed[bad.name] and "needs" in failed[child.name]
    )
    assert workers.is_done(tmp_path, good.name) and any("right in test" in line for line in told)


def test_tickets_of_a_study_are_shipped_and_of_no_other_in_its_folder(whole, tmp_path, monkeypatch):
    """docs/study/ship.py"""
    folder = shutil.copytree(whole, tmp_path / "shared")
    monkeypatch.chdir(folder)
    searches = [path.parent for path in folder.glob("whole/runs/*/round_00")]
    for path in searches:
        shutil.copytree(path, path.with_name(f"of_another_{path.name}"))
    Path("study.flags").write_text("\n".join(stress_study.FLAGS))
    ship = scripts.load(scripts.ROOT / "docs" / "study" / "ship.py")
    ship.ship("whole", "study.flags", "--seeds=1", output=tmp_path / "saved")
    assert sorted(os.listdir(tmp_path / "saved")) == ["lenetx0.1-digits-50", "lenetx0.1-digits-80"]
    for number, at in ((1, 0.5), (2, 0.8)):
        shipped = load_ticket(tmp_path / "saved" / f"lenetx0.1-digits-{100 * at:.0f}")
        tickets = [load_ticket(path / f"round_{number:02d}") for path in searches]
        (found,) = [ticket for ticket in tickets if ticket.settings["rewind"] == 2]  # the study's first point
        assert shipped.rounds == found.rounds and shipped.settings == found.settings
        assert shipped.sparsity == pytest.approx(at, abs=1e-3)
        assert shipped.info["chosen"] == "best validation accuracy of 1 seeds"


def test_tensorboard_has_a_run_a_row(whole, tmp_path):
    pytest.importorskip("tensorboard")
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from keras_lottery.experiments.study import board

    rows = report.read(whole / "whole" / "rows.jsonl")
    board.write(rows, tmp_path / "board")
    board.write(rows, tmp_path / "board")
    assert (
        len(list((tmp_path / "board").iterdir()))
        == len(rows)
        == len(list((tmp_path / "board").rglob("events*")))
    )
    row = next(row for row in rows if row["control"] == "ticket" and None not in row["validation_curve"])
    (run,) = (tmp_path / "board").glob(f"*-ticket-{row['ticket_sparsity']:g}-{row['seed']}-{row['run'][:4]}")
    read = EventAccumulator(str(run)).Reload()

    def scalar(name):
        return [(one.step, float(tf.make_ndarray(one.tensor_proto))) for one in read.Tensors(name)]

    curve = list(zip(row["curve_steps"], row["validation_curve"]))
    assert scalar("validation_accuracy") == [(step, pytest.approx(value)) for step, value in curve]
    assert scalar("test_accuracy") == [(row["steps"]["stop"], pytest.approx(row["test_accuracy"]))]
    assert "hparams" in read.summary_metadata["_hparams_/session_start_info"].plugin_data.plugin_name


def test_study_file_of_the_docs_is_a_study():
    for file in sorted((stress_study.ROOT / "docs" / "study").glob("*.flags")):
        for name in app.FLAGS:
            app.FLAGS[name].unparse()
        app.FLAGS(["", f"--flagfile={file}"])
        made = app.given()
        assert made.source == "cifar10" and made.seeds >= 3, file
        assert json.dumps(plain(dataclasses.asdict(made)))


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--targets=./wide"], r"input of shape \(12, 12, 1\) does not fit this architecture"),
        (["--target_learning_rate=0"], "learning_rate=0.0 is impossible"),
        (["--rewinds=1000"], "rewind=1000 is past the first round"),
        (["--sparsities=0.99999", "--controls="], "sparse leaves none of the"),
    ],
)
def test_what_a_run_cannot_take_is_said_before_the_searches(whole, flags, said, monkeypatch, tmp_path):
    monkeypatch.chdir(whole)
    if not os.path.exists("wide"):
        from PIL import Image

        for path in sorted((whole / "images").rglob("*.png")):
            wide = whole / "wide" / path.relative_to(whole / "images")
            wide.parent.mkdir(parents=True, exist_ok=True)
            Image.open(path).resize((12, 12)).save(wide)
    with pytest.raises(LotteryError, match=said):
        prepared(tmp_path, *(flag for flag in stress_study.FLAGS if flag != "--image_size=8"), *flags)


def test_tickets_stand_at_the_sparsity_that_was_asked_for(whole, monkeypatch):
    """Where the weights do not divide, the round ends a weight beside it, and its controls too."""
    monkeypatch.chdir(whole)
    made, tasks = prepared("whole", *stress_study.FLAGS)
    rows = studies.rows(made, tasks, "whole")
    assert {row["ticket_sparsity"] for row in rows} == {0.0, 0.5, 0.8}


def test_folders_of_studies_keep_their_names():
    """So that a study goes on in the folder that an earlier version made."""
    made = {task.label: task.name for task in plan(study(rewinds=("init", 5, "lr"), seeds=1), SIZES)}
    assert made == NAMES


@pytest.mark.parametrize("name", ["rewind_once", "budget", "early_bird"])
def test_rounds_that_are_cut_short_make_a_ticket_of_the_last_alone(name):
    value = {"rewind_once": True, "budget": "2x", "early_bird": 0.1}[name]
    with pytest.raises(LotteryError, match=f"{name} trains only the last round to its end"):
        study(**{name: value})
    assert names(study(sparsities=(0.9,), controls=())).isdisjoint(
        names(study(sparsities=(0.9,), controls=(), **{name: value}))
    )
