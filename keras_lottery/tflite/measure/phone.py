"""The same files on a phone: the commands that measure them with Google's benchmark_model, and what it
printed.

Nothing here touches a phone. The commands run each file once a round, so that a phone that grows warm slows
all alike.
"""

import collections
import dataclasses
import re
import shlex
import sys
from pathlib import Path, PurePosixPath

from ...core.checks import whole
from ...core.errors import LotteryError
from . import reading
from .local import Spread

TOOL = "android_aarch64_benchmark_model"
PAGE = "https://developers.google.com/edge/litert/models/measurement"
PLACE = "/data/local/tmp"
ROUNDS = 3
MICROSECONDS = r"(\d+(?:\.\d+)?(?:e\+\d+)?)"
TIMINGS = re.compile(
    rf"Inference timings in us: Init: {MICROSECONDS}, First inference: {MICROSECONDS}, "
    rf"Warmup \(avg\): {MICROSECONDS}, Inference \(avg\): {MICROSECONDS}"
)
GRAPH = re.compile(r"Graph: \[(.+?)\]|Loaded model (\S+)")
MEMORY = re.compile(
    r"(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): "
    r"init=\S+ overall=([\d.]+)"
)
ERROR = re.compile(r"\berror: |failed to |not found|permission denied|no such file|no devices", re.I)


@dataclasses.dataclass(frozen=True)
class Row:
    """One file on the phone, over its runs. Times are in milliseconds, memory in MB.

    `load` is the tool's Init; `ratio` the inference time over that of the first file in the same round. What
    is not in the output is None, and `problem` says why.
    """

    name: str
    load: Spread | None = None
    first: Spread | None = None
    inference: Spread | None = None
    ratio: Spread | None = None
    memory: Spread | None = None
    runs: int = 0
    problem: str | None = None


def commands(files, *, threads=1):
    """The commands, as text for a shell, that measure files on a connected phone; nothing is run.

    Args:
      files: a list of paths.
      threads: the phone's threads.

    Raises:
      LotteryError: the files as for `local.latencies`, or a number out of range.
    """
    threads = whole("threads", threads)
    names = on_phone(reading.read(files))
    tool = f"{PLACE}/benchmark_model"
    lines = [
        f"# {TOOL} is among the command-line binaries on {PAGE}",
        f"adb push {TOOL} {tool}",
        f"adb shell chmod +x {tool}",
    ]
    lines += [f"adb push {shlex.quote(name)} {there}" for name, there in names.items()]
    lines.append(f"for round in {' '.join(map(str, range(1, ROUNDS + 1)))}; do")
    lines += [
        f"  adb shell {tool} --graph={there} --num_threads={threads} --use_xnnpack=true --warmup_runs=10 "
        "--num_runs=100"
        for there in names.values()
    ]
    lines.append("done 2>&1 | tee phone.txt")
    lines.append(shlex.join(["lottery-benchmark", *names, "--adb_output=phone.txt"]))
    return "\n".join(lines)


def on_phone(names):
    """{name: path on the phone}, each its own."""
    paths = {}
    for number, name in enumerate(names):
        base = re.sub(r"[^\w.-]", "_", Path(name).name)
        taken = f"{PLACE}/{base}" in paths.values()
        paths[name] = f"{PLACE}/{number}-{base}" if taken else f"{PLACE}/{base}"
    return paths


def rows(text, names=(), source="the output"):
    """A `Row` for each name from what benchmark_model printed, of any number of runs; without names, for each
    file in it.

    Raises:
      LotteryError: there are no timings in it, it does not say of which file, or this is not among the names.

    >>> timings = "Init: 5685, First inference: 18535, Warmup (avg): 14462.3, Inference (avg): 14575.2"
    >>> text = f"Graph: [/data/local/tmp/a.tflite] Inference timings in us: {timings}"
    >>> rows(text.replace("] ", "]" + chr(10)))[0].inference.median
    14.5752
    """
    runs, errors = _runs(text)
    if not runs:
        why = next((error for error in errors.values()), None)
        raise LotteryError(
            f"{source} holds no line 'Inference timings in us: ...'"
            + (f", but {why!r}" if why else "")
            + ": give all that benchmark_model printed."
        )
    if "" in runs:
        raise LotteryError(
            f"{source} has timings without a line 'Graph: [FILE]' before them: give all that "
            "benchmark_model printed."
        )
    paths = (
        on_phone(names)
        if names
        else {PurePosixPath(graph).name: graph for graph in {**runs, **errors} if graph}
    )
    others = sorted(set(runs) - set(paths.values()))
    if others:
        raise LotteryError(
            f"{source} has figures of {others[0]!r}, which is none of the files given: give that file too, "
            "or no files."
        )
    first = next(runs[path] for path in paths.values() if path in runs)
    return [_row(name, runs.get(path, []), first, errors.get(path)) for name, path in paths.items()]


def read(path):
    """The text of a file, or of standard input for "-"."""
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(errors="replace")
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise LotteryError(
            f"cannot read {str(path)!r}: {why}. Give a file with what benchmark_model printed, or - for "
            "standard input."
        ) from error


def _runs(text):
    """({path on the phone: a dict of figures for each run}, {path: what went wrong})."""
    runs, errors, graph = collections.defaultdict(list), {}, ""
    for line in text.splitlines():
        if found := GRAPH.search(line):
            graph = found[1] or found[2]
        elif found := TIMINGS.search(line):
            load, first, _, inference = (float(number) / 1000 for number in found.groups())
            runs[graph].append({"load": load, "first": first, "inference": inference})
        elif found := MEMORY.search(line):
            if runs.get(graph):
                runs[graph][-1]["memory"] = float(found[1])
        elif ERROR.search(line):
            errors.setdefault(graph, line.strip()[:200])
    return runs, errors


def _row(name, runs, first, error):
    if not runs:
        return Row(name, problem=f"did not run: {error}" if error else "is not in the output")
    spread = {key: Spread.of([run[key] for run in runs]) for key in ("load", "first", "inference")}
    memory = [run["memory"] for run in runs if "memory" in run]
    ratio = Spread.of([run["inference"] / base["inference"] for run, base in zip(runs, first)])
    return Row(name, **spread, ratio=ratio, memory=Spread.of(memory) if memory else None, runs=len(runs))
