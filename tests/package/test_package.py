"""The wheel, built and installed in a new environment outside the checkout, and an editable install.

The new environments borrow the dependencies of this one (a second TensorFlow would take minutes);
keras_lottery and its commands come from the wheel, which is asserted.
"""

import ast
import configparser
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "lottery-find": "--dataset",
    "lottery-transfer": "--ticket",
    "lottery-export": "--ticket",
    "lottery-study": "--targets",
    "lottery-tune": "--trials",
    "lottery-report": "--rows",
    "lottery-benchmark": "--threads",
    "lottery-push": "--license",
}
BIN = "Scripts" if os.name == "nt" else "bin"


def call(args, cwd, **variables):
    """Run args in cwd, with nothing on the path that leads back to the checkout."""
    env = {
        k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"
    } | variables
    return subprocess.run([str(a) for a in args], cwd=cwd, env=env, capture_output=True, text=True)


def check(args, cwd):
    done = call(args, cwd)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, so that building leaves nothing in it."""
    source = tmp_path_factory.mktemp("package") / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    for name in ("keras_lottery", "apps", "saved_models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    return source


def environment(folder, wheel):
    """A new environment in a folder with what a wheel puts there."""
    python = folder / BIN / "python"
    check([sys.executable, "-m", "venv", "--without-pip", folder], folder.parent)
    check(
        [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel],
        folder.parent,
    )
    # Written after the install, so that pip sees an empty environment. A folder named in a .pth file comes
    # last on the path and its own .pth files are not read: an editable install in it has no effect.
    site = Path(
        check([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder.parent).strip()
    )
    places = [place for place in sys.path if Path(place).name in ("site-packages", "dist-packages")]
    (site / "zz_borrowed.pth").write_text("\n".join(places) + "\n")
    return folder


@pytest.fixture(scope="module")
def venv(source):
    check([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source.parent], source)
    (wheel,) = source.parent.glob("*.whl")
    assert wheel.stat().st_size < 6_000_000
    with zipfile.ZipFile(wheel) as there:
        assert {name.split("/")[0] for name in there.namelist() if ".dist-info/" not in name} == {
            "keras_lottery"
        }
    return environment(source.parent / "venv", wheel)


@pytest.mark.matrix
def test_import_comes_from_the_wheel(venv):
    out = check(
        [
            venv / BIN / "python",
            "-c",
            "import keras_lottery.apps, keras_lottery.wrapping, importlib.metadata as m\n"
            "print(keras_lottery.__file__, keras_lottery.wrapping.__file__, keras_lottery.apps.__file__, "
            "sep='\\n')\nprint(m.version('keras_lottery') == keras_lottery.__version__)\n"
            "from keras_lottery import *\n"
            "print(find_ticket.__code__.co_filename)",
        ],
        venv.parent,
    )
    *files, last = [line for line in out.splitlines() if line != "True"]
    assert "True" in out.splitlines()
    for file in (*files, last):
        assert Path(file).resolve().is_relative_to(venv.resolve()), file


@pytest.mark.matrix
def test_shipped_tickets_load_by_name(venv):
    out = check(
        [
            venv / BIN / "python",
            "-c",
            "from keras_lottery.tickets.ticket import load_ticket, shipped\n"
            "for name, folder in shipped().items(): print(name, load_ticket(name).sparsity, folder)",
        ],
        venv.parent,
    )
    told = {line.split()[0]: line.split()[2] for line in out.splitlines()}
    assert set(told) == {file.parent.name for file in (ROOT / "saved_models").glob("*/ticket.json")}
    assert all(Path(folder).resolve().is_relative_to(venv.resolve()) for folder in told.values())
    assert sum(file.stat().st_size for file in (ROOT / "saved_models").rglob("*")) < 5_000_000


@pytest.mark.matrix
def test_the_counters_source_is_in_the_wheel(venv):
    check(
        [
            venv / BIN / "python",
            "-c",
            "from keras_lottery.tflite.measure import emulated, emulator_root\n"
            "assert emulator_root.COUNTER.is_file() and emulated.GUEST.is_file()",
        ],
        venv.parent,
    )


def test_every_package_is_named():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    there = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in (ROOT / "keras_lottery").rglob("__init__.py")
    }
    assert set(config["options"]["packages"].split()) == there | {
        "keras_lottery.apps",
        "keras_lottery.saved_models",
    }


@pytest.mark.matrix
@pytest.mark.parametrize("command", COMMANDS)
def test_command(venv, command):
    done = call([venv / BIN / command, "--helpshort"], venv.parent)
    assert done.returncode in (0, 1), done.stderr[-2000:]  # absl leaves with 1 after its help
    assert "Traceback" not in done.stderr
    assert COMMANDS[command] in done.stdout, done.stdout


@pytest.fixture
def site_of_apps(tmp_path):
    """A project that has a package `apps` of its own, as Django projects do."""
    (tmp_path / "apps").mkdir()
    for name in ("__init__", "flags", "find_ticket"):
        (tmp_path / "apps" / f"{name}.py").write_text("raise RuntimeError('another apps')\n")
    return tmp_path


@pytest.mark.matrix
def test_commands_beside_another_package_called_apps(venv, site_of_apps):
    """The package takes no name but its own, as a command or as a module."""
    for args in (
        [venv / BIN / "lottery-find"],
        [venv / BIN / "python", "-m", "keras_lottery.apps.find_ticket"],
    ):
        done = call([*args, "--helpshort"], site_of_apps, PYTHONPATH=str(site_of_apps))
        assert done.returncode == 0 and "--final_sparsity" in done.stdout, done.stderr[-2000:]


@pytest.mark.matrix
def test_an_editable_install_beside_another_package_called_apps(source, site_of_apps):
    """The commands and the shipped tickets lie outside keras_lottery there."""
    wheel = check(
        [sys.executable, "-c", "from setuptools import build_meta; print(build_meta.build_editable('..'))"],
        source,
    ).split()[-1]
    new = environment(source.parent / "editable", source.parent / wheel)
    done = call([new / BIN / "lottery-find", "--helpshort"], site_of_apps, PYTHONPATH=str(site_of_apps))
    assert done.returncode == 0 and "--final_sparsity" in done.stdout, done.stderr[-2000:]
    out = check(
        [
            new / BIN / "python",
            "-c",
            "import keras_lottery.apps.flags as f, keras_lottery as l\n"
            "from keras_lottery.tickets.ticket import shipped\n"
            "print(f.__file__, l.__file__, *shipped().values(), sep='\\n')",
        ],
        site_of_apps,
    )
    files = [Path(line).resolve() for line in out.splitlines()]
    assert len(files) > 2 and all(file.is_relative_to(source.resolve()) for file in files), files


def test_every_import_is_required():
    """Borrowed dependencies hide a missing one, so each import must be named in setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")

    def plain(name):
        return re.split(r"[^\w.-]", name.strip())[0].lower().replace("_", "-")

    backends = config["options.extras_require"]
    named = config["options"]["install_requires"] + "".join(
        backends[name] for name in ("jax", "torch", "cluster", "hub", "tensorboard")
    )
    required = {plain(line) for line in named.splitlines() if line.strip() and not line.startswith("#")}
    homes = importlib.metadata.packages_distributions()
    missing = []
    for path in [*(ROOT / "keras_lottery").rglob("*.py"), *(ROOT / "apps").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for name in {n.split(".")[0] for n in names}:
                if name in sys.stdlib_module_names or name == "keras_lottery":
                    continue
                if not {plain(d) for d in homes.get(name, [name])} & required:
                    missing.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {name}")
    assert not missing, "setup.cfg does not require: " + "; ".join(missing)
