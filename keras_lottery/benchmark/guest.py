"""A .tflite file in a process of its own: here, where a damaged file may take the process down, or under an emulator.

    guest.py FILE [INPUTS.npz OUTPUTS.npz INVOCATIONS]

Without inputs it runs once on zeros. It imports nothing of keras_lottery, because under the emulator there is none.
"""

import gc
import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

MARK = 987_654      # a file descriptor that nobody has: fsync(MARK) does nothing, and the counting plugin sees it


def main(path, inputs=None, outputs=None, invocations="0"):
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    given = np.load(inputs) if inputs else None
    for number, detail in enumerate(interpreter.get_input_details()):
        value = given[str(number)] if inputs else np.zeros(detail["shape"], detail["dtype"])
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    if outputs:
        np.savez(outputs, **{str(n): interpreter.get_tensor(detail["index"])
                             for n, detail in enumerate(interpreter.get_output_details())})
        count(interpreter.invoke, int(invocations))


def count(invoke, invocations):
    """Twice N and 2N invocations between marks: their difference is free of what a loop costs to begin and end."""
    gc.disable()
    mark()
    for times in (invocations, 2 * invocations) * 2:
        for _ in range(times):
            invoke()
        mark()


def mark():
    try:
        os.fsync(MARK)
    except OSError:
        pass


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        sys.exit(f"error: {' '.join(str(error).split())[:300] or type(error).__name__}")
