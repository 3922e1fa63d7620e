"""The optimizer of a training loop of one's own: Keras', PyTorch's, or one whose state the loop holds."""

import copy
import sys

import numpy as np

from ..core.errors import LotteryError


def with_optimizer(handle, optimizer):
    """The handle of a wrapped model whose functions on the optimizer are those of `optimizer`.

    Args:
      handle: that of a wrapped model, which is compiled with a Keras optimizer if it is not compiled yet.
      optimizer: one of the model's Keras or of torch.optim; an optax transformation; or None for the one that
        the model is compiled with, or where that is none, for one whose state the loop holds.

    Raises:
      LotteryError: what is given is none of these, or the model is compiled with another one.
    """
    model, keras = handle.model, handle.keras.__name__
    compiled = getattr(model, "optimizer", None)
    if optimizer is None:
        return HeldByLoop(handle) if compiled is None else handle
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(optimizer, torch.optim.Optimizer):
        return OfTorch(handle, optimizer)
    if hasattr(optimizer, "init") and hasattr(optimizer, "update"):
        return HeldByLoop(handle)
    of = {kind.__module__.partition(".")[0] for kind in type(optimizer).__mro__}
    if keras not in of or not hasattr(optimizer, "iterations"):
        raise LotteryError(
            f"optimizer is a {type(optimizer).__name__}: give the optimizer object that your loop steps, of "
            f"{keras} as the model is, or of torch.optim; leave it out where the loop holds its state."
        )
    if compiled is None:
        model.compile(optimizer, **({"auto_scale_loss": False} if keras == "keras" else {}))
    elif compiled is not optimizer:
        raise LotteryError(
            f"the model {model.name!r} is compiled with another optimizer, a {type(compiled).__name__}, than "
            f"the {type(optimizer).__name__} that is given: compile it with the one that your loop steps."
        )
    return handle


def check_stepped(trained, may_wait):
    """Raises LotteryError if the optimizer of `trained`, which `with_optimizer` gave, has taken no step in
    this round; where the loss may be scaled, which leaves steps out, it `may_wait`."""
    of_torch = isinstance(trained, OfTorch)
    if isinstance(trained, HeldByLoop) and not of_torch or trained.steps_taken():
        return
    name = type(trained.optimizer if of_torch else trained.model.optimizer).__name__
    if not (may_wait and (of_torch or name.startswith("LossScale"))):
        raise LotteryError(
            f"the {name} that each round starts anew has taken no step in this one: give the optimizer that "
            "your loop steps, one of optax too, lottery.rounds(model, optimizer, ...)."
        )


class HeldByLoop:
    """The handle of a model with an optimizer whose state the loop holds: there is nothing to keep or to
    reset."""

    def __init__(self, handle):
        self._handle = handle

    def __getattr__(self, name):
        return getattr(self._handle, name)

    def stateless_variables(self):
        return self._handle.stateless_variables()[:2]

    def steps_taken(self):
        return 0

    def weight_copies(self):
        return []

    def optimizer_state(self):
        return []

    def rates(self):
        return []

    def _nothing(self, *args):
        pass

    build_optimizer = load_optimizer = reset_optimizer = finalize_optimizer = _nothing
    make_shiftable = shift_rate = load_rates = _nothing


class OfTorch(HeldByLoop):
    """The handle of a model that an optimizer of torch.optim trains.

    Its start are its settings and its state when it comes here. Of the rewind point it has the learning rate
    of each group of parameters.
    """

    def __init__(self, handle, optimizer):
        super().__init__(handle)
        self.optimizer = optimizer
        self._start = copy.deepcopy(optimizer.state_dict())
        self._steps = sum(int(state.get("step", 1)) for state in optimizer.state.values())
        optimizer.register_step_post_hook(self._count)

    def _count(self, *args):
        self._steps += 1

    def steps_taken(self):
        return self._steps

    def reset_optimizer(self, start, copies=()):
        self.optimizer.load_state_dict(copy.deepcopy(self._start))
        self._steps = 0

    def rates(self):
        return [np.array(float(group["lr"])) for group in self.optimizer.param_groups]

    def load_rates(self, arrays):
        for group, rate in zip(self.optimizer.param_groups, arrays, strict=True):
            if isinstance(group["lr"], float):
                group["lr"] = float(rate)
            else:  # a tensor, which a compiled step reads
                group["lr"].fill_(float(rate))
