"""Break the package, a line at a time, and see whether the tests notice.

    python tests/mutations.py               # all of `breakages.BREAKAGES`, each by the tests that it names
    python tests/mutations.py --only=seed   # those with a word in what they are
    python tests/mutations.py --quick       # only by the named tests that `make test` runs, on tf_keras and,
                                            # if they pass there, on Keras 3
    python tests/mutations.py --whole       # and by all tests what the named ones let pass

First the tests that a breakage names run on a copy of this checkout as it is, where they must pass; then each
breakage is put into the copy, and they must fail. What was tried is kept in a file and not tried again while
the checkout stays the same: stopped, it goes on. The exit code is the number of breakages that no test
caught.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from breakages import BREAKAGES

ROOT = Path(__file__).resolve().parents[1]
WHOLE = "."  # all tests
QUICK = {  # as in the Makefile
    "tf_keras": "not stress and not matrix",
    "keras": "(not stress and not matrix) and (engine or keras3)",
}
WORLDS = {"tf_keras": {}, "keras": {"LOTTERY_KERAS": "keras", "KERAS_BACKEND": "jax"}}
PASSED, FAILED, NONE = 0, 1, 5  # pytest's exit codes; any other says that the tests did not run


def copy_of_checkout(folder):
    """Copy the files of this checkout that git knows or would take into a folder; a hash of them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    content = hashlib.sha256()
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
            content.update(name.encode() + (ROOT / name).read_bytes())
    return content.hexdigest()


def outcome(folder, tests, keras, marks=()):
    """What pytest says of some tests in a copy: {"code": its exit code, "failed": the first test that fails,
    "seconds"}."""
    environment = {
        **os.environ,
        **WORLDS[keras],
        "PYTHONPATH": str(folder),
    }  # in front of an editable install
    began = time.monotonic()
    paths = [f"tests/{test}" for test in tests.split()]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *marks, *paths]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return {
        "code": done.returncode,
        "failed": failed[1] if failed else "",
        "seconds": round(time.monotonic() - began, 1),
        "said": ""
        if done.returncode in (PASSED, FAILED, NONE)
        else done.stdout[-2000:] + done.stderr[-2000:],
    }


def worlds(breakage, quick):
    """The Kerases that a breakage is tried on, its own first."""
    return sorted(WORLDS, key=lambda keras: keras != breakage.keras) if quick else [breakage.keras]


class Trials:
    """Outcomes of tests in a copy of the checkout, those that are in the file of this very checkout not tried
    again."""

    def __init__(self, folder, file, quick):
        self.folder, self.file, self.quick = folder, file, quick
        self.checkout = copy_of_checkout(folder)
        lines = file.read_text().splitlines() if file.exists() else []
        self.known = {tuple(entry.pop("key")): entry for entry in map(json.loads, lines)}

    def whole_copy(self, tests, keras):
        """The outcome of tests with nothing broken."""
        return self._tried((self.checkout, "", tests, keras), tests, keras)

    def broken(self, breakage, tests, keras):
        """The outcome of tests on one Keras with a breakage put in."""
        path = self.folder / breakage.file
        before = path.read_text()
        path.write_text(before.replace(breakage.old, breakage.new))
        try:
            return self._tried((self.checkout, breakage.what, tests, keras), tests, keras)
        finally:
            path.write_text(before)

    def _tried(self, key, tests, keras):
        marks = ["-m", QUICK[keras] if self.quick else "not stress"]
        key = (*key, *marks)
        if key not in self.known:
            self.known[key] = outcome(self.folder, tests, keras, marks)
            with self.file.open("a") as file:
                file.write(json.dumps({"key": key, **self.known[key]}) + "\n")
        return self.known[key]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="of the breakages those with this word in what they are")
    parser.add_argument("--quick", action="store_true", help="by what make test runs of the named tests")
    parser.add_argument("--whole", action="store_true", help="try all tests on what the named ones let pass")
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir(), "mutations.jsonl"))
    given = parser.parse_args()
    chosen = [breakage for breakage in BREAKAGES if given.only in breakage.what]
    caught = 0
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        trials = Trials(Path(folder), given.results, given.quick)
        for keras in WORLDS:
            named = {
                test for one in chosen if keras in worlds(one, given.quick) for test in one.tests.split()
            }
            sound = trials.whole_copy(" ".join(sorted(named)), keras) if named else {"code": PASSED}
            if sound["code"] not in (PASSED, NONE):
                sys.exit(f"unbroken, the tests fail on {keras}: {sound['failed'] or sound['said']}")
        for number, breakage in enumerate(chosen, 1):
            for keras in worlds(breakage, given.quick):
                found = trials.broken(breakage, breakage.tests, keras)
                if found["code"] == PASSED and given.whole:
                    found = trials.broken(breakage, WHOLE, keras)
                if found["code"] == FAILED:
                    break
            caught += found["code"] == FAILED
            missed = found["code"] in (PASSED, NONE)
            told = found["failed"] or ("NO TEST" if missed else f"no run: {found['said']}")
            print(
                f"{number:3} {found['seconds']:6.1f} s  {breakage.file}: {breakage.what}: {told}", flush=True
            )
    print(f"{caught} of {len(chosen)} caught; {given.results} has each outcome")
    sys.exit(len(chosen) - caught)


if __name__ == "__main__":
    main()
