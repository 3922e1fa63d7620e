"""A .tflite file in a process of its own: here, where a damaged file may take the process down, or under an
emulator.

    guest.py FILE                                   # once, on zeros
    guest.py FILE INPUTS.npz OUTPUTS.npz COUNTS     # under counter.c, which writes COUNTS; prints how many
    invocations N

It imports nothing of keras_lottery, because under the emulator there is none.
"""

import gc
import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

MARK = 987_654  # a file descriptor that nobody has: fsync(MARK) does nothing, and counter.c sees it
ENOUGH = 100_000_000  # instructions, beside which what Python does now and then is small


def main(path, inputs=None, outputs=None, counts=None):
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    given = np.load(inputs) if inputs else None
    for number, detail in enumerate(interpreter.get_input_details()):
        value = given[str(number)] if inputs else np.zeros(detail["shape"], detail["dtype"])
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    if outputs:
        np.savez(
            outputs,
            **{
                str(number): interpreter.get_tensor(detail["index"])
                for number, detail in enumerate(interpreter.get_output_details())
            },
        )
        print(count(interpreter.invoke, counts))


def count(invoke, counts):
    """Mark one invocation, from whose count N follows; then N, 2N, N, 2N: a difference is free of what a loop
    costs."""
    gc.disable()
    loop(int, 1000)  # by now Python has optimized the loop
    mark()
    loop(invoke, 1)
    mark()
    with open(counts) as lines:
        before, after = map(int, lines)
    number = min(max(ENOUGH // (after - before), 3), 1000)
    mark()
    for times in (number, 2 * number, number, 2 * number):
        loop(invoke, times)
        mark()
    return number


def loop(function, times):
    for _ in range(times):
        function()


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
