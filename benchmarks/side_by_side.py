"""What all benchmarks share: both sides in turn, ratios of neighbours, a process a case, one JSON file a
benchmark."""

import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")}
PACKAGES = ("tensorflow", "tf-keras", "keras", "tensorflow-model-optimization", "torch", "jax")


def turns(names, times):
    """Each name so many times; who goes first turns, so that a slow spell falls on all.

    >>> list(turns("abc", 2))
    ['a', 'b', 'c', 'b', 'c', 'a']
    """
    names = list(names)
    for turn in range(times):
        first = turn % len(names)
        yield from names[first:] + names[:first]


def in_turn(calls, times):
    """{name: seconds of each of so many calls}."""
    taken = {name: [] for name in calls}
    for name in turns(calls, times):
        taken[name].append(seconds(calls[name]))
    return taken


def seconds(call):
    """Of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio(taken, base):
    """{median, quartiles} of one side's seconds over the other's, pair by pair."""
    ratios = [one / other for one, other in zip(taken, base, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {"median": round(middle, 4), "quartiles": [round(low, 4), round(high, 4)]}


def reset_peak():
    """Begin to look for the largest memory of this process anew, on Linux."""
    Path("/proc/self/clear_refs").write_text("5")


def peak():
    """Bytes of memory that this process held at most, of files that it only reads included."""
    return _status("VmHWM")


def held():
    """Bytes of memory that this process holds."""
    return _status("VmRSS")


def _status(name):
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":")
    ]
    return int(line.split()[1]) * 1024


def in_a_process(file, case, environment=None, *flags):
    """What `answer(...)` of the benchmark in `file` was given, in a fresh process that is started with
    --case=JSON."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), **(environment or {})}
    done = subprocess.run(
        [sys.executable, file, f"--case={json.dumps(case)}", *flags],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{case}: {done.stderr}")
    return json.loads(
        next(line.removeprefix("answer ") for line in done.stdout.splitlines() if line.startswith("answer "))
    )


def answer(row):
    print("answer " + json.dumps(row), flush=True)


def write(name, rows, **about):
    """benchmarks/results/NAME.json: the rows, and what they were measured on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps({**machine(), **about, "rows": rows}, indent=1) + "\n")
    aside.replace(path)
    print(f"written: {path.relative_to(ROOT)}")


def write_of_here(name, rows, **about):
    """As write, in a file of this processor's and precision's own: which side is faster depends on both."""
    processor = re.sub("[^a-z0-9]+", "-", machine()["processor"].lower()).strip("-")
    write(f"{name}_{about['precision']}_{processor}", rows, **about)


def machine():
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "processor": name or platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": installed,
    }
