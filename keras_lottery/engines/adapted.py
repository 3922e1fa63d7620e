"""Preprocessing layers that learnt from data what neither their config nor their weights hold."""

from ..core.errors import LotteryError
from . import private


def check_none_adapted(model):
    """Raises LotteryError for a layer of `model`, of either Keras, whose vocabulary or bins a copy would
    lose."""
    for layer in private.flat_layers(model):
        lookup = private.lookup(layer)
        if (
            _is(layer, "Discretization")
            and layer.num_bins is not None
            or _is(lookup, "IndexLookup")
            and lookup.input_vocabulary is None
        ):
            raise LotteryError(
                f"{layer.name!r} is a {type(layer).__name__} that learnt by adapt() what a copy of it "
                "would not know: move it into the data pipeline, or give its constructor what it learnt, "
                "as vocabulary=layer.get_vocabulary() or bin_boundaries=layer.bin_boundaries."
            )


def _is(layer, name):
    """Whether this is one of Keras' layers of that class: Keras does not show them all."""
    return any(
        kind.__name__ == name and kind.__module__.startswith(("keras.", "tf_keras."))
        for kind in type(layer).__mro__
    )
