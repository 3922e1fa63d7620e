"""The wheel, built and installed in a new environment outside the checkout.

The new environment borrows the dependencies of this one (a second TensorFlow would take minutes);
keras_lottery and apps come from the wheel, which is asserted.
"""
import ast
import configparser
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {"lottery-find": "--dataset", "lottery-transfer": "--ticket", "lottery-export": "--ticket",
            "lottery-study": "--targets", "lottery-tune": "--trials", "lottery-report": "--rows", "lottery-benchmark": "--threads"}
BIN = "Scripts" if os.name == "nt" else "bin"


def call(args, cwd):
    """Run args in cwd, with nothing on the path that leads back to the checkout."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    return subprocess.run([str(a) for a in args], cwd=cwd, env=env, capture_output=True, text=True)


def check(args, cwd):
    done = call(args, cwd)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    top = tmp_path_factory.mktemp("wheel")
    source = top / "source"             # a copy, so that building leaves nothing in the checkout
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    for name in ("keras_lottery", "apps", "saved_models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    check([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", top], source)
    wheel, = top.glob("*.whl")
    assert wheel.stat().st_size < 6_000_000

    new = top / "venv"
    check([sys.executable, "-m", "venv", new], top)
    python = new / BIN / "python"
    check([python, "-m", "pip", "install", "--no-deps", "--no-index", wheel], top)
    # Written after the install, so that pip sees an empty environment. A folder named in a .pth file comes
    # last on the path and its own .pth files are not read: an editable install in it has no effect.
    site = Path(check([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], top).strip())
    places = dict.fromkeys(sysconfig.get_path(key) for key in ("purelib", "platlib"))
    (site / "zz_borrowed.pth").write_text("\n".join(places) + "\n")
    return new


def test_import_comes_from_the_wheel(venv):
    out = check([venv / BIN / "python", "-c",
                 "import keras_lottery, keras_lottery.pruning, apps, importlib.metadata as m\n"
                 "print(keras_lottery.__file__, keras_lottery.pruning.__file__, apps.__file__, sep='\\n')\n"
                 "print(m.version('keras_lottery') == keras_lottery.__version__)\n"
                 "from keras_lottery import *\n"
                 "print(find_ticket.__code__.co_filename)"], venv.parent)
    *files, last = [line for line in out.splitlines() if line != "True"]
    assert "True" in out.splitlines()
    for file in (*files, last):
        assert Path(file).resolve().is_relative_to(venv.resolve()), file


def test_shipped_tickets_load_by_name(venv):
    out = check([venv / BIN / "python", "-c",
                 "from keras_lottery.ticket import load_ticket, shipped\n"
                 "for name, folder in shipped().items(): print(name, load_ticket(name).sparsity, folder)"], venv.parent)
    told = {line.split()[0]: line.split()[2] for line in out.splitlines()}
    assert set(told) == {file.parent.name for file in (ROOT / "saved_models").glob("*/ticket.json")}
    assert all(Path(folder).resolve().is_relative_to(venv.resolve()) for folder in told.values())
    assert sum(file.stat().st_size for file in (ROOT / "saved_models").rglob("*")) < 5_000_000


def test_the_counters_source_is_in_the_wheel(venv):
    check([venv / BIN / "python", "-c", "from keras_lottery.benchmark import arm, arm_root\n"
           "assert arm_root.COUNTER.is_file() and arm.GUEST.is_file()"], venv.parent)


def test_every_package_is_named():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    there = {".".join(file.parent.relative_to(ROOT).parts) for top in ("keras_lottery", "apps") for file in (ROOT / top).rglob("__init__.py")}
    assert set(config["options"]["packages"].split()) == there | {"keras_lottery.saved_models"}


@pytest.mark.parametrize("command", COMMANDS)
def test_command(venv, command):
    done = call([venv / BIN / command, "--helpshort"], venv.parent)
    assert done.returncode in (0, 1), done.stderr[-2000:]       # absl leaves with 1 after its help
    assert "Traceback" not in done.stderr
    assert COMMANDS[command] in done.stdout, done.stdout


def test_every_import_is_required():
    """Borrowed dependencies hide a missing one, so each import must be named in setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")

    def plain(name):
        return re.split(r"[^\w.-]", name.strip())[0].lower().replace("_", "-")

    backends = config["options.extras_require"]
    named = config["options"]["install_requires"] + "".join(backends[name] for name in ("jax", "torch", "cluster", "tensorboard"))
    required = {plain(line) for line in named.splitlines() if line.strip() and not line.startswith("#")}
    homes = importlib.metadata.packages_distributions()
    missing = []
    for path in [*(ROOT / "keras_lottery").rglob("*.py"), *(ROOT / "apps").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
                [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in {n.split(".")[0] for n in names}:
                if name in sys.stdlib_module_names or name in ("keras_lottery", "apps"):
                    continue
                if not {plain(d) for d in homes.get(name, [name])} & required:
                    missing.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {name}")
    assert not missing, "setup.cfg does not require: " + "; ".join(missing)
