"""How large and how fast .tflite files are, side by side: on this machine, as emulated ARM instructions, on a
phone."""

import dataclasses
import platform
from importlib.metadata import version
from pathlib import Path

from ...core.checks import known, true_or_false
from ...core.errors import LotteryError
from ...core.files import check_writable, write_json
from ...core.jsonable import plain


def benchmark(
    files,
    *,
    threads=1,
    seconds=5.0,
    arm=False,
    cpu="cortex-a76",
    arm_root=None,
    adb_output=None,
    output=None,
    overwrite=False,
):
    """Measure .tflite files, print tables, and write what was measured as JSON.

    Args:
      files: paths; the first is what the others are compared with. With `adb_output` there may be none: then
        its figures are all.
      threads, seconds: as `local.latencies`.
      arm: also count instructions on an emulated ARM processor, as `emulated.instructions`.
      cpu: which one.
      arm_root: the folder that keeps what this takes; by default below the user's cache folder.
      adb_output: a file with what Google's benchmark_model printed on a phone, or "-" for standard input;
        `phone.commands` says how to get it.
      output: the JSON file to write, if any. It appears whole or not at all.
      overwrite: replace it if it is there.

    Returns:
      What is in the JSON file: plain dicts, lists and numbers; a dict for each file, with an entry for each
        place.

    Raises:
      LotteryError: see `local.latencies` and `emulated.instructions`; or the output exists or cannot be
        written.
    """
    from . import emulated, emulator, local, reading, show
    from . import phone as adb

    known("cpu", cpu, emulator.CPUS)
    true_or_false(arm=arm, overwrite=overwrite)
    output = _checked(output, overwrite)
    contents = reading.read(files) if files or not adb_output else {}
    # What is missing is told before anything is measured.
    phone = adb.rows(adb.read(adb_output), list(contents), repr(adb_output)) if adb_output else []
    if arm and contents:
        emulated.emulator_root.root(arm_root)

    result, places = (
        {"machine": platform.machine(), "litert": version("ai-edge-litert"), "threads": threads},
        {},
    )
    if contents:
        places["here"] = local.latencies(contents, threads=threads, seconds=seconds)
        show.here(places["here"], threads)
    if arm and contents:
        result["cpu"] = cpu
        places["arm"] = emulated.instructions(contents, cpu=cpu, folder=arm_root)
        show.emulated(places["arm"], cpu)
    if phone:
        places["phone"] = phone
        show.phone(phone)
    names = [row.name for row in next(iter(places.values()))]
    result["files"] = [
        {"name": name} | {place: _without_name(rows[n]) for place, rows in places.items()}
        for n, name in enumerate(names)
    ]
    result = plain(result)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_json(output, result)
    return result


def _without_name(row):
    return {key: value for key, value in dataclasses.asdict(row).items() if key != "name"}


def _checked(output, overwrite):
    if output is None:
        return None
    output = Path(output)
    if output.suffix != ".json":
        raise LotteryError(f"output={str(output)!r} is impossible: give a file name that ends in .json.")
    if output.exists() and not overwrite:
        raise LotteryError(f"{str(output)!r} exists already: give another output, or overwrite=True.")
    check_writable(output.parent)
    return output
