"""Many results become one table with means over seeds, intervals and paired differences."""

import json
from pathlib import Path
from random import Random

import pytest

from keras_lottery.core.errors import LotteryError
from keras_lottery.core.visible import cell
from keras_lottery.experiments import report
from keras_lottery.experiments.controls import CONTROLS
from keras_lottery.experiments.report import plots


def result(seed, accuracies):
    rows = [
        {
            "control": control,
            "sparsity": 0.0 if control.startswith("dense") else 0.9,
            "epoch": 2,
            "test_accuracy": accuracy,
            "test_loss": 1.0,
            "validation_accuracy": accuracy,
            "history": [{"val_accuracy": 0.5}, {"val_accuracy": accuracy}],
        }
        for control, accuracy in accuracies.items()
    ]
    data = {
        "name": "mnist",
        "sizes": {"train": 100, "validation": 10, "test": 50},
        "splits": {"train": "train", "test": "test"},
        "validation": 0.1,
        "input_shape": [28, 28, 1],
        "classes": ["0", "1"],
        "augment": False,
        "batch_size": 128,
    }
    return {
        "command": "transfer",
        "ticket": {"model": "lenet", "width": 1.0, "data": {"name": "digits"}},
        "sparsity": 0.9,
        "data": data,
        "epochs": 2,
        "seed": seed,
        "recipe": {"optimizer": "sgd"},
        "precision": "float32",
        "rows": rows,
    }


@pytest.fixture
def files(tmp_path):
    figures = {0: (0.80, 0.70, 0.82), 1: (0.82, 0.74, 0.83), 2: (0.84, 0.72, 0.81)}
    paths = []
    for seed, (ticket, random, dense) in figures.items():
        path = tmp_path / f"{seed}.json"
        path.write_text(
            json.dumps(result(seed, {"ticket": ticket, "random": random, "dense-scratch": dense}))
        )
        paths.append(str(path))
    return paths


def test_table_has_means_intervals_and_paired_differences(files):
    text = "\n".join(map(report.markdown, report.tables(report.collect(files))))
    assert "### lenet, digits -> mnist" in text
    ticket = next(line for line in text.splitlines() if line.startswith("| ticket"))
    assert "| 90.0% | 3 | 82.00 ± 4.97 |" in ticket
    assert "+10.00 ± 4.97" in ticket  # minus random: 10, 8, 12
    assert "| 0.00 ± 6.57" in ticket  # minus dense-scratch: -2, -1, 3


def test_report_is_the_same_from_the_rows_it_wrote(files, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    report.write(report.collect(files), first)
    report.write(report.read(first / "rows.jsonl"), second)
    for name in ("rows.jsonl", "rows.csv", "tables.md", "page.html"):
        assert (first / name).read_text() == (second / name).read_text()
    assert (second / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_the_page_says_what_its_pictures_show_what_is_compared_and_where_the_figures_are(files, tmp_path):
    report.write(report.collect(files), tmp_path / "made")
    page = (tmp_path / "made" / "page.html").read_text()
    assert f'alt="{plots.CAPTIONS["curves.png"]}"' in page and 'href="rows.jsonl"' in page
    assert CONTROLS["dense-scratch"] in page and CONTROLS["snip"] not in page


def test_each_control_has_a_colour_of_its_own():
    assert plots.COLORS.keys() >= CONTROLS.keys()
    assert len({plots.COLORS[control] for control in CONTROLS}) == len(CONTROLS)


def in_old_words(entry):
    return {"arm" if name == "control" else name: value for name, value in entry.items()}


def test_results_and_rows_that_call_a_control_an_arm_are_read(files, tmp_path):
    rows = report.collect(files)
    for path in map(Path, files):
        made = json.loads(path.read_text())
        path.write_text(json.dumps({**made, "rows": list(map(in_old_words, made["rows"]))}))
    assert "arm" in json.loads(path.read_text())["rows"][0] and report.collect(files) == rows
    old = tmp_path / "rows.jsonl"
    old.write_text("".join(json.dumps(in_old_words(entry)) + "\n" for entry in rows))
    assert '"arm"' in old.read_text() and report.read(old) == rows
    report.write(report.read(old), tmp_path / "again")
    again = (tmp_path / "again" / "rows.jsonl").read_text()
    assert '"control"' in again and '"arm"' not in again


def test_the_same_run_counts_once(files, tmp_path):
    assert report.write(report.collect(files), tmp_path / "a") == 9
    assert (
        report.write([*report.read(tmp_path / "a" / "rows.jsonl"), *report.collect(files)], tmp_path / "a")
        == 9
    )


def test_runs_that_differ_in_how_they_prune_are_told_apart(tmp_path):
    paths = []
    for n, change in enumerate(
        [{}, {"rewind": 200, "rule": "k to T"}, {"block": 4}, {"block": 4, "structured": True}]
    ):
        made = result(0, {"ticket": 0.8 + n / 100, "dense-scratch": 0.9})
        made |= {"command": "find", "model": "lenet", "width": 1.0, "rewind": 0, **change}
        paths.append(tmp_path / f"{n}.json")
        paths[-1].write_text(json.dumps(made))
    assert (
        report.write(report.collect(paths), tmp_path / "a") == 7
    )  # the two dense trainings without blocks are one
    text = (tmp_path / "a" / "tables.md").read_text()
    assert all(
        words in text
        for words in (
            "### lenet on mnist",
            "ticket, step 200",
            "### lenet, block 4 on mnist",
            "lenet, block 4, structured True on",
        )
    )


def test_runs_on_other_data_or_with_other_rounds_are_not_taken_together(tmp_path):
    paths = []
    for n, (data, more) in enumerate(
        [
            ({}, {}),
            ({"augment": True}, {}),
            ({"batch_size": 32}, {}),
            ({"classes": ["2", "3"]}, {}),
            ({"splits": {"train": "train[:50%]", "test": "test"}}, {}),
            ({}, {"backend": "jax"}),
            ({}, {"rate": 0.6}),
            ({}, {"recipe": {"optimizer": "adam"}}),
        ]
    ):
        made = result(n % 2, {"ticket": 0.8 + n / 100, "dense-scratch": 0.9})
        made |= {"data": {**made["data"], **data}, **more}
        paths.append(tmp_path / f"{n}.json")
        paths[-1].write_text(json.dumps(made))
    assert report.write(report.collect(paths), tmp_path / "a") == 16
    text = (tmp_path / "a" / "tables.md").read_text()
    titles = [line for line in text.splitlines() if line.startswith("### lenet")]
    assert len(set(titles)) == 8 and all(
        "| ticket | 90.0% | 1 |" in part for part in text.split("### lenet")[1:]
    )
    assert all(
        any(words in title for title in titles)
        for words in ("augment True", "batch_size 32", "train train[:50%]", "rate 0.6", "optimizer adam")
    )


def test_a_ticket_found_without_a_command_has_no_model_name(tmp_path):
    made = result(0, {"ticket": 0.8, "random": 0.7})
    made["ticket"] = {"rewind": "init", "scope": "global", "seed": 0}
    (tmp_path / "own.json").write_text(json.dumps(made))
    assert "### own model, own data -> mnist" in "\n".join(
        map(report.markdown, report.tables(report.collect([tmp_path / "own.json"])))
    )


def test_nothing_to_report_is_an_error(tmp_path):
    with pytest.raises(LotteryError, match="no rows"):
        report.write([], tmp_path)
    with pytest.raises(LotteryError, match="there is no file"):
        report.collect(["no/result.json"])
    with pytest.raises(LotteryError, match="there is no file"):
        report.read("no/rows.jsonl")


def searched(tmp_path, name, seed, figures, **changes):
    made = {**result(seed, figures), "command": "find", "model": "lenet", "width": 1.0, **changes}
    (tmp_path / f"{name}.json").write_text(json.dumps(made))
    return tmp_path / f"{name}.json"


@pytest.mark.parametrize("turned", [False, True])
def test_a_ticket_stands_beside_the_control_of_its_own_rewind_point(tmp_path, turned):
    paths = [
        searched(tmp_path, "init", 0, {"ticket": 0.44, "random": 0.31}, rewind="init"),
        searched(tmp_path, "five", 0, {"ticket": 0.54, "random": 0.40}, rewind=5),
    ]
    rows = report.collect(paths[::-1] if turned else paths)
    assert report.write(rows, tmp_path / "a") == 4
    text = (tmp_path / "a" / "tables.md").read_text()
    for figure, minus in (("44.00", "+13.00"), ("54.00", "+14.00")):
        assert next(
            line for line in text.splitlines() if line.startswith("| ticket") and figure in line
        ).endswith(f"| {minus} |")


def test_transfers_of_tickets_that_were_found_in_another_way_are_told_apart(tmp_path):
    paths = []
    for n, (search, more) in enumerate(
        [
            ({"epochs": 1}, {}),
            ({"epochs": 2}, {}),
            ({"epochs": 2, "recipe": {"optimizer": "adam"}}, {}),
            ({"epochs": 1}, {"block": 4}),
            ({"epochs": 1, "seed": 1}, {}),
        ]
    ):
        made = result(0, {"ticket": 0.8 + n / 100})
        made |= {"ticket": {**made["ticket"], "seed": 0, **search}, **more}
        paths.append(tmp_path / f"{n}.json")
        paths[-1].write_text(json.dumps(made))
    with pytest.warns(UserWarning, match="tickets of 2 seeds were carried with the same seed=0"):
        assert report.write(report.collect(paths), tmp_path / "a") == 5
    titles = [
        line
        for line in (tmp_path / "a" / "tables.md").read_text().splitlines()
        if line.startswith("### lenet")
    ]
    assert len(set(titles)) == 4


def test_two_results_of_one_run_are_told(files, tmp_path):
    rows = report.collect(files)
    with pytest.warns(
        UserWarning,
        match=r"two runs have the same settings .*80.00% and 70.00%.*ticket of lenet on mnist, seed 0. "
        "The later one is used",
    ):
        assert report.write([*rows, {**rows[0], "test_accuracy": 0.7}], tmp_path / "a") == 9


@pytest.mark.parametrize("name", ["a$b^$c", "$1 to $5", "\x1b[2J", "\ud800", "<b>|[x](y)"])
def test_names_of_any_text_are_drawn_and_written_as_text(files, tmp_path, name):
    rows = [
        {**row, "source": name, "target": f"{name}, too", "sparsity": at, "ticket_sparsity": at}
        for row in report.collect(files)
        for at in (0.5, 0.9)
    ]
    tickets = [
        {
            "model": "m",
            "source": name,
            "rewind": 0,
            "sparsity": 0.5,
            "layers": [{"path": name, "sparsity": 0.5}],
        }
    ]
    assert plots.accuracy(rows) and plots.curves(rows) and plots.layers(tickets)
    report.write(rows, tmp_path / "made")
    text, page = (tmp_path / "made" / "tables.md").read_text(), (tmp_path / "made" / "page.html").read_text()
    assert cell(name) in text and not {"\x1b", "<"} & set(text) and "<b>" not in page
    assert {line.count("|") - line.count("\\|") for line in text.splitlines() if "---" in line} != {0}


@pytest.mark.parametrize(
    "lines", ['{"ticket": "lenet"}', "3", '{"model": "lenet"}', '{"model": "a", "source": [], "seed": 0}']
)
def test_lines_of_something_else_are_no_rows(tmp_path, lines):
    (tmp_path / "rows.jsonl").write_text(lines + "\n")
    with pytest.raises(LotteryError, match="holds other lines than those of a report"):
        report.read(tmp_path / "rows.jsonl")


ODD = [None, True, -1, 0, 3, 2**70, float("inf"), "", "x", [], {}, [[]], {"a": None}]


def test_a_result_that_somebody_altered_is_read_or_refused(tmp_path):
    told = {"ticket": 0.8, "random": 0.7, "dense-scratch": 0.82}
    read = refused = 0
    for seed in range(300):
        rng, altered = Random(seed), result(0, told)
        item, key = rng.choice(list(places(altered)))
        if rng.random() < 0.25:
            del item[key]
        else:
            item[key] = rng.choice(ODD)
        for number, content in enumerate((altered, result(1, told))):
            (tmp_path / f"{number}.json").write_text(json.dumps(content))
        try:
            rows = report.collect([tmp_path / "0.json", tmp_path / "1.json"])
            report.tables(rows)
            read += 1
        except LotteryError as error:
            refused += "0.json' is no result of a search or a transfer" in str(error)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {key!r}: {error!r}") from error
    assert read > 100 and refused > 50


def places(value):
    """(dict or list, key) of all that is in a JSON value."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def test_a_result_that_lacks_its_rows(tmp_path):
    (tmp_path / "result.json").write_text('{"command": "find"}')
    with pytest.raises(LotteryError, match="is no result of a search or a transfer"):
        report.collect([tmp_path / "result.json"])


def test_rows_of_rounds_that_trained_longer_are_labelled_and_not_compared_with_others():
    def row(control, **more):
        return {
            "model": "net",
            "source": "a",
            "target": "a",
            "seed": 0,
            "ticket_sparsity": 0.9 if control == "ticket" else 0.0,
            "control": control,
            "sparsity": 0.9,
            "epochs": 2,
            "epoch": 2,
            "train_images": 100,
            "recipe": {},
            "precision": "float32",
            "test_accuracy": 0.8,
            "validation_accuracy": 0.8,
            "validation_curve": [0.7, 0.8],
            "rewind": 50,
            **more,
        }

    steps = {"before": 0, "start": 50, "stop": 200}
    old, new = (
        [row("dense"), row("ticket")],
        [row("dense", rule="k to T", steps={**steps, "start": 0}), row("ticket", rule="k to T", steps=steps)],
    )
    stays = [row("ticket", rewind="lr", steps={"before": 600, "start": 0, "stop": 200})]
    assert [len(alike) for alike in report.by_setting(old + new + stays)] == [2, 3], (
        "other rewind points are the same under both rules"
    )
    made = [table for table in report.tables(old + new + stays) if table.header[0] == "control"]
    assert ["rounds of 50 + T steps" in table.title for table in made] == [True, False]
    assert "steps" not in made[0].header and {line[3] for line in made[1].rows} == {
        "0 to 200",
        "50 to 200",
        "600 + 200",
    }


def of_source(control, seed, accuracy, before=0, rewind="init", **more):
    """A row of a search and its controls, in trainings of 200 steps."""
    dense = control.startswith("dense")
    return {
        "model": "net",
        "source": "a",
        "target": "a",
        "seed": seed,
        "ticket_sparsity": 0.0 if control == "dense" else 0.9,
        "control": control,
        "sparsity": 0.0 if dense else 0.9,
        "epochs": 2,
        "epoch": 2,
        "train_images": 100,
        "recipe": {},
        "precision": "float32",
        "test_accuracy": accuracy,
        "validation_accuracy": 0.8,
        "validation_curve": [0.7, 0.8],
        "rewind": rewind,
        "steps": {"before": before, "start": 0, "stop": 200},
        **more,
    }


def test_a_verdict_says_where_the_two_sides_were_not_trained_for_as_many_steps():
    rows = []
    for seed in range(3):
        rows += [
            of_source("ticket", seed, 0.9 + seed / 1000, before=1200, rewind="lr"),
            of_source("dense", seed, 0.8, rewind="lr"),
            of_source("dense-cyclic", seed, 0.8, before=1200, rewind="lr"),
        ]
    told = {
        table.title: dict(zip(table.header, table.rows[0]))
        for table in report.tables(rows)
        if table.title.startswith("The ticket against")
    }
    assert told["The ticket against dense"]["corrected"] == "beats (1,400 steps against 200)"
    assert told["The ticket against dense-cyclic"]["corrected"] == "beats"


def test_the_corrected_verdict_stands_beside_the_interval_that_it_is_read_from():
    """Of 4 seeds t is 3.18 at 2.5% and 4.18 at half of that, where the first of two lines is tested."""
    losses = {"a": (13, 37, 13, 37), "b": (12, 38, 12, 38), "c": (900,)}  # of 10,000 images
    rows = [
        of_source(control, seed, 0.9 - (control == "ticket") * loss / 10_000, source=name, target=name)
        for name, of in losses.items()
        for seed, loss in enumerate(of)
        for control in ("ticket", "dense")
    ]
    [table] = [table for table in report.tables(rows) if table.title == "The ticket against dense"]
    lines = [dict(zip(table.header, line)) for line in table.rows]
    columns = ("data", "difference", "alone", "corrected interval", "corrected")
    assert [tuple(line[name] for name in columns) for line in lines] == [
        ("net on a", "-0.25 ± 0.22", "matches, but lower", "-0.54 to +0.04", "no verdict"),
        ("net on b", "-0.25 ± 0.24", "matches, but lower", "-0.56 to +0.06", "no verdict"),
        ("net on c", "-9.00", "too few seeds", "", "too few seeds"),
    ]
    assert "over the 2 lines of enough seeds" in table.note


def test_a_difference_of_fewer_seeds_than_its_control_has_says_so():
    rows = [of_source("ticket", seed, 0.9 + seed / 100) for seed in range(4)]
    rows += [of_source("dense", seed, 0.9) for seed in range(2)]
    [table] = [table for table in report.tables(rows) if table.header[0] == "control"]
    ticket = next(line for line in table.rows if line[0] == "ticket")
    assert (ticket[2], ticket[-1]) == ("4", "+0.50 ± 6.35 (2 seeds)")


def test_curves_of_different_rewind_points_are_not_averaged():
    rows = [
        of_source("ticket", seed, 0.9, rewind=rewind, target="b", validation_curve=[value, value])
        for seed in range(2)
        for rewind, value in (("init", 0.5), ("lr", 0.9))
    ]
    assert plots.mean_curves(rows, 0.9) == {
        "ticket": ([], pytest.approx([50, 50])),
        "ticket, lr": ([], pytest.approx([90, 90])),
    }


def measured(result, **figures):
    """The result, its rows with what was measured beside accuracy: of each figure, {control: value}."""
    for entry in result["rows"]:
        entry |= {name: of[entry["control"]] for name, of in figures.items() if entry["control"] in of}
    return result


def test_what_nets_do_beyond_accuracy_is_a_table_of_its_own(tmp_path):
    """The ticket loses 10 and 2 points of the cats, 4 and 12 of the dogs, so dogs are its worst class."""
    paths = []
    for seed, (cat, dog) in enumerate([(0.80, 0.86), (0.88, 0.78)]):
        made = result(seed, {"ticket": 0.8, "random": 0.7, "dense-scratch": 0.9})
        measured(
            made,
            calibration_error={"ticket": 0.02 + seed / 100, "dense-scratch": 0.05},
            class_accuracy={
                "ticket": {"cat": cat, "dog": dog, "arm": None},
                "dense-scratch": {"cat": 0.9, "dog": 0.9, "arm": None},
                "random": {"cat": 0.5, "dog": 0.95, "arm": None},
            },
            corrupted={"ticket": {"contrast": [0.5, 0.6], "brightness": [0.7, 0.8]}},
            effective_sparsity={"ticket": 0.91},
            multiply_adds={"ticket": 1_230_000},
        )
        paths.append(tmp_path / f"{seed}.json")
        paths[-1].write_text(json.dumps(made))
    report.write(report.collect(paths), tmp_path / "a")
    rows = report.read(tmp_path / "a" / "rows.jsonl")
    assert rows[0]["class_accuracy"].keys() == {"cat", "dog", "arm"}  # here no old word for a control
    title = "Beyond accuracy: lenet, digits -> mnist"
    [table] = [table for table in report.tables(rows) if table.title == title]
    assert table.header == (
        "control",
        "sparsity",
        "NLL",
        "ECE, %",
        "worst class",
        "corrupted, %",
        "effective sparsity, %",
        "multiply-adds, millions",
    )
    lines = {line[0]: line[1:] for line in table.rows}
    assert lines["dense-scratch"] == ("0.0%", "1.000 ± 0.000", "5.00 ± 0.00", "", "", "", "")
    assert lines["random"] == ("90.0%", "1.000 ± 0.000", "", "cat: -40.00 ± 0.00", "", "", "")
    assert lines["ticket"] == (
        "90.0%",
        "1.000 ± 0.000",
        "2.50 ± 6.35",
        "dog: -8.00 ± 50.82",
        "65.00 ± 0.00",
        "91.00 ± 0.00",
        "1.230 ± 0.000",
    )


def test_rows_of_before_have_no_such_table(files):
    rows = report.collect(files)
    for row in rows:
        del row["test_loss"]
    assert not any(table.title.startswith("Beyond accuracy") for table in report.tables(rows))
