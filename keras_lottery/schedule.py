"""When to prune and how much: the rounds of a lottery."""

import math
import numbers
import sys

from .checks import share, shown, true_or_false, whole
from .errors import LotteryError

MOST = 10_000  # rounds
KEPT = ("lr", "finetune")  # rewind points that leave the weights as they are


def round_sparsities(rounds=None, rate=None, final_sparsity=None):
    """Sparsity after each round: 1 - (1 - rate) ** n.

    Give two of the three. With `final_sparsity` the last round ends exactly there:
    with `rounds` the rate follows from it, with `rate` the number of rounds does and
    the last one prunes less. A list of sparsities, with `rate`, is reached one after the
    other, each exactly.

    Args:
      rounds: number of prunings, int >= 1.
      rate: share of the surviving weights a round prunes, 0 < rate < 1.
      final_sparsity: share of zeros after the last round, 0 < final_sparsity < 1, or a
        rising list of such.

    Returns:
      List of floats, one a round, rising.

    Raises:
      LotteryError: an impossible value, or not enough of them.

    >>> [round(s, 3) for s in round_sparsities(rounds=3, rate=0.2)]
    [0.2, 0.36, 0.488]
    >>> round_sparsities(rate=0.5, final_sparsity=0.8)
    [0.5, 0.75, 0.8]
    >>> round_sparsities(rate=0.6, final_sparsity=[0.8, 0.9, 0.95])
    [0.6, 0.8, 0.9, 0.95]
    """
    if rounds is not None:
        rounds = whole("rounds", rounds, most=MOST)
    if rate is not None:
        rate = share("rate", rate)
    if final_sparsity is None:
        if rounds is None or rate is None:
            raise LotteryError("how far to prune is open: give rounds and rate, or final_sparsity with one of them.")
        return _pruning([1 - (1 - rate) ** n for n in range(1, rounds + 1)], rate)
    if isinstance(final_sparsity, (list, tuple)):
        return _one_after_the_other(rounds, rate, final_sparsity)
    final_sparsity = share("final_sparsity", final_sparsity)
    if rounds is not None and rate is not None:
        raise LotteryError("rounds, rate and final_sparsity contradict each other: give two of the three.")
    if rounds is not None:
        rate = 1 - (1 - final_sparsity) ** (1 / rounds)
    elif rate is None:
        raise LotteryError("how fast to prune is open: give rounds or rate beside final_sparsity.")
    else:
        rounds = math.log1p(-final_sparsity) / math.log1p(-rate)
        if rounds > MOST:
            raise LotteryError(f"rate={rate!r} takes more than {MOST:,} rounds to {final_sparsity:.1%}: give a higher rate.")
        rounds = math.ceil(rounds - 1e-9)  # a quotient that is whole but for rounding adds no round
    return _pruning([1 - (1 - rate) ** n for n in range(1, rounds)] + [final_sparsity], rate)


def _pruning(sparsities, rate):
    """`sparsities`; raises LotteryError if the first round would prune nothing, as far as floats tell."""
    if not sparsities[0]:
        raise LotteryError(f"rate={rate!r} would prune nothing: give a higher rate, or fewer rounds.")
    return sparsities


def steepest(sparsities):
    """The largest share of the surviving weights that a round prunes, to two decimals; `sparsities` as `round_sparsities` gives.

    >>> steepest([0.6, 0.8, 0.9])
    0.6
    """
    kept = [1.0, *(1 - sparsity for sparsity in sparsities)]
    return round(1 - min(after / before for before, after in zip(kept, kept[1:])), 2)


def _one_after_the_other(rounds, rate, wanted):
    wanted = [share("final_sparsity", at) for at in wanted]
    if rounds is not None or wanted != sorted(set(wanted)) or not wanted:
        raise LotteryError(f"final_sparsity={wanted!r}: give rising sparsities, such as [0.8, 0.9], with rate and without rounds.")
    sparsities = []
    for before, at in zip([0.0, *wanted], wanted):
        left = 1 - before
        steps = round_sparsities(rate=rate, final_sparsity=1 - (1 - at) / left)
        sparsities += [1 - left * (1 - step) for step in steps[:-1]] + [at]
    return sparsities


class LotterySchedule:
    """Rounds of equal length: train, prune, rewind, and train again.

    A fit under this schedule takes `(rounds + 1) * round_steps` steps: the dense
    training first, then one after each of the `rounds` prunings.

    Args:
      rounds: number of prunings.
      rate: share of the surviving weights a round prunes, 0..1 (default 0.2, unless
        `final_sparsity` with `rounds` says it).
      round_steps: optimizer steps a round.
      rewind_step: "init" (or 0), a step of the first round, "trained" (the end of the
        first round), "lr" (weights stay, learning rate and optimizer start anew) or
        "finetune" (training goes on, at the rate that the learning rate's schedule ends at).
      final_sparsity: sparsity after the last round, or a list of them, reached exactly.

    Raises:
      LotteryError: an impossible value.

    Source: iterative pruning with rewinding, Frankle et al. 2020 (arXiv 1912.05671),
    algorithm 2; learning-rate rewinding and fine-tuning, Renda et al. 2020 (arXiv
    2003.02389), section 2.

    Example:
      >>> schedule = LotterySchedule(rounds=3, rate=0.2, round_steps=100, rewind_step=10)
      >>> schedule.total_steps
      400
    """

    def __new__(cls, *args, **kwargs):
        # For who works with TF-MOT it is a PruningSchedule of TF-MOT's; nobody else is made to import that.
        if cls is LotterySchedule and "tensorflow_model_optimization" in sys.modules:
            from .pruning.tfmot.schedule import LotteryPruningSchedule as cls
        return super().__new__(cls)

    def __init__(self, rounds=None, rate=None, round_steps=None, rewind_step="init", final_sparsity=None):
        if rate is None and (rounds is None or final_sparsity is None):
            rate = 0.2
        self.given = {"rounds": rounds, "rate": rate, "final_sparsity": final_sparsity}
        self.sparsities = round_sparsities(**self.given)
        self.rounds = len(self.sparsities)
        self.round_steps = whole("round_steps", round_steps)
        self.rewind_step = check_rewind(rewind_step, self.round_steps)

    @property
    def total_steps(self):
        """Steps of the whole lottery, the last training included."""
        return (self.rounds + 1) * self.round_steps

    def __call__(self, step):
        """(prune before this step?, sparsity at this step), for an int step from 0."""
        done = min(step // self.round_steps, self.rounds)
        prune = step > 0 and step % self.round_steps == 0 and step // self.round_steps <= self.rounds
        return prune, [0.0, *self.sparsities][done]

    def get_config(self):
        """The arguments that make this schedule again."""
        return {**self.given, "round_steps": self.round_steps, "rewind_step": self.rewind_step}

    @classmethod
    def from_config(cls, config):
        """The schedule whose arguments `config` holds."""
        return cls(**config)


def check_rewind(rewind, round_steps=None):
    """The rewind point in its standard form: an int step, "trained", "lr" or "finetune".

    >>> check_rewind("init")
    0
    """
    if isinstance(rewind, str) and rewind == "init":
        return 0
    if isinstance(rewind, str) and rewind in ("trained", *KEPT):
        return rewind
    if isinstance(rewind, bool) or not isinstance(rewind, numbers.Integral) or rewind < 0:
        raise LotteryError(
            f"rewind={shown(rewind)} is unknown: give 'init', a step (0, 1, 2, ...) of the first round, 'trained', 'lr' or "
            "'finetune'."
        )
    if round_steps is not None and rewind >= round_steps:
        raise LotteryError(
            f"rewind={shown(rewind)} is past the first round, which has {round_steps} steps: give an earlier step."
        )
    return int(rewind)


def check_rewind_once(rewind_once, rewind):
    """Raises LotteryError if it is no bool or there is nothing to take the weights back to; `rewind` as `check_rewind` gives it."""
    true_or_false(rewind_once=rewind_once)
    if rewind_once and rewind in KEPT:
        raise LotteryError(f"rewind_once takes the weights back before the last round, and rewind={rewind!r} never does: leave out one of them.")
