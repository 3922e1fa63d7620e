"""TensorFlow's start-up notices off stderr, so that a command's own lines can be read."""

import atexit
import os
import re
import threading

_NOTICE = re.compile(
    rb"[IWE]0000 00:00:|WARNING: All log messages before absl::InitializeLog|INFO: Created TensorFlow Lite "
    rb"|WARNING:tensorflow:\d+ out of the last \d+ calls to "  # of one model after the other
)


def filter_stderr():
    """From now on drop the notices TensorFlow's C++ writes to file descriptor 2; all else passes.

    Returns:
      A function that ends it; called at the end of the program in any case.
    """
    real = os.dup(2)
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    os.close(writer)

    def pump():
        with os.fdopen(reader, "rb") as lines:
            for line in lines:
                if not _NOTICE.match(line):
                    os.write(real, line)

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()

    def drain():
        os.dup2(real, 2)  # closes the pipe's last writer, so the thread ends
        thread.join(timeout=5)

    atexit.register(drain)
    return drain
