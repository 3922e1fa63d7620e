"""Comparisons that a plan names are pooled over nets and corrected together; all else is exploratory."""

import base64
import json

import numpy as np
import pytest

from keras_lottery.core.errors import LotteryError
from keras_lottery.experiments import report
from keras_lottery.experiments.crossed import pooled_seeds_and_images, seeds_and_images
from keras_lottery.experiments.report import Family, read_family
from keras_lottery.experiments.stats import pooled

CELLS = [
    {"target": target, "sparsity": 0.9, "control": control}
    for target in ("mnist", "svhn")
    for control in ("dense-scratch", "random")
]
DIFFERENCES = {  # of the two nets, in points
    ("mnist", "dense-scratch"): ([-0.20, -0.22, -0.18, -0.19], [-0.21, -0.24, -0.20, -0.17]),
    ("mnist", "random"): ([1.2, 1.4, 1.3, 1.5], [1.0, 0.9, 1.2, 1.1]),
    ("svhn", "dense-scratch"): ([0.4, -0.9, 0.1, -0.1], [0.1, 0.9, -0.7, 0.3]),
    ("svhn", "random"): ([0.3, 0.4, 0.2, 0.5], [0.1, 0.3, 0.25, 0.35]),
}


def row(model, target, seed, control, accuracy, **more):
    at = 0.0 if control.startswith("dense") else 0.9
    return {
        "model": model,
        "source": "cifar10",
        "target": target,
        "seed": seed,
        "ticket_sparsity": at,
        "control": control,
        "sparsity": at,
        "epochs": 2,
        "epoch": 2,
        "train_images": 100,
        "recipe": {},
        "precision": "float32",
        "test_accuracy": accuracy / 100,
        "validation_accuracy": 0.8,
        "validation_curve": [0.7, 0.8],
        **more,
    }


def rows(differences=DIFFERENCES, accuracy=90.0):
    """Of two nets: a ticket at `accuracy` and controls that are as much below as `differences` says."""
    made = {}
    for (target, control), nets in differences.items():
        for model, values in zip(("resnet", "vgg"), nets):
            for seed, points in enumerate(values):
                for name, figure in (("ticket", accuracy), (control, accuracy - points)):
                    made[model, target, seed, name] = row(model, target, seed, name, figure)
    return list(made.values())


def family(**changes):
    return Family(**{"models": ["resnet", "vgg"], "cells": CELLS, **changes})


def told(rows, **changes):
    """{(data, control): the line of the primary table, by column}."""
    table = report.tables(rows, family=family(**changes))[0]
    assert table.title.startswith("Primary comparisons")
    return {(line[0], line[2]): dict(zip(table.header, line)) for line in table.rows}


def test_primary_comparisons_are_pooled_first_and_have_the_only_verdicts():
    tables = report.tables(rows(), family=family())
    assert [table.title for table in tables[:2]] == [
        "Primary comparisons: the ticket of resnet and vgg",
        "Exploratory comparisons",
    ]
    assert not any("verdict" in table.header or "corrected" in table.header for table in tables[1:])
    lines = told(rows())
    assert {cell: line["verdict"] for cell, line in lines.items()} == {
        ("mnist", "dense-scratch"): "matches, but lower",
        ("mnist", "random"): "beats",
        ("svhn", "dense-scratch"): "no verdict",
        ("svhn", "random"): "beats",
    }
    for cell, line in lines.items():
        found = pooled(DIFFERENCES[cell])
        assert line["difference"] == f"{found.mean:+.2f} ± {found.half:.2f}" and line["seeds"] == "8 (4 + 4)"


def test_single_nets_and_other_comparisons_are_exploratory_with_intervals_and_without_verdicts():
    more = [
        row("other", "mnist", seed, control, 80 + seed)
        for seed in range(3)
        for control in ("ticket", "random")
    ]
    exploratory = report.tables([*more, *rows()], family=family())[1]
    assert exploratory.header == ("data", "sparsity", "ticket", "minus", "seeds", "difference")
    assert "not corrected" in exploratory.note and "no verdicts" in exploratory.note
    where = [line[0].partition(",")[0] for line in exploratory.rows]
    assert where == ["resnet"] * 2 + ["vgg"] * 2 + ["resnet"] * 2 + ["vgg"] * 2 + ["other"], (
        "the nets of primary comparisons come first"
    )
    assert ("resnet, cifar10 -> mnist", "90.0%", "ticket", "random", "4", "+1.35 ± 0.21") in exploratory.rows


def test_the_correction_is_over_all_comparisons_that_the_plan_names():
    barely = {("mnist", "random"): ([0.3, 0.5, 0.1, 0.6], [0.2, 0.1, 0.5, 0.7])}
    one = [{"target": "mnist", "sparsity": 0.9, "control": "random"}]
    assert told(rows(barely), cells=one)["mnist", "random"]["verdict"] == "beats"
    lines = told(
        rows(barely),
        cells=[*one, *({"target": f"t{n}", "sparsity": 0.9, "control": "random"} for n in range(20))],
    )
    assert lines["mnist", "random"]["verdict"] == "matches", "20 that are not run yet count"
    assert (
        lines["t0", "random"]["verdict"] == "too few seeds" and lines["t0", "random"]["seeds"] == "0 (0 + 0)"
    )


def test_a_comparison_waits_for_every_net():
    only = [entry for entry in rows() if entry["model"] == "resnet"]
    line = told(only)["mnist", "random"]
    assert (line["seeds"], line["difference"], line["verdict"]) == ("4 (4 + 0)", "", "too few seeds")
    short = [entry for entry in rows() if entry["model"] == "resnet" or entry["seed"] == 0]
    line = told(short)["mnist", "random"]
    assert (line["seeds"], line["verdict"]) == ("5 (4 + 1)", "too few seeds") and "nan" not in line[
        "difference"
    ]


def test_seeds_that_came_to_nothing_are_told_beside_the_verdict():
    gone = [
        {**entry, "outcome": "diverged"}
        if (entry["model"], entry["control"], entry["seed"]) == ("vgg", "random", 0)
        else entry
        for entry in rows()
    ]
    line = told(gone)["mnist", "random"]
    assert line["verdict"] == "beats (without 1 diverged of random)" and line["seeds"] == "7 (4 + 3)"


def test_a_verdict_stands_beside_the_interval_that_it_is_read_from():
    lines = told(rows())
    plain = pooled(DIFFERENCES["mnist", "dense-scratch"])
    line = lines["mnist", "dense-scratch"]
    low, high = map(float, line["corrected interval"].split(" to "))
    assert line["verdict"] == "matches, but lower" and -0.5 < low < plain.low and plain.high < high < 0
    assert told(rows({("mnist", "random"): ([9.0], [9.0])}))["mnist", "random"]["corrected interval"] == ""


def test_a_common_variance_is_asked_for_beforehand_and_told():
    common = report.tables(rows(), family=family(common_variance=True))[0]
    own = report.tables(rows(), family=family())[0]
    assert "variance is pooled over the nets" in common.note and "its own variance" in own.note
    found = pooled(DIFFERENCES["svhn", "random"], common_variance=True)
    assert f"{found.mean:+.2f} ± {found.half:.2f}" in [line[4] for line in common.rows]


def test_a_margin_relative_to_the_dense_error_is_told_with_its_reason():
    lines = told(rows(accuracy=99.0), margin_share=0.1)
    assert lines["mnist", "dense-scratch"]["margin"] == "0.08 (dense error 0.80)"
    assert lines["mnist", "dense-scratch"]["verdict"] == "is worse", (
        "0.2 below is more than a tenth of the error"
    )
    assert (
        told(rows(accuracy=80.0), margin_share=0.1)["mnist", "dense-scratch"]["margin"]
        == "0.5 (dense error 19.80)"
    )
    between = told(rows(accuracy=97.456), margin_share=0.1)["mnist", "dense-scratch"]
    assert between["margin"] == "0.234 (dense error 2.34)", "as many digits as it takes to judge by"
    note = report.tables(rows(), family=family(margin_share=0.1))[0].note
    assert "0.5 points or 10% of the dense nets' mean test error" in note
    no_dense = [entry for entry in rows() if entry["control"] != "dense-scratch"]
    assert told(no_dense, margin_share=0.1)["mnist", "random"]["margin"] == "0.5 (no dense net to go by)"


def with_images(entries, images=400):
    rng = np.random.default_rng(0)
    for entry in entries:
        right = rng.random(images) < entry["test_accuracy"]
        yield (
            {
                **entry,
                "test_images": images,
                "correct": base64.b64encode(np.packbits(right).tobytes()).decode(),
            },
            right,
        )


def test_rows_that_tell_which_images_were_right_get_an_interval_over_seeds_and_images():
    made = list(with_images(rows()))
    right = {(entry["model"], entry["target"], entry["control"], entry["seed"]): bits for entry, bits in made}
    sides = [
        tuple(
            {seed: right[model, "mnist", control, seed] for seed in range(4)}
            for control in ("ticket", "random")
        )
        for model in ("resnet", "vgg")
    ]
    primary, exploratory = report.tables([entry for entry, _ in made], family=family())[:2]
    for table, found in (
        (primary, pooled_seeds_and_images(sides)),
        (exploratory, seeds_and_images(*sides[0])),
    ):
        at = table.header.index("seeds and images")
        assert f"{found.low:+.2f} to {found.high:+.2f}" in [line[at] for line in table.rows]
    without = [{**entry, "correct": None} if entry["seed"] == 0 else entry for entry, _ in made]
    without = [{name: value for name, value in entry.items() if value is not None} for entry in without]
    assert "seeds and images" not in report.tables(without, family=family())[0].header, "every seed must tell"
    plain = report.tables([entry for entry, _ in made])
    assert all(
        "seeds and images" in table.header for table in plain if table.title.startswith("The ticket against")
    )


def test_verdicts_are_over_new_images_where_the_plan_asks_for_it():
    rng, entries = np.random.default_rng(0), []
    hard = np.arange(100) < 3  # the same three images decide, whatever the net and seed
    for model in ("resnet", "vgg"):
        for seed in range(4):
            for control in ("ticket", "random"):
                right = rng.random(100) < 0.995
                right &= ~(hard & (control == "random"))
                entries.append(
                    {
                        **row(model, "mnist", seed, control, 100 * right.mean()),
                        "test_images": 100,
                        "correct": base64.b64encode(np.packbits(right).tobytes()).decode(),
                    }
                )
    one = [{"target": "mnist", "sparsity": 0.9, "control": "random"}]
    verdict = {
        new: told(entries, cells=one, new_images=new)["mnist", "random"]["verdict"] for new in (False, True)
    }
    assert verdict == {False: "beats", True: "no verdict"}
    assert (
        "for a claim about images like these"
        in report.tables(entries, family=family(cells=one, new_images=True))[0].note
    )
    with pytest.raises(LotteryError, match="leave it out, or new_images"):
        family(new_images=True, common_variance=True)


def test_rows_of_two_settings_are_not_taken_for_one_comparison():
    twice = [*rows(), *({**entry, "train_images": 50} for entry in rows())]
    with pytest.raises(
        LotteryError,
        match="2 settings fit the primary comparison of resnet on mnist, the ticket minus dense-scratch at "
        "90.0%: .*50 images",
    ):
        report.tables(twice, family=family())
    cells = [{**cell, "train_images": count} for cell in CELLS for count in (100, 50)]
    lines = told(twice, cells=cells)
    assert (
        lines["mnist, 100 images", "random"]["difference"]
        == lines["mnist, 50 images", "random"]["difference"]
        != ""
    )


def test_a_single_net_is_not_told_twice():
    tables = report.tables(
        [entry for entry in rows() if entry["model"] == "vgg"], family=family(models=["vgg"])
    )
    assert [line[3] for line in tables[0].rows] == ["4"] * 4 and tables[1].title != "Exploratory comparisons"


def test_a_report_regenerates_from_the_rows_and_the_family_it_wrote(tmp_path):
    from keras_lottery.apps import report as command

    studies = [tmp_path / name for name in ("resnet", "vgg")]
    for folder in studies:
        report.write([entry for entry in rows() if entry["model"] == folder.name], folder)
    (tmp_path / "plan.json").write_text(json.dumps({"models": ["resnet", "vgg"], "cells": CELLS}))
    paths = ",".join(str(folder / "rows.jsonl") for folder in studies)
    for flags in (
        [f"--rows={paths}", f"--primary={tmp_path / 'plan.json'}", f"--output={tmp_path / 'a'}"],
        [f"--rows={tmp_path / 'a' / 'rows.jsonl'}", f"--output={tmp_path / 'b'}"],
    ):
        command.FLAGS.unparse_flags()
        command.FLAGS(["lottery-report", *flags])
        command.main()
    texts = [
        [
            (tmp_path / of / name).read_text()
            for name in ("tables.md", "rows.jsonl", "primary.json", "page.html")
        ]
        for of in "ab"
    ]
    assert texts[0] == texts[1] and texts[0][0].startswith(
        "### Primary comparisons: the ticket of resnet and vgg"
    )
    assert read_family(tmp_path / "b" / "primary.json") == family()


@pytest.mark.parametrize(
    "text, words",
    [
        ("[]", "names no primary comparisons: the file is a list: give an object"),
        ('{"models": ["a"]}', "the file lacks 'cells': its fields are models, cells, margin"),
        ('{"models": ["a"], "cells": []}', "cells is empty: give at least one"),
        ('{"models": "a", "cells": [1]}', "models is a str: give a list"),
        ('{"models": ["a", "a"], "cells": [1]}', "give the name of each net once"),
        (
            '{"models": ["a"], "cells": [{"target": "mnist", "sparsity": 0.9}]}',
            "a cell lacks 'control': its fields are target, sparsity",
        ),
        (
            '{"models": ["a"], "cells": [{"target": "mnist", "sparsity": 90, "control": "random"}]}',
            "sparsity=90 is impossible",
        ),
        (
            '{"models": ["a"], "cells": [{"target": "mnist", "sparsity": 0.9, "control": "random", '
            '"seeds": 3}]}',
            "a cell has 'seeds'",
        ),
        (
            '{"models": ["a"], "cells": [{"target": "m", "sparsity": 0.9, "control": "random"}], '
            '"margin": 0}',
            "margin=0 is impossible",
        ),
        (
            '{"models": ["a"], "cells": [{"target": "m", "sparsity": 0.9, "control": "random"}], '
            '"common_variance": "no"}',
            "common_variance='no'",
        ),
        ("{", "is damaged"),
    ],
)
def test_a_family_that_cannot_be_is_told_in_one_line(tmp_path, text, words):
    (tmp_path / "primary.json").write_text(text)
    with pytest.raises(LotteryError, match=words):
        read_family(tmp_path / "primary.json")
    with pytest.raises(LotteryError, match="cannot read"):
        read_family(tmp_path / "none.json")


def test_a_cell_given_twice_is_an_error():
    with pytest.raises(LotteryError, match="one stands there twice"):
        family(cells=[*CELLS, CELLS[0]])
