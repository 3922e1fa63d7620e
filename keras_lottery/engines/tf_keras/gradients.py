"""Gradients in some weights, and how that of a loss changes along itself."""

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


def gradient(model, paths, batch, of=None):
    """{path: array}: the gradient of a scalar in the weights at `paths` of a plain tf_keras model, which is
    called in inference mode.

    Args:
      batch: (x, ...), arrays or nests of these, or None.
      of: a function from the outputs and the batch to the scalar, tensors all of them; by default the sum of
        the outputs.
    """
    weights = {path: walk.variables(model)[path] for path in paths}
    batch = [None if part is None else tf.nest.map_structure(tf.convert_to_tensor, part) for part in batch]
    with tf.GradientTape() as tape:
        outputs = model(batch[0], training=False)
        total = of(outputs, *batch) if of else tf.add_n([tf.reduce_sum(o) for o in tf.nest.flatten(outputs)])
    slope = tape.gradient(total, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return {path: tf.convert_to_tensor(value).numpy() for path, value in slope.items()}


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
