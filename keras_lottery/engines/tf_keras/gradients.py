"""The gradient of a loss in some weights, and how it changes along itself."""

import tensorflow as tf

from . import walk


def gradients(model, paths, x, y, loss):
    """(g, H g) of a plain tf_keras model, each {path: array}: the gradient in the weights at `paths`, and the
    Hessian times it.

    In training mode, of `loss` and the model's own losses. Under a strategy each replica takes the whole
    batch.
    """
    strategy = tf.distribute.get_strategy()
    found = strategy.run(_gradients, args=(model, paths, x, y, loss))
    return tuple(
        {path: strategy.experimental_local_results(value)[0].numpy() for path, value in each.items()}
        for each in found
    )


def _gradients(model, paths, x, y, loss):
    weights = {path: walk.variables(model)[path] for path in paths}
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            total = tf.reduce_mean(loss(y, model(x, training=True)))
            if model.losses:
                total += tf.add_n(model.losses)
        slope = inner.gradient(total, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        slope = {path: tf.convert_to_tensor(gradient) for path, gradient in slope.items()}
        along = tf.add_n(
            [tf.reduce_sum(gradient * tf.stop_gradient(gradient)) for gradient in slope.values()]
        )
    change = outer.gradient(along, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return slope, {path: tf.convert_to_tensor(gradient) for path, gradient in change.items()}
