"""One random example that means the same to every file with inputs of the same shapes, whatever their
dtypes."""

import numpy as np


def inputs(interpreters):
    """For each LiteRT interpreter a list of arrays, one for each of its inputs.

    Interpreters with the same input shapes get the same real numbers, which are normal. Where one of them is
    quantized, they are those that it holds exactly, and normal over the range it was calibrated for: numbers
    spread evenly over that range would overflow its later layers. Plain whole numbers are as `whole_numbers`
    gives them.
    """
    real = {}
    for interpreter in interpreters:
        for number, detail in enumerate(interpreter.get_input_details()):
            key = (shapes(interpreter), number)
            if key not in real or _whole(detail) and not real[key][0]:
                real[key] = _whole(detail), _draw(detail, number)
    return [
        [
            _as(detail, real[shapes(interpreter), number][1])
            for number, detail in enumerate(interpreter.get_input_details())
        ]
        for interpreter in interpreters
    ]


def outputs(interpreter):
    """The outputs of the last invocation as float64, dequantized."""
    return [
        dequantized(detail, interpreter.get_tensor(detail["index"]))
        for detail in interpreter.get_output_details()
    ]


def dequantized(detail, value):
    """The real numbers that a tensor's values stand for, as float64."""
    scale, zero = detail["quantization"]
    value = value.astype("float64")
    return (value - zero) * scale if scale else value


def largest_difference(values, others):
    """The largest absolute difference of two lists of arrays; None where shapes differ or a value is not
    finite."""
    if [value.shape for value in values] != [value.shape for value in others]:
        return None
    largest = max((float(np.abs(a - b).max(initial=0)) for a, b in zip(values, others)), default=0.0)
    return largest if np.isfinite(largest) else None


def shapes(interpreter):
    """The shapes of all inputs."""
    return tuple(tuple(int(size) for size in detail["shape"]) for detail in interpreter.get_input_details())


def takes_numbers(interpreter):
    return all(np.dtype(detail["dtype"]).kind in "fiub" for detail in interpreter.get_input_details())


def _whole(detail):
    return np.dtype(detail["dtype"]).kind in "iub"


def _draw(detail, number):
    rng, dtype = np.random.default_rng(number), np.dtype(detail["dtype"])
    if dtype.kind == "f":
        return rng.standard_normal(detail["shape"])
    if detail["quantization"][0]:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        whole = np.rint(rng.normal((low + high) / 2, (high - low) / 8, detail["shape"])).clip(low, high)
        return dequantized(detail, whole)
    return whole_numbers(rng, detail["shape"], dtype)


def whole_numbers(rng, shape, dtype):
    """Pixels, if that is what they may be; else 0 and 1, since of indices only the first two are sure to
    exist."""
    return rng.integers(256 if dtype == "uint8" and len(shape) == 4 else 2, size=shape).astype(dtype)


def _as(detail, real):
    dtype, (scale, zero) = np.dtype(detail["dtype"]), detail["quantization"]
    if dtype.kind not in "iu":
        return real.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(real / scale + zero if scale else real), limits.min, limits.max).astype(dtype)
