"""What Keras counts to one by one while it makes a model, so that a short text would keep it for hours."""

from ..core.errors import LotteryError

MOST = 4096  # of anything that is counted by a setting
LAYERS = 5000  # NASNetLarge has about 1,000
_PARTS = ("indices_or_sections", "num_or_size_splits")  # as a number; in a list they say where
_SPLITS = "Split ArraySplit Hsplit Vsplit Dsplit"
_OF = {
    **dict.fromkeys("UpSampling1D UpSampling2D UpSampling3D".split(), ("size",)),
    **dict.fromkeys(_SPLITS.split(), _PARTS),
    "TextVectorization": ("ngrams",),
    "SpectralNormalization": ("power_iterations",),
    "AugMix": ("num_chains", "chain_depth"),
    "RandAugment": ("num_ops",),
    "Equalization": ("bins",),
    "Unstack": ("num",),
    # TensorFlow's functions, which are told in a layer's calls.
    "split": _PARTS,
    "unstack": ("num",),
    "dynamic_partition": ("num_partitions",),
    "keras.backend.repeat_elements": ("rep",),
    "keras.backend.resize_volumes": ("depth_factor", "height_factor", "width_factor"),
}


def check_loops(entry):
    """Raises LotteryError for an entry of a layer or operation that tells a count above any model's."""
    config = entry.get("config")
    if not isinstance(config, dict):
        return
    function = config.get("function")
    kind = function.removeprefix("compat.v1.") if isinstance(function, str) else entry["class_name"]
    for key, value in _told(entry if kind in _OF else {}):
        if key in _OF[kind]:
            most = max(
                _numbers(value) if key not in _PARTS else [value] if type(value) is int else [0], default=0
            )
            if most > MOST:
                raise LotteryError(f"it holds {kind} with {key}={most}, more than any model's")


def check_layers(count):
    """Raises LotteryError for more layers than any model has."""
    if count > LAYERS:
        raise LotteryError(f"it holds {count:,} layers, more than any model")


def _told(entry):
    """(name, value) of each setting in an entry, at any depth."""
    stack = [entry]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield from value.items()
            stack += value.values()
        elif isinstance(value, list):
            stack += value


def _numbers(value):
    """The whole numbers in a JSON value."""
    stack, found = [value], []
    while stack:
        value = stack.pop()
        if type(value) is int:
            found.append(value)
        stack += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return found
