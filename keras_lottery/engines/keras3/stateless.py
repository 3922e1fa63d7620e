"""What a training loop hands from step to step, as those of JAX do, and the zeros in it."""

from .hold import keep
from .model import holds
from .state import synchronise


def stateless_variables(model):
    """Lists of the variables that a loop hands from step to step: those that train, the others, masks among
    them, and the optimizer's."""
    synchronise(model)
    optimizer = getattr(model, "optimizer", None)
    return model.trainable_variables, model.non_trainable_variables, getattr(optimizer, "variables", [])


def hold_stateless(model, trainable, non_trainable):
    """The values of the variables that train, 0 where the masks among the others have it."""
    others = {id(variable): value for variable, value in zip(model.non_trainable_variables, non_trainable)}
    kept = {id(hold.variable): others[id(hold.mask)] for hold in holds(model).values()}
    return [
        keep(kept[id(variable)], value, value.dtype) if id(variable) in kept else value
        for variable, value in zip(model.trainable_variables, trainable, strict=True)
    ]
