"""Hold zeros in a Keras 3 variable on each backend: whatever writes the variable, masked entries stay exactly 0."""

import weakref

import keras
from keras import ops
from keras.src.backend.common.stateless_scope import get_stateless_scope, in_stateless_scope

_BACKEND = keras.backend.backend()
if _BACKEND == "jax":
    import jax


class Hold:
    """Ties a variable to its mask (bool, True = kept). Also the variable's constraint, composed with the user's own.

    Every write goes through `assign`, which masks. TensorFlow's and PyTorch's optimizers write past it and
    then assign what the constraint gives, so that a constraint, even one that changes nothing, brings them here.
    """

    def __init__(self, variable, mask):
        self.variable, self.mask = variable, mask
        self.previous = variable.constraint
        self._traced = lambda: None
        self._assign = variable.assign
        variable.assign = self.assign
        variable.constraint = self
        if _BACKEND == "torch":
            variable.value._lottery_hold = self

    def __call__(self, value):
        return self.previous(value) if self.previous else value

    def assign(self, value):
        """As the variable's own assign, with the mask on the value."""
        if in_stateless_scope():
            return self._assign(self._kept_in_trace(value))
        # While JAX trains, the variables are empty or given away; what comes back from the training is masked already.
        mask = self.mask._value
        away = mask is None or (_BACKEND == "jax" and mask.is_deleted())
        return self._assign(value if away else _keep(self.mask.value, value, self.variable.dtype))

    def enter(self):
        """In a stateless call, let the model see the masked value, so that gradients are masked as well."""
        scope = get_stateless_scope()
        value = scope.get_current_value(self.variable)
        if value is not None:
            mask = self.mask.value
            if _BACKEND == "jax" and isinstance(mask, jax.core.Tracer):
                self._traced = weakref.ref(mask)
            scope.add_update((self.variable, _keep(mask, value, value.dtype)))

    def _kept_in_trace(self, value):
        """With the mask that the call before had, if it was in the same trace: any other would be out of date."""
        mask = self._traced()
        if mask is None and _BACKEND == "jax" and isinstance(ops.convert_to_tensor(value), jax.core.Tracer):
            return value
        try:
            return _keep(self.mask.value if mask is None else mask, value, self.variable.dtype)
        except Exception as error:
            if _BACKEND == "jax" and isinstance(error, jax.errors.UnexpectedTracerError):
                return value
            raise


def _keep(mask, value, dtype):
    # Not a product: NaN * 0 is NaN, and -1 * 0 is -0.
    value = ops.convert_to_tensor(value, dtype)
    return ops.where(mask, value, ops.zeros_like(value))


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
