"""Learning-rate schedules that are read some steps ahead, for the rounds that rewind to a later step than the
first."""

import contextlib

from . import private
from .configs import optimizers


class Shifting:
    """What `Shifted`, an engine's learning-rate schedule read `shift` steps ahead of the optimizer's count,
    has of either Keras.

    Args:
      schedule: a LearningRateSchedule.
      shift: steps, an int or an integer variable.
    """

    schedules = None  # the Keras' module of schedules

    def __init__(self, schedule, shift=0):
        super().__init__()
        self.schedule, self.shift = schedule, shift

    def get_config(self):
        return {"schedule": self.schedules.serialize(self.schedule), "shift": int(self.shift)}

    @classmethod
    def from_config(cls, config):
        return cls(cls.schedules.deserialize(config["schedule"]), config["shift"])


def is_shiftable(schedule):
    """Whether a schedule is one of ours that a variable moves; one that a file gave back has a number
    there."""
    return isinstance(schedule, Shifting) and not isinstance(schedule.shift, int)


def parts(optimizer):
    """The optimizers that take steps, those below loss scaling."""
    return [part for part in optimizers(optimizer) if not hasattr(part, "inner_optimizer")]


def rate(optimizer):
    """The learning rate as an optimizer holds it: a variable, a schedule or a function."""
    held = private.settings(optimizer)
    return private.rate(optimizer) if held is None else held.get("learning_rate")


def schedule_variables(optimizer, kind):
    """The variables, of class `kind`, in the attributes of schedules, such as a factor that a callback
    lowers."""
    schedules = [
        held.schedule if isinstance(held, Shifting) else held for held in map(rate, parts(optimizer))
    ]
    attributes = [vars(held).values() for held in schedules if callable(held) and hasattr(held, "__dict__")]
    return [value for values in attributes for value in values if isinstance(value, kind)]


@contextlib.contextmanager
def unshifted(optimizer):
    """Within it the optimizer has the schedules that the user gave, for its config to be read."""
    shifted = [(part, rate(part)) for part in parts(optimizer) if isinstance(rate(part), Shifting)]
    for part, ahead in shifted:
        part.learning_rate = ahead.schedule
    try:
        yield
    finally:
        for part, ahead in shifted:
            part.learning_rate = ahead
