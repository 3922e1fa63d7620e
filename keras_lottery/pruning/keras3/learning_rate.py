"""The learning rate of a rewound round: that of the rewind step, while the optimizer counts its own steps from 0."""

import contextlib

import keras

from ..configs import optimizers
from .state import array, synchronise

_SCHEDULE = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("keras_lottery")
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
        step = keras.ops.convert_to_tensor(step)
        return self.schedule(step + keras.ops.cast(keras.ops.convert_to_tensor(self.shift), step.dtype))

    def get_config(self):
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "shift": int(array(self.shift))}

    @classmethod
    def from_config(cls, config):
        return cls(keras.optimizers.schedules.deserialize(config["schedule"]), config["shift"])


def make_shiftable(model):
    """Let `shift_rate` move the learning rate's schedule, by a variable that the optimizer owns.

    JAX would take any other variable as it is when the step is traced.
    """
    for optimizer in _parts(model.optimizer):
        schedule = optimizer._learning_rate
        if isinstance(schedule, _SCHEDULE) and isinstance(getattr(schedule, "shift", 0), int):
            shift = optimizer.add_variable((), dtype="int32", name="shift", aggregation="only_first_replica")
            optimizer._shift = shift
            if isinstance(schedule, Shifted):  # of a file
                shift.assign(schedule.shift)
                schedule = schedule.schedule
            optimizer.learning_rate = Shifted(schedule, shift)
    for optimizer in optimizers(model.optimizer):
        _keep_shifts_out_of_files(optimizer)


def shift_rate(model, step):
    """Let the learning rate's schedule read `step` more than the optimizer has counted."""
    synchronise(model)
    for optimizer in _parts(model.optimizer):
        if isinstance(optimizer._learning_rate, Shifted):
            optimizer._learning_rate.shift.assign(step)


def rates(model):
    """The learning rates that are no schedules, which callbacks may have changed: arrays."""
    synchronise(model)
    return [array(variable) for variable in _rate_variables(model)]


def load_rates(model, arrays):
    """Assign arrays as `rates` gave them."""
    synchronise(model)
    for variable, value in zip(_rate_variables(model), arrays, strict=True):
        variable.assign(value)


@contextlib.contextmanager
def unshifted(optimizer):
    """Within it the optimizer has the schedules that the user gave, for its config to be read."""
    shifted = [plain for plain in _parts(optimizer) if isinstance(plain._learning_rate, Shifted)]
    rates = [plain._learning_rate for plain in shifted]
    for plain, rate in zip(shifted, rates):
        plain.learning_rate = rate.schedule
    try:
        yield
    finally:
        for plain, rate in zip(shifted, rates):
            plain.learning_rate = rate


def _keep_shifts_out_of_files(optimizer):
    """Let files hold the variables that an optimizer made of its config has, which tells the shift itself."""
    load = type(optimizer).load_own_variables

    def in_files():
        shifts = {id(part._shift) for part in _parts(optimizer) if hasattr(part, "_shift")}
        return [variable for variable in optimizer.variables if id(variable) not in shifts]

    def save_own_variables(store):
        for n, variable in enumerate(in_files()):
            store[str(n)] = array(variable)

    def load_own_variables(store):
        if len(store.keys()) != len(in_files()):
            return load(optimizer, store)  # which says so
        for n, variable in enumerate(in_files()):
            variable.assign(store[str(n)])

    optimizer.save_own_variables, optimizer.load_own_variables = save_own_variables, load_own_variables


def _parts(optimizer):
    """The optimizers that take steps, those below loss scaling."""
    return [part for part in optimizers(optimizer) if not hasattr(part, "inner_optimizer")]


def _rate_variables(model):
    found = [optimizer._learning_rate for optimizer in _parts(model.optimizer)]
    return [rate for rate in found if isinstance(rate, keras.Variable)]
