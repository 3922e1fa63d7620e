"""Where to train: one device, all devices of this machine, several machines or a TPU."""

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import socket
import sys
from urllib.parse import urlsplit

from .. import engines
from ..config import BACKENDS
from ..core import team
from ..core.checks import known
from ..core.errors import LotteryError

TPU_PORT, ANSWERS = 8470, 20.0  # where a TPU's machine listens; seconds it has to answer


def place(strategy, backend, tpu=None):
    """Make a backend's operations repeatable; a function that gives the scope to build and train in.

    Call it before TensorFlow computes anything.

    Args:
      strategy: "none"; "mirrored" for all devices of this machine; "multiworker" for the
        machines that the environment variable TF_CONFIG names, each of which runs the
        same command; "tpu".
      tpu: with "tpu" its name or address, "local" for one of this machine.

    Raises:
      LotteryError: a strategy that the backend does not have, no TF_CONFIG or one that is
        damaged, a TPU that is not found.

    Source: tensorflow.org/guide/distributed_training and tensorflow.org/guide/tpu.
    """
    if tpu and strategy != "tpu":
        raise LotteryError(
            f"tpu={tpu!r} is for strategy='tpu', not {strategy!r}: choose that, or leave it out."
        )
    if strategy in ("multiworker", "tpu") and backend != "tf_keras":
        raise LotteryError(
            f"strategy={strategy!r} is for backend='tf_keras', not {backend!r}: choose that, or "
            "strategy='mirrored'."
        )
    if backend == "jax":
        import keras

        # The data come from TensorFlow, whose devices are not what is trained on.
        keras.distribution.set_distribution(
            keras.distribution.DataParallel() if strategy == "mirrored" else None
        )
        return contextlib.nullcontext
    if backend == "torch":
        if strategy == "mirrored":
            raise LotteryError(
                "strategy='mirrored' is not there for backend='torch': choose 'none' or another backend."
            )
        return contextlib.nullcontext
    import tensorflow as tf

    made = _MAKERS[strategy](tf, tpu)  # first, since workers join before anything is computed
    tf.config.experimental.enable_op_determinism()
    if backend == "tf_keras":
        # Random layers then keep their state in generators, which a resumed run restores.
        engine(backend).keras.backend.experimental.enable_tf_random_generator()
    return made.scope


def check_batches(loaded, more=None):
    """Raises LotteryError if JAX's devices cannot share each batch evenly, as they must.

    Args:
      loaded: a `data.Data`.
      more: {what else is served in batches of its size: how many examples}.
    """
    keras = sys.modules.get("keras")
    shared = keras and keras.distribution.distribution()
    if not shared:
        return
    devices, size = shared.device_mesh.shape[0], loaded.settings["batch_size"]
    sizes = {
        "a batch": min(size, loaded.sizes["train"]),
        **{
            f"the last batch of {part}": count % size
            for part, count in {**loaded.sizes, **(more or {})}.items()
            if part != "train"
        },
    }
    for which, examples in sizes.items():
        if examples % devices:
            raise LotteryError(
                f"strategy='mirrored' with backend='jax': {devices} devices cannot share {which} evenly, "
                f"of {examples} examples: choose sizes that {devices} divides, or backend='tf_keras', "
                "whose devices can."
            )


def _none(tf, tpu):
    return tf.distribute.get_strategy()


def _mirrored(tf, tpu):
    gpus, cpus = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
    # Collective operations, the default on CPUs, break on the second strategy of a process.
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(
        [device.name for device in gpus or cpus], cross_device_ops=reduction
    )


def _multiworker(tf, tpu):
    chief = _is_chief()
    strategy = tf.distribute.MultiWorkerMirroredStrategy()

    @tf.function
    def meet():
        return strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0)), axis=None)

    team.join(chief, meet)
    if not chief:  # one process tells how it goes
        sys.stdout = open(os.devnull, "w")
    return strategy


def is_of_lost_worker(error):
    """Whether an error came since another worker stopped: this one's TensorFlow cannot go on, a new process
    can."""
    if not team.is_joined():
        return False
    import tensorflow as tf

    return isinstance(
        error, (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError)
    )


def _is_chief():
    """Whether TF_CONFIG makes this process the chief: the task of that type, else the first worker.

    Raises:
      LotteryError: it is missing or names no task of its cluster that trains.
    """
    workers = '"worker": ["host1:12345", "host2:12345"]'
    example = f"""TF_CONFIG='{{"cluster": {{{workers}}}, "task": {{"type": "worker", "index": 0}}}}'"""
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        cluster, kind, index = config["cluster"], config["task"]["type"], int(config["task"]["index"])
        cluster[kind][index]
        if index < 0 or kind not in ("chief", "worker"):
            raise ValueError(index, kind)
    except (KeyError, ValueError, TypeError, IndexError):
        said = (
            "is not set"
            if "TF_CONFIG" not in os.environ
            else "does not name a worker or the chief of its cluster"
        )
        raise LotteryError(
            f"strategy='multiworker': the environment variable TF_CONFIG {said}. Give each machine its "
            f"own, such as {example}."
        ) from None
    return kind == "chief" if "chief" in cluster else (kind, index) == ("worker", 0)


def _tpu(tf, tpu):
    try:
        if tpu and tpu.startswith("grpc://"):  # TensorFlow would wait for a machine that does not answer
            address = urlsplit(tpu)
            socket.create_connection((address.hostname, address.port or TPU_PORT), timeout=ANSWERS).close()
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=tpu or "local")
        if tpu not in (None, "local"):
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, OSError, tf.errors.OpError) as error:
        said = str(error).strip().partition("\n")[0].rstrip(".")[:200]
        raise LotteryError(
            f"no TPU at {tpu or 'local'!r}: {said}. Give its name, as tpu='NAME', on a machine that "
            "reaches it."
        ) from error


_MAKERS = {"none": _none, "mirrored": _mirrored, "multiworker": _multiworker, "tpu": _tpu}


def choose_backend(name="auto"):
    """The backend to train with; Keras 3 is told, so call it before Keras is imported.

    Args:
      name: "tf_keras", or "tensorflow", "jax" or "torch" for Keras 3 on it. "auto" is
        tf_keras, which is the fastest on processors (benchmarks/backends.py), unless
        only JAX has an accelerator or TensorFlow is not installed.

    Raises:
      LotteryError: unknown name, not installed, or Keras 3 is on another backend already.
    """
    known("backend", name, BACKENDS)
    if name == "auto":
        name = _fastest()
    package = "tensorflow" if name == "tf_keras" else name
    if not importlib.util.find_spec(package):
        raise LotteryError(
            f"backend={name!r} needs the package {package!r}, which is not installed: pip install {package}."
        )
    if name != "tf_keras":
        keras = sys.modules.get("keras")
        if keras is not None and keras.backend.backend() != name:
            raise LotteryError(
                f"backend={name!r}: Keras runs on {keras.backend.backend()} in this process already: start "
                f"Python with the environment variable KERAS_BACKEND={name}."
            )
        os.environ["KERAS_BACKEND"] = name
    return name


def _fastest():
    if not importlib.util.find_spec("tensorflow"):
        return "jax" if importlib.util.find_spec("jax") else "torch"
    if importlib.metadata.entry_points(group="jax_plugins"):  # JAX's accelerators
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            return "jax"
    return "tf_keras"


def kind(backend):
    """The Keras of a backend: "tf_keras" or "keras"."""
    return "tf_keras" if backend == "tf_keras" else "keras"


def engine(backend):
    """The engine of a backend's Keras."""
    return engines.engine_of(kind(backend))
