"""The gradient of a loss in some weights, and how it changes along itself."""

import tensorflow as tf

from . import walk


def gradients(model, paths, x, y, loss):
    """(g, H g) of a plain tf_keras model, each {path: array}: the gradient in the weights at `paths`, and the Hessian times it.

    In training mode, of `loss` and the model's own losses.
    """
    weights = {path: walk.variables(model)[path] for path in paths}
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            total = tf.reduce_mean(loss(y, model(x, training=True)))
            if model.losses:
                total += tf.add_n(model.losses)
        slope = inner.gradient(total, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        slope = {path: tf.convert_to_tensor(gradient) for path, gradient in slope.items()}
        along = tf.add_n([tf.reduce_sum(gradient * tf.stop_gradient(gradient)) for gradient in slope.values()])
    change = outer.gradient(along, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return ({path: gradient.numpy() for path, gradient in slope.items()},
            {path: tf.convert_to_tensor(gradient).numpy() for path, gradient in change.items()})
