"""How large and how fast .tflite files are, side by side: on this machine, as emulated ARM instructions, on a phone."""

import dataclasses
import platform
from importlib.metadata import version
from pathlib import Path

from .. import runs
from ..errors import LotteryError


def benchmark(files, *, threads=1, seconds=5.0, output=None, overwrite=False):
    """Measure .tflite files, print tables, and write what was measured as JSON.

    Args:
      files: paths; the first is what the others are compared with.
      threads, seconds: as `local.latencies`.
      output: the JSON file to write, if any. It appears whole or not at all.
      overwrite: replace it if it is there.

    Returns:
      What is in the JSON file: plain dicts, lists and numbers.

    Raises:
      LotteryError: see `local.latencies`; or the output exists or cannot be written.
    """
    from . import local, show

    output = _checked(output, overwrite)
    rows = local.latencies(files, threads=threads, seconds=seconds)
    show.here(rows, threads)
    result = runs.plain({
        "machine": platform.machine(), "litert": version("ai-edge-litert"), "threads": threads,
        "files": [{"name": row.name, "here": {k: v for k, v in dataclasses.asdict(row).items() if k != "name"}} for row in rows],
    })
    if output:
        runs.write_json(output, result)
    return result


def _checked(output, overwrite):
    if output is None:
        return None
    output = Path(output)
    if output.suffix != ".json":
        raise LotteryError(f"output={str(output)!r} is impossible: give a file name that ends in .json.")
    if output.exists() and not overwrite:
        raise LotteryError(f"{str(output)!r} exists already: give another output, or overwrite=True (--overwrite).")
    runs.check_writable(output.parent)
    return output
