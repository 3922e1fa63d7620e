"""The learning rate of a rewound round: that of the rewind step, while the optimizer counts its own steps
from 0."""

import keras

from ..configs import optimizers
from ..shifting import Shifting, is_shiftable, parts, rate, schedule_variables
from .state import array, synchronise

_SCHEDULE = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("keras_lottery")
class Shifted(Shifting, _SCHEDULE):
    """A schedule of Keras 3 read ahead; see `Shifting`."""

    schedules = keras.optimizers.schedules

    def __call__(self, step):
        step = keras.ops.convert_to_tensor(step)
        return self.schedule(step + keras.ops.cast(keras.ops.convert_to_tensor(self.shift), step.dtype))


def make_shiftable(model):
    """Let `shift_rate` move the learning rate's schedule, by a variable that the optimizer owns.

    JAX would take any other variable as it is when the step is traced.
    """
    for optimizer in parts(model.optimizer):
        schedule = rate(optimizer)
        if isinstance(schedule, _SCHEDULE) and not is_shiftable(schedule):
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
    for optimizer in parts(model.optimizer):
        if isinstance(rate(optimizer), Shifted):
            rate(optimizer).shift.assign(step)


def rates(model):
    """The learning rates that are no schedules, and what schedules hold in variables, which callbacks may
    have changed: arrays."""
    synchronise(model)
    return [array(variable) for variable in _rate_variables(model)]


def load_rates(model, arrays):
    """Assign arrays as `rates` gave them."""
    synchronise(model)
    for variable, value in zip(_rate_variables(model), arrays, strict=True):
        variable.assign(value)


def _keep_shifts_out_of_files(optimizer):
    """Let files hold the variables that an optimizer made of its config has, which tells the shift itself."""
    load = type(optimizer).load_own_variables

    def in_files():
        shifts = {id(part._shift) for part in parts(optimizer) if hasattr(part, "_shift")}
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


def _rate_variables(model):
    held = [held for held in map(rate, parts(model.optimizer)) if isinstance(held, keras.Variable)]
    return held + schedule_variables(model.optimizer, keras.Variable)
