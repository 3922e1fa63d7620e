"""The pages of the documentation: each command and public name has its place, no code on them is untried."""

import ast
import configparser
import importlib
import inspect
import re
import shlex
import sys
from pathlib import Path

import absl.flags
import pytest
from small import python

import keras_lottery as lottery
from keras_lottery import report

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))
REFERENCE = "\n".join(path.read_text() for path in (DOCS / "reference").rglob("*.md"))
FENCE = re.compile(r"^```(\{?[\w-]*\}?)[^\n]*\n(.*?)^```", re.M | re.S)
RUN_ELSEWHERE = {  # page -> the test that runs the Python on it
    "index.md": "package/test_documentation.py",
    "out.md": "tickets/test_out.py",
    "phone/README.md": "package/test_readme.py",
}
SHOWN = {"console", "text", "json"}  # what a reader types in a terminal, output and files
SCRIPT = r"(?:docs|benchmarks|tests)/[\w/]+\.py"
ABSLS = "--flagfile", "--helpshort"
OF_APPS = {"kotlin", "swift"}  # of docs/phone, for what no machine of ours runs


def commands():
    """{command: the module of apps that it runs}."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].strip().splitlines()
    return {name: target.partition(":")[0] for name, _, target in (line.partition(" = ") for line in lines)}


def blocks(path):
    """[(kind, code)] of the fenced blocks of a page."""
    return FENCE.findall(path.read_text())


def test_every_command_has_a_page_of_its_flags():
    listed = (DOCS / "reference/commands/index.md").read_text()
    for command in commands():
        page = (DOCS / f"reference/commands/{command}.md").read_text()
        assert f"{{flags}} {command}\n" in page, command
        assert f"[{command}]({command}.md)" in listed, command


@pytest.mark.parametrize("name", [name for name in lottery.__all__ if name != "__version__"])
def test_every_public_name_is_in_the_reference(name):
    value = getattr(lottery, name)
    if not inspect.ismodule(value):
        assert documented(f"keras_lottery.{name}")
        return
    assert f".. py:module:: keras_lottery.{name}\n" in REFERENCE
    missing = [own for own in public(value) if not documented(f"keras_lottery.{name}.{own}")]
    assert missing == []


def documented(path):
    return re.search(rf"\.\. auto(function|class|exception):: {re.escape(path)}$", REFERENCE, re.M)


def public(module):
    """The functions and classes that a public module offers."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    return [name for name in names if callable(getattr(module, name))]


def test_code_on_pages_is_run_or_marked_as_what_is_shown():
    untried = []
    for path in PAGES:
        page = str(path.relative_to(DOCS))
        notebook = "kernelspec:" in path.read_text()
        for kind, code in blocks(path):
            run = kind == "{code-cell}" and notebook or kind == "python" and page in RUN_ELSEWHERE
            directive = kind.startswith("{") and kind not in ("{code-cell}", "{code-block}")
            of_apps = kind in OF_APPS and page == "phone/README.md"
            plain = kind == "" and not re.search(r"^(import|from) ", code, re.M)
            if not (run or directive or of_apps or plain or kind in SHOWN):
                untried.append(f"{page}: {kind} {code[:60]!r}")
    assert untried == []
    assert all((ROOT / "tests" / test).is_file() for test in RUN_ELSEWHERE.values())


NOTEBOOKS = [path for path in PAGES if "kernelspec:" in path.read_text()]


@pytest.mark.matrix
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(DOCS)))
def test_the_cells_of_a_page_run(path, tmp_path):
    pytest.importorskip("IPython", reason="notebooks are for Python 3.11 or newer")
    done = python(ROOT / "tests/support/run_page.py", path, cwd=tmp_path, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_cell_or_a_command_in_it_that_fails_is_told(tmp_path):
    for cell, said in (
        ("1 / 0", "page.md, cell 2"),
        ("!exit 3", "exit status 3"),
        ("import nothing", "nothing"),
    ):
        (tmp_path / "page.md").write_text(
            f"```{{code-cell}} python3\n:tags: [hide-input]\n\nx = 1\n```\n\n```{{code-cell}}\n{cell}\n```\n"
        )
        done = python(ROOT / "tests/support/run_page.py", tmp_path / "page.md", cwd=tmp_path)
        assert done.returncode != 0 and said in done.stderr


def test_every_command_on_pages_takes_the_flags_that_it_shows():
    wrong, seen = [], 0
    for path in [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for command, told in re.findall(r"^!?(lottery-\w+)\b(.*)", shown_commands(path), re.M):
            flags = importlib.import_module(commands()[command]).FLAGS
            given = [one for one in shlex.split(told, comments=True) if not one.startswith(ABSLS)]
            try:
                flags(["", *given])
            except absl.flags.Error as error:
                wrong.append(f"{path.relative_to(ROOT)}: {command}{told}: {error}")
            for name in flags:
                flags[name].unparse()
            seen += len(given)
    assert seen > 150 and wrong == []


def test_every_script_target_and_extra_on_pages_is_there():
    config, makefile = configparser.ConfigParser(), (ROOT / "Makefile").read_text()
    config.read(ROOT / "setup.cfg")
    seen = 0
    for path in [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        text = path.read_text()
        for script, told in re.findall(rf"\bpython\s+({SCRIPT})([^`\n]*)", text):
            assert set(re.findall(r"--(\w+)", told)) <= options_of(script), (path, script, told)
            seen += 1
        for target in re.findall(r"(?:^|`)make ([a-z-]+)\b", text, re.M):
            assert re.search(rf"^([\w-]+ )*{target}( [\w-]+)*:", makefile, re.M), (path, target)
        for extra in re.findall(r"(?:\.|keras_lottery)\[(\w+)\]['`]", text):
            assert extra in config["options.extras_require"], (path, extra)
    assert seen > 5


def test_every_flag_that_a_script_is_shown_with_exists():
    """In docstrings, files of flags and shell scripts: by a command that the same paragraph names."""
    wrong, seen = [], 0
    for path in [
        file for folder in (DOCS, ROOT / "benchmarks", ROOT / "tests") for file in folder.rglob("*")
    ]:
        if path.suffix in (".py", ".sh", ".flags"):
            for part in paragraphs(path):
                named = {*re.findall(SCRIPT, part), *(commands().keys() & re.findall(r"\blottery-\w+", part))}
                given = re.findall(r"(?<![\w-])--(\w+)", part) if named else []
                known = set().union(*map(options_of, named))
                wrong += [f"{path.relative_to(ROOT)}: --{flag}" for flag in given if flag not in known]
                seen += len(given)
    assert seen > 100 and wrong == []


def paragraphs(path):
    """Those of a script's docstring; of another file the whole text."""
    text = path.read_text()
    return (ast.get_docstring(ast.parse(text)) or "").split("\n\n") if path.suffix == ".py" else [text]


def options_of(command):
    """The options of a command; or of a script, those of the commands included that it passes flags on to."""
    if command in commands():
        flags = importlib.import_module(commands()[command]).FLAGS
        return {*flags, *(f"no{name}" for name in flags if flags[name].boolean), "flagfile"}
    code = (ROOT / command).read_text()
    own = re.findall(r'(?:add_argument\(\s*"--|DEFINE_\w+\(\s*")(\w+)"', code)
    passed = re.findall(r"from keras_lottery\.apps import (\w+)", code)
    more = {name for app in passed for name in importlib.import_module(f"keras_lottery.apps.{app}").FLAGS}
    return {*own, *(f"no{name}" for name in re.findall(r'DEFINE_bool\("(\w+)"', code)), *more}


def shown_commands(path):
    """The blocks of a page that hold commands, each command on a line."""
    shown = [code for kind, code in blocks(path) if kind in ("console", "", "{code-cell}")]
    return "\n".join(shown).replace("\\\n", " ")


def test_every_flag_in_the_text_of_pages_exists():
    seen = 0
    for path in [*PAGES, ROOT / "README.md"]:
        for command, told in re.findall(r"`(lottery-\w+)\s([^`]+)`", FENCE.sub("", path.read_text())):
            for flag in re.findall(r"--(\w+)", told):
                known = importlib.import_module(commands()[command]).FLAGS
                is_known = flag in known or flag.removeprefix("no") in known or f"--{flag}".startswith(ABSLS)
                assert is_known, f"{path}: {command} has no --{flag}"
                seen += 1
    assert seen > 10


def test_the_plan_on_its_page_is_one(tmp_path):
    ((_, plan),) = [block for block in blocks(DOCS / "howto/plan.md") if block[0] == "json"]
    (tmp_path / "primary.json").write_text(plan)
    assert len(report.read_family(tmp_path / "primary.json").cells) == 2


def test_a_site_that_does_not_stand_alone_is_told(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    offline = importlib.import_module("offline")
    monkeypatch.delitem(sys.modules, "offline")
    (tmp_path / "a.html").write_text(
        '<script src="https://cdn.example/x.js"></script><a href="b.html#here">b</a><a href="c.html">c</a>'
        '<a href="https://arxiv.org">away</a>'
    )
    (tmp_path / "b.html").write_text('<h1 id="there">b</h1><img src="none.png"><a href="#there">itself</a>')
    assert sorted(offline.problems(tmp_path)) == [
        "a.html: fetches https://cdn.example/x.js",
        "a.html: links to b.html#here, and that page has no such place",
        "a.html: links to c.html, which is not there",
        "b.html: links to none.png, which is not there",
    ]


@pytest.mark.matrix
def test_the_first_page_runs(tmp_path, monkeypatch):
    import tf_keras

    monkeypatch.chdir(tmp_path)
    source = lottery.data.load("digits", classes=[0, 1, 2, 3, 4])
    names = {
        "keras_model": lottery.models.build("lenet", source.input_shape, 5, keras="tf_keras"),
        "loss": tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "train": source.train,
        "validation": source.validation,
        "target": lottery.data.load("digits", classes=[5, 6, 7, 8, 9]),
    }
    ((_, code),) = [block for block in blocks(DOCS / "index.md") if block[0] == "python"]
    exec(code, names)
    assert lottery.sparsity(names["student"]) == pytest.approx(0.9, abs=1e-4)
    assert (tmp_path / "student.tflite").is_file()
