"""The learning rate of a rewound round: that of the rewind step, while the optimizer counts its own steps from 0."""

import contextlib

import tensorflow as tf

from ...errors import LotteryError
from ..configs import optimizers
from .legacy import tf_keras

_SCHEDULE = tf_keras.optimizers.schedules.LearningRateSchedule


@tf_keras.utils.register_keras_serializable("keras_lottery")
class Shifted(_SCHEDULE):
    """A learning-rate schedule read `shift` steps ahead of the optimizer's count.

    Args:
      schedule: a LearningRateSchedule.
      shift: steps, an int or an integer variable.
    """

    def __init__(self, schedule, shift=0):
        super().__init__()
        self.schedule, self.shift = schedule, shift

    def __call__(self, step):
        step = tf.convert_to_tensor(step)
        return self.schedule(step + tf.cast(self.shift, step.dtype))

    def get_config(self):
        schedule = tf_keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "shift": int(self.shift)}

    @classmethod
    def from_config(cls, config):
        return cls(tf_keras.optimizers.schedules.deserialize(config["schedule"]), config["shift"])


# In the files of legacy optimizers classes have no package.
tf_keras.utils.get_custom_objects()[Shifted.__name__] = Shifted


def make_shiftable(model):
    """Let `shift_rate` move the learning rate's schedule, by a variable that the optimizer owns.

    Raises:
      LotteryError: a legacy optimizer with decay, which reads its own count of steps.
    """
    with model.distribute_strategy.scope():
        for optimizer in _parts(model.optimizer):
            if getattr(optimizer, "_initial_decay", 0.0) > 0:
                raise LotteryError(f"{type(optimizer).__name__}(decay=...) reads the optimizer's count of steps, which starts anew with each round: "
                                   "give learning_rate=tf_keras.optimizers.schedules.InverseTimeDecay(...), or rewind='init'.")
            schedule = _rate(optimizer)
            if isinstance(schedule, Shifted) and not isinstance(schedule.shift, int):
                continue
            if isinstance(schedule, _SCHEDULE):
                shift = schedule.shift if isinstance(schedule, Shifted) else 0
                # Tracked as a part, but none of its `variables`: a file must hold as many as a new optimizer has.
                first = tf.VariableAggregation.ONLY_FIRST_REPLICA
                optimizer._shift = tf.Variable(shift, trainable=False, dtype=tf.int64, aggregation=first)
                optimizer.learning_rate = Shifted(_inner(schedule), optimizer._shift)


def shift_rate(model, step):
    """Let the learning rate's schedule read `step` more than the optimizer has counted."""
    for optimizer in _parts(model.optimizer):
        if isinstance(_rate(optimizer), Shifted):
            _rate(optimizer).shift.assign(step)
            if hasattr(optimizer, "_current_learning_rate"):  # what `optimizer.learning_rate` shows until the next step
                optimizer._current_learning_rate.assign(_rate(optimizer)(optimizer.iterations))


def rates(model):
    """The learning rates that are no schedules, which callbacks may have changed: arrays."""
    return [variable.numpy() for variable in _rate_variables(model)]


def load_rates(model, arrays):
    """Assign arrays as `rates` gave them."""
    for variable, value in zip(_rate_variables(model), arrays, strict=True):
        variable.assign(value)


@contextlib.contextmanager
def unshifted(optimizer):
    """Within it the optimizer has the schedule that the user gave, for its config to be read."""
    shifted = [(part, _rate(part)) for part in _parts(optimizer) if isinstance(_rate(part), Shifted)]
    for part, rate in shifted:
        part.learning_rate = rate.schedule
    try:
        yield
    finally:
        for part, rate in shifted:
            part.learning_rate = rate


def _parts(optimizer):
    """The optimizers that take steps, those below loss scaling."""
    return [part for part in optimizers(optimizer) if not hasattr(part, "inner_optimizer")]


def _is_legacy(optimizer):
    return isinstance(optimizer, tf_keras.optimizers.legacy.Optimizer)


def _rate(optimizer):
    return optimizer._hyper.get("learning_rate") if _is_legacy(optimizer) else getattr(optimizer, "_learning_rate", None)


def _inner(schedule):
    return schedule.schedule if isinstance(schedule, Shifted) else schedule


def _rate_variables(model):
    return [rate for rate in map(_rate, _parts(model.optimizer)) if isinstance(rate, tf.Variable)]
