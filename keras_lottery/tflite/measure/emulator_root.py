"""What it takes to run LiteRT's arm64 build here: QEMU's user mode, arm64 libraries and Python, the wheels,
the counter.

All of it lies in one folder of the user's. Nothing is installed in the system and no rights of root are
needed: apt works in a state of its own there, from the system's own sources. The folder appears whole or not
  at all, and once
it is there, no network is needed.
"""

import dataclasses
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ...core import files
from ...core.errors import LotteryError
from ...core.saying import say
from . import emulator

ABOUT = "about.json"
COUNTER = Path(__file__).with_name("counter.c")
OLDEST_QEMU = 7
NEEDED = {"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "gcc": "gcc libc6-dev"}


@dataclasses.dataclass(frozen=True)
class Root:
    """The folder, and in it: `system`, where arm64 files lie as on an ARM machine, `site` with the wheels,
    the programs."""

    folder: Path
    python: str
    qemu: str
    counter: str
    libraries: tuple

    @property
    def system(self):
        return self.folder / "system"

    @property
    def site(self):
        return self.folder / "site"


def default_folder():
    return files.cache_folder("arm")


def root(folder=None):
    """The `Root` in a folder, which is made if it is not there, or was made for another version of LiteRT.

    Raises:
      LotteryError: this is no Linux with apt, a program or the network is missing, the folder holds something
        else, or there is no wheel.
    """
    folder = Path(folder or default_folder()).expanduser().absolute()
    if _about(folder).get("litert") != _litert():
        _check_machine()
        say(f"setting up ARM emulation in {folder}: about 60 MB to fetch, once")
        files.check_writable(folder.parent)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.new_folder(folder, overwrite=True) as aside:
            _fill(aside)
    about = _about(folder)
    qemu = about["qemu"] if about["qemu"] != "own" else str(folder / "qemu" / "usr" / "bin" / "qemu-aarch64")
    if not Path(qemu).exists():
        raise LotteryError(
            f"{qemu!r}, which {str(folder)!r} was set up with, is gone: delete that folder and run this "
            "again."
        )
    libraries = sorted({str(file.parent) for file in (folder / "qemu").rglob("*.so*")})
    return Root(folder, about["python"], qemu, str(folder / "counter.so"), tuple(libraries))


def _about(folder):
    if (folder / ABOUT).is_file():
        return files.read_json(folder / ABOUT)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LotteryError(f"{str(folder)!r} holds something else: give another one, as arm_root='FOLDER'.")
    return {}


def _litert():
    return version("ai-edge-litert")


def _check_machine():
    if sys.platform != "linux":
        raise LotteryError(
            f"arm=True needs Linux with apt (Debian, Ubuntu), and this is {platform.system()}: run it "
            "there, or in a container."
        )
    missing = [name for name in NEEDED if not shutil.which(name)]
    if "apt-get" in missing or "dpkg-deb" in missing:
        raise LotteryError(
            f"arm=True needs Linux with apt (Debian, Ubuntu), and there is no {missing[0]} here: run it "
            "there, or in a container."
        )
    if missing:
        raise LotteryError(
            f"arm=True needs {missing[0]}, which is not here: apt-get install {NEEDED[missing[0]]}."
        )
    if not find_spec("pip"):
        raise LotteryError(
            f"arm=True needs pip, which {sys.executable} does not have: {sys.executable} -m ensurepip."
        )


def _fill(folder):
    arm = Apt(folder / "apt-arm64", "arm64")
    python = _python(arm)
    arm.unpack([f"{python}-minimal", f"lib{python}-stdlib", "libstdc++6"], folder / "system")
    for name in ("doc", "locale", "man"):
        shutil.rmtree(folder / "system" / "usr" / "share" / name, ignore_errors=True)
    _wheels(folder, python)
    qemu = _system_qemu()
    if not qemu:
        Apt(folder / "apt-here").unpack(["qemu-user"], folder / "qemu")
        for file in (folder / "qemu" / "usr" / "bin").iterdir():
            if file.name != "qemu-aarch64":
                file.unlink()
    for name in ("apt-arm64", "apt-here", "wheels"):
        shutil.rmtree(folder / name, ignore_errors=True)
    files.write_json(
        folder / ABOUT, {"litert": _litert(), "python": f"usr/bin/{python}", "qemu": qemu or "own"}
    )
    made = root(folder)
    _compile(made)
    _try(made)


class Apt:
    """apt with lists and a cache of its own, for the system's architecture or another one, from the system's
    sources."""

    def __init__(self, folder, architecture=None):
        self.folder = folder
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        options = {
            "Dir::State::lists": folder / "state" / "lists",
            "Dir::Cache": folder / "cache",
            "Debug::NoLocking": 1,
            "Acquire::Languages": "none",
        }
        if os.geteuid() == 0:
            options["APT::Sandbox::User"] = "root"  # the user that apt would change to cannot write here
        if architecture:
            # Nothing is installed there yet, so all that a package depends on is fetched.
            (folder / "status").touch()
            options |= {
                "Dir::State": folder / "state",
                "Dir::State::status": folder / "status",
                "APT::Architecture": architecture,
                "APT::Architectures": architecture,
            }
        self.options = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        # A source of somebody else's that cannot be read is no reason to stop.
        self.warnings = self.run("apt-get", "-q", "update").stderr

    def run(self, program, *words):
        return subprocess.run(
            [program, *self.options, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )

    def failure(self, done):
        said = [
            line[3:] for line in (self.warnings + done.stderr).splitlines() if line.startswith(("W: ", "E: "))
        ]
        return LotteryError(
            f"apt cannot get what arm=True needs: {said[0] if said else 'no word why'}. Check that this "
            "machine reaches the Debian or Ubuntu archive in apt's sources, and that it has arm64 packages."
        )

    def unpack(self, packages, folder):
        """Fetch packages and all that they need and is not installed, and lay their files out below
        `folder`."""
        done = self.run(
            "apt-get", "-q", "-y", "--download-only", "--no-install-recommends", "install", *packages
        )
        if done.returncode:
            raise self.failure(done)
        folder.mkdir()
        for package in sorted((self.folder / "cache" / "archives").glob("*.deb")):
            _run("unpacking", "dpkg-deb", "-x", package, folder)


def _python(apt):
    """The name of the release's Python, such as python3.11."""
    said = apt.run("apt-cache", "depends", "python3-minimal")
    found = re.search(r"(python3\.\d+)-minimal", said.stdout)
    if not found:
        raise apt.failure(said)
    return found[1]


def _wheels(folder, python):
    libc = next((folder / "apt-arm64" / "cache" / "archives").glob("libc6_*"))
    glibc = int(re.match(r"libc6_2\.(\d+)", libc.name)[1])
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(glibc, 16, -1)] + [
        "--platform=manylinux2014_aarch64"
    ]
    _run(
        "fetching wheels for aarch64",
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        f"--python-version={python.removeprefix('python')}",
        *platforms,
        f"--dest={folder / 'wheels'}",
        f"ai-edge-litert=={_litert()}",
        "numpy",
    )
    for wheel in (folder / "wheels").iterdir():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")


def _system_qemu():
    """The path of an installed QEMU that takes plugins, None without one. A static build takes none."""
    path = shutil.which("qemu-aarch64")
    if path and "-plugin" in _run("asking QEMU", path, "--help"):
        return path if _qemu_version(path) >= OLDEST_QEMU else None
    return None


def _qemu_version(path, libraries=()):
    said = _run(
        "asking QEMU",
        path,
        "--version",
        env={**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else None,
    )
    return int(re.search(r"version (\d+)", said)[1])


def _compile(made):
    qemu = _qemu_version(made.qemu, made.libraries)
    if qemu < OLDEST_QEMU:
        raise LotteryError(
            f"apt's qemu-user is version {qemu}, and plugins that see system calls need {OLDEST_QEMU} or "
            "newer: use a newer release of Debian or Ubuntu."
        )
    # QEMU 9 gave up the first version of the interface; what the counter uses is the same in both.
    _run(
        "compiling the counter",
        "gcc",
        "-shared",
        "-fPIC",
        "-O2",
        f"-DPLUGIN_VERSION={2 if qemu >= 9 else 1}",
        COUNTER,
        "-o",
        made.counter,
    )


def _try(made):
    """What does not run is not kept. Python's compiled files are written on the way."""
    with tempfile.TemporaryDirectory() as folder:
        done = emulator.run(
            made, "cortex-a76", Path(folder), "-c", "import numpy, ai_edge_litert.interpreter"
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise LotteryError(
            f"QEMU at {made.qemu!r} does not run LiteRT's arm64 build with the counter: {last}"
        )


def _run(what, *words, env=None):
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise LotteryError(f"{what}, as arm=True needs it, failed: {last}")
    return done.stdout
