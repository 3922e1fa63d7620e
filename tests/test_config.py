"""An option is written once: flags, checks, functions, run folders, studies and reports know it from its
field."""

import dataclasses
import inspect
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from small import ROOT

import keras_lottery as lottery
from apps import benchmark, export_ticket, find_ticket, flags, push_ticket, study, transfer_ticket, tune
from keras_lottery import config
from keras_lottery.core.options import Config, command, option, options, usual
from keras_lottery.experiments.configs import TransferConfig, TuneConfig
from keras_lottery.experiments.question import Study, StudyRun
from keras_lottery.tflite.config import BenchmarkConfig, ExportConfig
from keras_lottery.tflite.measure import benchmark as measured
from keras_lottery.tflite.of_ticket import OF_TICKETS
from keras_lottery.tickets.config import PushConfig

CONFIGS = [
    config.SearchConfig,
    config.Net,
    config.DataConfig,
    config.Recipe,
    config.Machines,
    config.Run,
    TransferConfig,
    TuneConfig,
    Study,
    StudyRun,
    ExportConfig,
    BenchmarkConfig,
    PushConfig,
]
PUBLIC = {  # a function: (its config, what of it the function does not take, what it takes otherwise)
    lottery.find_ticket: (config.SearchConfig, {"patience"}, {}),
    lottery.data.load: (config.DataConfig, set(), {"dataset": "name"}),
    lottery.export: (ExportConfig, set(OF_TICKETS), {}),
    measured: (BenchmarkConfig, set(), {}),
    lottery.Ticket.push: (PushConfig, {"ticket"}, {"output": "address"}),
}


@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__name__)
def test_a_public_signature_has_the_fields_names_and_defaults_and_its_docstring_tells_them(function):
    kind, left, other = PUBLIC[function]
    signature, doc = inspect.signature(function).parameters, function.__doc__
    for field in options(kind):
        name = other.get(field.name, field.name)
        if field.name in left:
            assert name not in signature
            continue
        assert name in signature, f"{function.__name__} does not take {name}"
        default = signature[name].default
        assert default in (inspect.Parameter.empty, field.default), (
            f"{name}={default!r}, not {field.default!r}"
        )
        assert re.search(rf"^\s+[\w, ]*\b{name}\b[\w, ]*:", doc, re.M), f"no word of {name}"


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda kind: kind.__name__)
def test_each_option_has_a_help_and_a_default_that_its_check_takes(kind):
    made = kind()
    for field in options(kind):
        assert field.metadata["help"] and not field.metadata["help"].endswith("."), field.name
    assert dataclasses.replace(made) == made


@pytest.mark.parametrize(
    "app, kinds",
    [
        (find_ticket, [config.SearchConfig, config.Net, config.DataConfig, config.Recipe, config.Machines]),
        (transfer_ticket, [TransferConfig, config.DataConfig, config.Recipe, config.Machines, config.Run]),
        (study, [Study, StudyRun, config.Net, config.Recipe, config.Machine]),
        (tune, [TuneConfig, config.Net, config.DataConfig, config.Recipe, config.Machine, config.Run]),
        (export_ticket, [ExportConfig, config.DataConfig]),
        (benchmark, [BenchmarkConfig]),
        (push_ticket, [PushConfig]),
    ],
    ids=lambda app: getattr(app, "__name__", ""),
)
def test_a_command_has_a_flag_for_each_option(app, kinds):
    names = {field.name for kind in kinds for field in options(kind)}
    assert names <= set(app.FLAGS) | ({"dataset"} if app is study else set())


def test_the_line_of_a_command_says_its_configs():
    given = (
        config.SearchConfig(epochs=3, rewind=200, structured=True, final_sparsity=(0.5, 0.9)),
        config.DataConfig("./my photos", classes=("cat", "dog"), data_dir="/home/me"),
        config.Recipe(learning_rate=0.01),
    )
    line = command("lottery-find", *given)
    assert line == (
        "lottery-find --epochs=3 --final_sparsity=0.5,0.9 --rewind=200 --structured '--dataset=./my photos' "
        "--classes=cat,dog --learning_rate=0.01"
    )
    for name in find_ticket.FLAGS:
        find_ticket.FLAGS[name].unparse()  # what other tests gave
    find_ticket.FLAGS(shlex.split(line))
    read = [flags.read(find_ticket.FLAGS, type(one)) for one in given]
    assert read[0].entries() == {**given[0].entries(), "scope": "global"}
    assert read[1:] == [dataclasses.replace(given[1], data_dir=None), given[2]]
    for name in find_ticket.FLAGS:
        find_ticket.FLAGS[name].unparse()


def test_study_and_tune_know_every_option_of_a_search():
    """But for those that their own say: sparsities, rewind points, seeds; what the trials vary."""
    searched = {field.name for field in options(config.SearchConfig)}
    assert searched - set(study.FLAGS) == {"rounds", "final_sparsity", "rewind", "seed"}
    assert searched - set(tune.FLAGS) == {"rounds", "rate", "rewind"}


def test_what_a_result_does_not_say_is_what_it_was_before_the_option_existed():
    @dataclasses.dataclass(frozen=True)
    class Later(Config):
        kind: str | None = option("new", "what kind", apart=True, was="old")
        limit: int | None = option(None, "how many", apart=True)
        place: str = option("here", "where")

    assert usual(Later) == {"kind": "old", "limit": None}
    assert Later().unusual() == {"kind": "new"} and Later("old").unusual() == {}
    assert Later(None, 3, "there").unusual() == {"limit": 3}, "None says nothing"


@pytest.mark.matrix
def test_an_option_is_a_field_and_its_use(tmp_path):
    """A checkout with one more field of SearchConfig, and one more keyword of find_ticket, knows it
    everywhere."""
    for folder in ("keras_lottery", "apps"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    field = '    patience: int | None = option(\n        None, "end a round'
    more = '    warmth: float | None = option(None, "how warm a round is", share, apart=True)\n'
    _replace(tmp_path / "keras_lottery" / "config" / "search.py", field, more + field)
    keyword = "    early_bird: float | None = None,\n    seed: int = 0,"
    _replace(
        tmp_path / "keras_lottery" / "search" / "find_ticket.py",
        keyword,
        "    warmth: float | None = None,\n" + keyword,
    )
    done = subprocess.run(
        [sys.executable, "-c", WARM], cwd=tmp_path, text=True, capture_output=True, timeout=300
    )
    assert done.returncode == 0 and "all of it knows warmth" in done.stdout, done.stderr[-2000:]


def _replace(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} holds this {text.count(old)} times: {old}"
    path.write_text(text.replace(old, new))


WARM = """
import contextlib, io, json, sys
from pathlib import Path
sys.path.insert(0, ".")
import keras_lottery as lottery
from apps import find_ticket, study, tune
assert Path(lottery.__file__).parents[1] == Path.cwd()

def command(app, *flags):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = lottery_flags.execute("lottery", app.main, app.FLAGS, ["x", *flags])
    return code, out.getvalue(), err.getvalue()

from apps import flags as lottery_flags
DATA = ["--train_split=train[:20%]", "--batch_size=64", "--model=lenet", "--width=0.1", "--backend=tf_keras",
        "--precision=float32"]
for app in (find_ticket, study, tune):
    assert "how warm a round is" in command(app, "--help")[1], app
code, _, err = command(find_ticket, *DATA, "--warmth=2", "--run_dir=bad")
assert code == 2 and "--warmth=2.0 is impossible" in err, err
code, out, err = command(find_ticket, *DATA, "--rounds=1", "--epochs=1", "--warmth=0.5", "--run_dir=run", \
"--noverbose")
assert code == 0, err
assert json.loads(Path("run/config.json").read_text())["warmth"] == 0.5
assert json.loads(Path("run/result.json").read_text())["warmth"] == 0.5
[row, _] = lottery.report.collect(["run/result.json"])
assert row["warmth"] == 0.5
assert lottery.report.rows.setting(row) != lottery.report.rows.setting({**row, "warmth": 0.25})
assert lottery.report.rows.setting({**row, "warmth": None}) == lottery.report.rows.setting(
    {name: value for name, value in row.items() if name != "warmth"})
code, _, err = command(find_ticket, *DATA, "--rounds=1", "--epochs=1", "--warmth=0.25", "--run_dir=run")
assert code == 2 and "warmth was 0.5, now 0.25" in err, err
study.FLAGS(["x", *DATA, "--warmth=0.5", "--sparsities=0.5", "--controls=", "--seeds=1"])
size = lottery.study.Size(4, 1, 1, (8, 8, 1), 10)
[task] = lottery.study.plan(study.given(), {"digits": size})
assert task.identity["warmth"] == 0.5 and task.arguments["search"].warmth == 0.5
print("all of it knows warmth")
"""
