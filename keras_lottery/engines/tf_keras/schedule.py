"""The LotterySchedule as TF-MOT knows schedules."""

import tensorflow as tf

from ...core.schedule import LotterySchedule
from .legacy import tf_keras, tfmot

NAME = "LotterySchedule"


@tf_keras.utils.register_keras_serializable("keras_lottery", NAME)
class LotteryPruningSchedule(LotterySchedule, tfmot.sparsity.keras.PruningSchedule):
    """A LotterySchedule that is a TF-MOT PruningSchedule, in graphs as well."""

    @classmethod
    def of(cls, schedule):
        """The same rounds as a schedule of either kind."""
        return cls(**LotterySchedule.get_config(schedule))

    def __call__(self, step):
        """TF-MOT's contract: (prune before this step?, sparsity at this step) as tensors."""
        step, boundaries = tf.cast(step, tf.int64), tf.constant(self.boundaries, tf.int64)
        done = tf.reduce_sum(tf.cast(step >= boundaries, tf.int64))
        return tf.reduce_any(step == boundaries), tf.gather(
            tf.constant([0.0, *self.sparsities], tf.float32), done
        )

    def get_config(self):
        return {"class_name": f"keras_lottery>{NAME}", "config": super().get_config()}
