"""Load time, latency and outputs of .tflite files on this machine, with LiteRT.

On a machine that does other things as well a time means little by itself. So every round invokes each file
once, noise hits all alike, and the figure to quote is the ratio to the first file.
"""

import dataclasses
import itertools
import statistics
import time

import numpy as np

from ...core.checks import above_zero, whole
from . import examples, reading
from .loading import interpreter, load

BLOCKS = 11
ROUNDS = 1000  # at most, in a block
LOADS = 5


@dataclasses.dataclass(frozen=True)
class Spread:
    """The median over repetitions, and the least and the greatest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        return cls(statistics.median(values), min(values), max(values))


@dataclasses.dataclass(frozen=True)
class Row:
    """One file on this machine. Times are in milliseconds.

    `gzip` and `zstd` are bytes as well, of the file as a download. `ratio` is the latency over that of the
    first file that runs, `difference` the largest absolute one to its outputs, dequantized, on the same
    inputs; None where inputs or outputs are of other shapes. What could not be measured is None, and
    `problem` says why.
    """

    name: str
    bytes: int
    gzip: int
    zstd: int
    load: Spread | None = None
    latency: Spread | None = None
    ratio: Spread | None = None
    difference: float | None = None
    problem: str | None = None


def latencies(files, *, threads=1, seconds=5.0):
    """Measure .tflite files side by side.

    Args:
      files: {name: bytes or path}, or a list of paths; the first is what the others are compared with.
      threads: LiteRT's threads.
      seconds: about how many seconds to spend on running the files, in total; some rounds are run in any
        case, however slow the files are.

    Returns:
      A `Row` for each file, in order. A file that does not load or run has its reason in `problem`.

    Raises:
      LotteryError: no file, a missing one, one that is no .tflite file, or a number out of range.

    >>> for row in latencies({"dense": dense, "sparse": "sparse.tflite"}):  # doctest: +SKIP
    ...     print(row.name, row.bytes, row.ratio.median)
    dense 1068120 1.0
    sparse 164240 0.96
    """
    threads = whole("threads", threads)
    above_zero("seconds", seconds)
    contents = reading.read(files)
    rows = {name: Row(name, *reading.sizes(content)) for name, content in contents.items()}
    loaded, problems = load(contents, threads)
    for name, why in problems.items():
        rows[name] = dataclasses.replace(rows[name], problem=why)
    if loaded:
        first = next(iter(loaded.values()))
        loads = _load_times([contents[name] for name in loaded], threads)
        blocks = _blocks(list(loaded.values()), seconds)
        for number, (name, made) in enumerate(loaded.items()):
            rows[name] = dataclasses.replace(
                rows[name],
                load=Spread.of(loads[number]),
                latency=Spread.of([block[number] for block in blocks]),
                ratio=Spread.of([block[number] / block[0] for block in blocks]),
                difference=_difference(first, made),
                problem=None if _finite(made) else "gives NaN or infinity on random inputs",
            )
    return list(rows.values())


def _load_times(contents, threads):
    """Milliseconds, a list for each content; in turn, as invocations are."""
    times = [[] for _ in contents]
    for _, (number, content) in itertools.product(range(LOADS), enumerate(contents)):
        start = time.perf_counter()
        interpreter(content, threads)
        times[number].append(1000 * (time.perf_counter() - start))
    return times


def _blocks(interpreters, seconds):
    """For each block of rounds, the median milliseconds of each interpreter."""
    pilot = min(sum(_round(interpreters)) for _ in range(3)) / 1000
    rounds = min(max(1, int(seconds / BLOCKS / pilot)), ROUNDS)
    return [
        [statistics.median(times) for times in zip(*(_round(interpreters) for _ in range(rounds)))]
        for _ in range(BLOCKS)
    ]


def _round(interpreters):
    times = []
    for made in interpreters:
        start = time.perf_counter()
        made.invoke()
        times.append(1000 * (time.perf_counter() - start))
    return times


def _difference(first, other):
    if examples.shapes(first) != examples.shapes(other):
        return None
    return examples.largest_difference(examples.outputs(first), examples.outputs(other))


def _finite(made):
    return all(np.isfinite(value).all() for value in examples.outputs(made))
