"""docs/study: the flag files hold every comparison that the plan names."""

from pathlib import Path

import pytest

from apps import study
from keras_lottery.experiments import report

ROOT = Path(__file__).parents[2]
FAMILY = report.read_family(ROOT / "docs/study/plan.json")
IMAGES = {54000: "train", 5000: "train[:5556]"}  # of which a tenth validates


def planned(name):
    study.FLAGS.unparse_flags()
    study.FLAGS(["lottery-study", f"--flagfile={ROOT / 'docs/study' / name}.flags"])
    return study.given()


@pytest.mark.parametrize("net", ["resnet18", "vgg19"])
def test_primary_cells_are_run(net, monkeypatch):
    monkeypatch.chdir(ROOT)
    given = [planned(net), planned(f"{net}-small")]
    assert report.label(given[0].net.model, given[0].net.width) in FAMILY.models
    for cell in FAMILY.cells:
        assert any(
            cell.target in one.targets
            and cell.sparsity in one.sparsities
            and one.wants(cell.control, cell.sparsity if "random" in cell.control else None, "target")
            and (one.target_train_split or one.data.train_split) == IMAGES[cell.train_images]
            for one in given
        ), cell
    for name in ("search", "net", "recipe", "machine", "source", "rewinds"):
        assert getattr(given[0], name) == getattr(given[1], name)
