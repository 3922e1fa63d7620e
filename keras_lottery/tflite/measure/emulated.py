"""The same files under an emulated ARM processor: their outputs, and how many instructions an inference
executes.

This gives a reproducible ratio when no phone is at hand. Time under emulation means nothing and is not
measured. Instructions do not measure time either: a phone's memory may slow down one file more than another.
"""

import dataclasses
import signal
import tempfile
from pathlib import Path

import numpy as np

from ...core.checks import known
from . import emulator, emulator_root, examples, reading
from .loading import load, one_line

AGREE = 1e-3
GUEST = Path(__file__).with_name("guest.py")


@dataclasses.dataclass(frozen=True)
class Row:
    """One file on the emulated processor.

    `instructions` are those of one inference, called from Python: some thousand are Python's own. They are
    counted twice, over `invocations`, and `repeats` says whether the two agree to a thousandth. `ratio` is to
    the first file that runs; `difference` the largest absolute one to this machine's outputs, dequantized, on
    the same inputs. What could not be measured is None, and `problem` says why.
    """

    name: str
    instructions: float | None = None
    ratio: float | None = None
    repeats: bool | None = None
    invocations: int | None = None
    difference: float | None = None
    problem: str | None = None


def instructions(files, *, cpu="cortex-a76", folder=None):
    """Run .tflite files under QEMU's user mode, on one thread, and count.

    Args:
      files: {name: bytes or path}, or a list of paths; the first is what the others are compared with.
      cpu: one of emulator.CPUS.
      folder: where what this takes is kept, made if it is not there; by default below the user's cache
        folder.

    Returns:
      A `Row` for each file, in order. A file that does not load or run, here or there, has its reason in
      `problem`.

    Raises:
      LotteryError: the files as for `local.latencies`; an unknown cpu; or what `emulator_root.root` raises.
    """
    known("cpu", cpu, emulator.CPUS)
    contents = reading.read(files)
    root = emulator_root.root(folder)
    loaded, problems = load(contents)
    rows = [
        Row(name, problem=problems[name])
        if name in problems
        else _row(name, content, loaded[name], cpu, root)
        for name, content in contents.items()
    ]
    first = next((row.instructions for row in rows if row.instructions), None)
    return [dataclasses.replace(row, ratio=row.instructions and row.instructions / first) for row in rows]


def parse(text, invocations):
    """The instructions of one inference, counted twice, from what counter.c wrote: a number for each mark.

    The marks stand before and after one invocation, then before and after N, 2N, N and 2N.

    >>> parse("0\\n130\\n200\\n1300\\n3400\\n4500\\n6600\\n", 10)
    (100.0, 100.0)
    """
    marks = [int(line) for line in text.split()]
    if len(marks) != 7:
        raise ValueError(f"the counter saw {len(marks)} of 7 marks")
    one, two, again, twice = np.diff(marks[2:]).tolist()
    return (two - one) / invocations, (twice - again) / invocations


def _row(name, content, here, cpu, root):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model, given, gave = folder / "file.tflite", folder / "inputs.npz", folder / "outputs.npz"
        model.write_bytes(content)
        np.savez(
            given,
            **{str(n): here.get_tensor(detail["index"]) for n, detail in enumerate(here.get_input_details())},
        )
        done = emulator.run(root, cpu, folder, GUEST, model, given, gave, folder / "counts")
        if done.returncode:
            return Row(name, problem=f"stops under QEMU with cpu={cpu!r}: {_why(done)}")
        number = int(done.stdout.split()[-1])
        first, second = parse((folder / "counts").read_text(), number)
        with np.load(gave) as arrays:
            outputs = [
                examples.dequantized(detail, arrays[str(n)])
                for n, detail in enumerate(here.get_output_details())
            ]
    return Row(
        name,
        second,
        None,
        abs(first - second) <= AGREE * second,
        number,
        examples.largest_difference(examples.outputs(here), outputs),
    )


def _why(done):
    lines = [
        line.removeprefix("error: ") for line in done.stderr.splitlines() if not line.startswith("INFO:")
    ]
    if lines:
        return one_line(lines[-1])
    return signal.strsignal(-done.returncode) if done.returncode < 0 else f"exit code {done.returncode}"
