"""The rounds of a lottery around a training loop of one's own."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import engines, wrapping
from ..config import SearchConfig
from ..core.checks import whole
from ..core.errors import LotteryError
from ..core.schedule import check_rewind, search_rounds
from ..core.types import Model
from ..tickets.ticket import Ticket
from ..training.check_data import open_data
from . import loop_state
from .loop_optimizer import check_stepped, with_optimizer
from .pruning import Pruning
from .rewind import check_stateless
from .state import Rounds
from .told import settings_of


def rounds(
    model: Model,
    optimizer: Any = None,
    *,
    steps: int,
    rounds: int | None = None,
    rate: float | None = None,
    final_sparsity: float | Sequence[float] | None = None,
    scope: str | None = None,
    rewind: int | str = "init",
    rewind_once: bool = False,
    structured: bool = False,
    layer_rates: dict | None = None,
    score: str | Callable | None = None,
    seed: int = 0,
    train: Any = None,
) -> Iterator["LoopRound"]:
    """The rounds of a search, each to be trained by a loop of your own.

    Each round has begun when the loop gets it: its masks are tightened, and the weights, BatchNorm
    statistics and state of random layers are those of the rewind point. The optimizer starts anew, with the
    learning rate of the rewind step. `round.stepped()` after each step counts the steps, takes the rewind
    point when its step has come, and makes `round.ticket` after the last one. Given the same batches the
    tickets are those of `find_ticket`.

    Args:
      model: a wrapped model, which is trained in place. Call `rounds` before your training step is traced.
      optimizer: the one that your loop steps: of the model's Keras, which a model that is not compiled is
        then compiled with, or of torch.optim. None for the one that the model is compiled with. One of optax
        keeps its state in your loop: make that anew where `round.first` says so. Schedules of Keras go on at
        the rewind step by themselves; a scheduler of PyTorch or a schedule of optax is your loop's own:
        compute its rate from the number of the step.
      steps: optimizer steps of the dense training, which is the first round.
      rounds, rate, final_sparsity, scope, rewind, rewind_once, structured, layer_rates, score: as for
        `find_ticket`.
      seed: of the score "random" alone.
      train: data that a score measures on, as for `find_ticket`; None for a score that needs none.

    Returns:
      An iterator over `LoopRound`s, the dense training first.

    Raises:
      LotteryError: before anything is trained, an impossible argument, a model that is not wrapped or is
        pruned already, an optimizer that has taken steps; later, a round that has not taken all its steps
        when the next is asked for, or one in which pruned weights came back or nothing was trained.

    Source: Frankle et al. 2020 (arXiv 1912.05671), algorithm 2.

    Example:
      >>> import numpy as np, tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
      >>> model = lottery.wrap(net)  # doctest: +ELLIPSIS
      32 of ...
      >>> model.compile("sgd", "mse")
      >>> x, y = np.ones((16, 4)), np.ones((16, 2))
      >>> for round in lottery.rounds(model, steps=5, rounds=2, rate=0.5, rewind=1):
      ...     for step in range(round.start, round.stop):
      ...         loss = model.train_on_batch(x, y)  # or a GradientTape, or backward() and optimizer.step()
      ...         round.stepped()
      >>> round.ticket.sparsity, round.start, round.stop
      (0.75, 1, 5)
    """
    search = SearchConfig.of(locals())
    steps = whole("steps", steps)
    check_rewind(search.rewind, steps)
    plan = search_rounds(search.sparsities, search.rewind, steps, search.rewind_once)
    handle = _ready(engines.of(model), optimizer)
    settings = settings_of(search, handle.settings()[1], {"steps": steps})
    if train is not None:
        train, *_ = open_data(handle, train, search.seed)
    pruning = Pruning.of(handle, search, settings["scope"], train)
    architecture = handle.architecture()
    state = Rounds(handle, architecture, search.rewind, pruning, None, {}, settings)
    return _begun(state, plan)


def _ready(handle, optimizer):
    """The handle of a wrapped model with the loop's optimizer, which is fresh."""
    if not handle.masks():
        raise LotteryError(
            f"the model {handle.model.name!r} has no masks: wrap it, model = lottery.wrap(model), and let "
            "your loop train the model that wrap returns."
        )
    wrapping.check_unpruned(handle)
    check_stateless(handle)
    with handle.strategy_scope():
        handle = with_optimizer(handle, optimizer)
        handle.build_optimizer()
        handle.keep_randomness()
    return handle


def _begun(state, plan):
    for round in state.begun(plan):
        if round.number == 0:
            state.rewinder.begin()
        one = LoopRound(state, round)
        yield one
        one.ticket  # noqa: B018  says that it is not finished


class LoopRound:
    """A round that a loop of one's own trains, from step `start` to before step `stop` of the dense training.

    Attributes:
      number: 0 for the dense training, then 1, 2, ...
      sparsity: share of zeros that it trains with, 0..1.
      start, stop: ints; learning rate and batches are those of these steps of the dense training.

    A loop that hands its state from step to step, as those of JAX do, takes it from `begin` and gives it to
    `stepped`; with optax, for one:

        for round in lottery.rounds(model, steps=2000, final_sparsity=0.9, rewind=200):
            trainable, non_trainable = round.begin()
            if round.first:
                slots = adam.init(trainable)
            for step in range(round.start, round.stop):
                trainable, non_trainable, slots = train_step(trainable, non_trainable, slots, *batch(step))
                round.stepped((trainable, non_trainable))

    With an optimizer of Keras the state is `trainable, non_trainable, slots = round.begin()`.
    """

    number: int
    sparsity: float
    start: int
    stop: int

    def __init__(self, state, round):
        self.number, self.sparsity = round.number, round.sparsity
        self.start, self.stop = round.start, round.stop
        self._state, self._handle, self._round = state, state.handle, round
        self._step, self._handed_on, self._ticket = round.start, False, None
        self._masks, self._begun = self._handle.masks(), self._trained()

    @property
    def first(self) -> bool:
        """Whether the optimizer's next step is to be its first: an optimizer whose state the loop holds is
        to be made anew."""
        goes_on = self._state.rewinder.rewind == "finetune" and self.number > 0
        return self._step == self.start and not goes_on

    @property
    def ticket(self) -> Ticket:
        """The `Ticket` of the round, once it has taken its last step."""
        if self._ticket is None:
            raise LotteryError(
                f"round {self.number} has taken {self._step - self.start:,} of its "
                f"{self.stop - self.start:,} steps: take those of range(round.start, round.stop), and call "
                "round.stepped() after each."
            )
        return self._ticket

    def begin(self) -> tuple:
        """The state of a Keras 3 model for a loop that hands it from step to step.

        Returns:
          Lists of arrays, as `stateless_call` takes them: the values of the variables that train, and of the
          others, masks among them; then, with an optimizer of Keras, of the optimizer's, as `stateless_apply`
          takes them.

        Raises:
          LotteryError: a model of tf_keras, or a round that has taken steps.
        """
        if self._step != self.start:
            raise LotteryError(f"round {self.number} has begun: call begin() before its first step.")
        state = loop_state.copies(self._handle)
        self._handed_on = True
        return state

    def hold(self, trainable: Sequence, non_trainable: Sequence) -> list:
        """The values of the variables that train, exactly 0 where the masks have it.

        Gradients through `stateless_call` are 0 there, so that most optimizers that start anew keep the
        zeros, and `stateless_apply` of Keras' holds them. Call it after the update, within the jitted step,
        where an optimizer goes on (rewind="finetune") or moves weights that have no gradient.

        Args:
          trainable, non_trainable: lists of arrays as `begin` gives them.
        """
        return self._handle.hold_stateless(trainable, non_trainable)

    def stepped(self, state: Sequence | None = None) -> None:
        """Tell that a step has been taken; the last step of the round makes its ticket.

        Args:
          state: what `begin` gave, as the step changed it; None where the loop trains the model itself.

        Raises:
          LotteryError: a step too many, or none was taken, another state than this round's, pruned weights
            that came back, or a training that changed nothing or diverged.
        """
        if self._step == self.stop:
            raise LotteryError(
                f"round {self.number} has taken all its {self.stop - self.start:,} steps: go on to the next."
            )
        if self._handed_on != (state is not None):
            raise LotteryError(
                "round.begin() handed the state to the loop: give it back, round.stepped(state)."
                if self._handed_on
                else "a state is given that is not this round's: take it anew, state = round.begin()."
            )
        self._step += 1
        is_point = self._state.rewinder.is_point(self._round, self._step)
        if is_point or self._step in (self.start + 1, self.stop):
            weights = loop_state.take(self._handle, state)
            loop_state.check_held(self._handle, self._masks, weights)
            check_stepped(self._handle, may_wait=self._step < self.stop)
        if is_point:
            self._state.rewinder.capture()
        if self._step == self.stop:
            self._finish()

    def _finish(self):
        """End the round as fit does, with what optimizers average, and make its ticket."""
        if all(map(np.array_equal, self._trained(), self._begun)):
            raise LotteryError(
                f"round {self.number} has changed no weight: let the loop train the wrapped model, at a "
                "learning rate that is not 0; where it hands its state on, it takes that from round.begin() "
                "and gives it to round.stepped(state)."
            )
        self._handle.finalize_optimizer()
        self._handle.unify_replicas()
        self._state.finish(self._round, {"stop": self.stop})
        self._ticket = self._state.ticket

    def _trained(self):
        """Copies of the values of the variables that train."""
        self._handle.variables()  # on JAX this brings the state of a training into the model
        return [np.array(variable.numpy()) for variable in self._handle.model.trainable_variables]
