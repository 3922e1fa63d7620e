"""The learning rate of a rewound round: that of the rewind step, while the optimizer counts its own steps
from 0."""

import tensorflow as tf

from ...core.errors import LotteryError
from ..shifting import Shifting, is_shiftable, parts, rate, schedule_variables
from . import private
from .legacy import tf_keras

_SCHEDULE = tf_keras.optimizers.schedules.LearningRateSchedule


@tf_keras.utils.register_keras_serializable("keras_lottery")
class Shifted(Shifting, _SCHEDULE):
    """A schedule of tf_keras read ahead; see `Shifting`."""

    schedules = tf_keras.optimizers.schedules

    def __call__(self, step):
        step = tf.convert_to_tensor(step)
        return self.schedule(step + tf.cast(self.shift, step.dtype))


# In the files of legacy optimizers classes have no package.
tf_keras.utils.get_custom_objects()[Shifted.__name__] = Shifted


def make_shiftable(model):
    """Let `shift_rate` move the learning rate's schedule, by a variable that the optimizer owns.

    Raises:
      LotteryError: a legacy optimizer with decay, which reads its own count of steps.
    """
    with model.distribute_strategy.scope():
        for optimizer in parts(model.optimizer):
            if private.decay(optimizer) > 0:
                raise LotteryError(
                    f"{type(optimizer).__name__}(decay=...) reads the optimizer's count of steps, which "
                    "starts anew with each round: give "
                    "learning_rate=tf_keras.optimizers.schedules.InverseTimeDecay(...), or rewind='init'."
                )
            schedule = rate(optimizer)
            if not isinstance(schedule, _SCHEDULE) or is_shiftable(schedule):
                continue
            plain, shift = (
                (schedule.schedule, schedule.shift) if isinstance(schedule, Shifted) else (schedule, 0)
            )
            # Tracked as a part, but none of its `variables`: a file must hold as many as a new optimizer has.
            first = tf.VariableAggregation.ONLY_FIRST_REPLICA
            optimizer._shift = tf.Variable(shift, trainable=False, dtype=tf.int64, aggregation=first)
            optimizer.learning_rate = Shifted(plain, optimizer._shift)


def shift_rate(model, step):
    """Let the learning rate's schedule read `step` more than the optimizer has counted."""
    for optimizer in parts(model.optimizer):
        if isinstance(rate(optimizer), Shifted):
            rate(optimizer).shift.assign(step)
            private.show_rate(optimizer, rate(optimizer)(optimizer.iterations))


def rates(model):
    """The learning rates that are no schedules, and what schedules hold in variables, which callbacks may
    have changed: arrays."""
    return [variable.numpy() for variable in _rate_variables(model)]


def load_rates(model, arrays):
    """Assign arrays as `rates` gave them."""
    for variable, value in zip(_rate_variables(model), arrays, strict=True):
        variable.assign(value)


def _rate_variables(model):
    held = [held for held in map(rate, parts(model.optimizer)) if isinstance(held, tf.Variable)]
    return held + schedule_variables(model.optimizer, tf.Variable)
