"""A weight with zeros where its mask says so, in TensorFlow, for both engines."""

import tensorflow as tf


def masked(mask, value):
    """`value` where the bool tensor `mask` is True, else exactly 0; both of one shape.

    Not a product: NaN * 0 is NaN, -1 * 0 is -0, and denormal numbers become 0. Nor tf.where with a scalar,
      whose
    broadcasting is slow: where the mask is False, the mask as numbers is the 0 that is to be taken.
    """
    mask, value = tf.convert_to_tensor(mask), tf.convert_to_tensor(value)
    with tf.control_dependencies([value]):  # or all zeros of a step would be made when it begins, and kept
        zeros = tf.cast(mask, value.dtype)
    return tf.raw_ops.Select(condition=mask, x=value, y=zeros)
