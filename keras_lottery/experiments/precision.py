"""The precision that a training computes in: Keras' global policy."""

import hashlib
import os
import statistics
import time
from pathlib import Path

from ..config import PRECISIONS
from ..core import files
from ..core.checks import known
from ..core.errors import LotteryError
from .machine import engine

TIMES = 9  # how often a trial runs each side
GAIN = 0.9  # of the time in float32, below which mixed precision is taken


def set_precision(name: str = "auto", backend: str = "tf_keras", strategy: str = "none") -> str:
    """Set Keras' global policy, and give its name. Weights are float32 in each.

    "auto" is the fastest that TensorFlow has here; on other backends it is float32. Accelerators have what
    tensorflow.org/guide/mixed_precision says: mixed_float16 on GPUs with tensor cores, mixed_bfloat16 on
    TPUs. On a processor with instructions for bfloat16 a trial decides: some of them are faster in it, others
    slower.

    Raises:
      LotteryError: unknown name.
    """
    known("precision", name, PRECISIONS)
    if name == "auto":
        name = _fastest(strategy) if backend in ("tf_keras", "tensorflow") else "float32"
    engine(backend).keras.mixed_precision.set_global_policy(name)
    return name


def _fastest(strategy):
    import tensorflow as tf

    if strategy == "tpu":
        return "mixed_bfloat16"
    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.get_visible_devices("GPU")]
    if gpus:
        has_tensor_cores = all(of.get("compute_capability", (0, 0)) >= (7, 0) for of in gpus)
        return "mixed_float16" if has_tensor_cores else "float32"
    if not any("avx512_bf16" in line for line in processor()):
        return "float32"
    taken = _remembered()
    return "mixed_bfloat16" if taken["bfloat16"] < GAIN * taken["float32"] else "float32"


def processor() -> list:
    """What Linux tells of the processor, line by line; [] elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return []
    return [line for line in lines if line.startswith(("model", "stepping", "flags"))]


def _remembered():
    """What a trial on this processor took. It is kept in the user's cache folder, so that one machine always
    trains in one precision."""
    import tensorflow as tf

    about = processor()
    on = hashlib.sha256("\n".join([*about, str(os.cpu_count()), tf.version.VERSION]).encode())
    path = files.cache_folder("precision") / f"{on.hexdigest()[:16]}.json"
    try:
        return {dtype: float(files.read_json(path)[dtype]) for dtype in ("float32", "bfloat16")}
    except (LotteryError, LookupError, TypeError, ValueError):
        taken = trial()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, taken)
    except (LotteryError, OSError):
        pass  # it is measured again
    return taken


def trial() -> dict:
    """{dtype: median seconds} of a block's forward and backward pass on the processor, in turn."""
    import tensorflow as tf

    with tf.device("CPU"):
        blocks = {dtype: _block(dtype) for dtype in ("float32", "bfloat16")}
        taken = {dtype: [] for dtype in blocks}
        for _ in range(2 + TIMES):
            for dtype, run in blocks.items():
                begun = time.perf_counter()
                run()
                taken[dtype].append(time.perf_counter() - begun)
    return {dtype: statistics.median(seconds[2:]) for dtype, seconds in taken.items()}


def _block(dtype, batch=32, size=16, channels=64):
    """A function that trains two convolutions with batch normalisation, as mixed precision computes them."""
    import tensorflow as tf

    images = tf.cast(tf.random.stateless_normal((batch, size, size, channels), (0, 0)), dtype)
    kernel = tf.random.stateless_normal((3, 3, channels, channels), (0, 1)) / 24
    ones, zeros = tf.ones(channels), tf.zeros(channels)

    @tf.function
    def gradient(kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            outputs = images
            for _ in range(2):
                outputs = tf.nn.conv2d(outputs, tf.cast(kernel, dtype), 1, "SAME")
                outputs = tf.nn.relu(tf.compat.v1.nn.fused_batch_norm(outputs, ones, zeros)[0])
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
        return tape.gradient(loss, kernel)

    return lambda: gradient(kernel).numpy()
