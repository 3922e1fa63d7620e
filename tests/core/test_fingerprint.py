"""What tells data apart: values, order, shape, dtype and the names in dicts."""

import numpy as np

from keras_lottery.core.fingerprint import fingerprint

ZEROS = np.zeros((2, 3), "float32")


def test_any_difference_is_another_fingerprint():
    others = [
        ZEROS,
        ZEROS.T,
        ZEROS.ravel(),
        ZEROS.astype("float64"),
        np.zeros((2, 6), "float16"),  # as many bytes
        ZEROS + np.eye(2, 3, dtype="float32"),
        [ZEROS, ZEROS],
        np.array([["a", None]], object),
    ]
    assert len({fingerprint(one) for one in others}) == len(others)
    assert fingerprint(ZEROS) != fingerprint(ZEROS, "shuffled")


def test_the_same_in_another_place_is_the_same():
    assert fingerprint({"b": ZEROS, "a": ZEROS + 1}) == fingerprint({"a": ZEROS + 1, "b": ZEROS})
    assert fingerprint(np.asfortranarray(ZEROS)) == fingerprint(ZEROS)
