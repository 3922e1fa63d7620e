"""Folders of runs: their names, what says which run a folder holds, and what is finished in it."""

import contextlib
from pathlib import Path

import ml_dtypes  # noqa: F401  which makes bfloat16 a dtype of NumPy, for safetensors

from ..core import team
from ..core.alone import alone
from ..core.errors import LotteryError
from ..core.files import check_writable, delete, read_json, write_json
from ..core.jsonable import differences, plain
from . import older

CONFIG = "config.json"
INITIAL = "initial.safetensors"
REWIND = "rewind.safetensors"
BACKUP = "epoch.safetensors"
RESULT = "result.json"
KIND = "run"  # the entry of CONFIG that says which kind of run it is, and that it is one of ours


def round_folder(run_dir, number):
    """The ticket folder of a finished round; it is there only once the round is finished."""
    return Path(run_dir) / f"round_{number:02d}"


def finished_rounds(run_dir):
    """How many rounds of the run are finished, the dense round 0 included.

    Raises:
      LotteryError: a round before one that is there is missing.
    """
    there = {
        path.name for path in Path(run_dir).glob("round_*") if path.is_dir() and path.name[6:].isdecimal()
    }
    number = 0
    while round_folder(run_dir, number).name in there:
        number += 1
    if len(there) > number:
        raise LotteryError(
            f"{str(run_dir)!r} holds {max(there)} but not {round_folder(run_dir, number).name}: bring it "
            "back, give another run_dir, or overwrite=True to start anew."
        )
    return number


@contextlib.contextmanager
def open_run(run_dir, kind, config, overwrite=False):
    """Make or reopen the folder of the run that `config` (JSON-able) describes; in the block no other process
    may.

    Args:
      run_dir: the folder.
      kind: what is run, such as "find_ticket".
      config: all that the result depends on.
      overwrite: start anew, deleting the run that is there, of whatever configuration.

    Raises:
      LotteryError: the folder holds another run (the difference is shown), something
        that is no run, or cannot be written, or another process works in it.
    """
    check_writable(run_dir)
    run_dir = Path(run_dir)
    config = plain({**config, KIND: kind})
    there = check_run_dir(run_dir, config)
    if there and there != config and not overwrite:
        found = (
            differences(there, config)
            if there.get(KIND) == kind
            else [f"it is a run of {there.get(KIND)}, not {kind}"]
        )
        found.sort(key=lambda line: line.startswith("compiled."))  # which follows from what was chosen
        more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
        raise LotteryError(
            f"{str(run_dir)!r} holds a run with another configuration: {'; '.join(found[:5])}{more}. "
            "Give another run_dir, the same configuration to go on, or overwrite=True to start anew."
        )
    team.wait()
    with contextlib.ExitStack() as held:
        if team.is_chief():
            run_dir.mkdir(parents=True, exist_ok=True)
            held.enter_context(alone(run_dir))
            if there and overwrite:
                _empty(run_dir)
            if not (run_dir / CONFIG).exists():
                write_json(run_dir / CONFIG, config)
            for leftover in list(run_dir.rglob(".writing-*")):
                delete(leftover)
        team.wait()
        if not team.is_chief():
            _check_same(run_dir, config)
        yield run_dir


def _check_same(run_dir, config):
    """Raises LotteryError if the chief's folder holds another run than this process was told to make."""
    if (chief := check_run_dir(run_dir)) != config:
        found = differences(chief, config) if chief else ["this machine does not see what the chief wrote"]
        raise LotteryError(
            f"{str(run_dir)!r}: {'; '.join(found[:5])}. Run the same command on each machine, with one "
            "run_dir on a disk that all share."
        )


def under_its_rule(run_dir, config, is_finished):
    """`config` as a finished run in the folder has it that was made when rounds trained k to k + T steps;
    else `config`.

    Args:
      run_dir, config: as for `open_run`.
      is_finished: whether the run in the folder is, asked only where it is such a one.

    Raises:
      LotteryError: it is not finished: its rounds would be of two kinds.
    """
    there = check_run_dir(run_dir)
    if there is None or "rule" in there or "rule" not in config:
        return config
    if not is_finished():
        raise LotteryError(
            f"{str(run_dir)!r} holds an unfinished run whose rounds train T steps from step k on, as this "
            "package did before; they train from k to T now. Give another run_dir, or overwrite=True to "
            "start anew."
        )
    return {name: value for name, value in config.items() if name != "rule"}


def check_run_dir(run_dir, now=None):
    """The configuration of the run in the folder, None where there is none yet.

    now: what it is to be compared with, where an earlier version may have written it.

    Raises:
      LotteryError: the folder holds something that is no run, or cannot be written.
    """
    check_writable(run_dir)
    run_dir = Path(run_dir)
    config = read_json(run_dir / CONFIG) if (run_dir / CONFIG).is_file() else None
    if isinstance(config, dict) and KIND in config:
        return older.config(config, now, run_dir) if now else config
    if run_dir.exists() and any(not path.name.startswith(".") for path in run_dir.iterdir()):
        raise LotteryError(f"{str(run_dir)!r} is not empty and holds no run: give another run_dir.")
    return None


def precision(config):
    """The precision of a run by its configuration; "auto" where there is none."""
    for there in (config, config.get("compiled") if isinstance(config, dict) else None):
        if isinstance(there, dict) and isinstance(there.get("precision"), str):
            return there["precision"]
    return "auto"


def read_result(run_dir):
    """The result.json of a finished run, as this version would have written it."""
    return older.result(read_json(Path(run_dir) / RESULT))


def _empty(run_dir):
    """Delete what is in the folder of a run; its configuration goes last, so that it stays one of ours until
    then."""
    for path in sorted(run_dir.iterdir(), key=lambda path: path.name == CONFIG):
        delete(path)
