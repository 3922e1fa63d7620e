"""Gradients in some weights, and how that of a loss changes along itself, by each backend's own
differentiation."""

import keras
import numpy as np

from . import walk


def gradients(model, paths, x, y, loss):
    """(g, H g) of a plain Keras 3 model, each {path: array}: the gradient in the weights at `paths`, and the
    Hessian times it.

    In training mode, of `loss` and the model's own losses.
    """
    weights = [walk.variables(model)[path] for path in paths]
    x, y = keras.tree.map_structure(keras.ops.convert_to_tensor, (x, y))

    def total(values):
        with keras.StatelessScope(state_mapping=list(zip(weights, values)), collect_losses=True):
            return sum(model.losses, keras.ops.mean(loss(y, model(x, training=True))))

    derive = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    found = derive(total, [variable.value for variable in weights])
    return tuple(
        {path: np.array(keras.ops.convert_to_numpy(value)) for path, value in zip(paths, part)}
        for part in found
    )


def gradient(model, paths, batch, of=None):
    """{path: array}: the gradient of a scalar in the weights at `paths` of a plain Keras 3 model, which is
    called in inference mode.

    Args:
      batch: (x, ...), arrays or nests of these, or None.
      of: a function from the outputs and the batch to the scalar, tensors all of them; by default the sum of
        the outputs.
    """
    weights = [walk.variables(model)[path] for path in paths]
    batch = [
        None if part is None else keras.tree.map_structure(keras.ops.convert_to_tensor, part)
        for part in batch
    ]

    def total(values):
        with keras.StatelessScope(state_mapping=list(zip(weights, values)), collect_losses=True):
            outputs = model(batch[0], training=False)
            return of(outputs, *batch) if of else sum(map(keras.ops.sum, keras.tree.flatten(outputs)))

    derive = {"tensorflow": _tensorflow_slope, "jax": _jax_slope, "torch": _torch_slope}
    found = derive[keras.backend.backend()](total, [variable.value for variable in weights])
    return {path: np.array(keras.ops.convert_to_numpy(value)) for path, value in zip(paths, found)}


def _tensorflow_slope(total, values):
    import tensorflow as tf

    values = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = total(values)
    slope = tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.convert_to_tensor(gradient) for gradient in slope]


def _jax_slope(total, values):
    import jax

    return jax.grad(total)(values)


def _torch_slope(total, values):
    import torch

    values = [value.detach().requires_grad_() for value in values]
    return torch.autograd.grad(total(values), values, allow_unused=True, materialize_grads=True)


def _tensorflow(total, values):
    import tensorflow as tf

    values = [tf.convert_to_tensor(value) for value in values]
    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape() as outer:
        outer.watch(values)
        with tf.GradientTape() as inner:
            inner.watch(values)
            loss = total(values)
        slope = [
            tf.convert_to_tensor(gradient)
            for gradient in inner.gradient(loss, values, unconnected_gradients=zero)
        ]
        along = tf.add_n([tf.reduce_sum(gradient * tf.stop_gradient(gradient)) for gradient in slope])
    return slope, [
        tf.convert_to_tensor(gradient)
        for gradient in outer.gradient(along, values, unconnected_gradients=zero)
    ]


def _jax(total, values):
    import jax

    slope = jax.grad(total)(values)
    return slope, jax.jvp(jax.grad(total), (values,), (slope,))[1]


def _torch(total, values):
    import torch

    values = [value.detach().requires_grad_() for value in values]
    slope = torch.autograd.grad(
        total(values), values, create_graph=True, allow_unused=True, materialize_grads=True
    )
    along = sum((gradient * gradient.detach()).sum() for gradient in slope)
    return slope, torch.autograd.grad(along, values, allow_unused=True, materialize_grads=True)
