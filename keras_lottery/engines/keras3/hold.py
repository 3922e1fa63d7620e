"""Hold zeros in a Keras 3 variable on each backend: whatever writes the variable, masked entries stay exactly
0."""

import functools
import weakref

import keras
from keras import ops

from . import private

_BACKEND = keras.backend.backend()
if _BACKEND == "jax":
    import jax
elif _BACKEND == "tensorflow":
    from ..masked import masked


class Hold:
    """Ties a variable to its mask (bool, True = kept). Also the variable's constraint, composed with the
    user's own.

    Every write goes through `assign`, which masks. TensorFlow's and PyTorch's optimizers write past it and
    then assign what the constraint gives, so that a constraint, even one that changes nothing, brings them
    here.
    """

    def __init__(self, variable, mask):
        self.variable, self.mask = variable, mask
        self.previous = variable.constraint
        self._entered = lambda: None  # the mask in the last stateless call
        self._assign = variable.assign
        variable.assign = self.assign
        variable.constraint = self
        if _BACKEND == "torch":
            variable.value._lottery_hold = self
        elif _BACKEND == "tensorflow":
            self._hold_parts()

    def __call__(self, value):
        return self.previous(value) if self.previous else value

    def assign(self, value):
        """As the variable's own assign, with the mask on the value."""
        if private.in_stateless_scope():
            return self._assign(self._kept_in_trace(value))
        if _BACKEND == "tensorflow":
            return self._assign(value)
        # While JAX trains, the variables are empty or given away; what comes back from the training is masked
        # already.
        mask = private.value(self.mask)
        away = mask is None or (_BACKEND == "jax" and mask.is_deleted())
        return self._assign(value if away else keep(self.mask.value, value, private.dtype(self.variable)))

    def _hold_parts(self):
        """Mask what is written to TensorFlow's variable, one a replica, itself: averaged weights at the end
        of fit."""
        for part in private.replicas(self.variable.value):
            part.assign = functools.partial(self._assign_part, part.assign)

    def _assign_part(self, assign, value, *args, **kwargs):
        return assign(keep(self.mask.value, value, private.dtype(self.variable)), *args, **kwargs)

    def enter(self):
        """In a stateless call, let the model see the masked value, so that gradients are masked as well."""
        scope = private.get_stateless_scope()
        value = scope.get_current_value(self.variable)
        if value is not None:
            mask = self.mask.value
            self._entered = weakref.ref(mask)
            scope.add_update((self.variable, keep(mask, value, value.dtype)))

    def _kept_in_trace(self, value):
        """With the mask of the call before, where both are of one trace: any other would be out of date in
        the next step."""
        mask = self._entered()
        if mask is None:
            mask = private.value(self.mask)
        if mask is None or _is_traced(value) and not _is_traced(mask):
            return value
        try:
            return keep(mask, value, private.dtype(self.variable))
        except Exception as error:
            if _BACKEND == "jax" and isinstance(error, jax.errors.UnexpectedTracerError):
                return value
            raise


def _is_traced(value):
    return _BACKEND == "jax" and isinstance(ops.convert_to_tensor(value), jax.core.Tracer)


def keep(mask, value, dtype):
    """`value` as a tensor, 0 where the mask is False."""
    value = ops.convert_to_tensor(value, dtype)
    if _BACKEND == "tensorflow":
        return masked(ops.convert_to_tensor(mask), value)
    return ops.where(mask, value, ops.zeros((), value.dtype))  # no product: NaN * 0 is NaN, and -1 * 0 is -0


def _after_torch_step(optimizer, args, kwargs):
    """PyTorch's own optimizers know no constraints."""
    import torch

    with torch.no_grad():
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                hold = getattr(parameter, "_lottery_hold", None)
                if hold is not None:
                    hold.variable.assign(parameter)


if _BACKEND == "torch":
    from torch.optim.optimizer import register_optimizer_step_post_hook

    register_optimizer_step_post_hook(_after_torch_step)
