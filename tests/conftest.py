"""One backend for all tests. TensorFlow gets two CPU devices, so that a replica can be more than one."""

import gc
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# XLA's time goes into compiling, of which small models need little, and the same thing never twice.
COMPILED = tempfile.TemporaryDirectory(prefix="lottery_compiled_")
for name, value in {
    "JAX_COMPILATION_CACHE_DIR": COMPILED.name,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false",
}.items():
    os.environ.setdefault(name, value)

import pytest


def pytest_configure(config):
    """Import Keras where tests run, which is not the process that hands them out to others."""
    if not config.getoption("numprocesses", None):
        import world

        if world.BACKEND == "tensorflow":
            import tensorflow as tf

            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
            )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as `matrix` the cases of a test that its mark quick(case, ...) does not name: make test-all runs
    them."""
    cases = {}
    for item in items:
        for mark in item.iter_markers("quick"):
            is_quick = getattr(getattr(item, "callspec", None), "id", None) in mark.args
            cases.setdefault((item.path, item.originalname, mark.args), []).append(is_quick)
            if not is_quick:
                item.add_marker("matrix")
    for (path, name, quick), found in cases.items():
        if quick and len(found) > 1 and not any(found):
            raise pytest.UsageError(f"{path}: {name} has no case that is called {' or '.join(quick)}")


@pytest.fixture(autouse=True)
def fresh_keras():
    """Each test starts from the same seeds, names and precision."""
    import world

    world.keras.backend.clear_session(**{"free_memory": False} if world.KERAS3 else {})
    # what imports and earlier tests left is not searched at each of Keras' and TFLite's collections
    gc.freeze()
    world.keras.utils.set_random_seed(0)
    yield
    world.set_policy("float32")
    if not world.KERAS3:  # what a command's --seed turns on
        world.keras.backend.experimental.disable_tf_random_generator()
