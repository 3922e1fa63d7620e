"""One backend for all tests. TensorFlow gets two CPU devices, so that a replica can be more than one."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import world

if world.BACKEND == "tensorflow":
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.fixture(autouse=True)
def fresh_keras():
    """Each test starts from the same seeds, names and precision."""
    world.keras.backend.clear_session()
    world.keras.utils.set_random_seed(0)
    yield
    world.set_policy("float32")
