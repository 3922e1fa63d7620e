"""Scripts behind pages of docs, in small form: each row is measured once, and the page is made of them."""

import json
import sys

import pytest
import scripts
from small import command
from world import KIND

pytestmark = pytest.mark.skipif(KIND != "tf_keras", reason="the commands' data are TensorFlow's")
SEEDS = 100, 101


def rows(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.matrix
def test_cheaper_searches_are_compared_with_full_rounds(tmp_path, monkeypatch):
    docs = scripts.copied(tmp_path, "docs/fast/curve.py", "docs/howto/cheaper.md") / "docs"
    curve = scripts.load(docs / "fast" / "curve.py")
    cell = curve.Cell("lenet", "digits", "train[:50%]", curve.Recipe("adam", 0.003), rewind=2)
    for name, value in {"CELLS": {"lenet-digits": cell}, "EPOCHS": 2, "SPARSITY": 0.5}.items():
        monkeypatch.setattr(curve, name, value)
    monkeypatch.setattr(curve, "TRIALS", SEEDS)
    monkeypatch.setattr(curve, "SEEDS", SEEDS)
    monkeypatch.setattr(sys, "argv", ["curve.py", "--trials", f"--runs={tmp_path / 'runs'}"])
    for _ in range(2):
        curve.main()
        found = rows(docs / "fast" / "rows.jsonl")
        assert [(row["search"], row["seed"]) for row in found] == [
            (search, seed) for seed in SEEDS for search in curve.SEARCHES
        ]
    costs = {row["search"]: row["cost"] for row in found}
    assert costs["one round"] < costs["one round, --score=taylor"] < costs[curve.FULL]
    assert all(row["sparsity"] == pytest.approx(0.5, abs=1e-3) for row in found)
    page = (docs / "fast" / "README.md").read_text()
    assert page.count("| lenet-digits |") == len(curve.SEARCHES) + len(curve.REPORTED)
    assert "- lenet on digits at 50% zeros, 2 seeds: " in (docs / "howto" / "cheaper.md").read_text()


@pytest.mark.matrix
def test_scores_are_compared_with_magnitude(tmp_path, monkeypatch):
    folder = scripts.copied(tmp_path, "docs/scores/compare.py") / "docs" / "scores"
    compare = scripts.load(folder / "compare.py")
    monkeypatch.setattr(compare, "NETS", {"lenet": {"epochs": 1, "learning_rate": 0.003}})
    searches = ["magnitude", "movement", "wanda, layer"]
    given = ["--seeds=2", f"--runs={tmp_path / 'runs'}", "--searches", *searches]
    monkeypatch.setattr(sys, "argv", ["compare.py", *given])
    for _ in range(2):
        compare.main()
        found = rows(folder / "rows.jsonl")
        assert len(found) == 2 * len(searches) * (1 + len(compare.SPARSITIES))
    assert len({row["test_accuracy"] for row in found if row["sparsity"] > 0}) > len(searches)
    page = (folder / "README.md").read_text()
    assert all(f"\n| {search} | " in page for search in searches) and "**lenet**, 2 seeds" in page


@pytest.mark.matrix
def test_rounds_of_searches_are_gathered_with_the_work_that_compacting_leaves(tmp_path):
    from apps import find_ticket

    folder = scripts.copied(tmp_path, "docs/phone/trained.py", "docs/phone/trained.jsonl") / "docs" / "phone"
    given = ["--dataset=digits", "--model=lenet", "--epochs=1", "--precision=float32", "--backend=tf_keras"]
    given += ["--final_sparsity=0.98", "--rate=0.98", "--seed=3"]
    code, _, err = command(find_ticket, *given, f"--run_dir={tmp_path / 'runs' / 'lenet-digits-3'}")
    assert code == 0, err
    others = rows(folder / "trained.jsonl")
    for _ in range(2):
        scripts.load(folder / "trained.py").main(tmp_path / "runs")
        found = rows(folder / "trained.jsonl")
        ours = [row for row in found if row not in others]
        assert len(found) == len(others) + 2 and {row["search"] for row in ours} == {"lenet-digits"}
    dense, pruned = ours
    assert (dense["seed"], dense["sparsity"], dense["work_left"]) == (3, 0, 1)
    assert pruned["sparsity"] == pytest.approx(0.98, abs=1e-3) and 0 < pruned["work_left"] < 1
