"""Precisions that models compute in."""


def is_other(dtype):
    """Whether a dtype, policy or the config of one is of 16 or 64 bits, which files do not compute in.

    >>> is_other("mixed_bfloat16"), is_other("float32")
    (True, False)
    """
    return any(kind in str(dtype) for kind in ("float16", "float64"))
