"""The model of a ticket, built from its architecture and given its masks and weights."""

import warnings

from .. import engines
from ..architecture import kind, translate
from ..architecture.trust import check_depth
from ..core.errors import LotteryError
from ..engines.sizes import check_sizes
from .anew import drawn_anew


def as_built_by(keras, ticket):
    """(engine, the ticket's architecture in its form) for "tf_keras", "keras", or None: the Keras that it is
    of.

    Raises:
      LotteryError: the architecture holds what no file may, cannot be built, or has other weights than the
        ticket.
    """
    check_depth(ticket.architecture)
    engine = engines.engine_of(keras or kind(ticket.architecture))
    architecture = translate(ticket.architecture, engine.keras.__name__)
    most = sum(value.size * max(value.itemsize, 4) for value in ticket.weights.values())
    check_sizes(engine.shapes(architecture, most), ticket.weights)
    return engine, architecture


def assemble(engine, architecture, masks, values, new=(), *, draw=False, pruned_by):
    """The handle of a wrapped model of `architecture` with `masks` and `values`, newly drawn at the paths
    `new`, and with `draw` wherever it trains."""
    handle = engines.of(engine.build(architecture))
    shapes = {path: tuple(variable.shape) for path, variable in handle.variables().items()}
    given = {path: array.shape for path, array in {**masks, **values}.items()}
    needed = {path: shape for path, shape in shapes.items() if path in given or path not in new}
    for path in sorted({*given, *needed}):
        if given.get(path) != needed.get(path):
            raise LotteryError(
                f"the ticket's architecture does not fit its weights: {path!r} is {needed.get(path)} in "
                f"the one, {given.get(path)} in the other."
            )
    drawn = drawn_anew(handle)
    if stuck := sorted({*new} & shapes.keys() - drawn):
        warnings.warn(
            f"{', '.join(stuck)} is newly drawn, and frozen as in the ticket, so it stays untrained.",
            stacklevel=3,
        )
    if draw:
        values = {path: value for path, value in values.items() if path not in drawn}
    wrapped = handle.on(handle.wrap_paths(list(masks), **pruned_by))
    wrapped.set_masks(masks)
    wrapped.load_state({**wrapped.values(), **values})
    return wrapped
