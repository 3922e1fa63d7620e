"""Hold zeros: whatever writes a weight or its mask, masked entries stay exactly 0."""

import weakref

import numpy as np
import tensorflow as tf

from ..masked import masked
from . import private


class Hold:
    """A constraint that composes the user's own with a mask (True = kept).

    Keras optimizers apply a variable's constraint after each update, so no optimizer,
    weight decay or stale momentum can revive a masked weight.
    """

    def __init__(self, mask, previous):
        self.mask = mask
        self.previous = previous
        self.cut = None  # the last array of which the mask took something
        self.kept = None  # the last masked value, in the graph of a train step

    def __call__(self, value):
        kept = self.keep(self.previous(value) if self.previous else value)
        self.kept = weakref.ref(kept) if tf.is_symbolic_tensor(kept) else None
        return kept

    def has_kept(self, value):
        """Whether `value` is what an optimizer got from this constraint, and need not be masked again."""
        return self.kept is not None and self.kept() is value

    def keep(self, value):
        return masked(self.mask, value)


def hold(variable, mask):
    """Keep `variable` at 0 where the bool variable `mask` is False, from now on.

    The constraint covers optimizer updates; every other write (set_weights, loading, the
    moving averages that an optimizer writes back at the end of fit) goes through `assign`,
    which masks as well. Attach before a train function is traced.
    """
    constraint = Hold(mask, variable.constraint)
    for part in _parts(variable):
        private.set_constraint(part, constraint)
        if not list(private.inner(part)):
            _mask_assign(part, constraint)
    _follow_mask(variable, constraint)


def is_held(variable):
    """Whether `hold` was called with this variable."""
    return isinstance(private.constraint(variable), Hold)


def _mask_assign(variable, constraint):
    assign = variable.assign

    def masked_assign(value, *args, **kwargs):
        kept = (
            value
            if constraint.has_kept(value)
            else constraint.keep(tf.convert_to_tensor(value, variable.dtype))
        )
        if isinstance(value, np.ndarray) and tf.executing_eagerly():
            constraint.cut = value if (kept.numpy() != value).any() else None
        return assign(kept, *args, **kwargs)

    variable.assign = masked_assign


def _follow_mask(variable, constraint):
    """Mask the weight whenever its mask is set.

    Some loaders write a weight before its mask. What the old mask cut from it then comes back,
    if nothing was written since.
    """
    assign = constraint.mask.assign

    def assign_and_mask(value, *args, **kwargs):
        cut = constraint.cut
        back = (
            cut is not None
            and tf.executing_eagerly()
            and (variable.numpy() == constraint.keep(cut).numpy()).all()
        )
        result = assign(value, *args, **kwargs)
        variable.assign(cut if back else variable)
        return result

    constraint.mask.assign = assign_and_mask


def _parts(variable):
    """The variable and all it is made of: autocast's inner one, one for each replica."""
    yield variable
    for inner in private.inner(variable):
        yield from _parts(inner)
