"""Files that load and run, as LiteRT interpreters invoked once; and in words why the others do not."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from . import examples

GUEST = ["-m", f"{__package__}.guest"]


def load(contents, threads=1):
    """({name: interpreter}, {name: why not}) of {name: bytes}.

    Each file is tried in another process first, because one that is damaged may take its process down. The
    interpreters have been invoked on inputs that mean the same to all of them.
    """
    problems = {name: _crash(content) for name, content in contents.items()}
    loaded = {
        name: interpreter(content, threads) for name, content in contents.items() if problems[name] is None
    }
    for name in [name for name in loaded if not examples.takes_numbers(loaded[name])]:
        problems[name] = "takes other inputs than numbers"
        del loaded[name]
    for name, values in zip(list(loaded), examples.inputs(list(loaded.values()))):
        try:
            for detail, value in zip(loaded[name].get_input_details(), values):
                loaded[name].set_tensor(detail["index"], value)
            loaded[name].invoke()
        except (RuntimeError, ValueError) as error:
            problems[name] = f"does not run: {one_line(error)}"
            del loaded[name]
    return loaded, {name: why for name, why in problems.items() if why}


def interpreter(content, threads=1):
    """An interpreter, ready to invoke but for its inputs."""
    made = Interpreter(model_content=content, num_threads=threads)
    made.allocate_tensors()
    return made


def one_line(text):
    return " ".join(str(text).split())[:120].rstrip(".")


def _crash(content):
    """Why a file does not load and run on zeros, None if it does."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.tflite"
        file.write_bytes(content)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, *GUEST, file],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"takes LiteRT down ({signal.strsignal(-done.returncode)}): it is damaged, export it again"
    said = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.startswith("error: ")]
    why = one_line((said or done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1])
    if "not a valid Flatbuffer" in why:
        return f"does not load: it is cut or damaged ({len(content):,} bytes), copy or export it again"
    return f"does not load or run: {why}"
