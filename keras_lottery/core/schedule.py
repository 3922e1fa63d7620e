"""When to prune and how much: the rounds of a lottery."""

import bisect
import dataclasses
import itertools
import math
import numbers
from collections.abc import Sequence

from .checks import share, shown, true_or_false, whole
from .errors import LotteryError

MOST = 10_000  # rounds
KEPT = ("lr", "finetune")  # rewind points that leave the weights as they are
RULE = (
    "k to T"  # what a round that rewinds to step k > 0 trains; without an entry "rule" it trained k to k + T
)


@dataclasses.dataclass(frozen=True)
class Round:
    """One training of a search; the first, number 0, is the dense one.

    Attributes:
      number: 0 for the dense training, then 1, 2, ...
      sparsity: share of zeros that it trains with, 0..1.
      start, stop: the steps of the dense training that it trains between. Learning rate,
        batches and the numbers of epochs are those of these steps. `stop` is None where
        it is unknown how many steps an epoch has.
      rewind: whether it begins with the state of the rewind point, else with what the
        round before learned.
    """

    number: int
    sparsity: float
    start: int
    stop: int | None
    rewind: bool

    @property
    def steps(self) -> int:
        """Optimizer steps of the round."""
        return self.stop - self.start


def search_rounds(sparsities, rewind, stop, rewind_once=False):
    """The rounds of a search: a round that rewinds to step k trains from k to T, the end of the dense
    training.

    Args:
      sparsities: of the rounds after the dense one.
      rewind: as `check_rewind` gives it.
      stop: T, the steps of the dense training; None if unknown.
      rewind_once: rewind before the last round alone; those between start the learning rate's schedule anew.

    Returns:
      A list of `Round`s, the dense one first.

    Source: Frankle et al. 2020 (arXiv 1912.05671), algorithm 2.

    >>> [(round.start, round.stop) for round in search_rounds([0.5, 0.75], 200, 2000)]
    [(0, 2000), (200, 2000), (200, 2000)]
    """
    found = [Round(0, 0.0, 0, stop, False)]
    for number, sparsity in enumerate(sparsities, 1):
        back = rewind not in KEPT and (not rewind_once or number == len(sparsities))
        found.append(Round(number, sparsity, rewind if back and rewind != "trained" else 0, stop, back))
    return found


def rule(rewind):
    """The entry of a configuration for what its rounds train: {} where no round begins at a later step than
    0."""
    return {"rule": RULE} if isinstance(rewind, int) and rewind else {}


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
            raise LotteryError(
                "how far to prune is open: give rounds and rate, or final_sparsity with one of them."
            )
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
            raise LotteryError(
                f"rate={rate!r} takes more than {MOST:,} rounds to {final_sparsity:.1%}: give a higher rate."
            )
        rounds = math.ceil(rounds - 1e-9)  # a quotient that is whole but for rounding adds no round
    return _pruning([1 - (1 - rate) ** n for n in range(1, rounds)] + [final_sparsity], rate)


def _pruning(sparsities, rate):
    """`sparsities`; raises LotteryError if the first round would prune nothing, as far as floats tell."""
    if not sparsities[0]:
        raise LotteryError(f"rate={rate!r} would prune nothing: give a higher rate, or fewer rounds.")
    return sparsities


def steepest(sparsities):
    """The largest share of the surviving weights that a round prunes, to two decimals; `sparsities` as
    `round_sparsities` gives.

    >>> steepest([0.6, 0.8, 0.9])
    0.6
    """
    kept = [1.0, *(1 - sparsity for sparsity in sparsities)]
    return round(1 - min(after / before for before, after in zip(kept, kept[1:])), 2)


def _one_after_the_other(rounds, rate, wanted):
    wanted = [share("final_sparsity", at) for at in wanted]
    if rounds is not None or wanted != sorted(set(wanted)) or not wanted:
        raise LotteryError(
            f"final_sparsity={wanted!r}: give rising sparsities, such as [0.8, 0.9], with rate and without "
            "rounds."
        )
    sparsities = []
    for before, at in zip([0.0, *wanted], wanted):
        left = 1 - before
        steps = round_sparsities(rate=rate, final_sparsity=1 - (1 - at) / left)
        sparsities += [1 - left * (1 - step) for step in steps[:-1]] + [at]
    return sparsities


class LotterySchedule:
    """Rounds of equal length: train, prune, rewind, and train again.

    A fit under this schedule takes `total_steps`: T = `round_steps` for the dense training,
    then after each of the `rounds` prunings T - k for rounds that rewind to step k, and T for
    others. `LotteryCallback` ends the fit there.

    Args:
      rounds: number of prunings.
      rate: share of the surviving weights a round prunes, 0..1 (default 0.2, unless
        `final_sparsity` with `rounds` says it).
      round_steps: optimizer steps of the dense training.
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
      370
    """

    kind = None  # a function that gives the class to make, which the engines put here

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls.kind() if cls is LotterySchedule and cls.kind else cls)

    def __init__(
        self,
        rounds: int | None = None,
        rate: float | None = None,
        round_steps: int | None = None,
        rewind_step: int | str = "init",
        final_sparsity: float | Sequence[float] | None = None,
    ) -> None:
        if rate is None and (rounds is None or final_sparsity is None):
            rate = 0.2
        self.given = {"rounds": rounds, "rate": rate, "final_sparsity": final_sparsity}
        self.sparsities = round_sparsities(**self.given)
        self.rounds = len(self.sparsities)
        self.round_steps = whole("round_steps", round_steps)
        self.rewind_step = check_rewind(rewind_step, self.round_steps)

    @property
    def search_rounds(self) -> list[Round]:
        """The rounds, the dense one first; see `search_rounds`."""
        return search_rounds(self.sparsities, self.rewind_step, self.round_steps)

    @property
    def boundaries(self) -> list[int]:
        """The steps of the fit before which a round is pruned, one a pruning."""
        return list(itertools.accumulate(round.steps for round in self.search_rounds[:-1]))

    @property
    def total_steps(self) -> int:
        """Steps of the whole lottery, the last training included."""
        return sum(round.steps for round in self.search_rounds)

    def __call__(self, step):
        """(prune before this step?, sparsity at this step), for an int step from 0."""
        return step in self.boundaries, [0.0, *self.sparsities][bisect.bisect_right(self.boundaries, step)]

    def get_config(self) -> dict:
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
            f"rewind={shown(rewind)} is unknown: give 'init', a step (0, 1, 2, ...) of the first round, "
            "'trained', 'lr' or 'finetune'."
        )
    if round_steps is not None and rewind >= round_steps:
        raise LotteryError(
            f"rewind={shown(rewind)} is past the first round, which has {round_steps} steps: give an "
            "earlier step."
        )
    return int(rewind)


def check_rewind_once(rewind_once, rewind):
    """Raises LotteryError if it is no bool or there is nothing to take the weights back to; `rewind` as
    `check_rewind` gives it."""
    true_or_false(rewind_once=rewind_once)
    if rewind_once and rewind in KEPT:
        raise LotteryError(
            f"rewind_once takes the weights back before the last round, and rewind={rewind!r} never does: "
            "leave out one of them."
        )
