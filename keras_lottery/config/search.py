"""How tickets are searched for, which net is pruned, and where a run is kept."""

import dataclasses
from collections.abc import Callable

from ..core.budget import check_budget
from ..core.checks import SEED, above_zero, share, shown, takes, whole, whole_or_text
from ..core.counts import SCOPES
from ..core.errors import LotteryError
from ..core.masking import BLOCKS
from ..core.options import Config, one_of, option
from ..core.saying import is_drawn
from ..core.schedule import MOST, check_rewind, check_rewind_once, round_sparsities

SCORES = {  # what weights are kept for; each is a function of `search.scores`
    "magnitude": "how large it is",
    "random": "nothing, a control",
    "taylor": "weight times gradient",
    "synflow": "how much flows through it",
}
RATE = 0.2  # of a search that does not say another
ROUNDS = 10  # of a command's search that does not say how far to prune


def seed_option():
    return option(0, "random seed: same seed, same result", lambda name, value: whole(name, value, **SEED))


def _final_sparsity(name, value):
    return tuple(share(name, at) for at in value) if isinstance(value, (list, tuple)) else share(name, value)


def _rewind(name, value):
    return check_rewind(whole_or_text(value))


def _score(name, value):
    if not callable(value):
        return one_of(tuple(SCORES))(name, value)
    takes(name, value, ("path", "weight", "state"), "a number for each weight")
    return value


def _layer_rates(name, value):
    """{layer or pattern: rate}; takes "layer:rate" texts, as flags give them."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) and ":" in item for item in value):
        value = dict(item.rpartition(":")[::2] for item in value)
    if not isinstance(value, dict) or not value or not all(isinstance(of, str) and of for of in value):
        raise LotteryError(
            f"{name}={shown(value)} is not understood: give the rate of each layer, such as "
            "{'conv*': 0.1, 'fc': 0.3}, in a command conv*:0.1,fc:0.3."
        )
    return {of: share(f"{name} of {of!r}", rate) for of, rate in value.items()}


def _budget(name, value):
    check_budget(value)
    return value


@dataclasses.dataclass(frozen=True)
class SearchConfig(Config):
    """How a ticket is searched for; what `find_ticket` takes.

    Raises:
      LotteryError: an impossible value, or values that contradict each other.

    Example:
      >>> SearchConfig(rounds=3, rate=0.5).sparsities
      [0.5, 0.75, 0.875]
    """

    epochs: int = option(5, "epochs of each round", whole)
    rounds: int | None = option(
        None,
        f"number of prunings (default {ROUNDS}, unless --final_sparsity is given)",
        lambda name, value: whole(name, value, most=MOST),
    )
    rate: float | None = option(
        None,
        f"share of the surviving weights a round prunes (default {RATE})",
        share,
        apart=True,
        was=RATE,
    )
    final_sparsity: float | tuple | None = option(
        None,
        "share of zeros after the last round, reached exactly; or a list of them, such as "
        "0.8,0.9, reached one after the other by rounds of --rate",
        _final_sparsity,
    )
    layer_rates: dict | None = option(
        None,
        "rates of single layers or patterns of layers, such as conv*:0.1,fc:0.3; the other layers bring each "
        "round to its sparsity",
        _layer_rates,
        apart=True,
    )
    score: str | Callable | None = option(
        None,
        f"what a weight is kept for: {', '.join(f'{name} ({told})' for name, told in SCORES.items())} "
        "(default magnitude, with --structured taylor)",
        _score,
        apart=True,
        was="magnitude",
    )
    scope: str | None = option(
        None,
        "global: one threshold over all weights; layer: one in each layer, at the same sparsity; erk: one in "
        "each layer, small layers denser (Erdos-Renyi-kernel)",
        one_of(SCOPES),
        apart=True,
        was="global",
    )
    rewind: int | str = option(
        "init",
        "where rounds begin: init, a step of the first training (they then train from there to its last "
        "step), trained (the end of the first training), or lr or finetune, which keep the weights",
        _rewind,
    )
    rewind_once: bool = option(
        False,
        "rewind only before the last round; the rounds before it continue from the weights they have "
        "learned, and can be short",
        apart=True,
    )
    structured: bool = option(
        False,
        "prune whole channels, those of least worth for their work; lottery-export --compact removes them, "
        "which any phone gains from",
        apart=True,
    )
    budget: str | int | None = option(
        None,
        "limit for the whole search: optimizer steps, dense trainings such as 3x, or minutes such as 90m; "
        "every round except the last, which makes the ticket, ends early enough to keep it",
        _budget,
        apart=True,
    )
    early_bird: float | None = option(
        None,
        "end every round except the last once fewer than this share of the weights it would prune have "
        "changed since the previous epoch, such as 0.1",
        share,
        apart=True,
    )
    patience: int | None = option(
        None, "end a round after so many epochs without a better validation accuracy", whole, apart=True
    )
    seed: int = seed_option()

    def __post_init__(self):
        super().__post_init__()
        check_rewind_once(self.rewind_once, self.rewind)
        if self.rounds is not None or self.final_sparsity is not None:
            self.sparsities  # noqa: B018  raises what is wrong with them

    @property
    def most_pruned(self) -> float | None:
        """The rate, or what it is by default; None where rounds and final_sparsity say it."""
        return RATE if self.rate is None and None in (self.rounds, self.final_sparsity) else self.rate

    @property
    def scored_by(self) -> str | Callable:
        """The score, or what it is by default."""
        if self.score is None:
            return "taylor" if self.structured else "magnitude"
        return self.score

    def unusual(self) -> dict:
        """As `Config.unusual`, with the score that structured rounds have by default."""
        told = super().unusual()
        return {**told, "score": self.scored_by} if self.structured and self.score is None else told

    @property
    def sparsities(self) -> list:
        """Sparsity after each round; see `schedule.round_sparsities`."""
        if self.rounds is None and self.final_sparsity is None:
            raise LotteryError(
                "how far to prune is open: give rounds, for example rounds=10, or final_sparsity."
            )
        return round_sparsities(self.rounds, self.most_pruned, self.final_sparsity)


@dataclasses.dataclass(frozen=True)
class Net(Config):
    """Which net is pruned, where commands make it, and in which blocks."""

    model: str = option(
        "lenet",
        "a builder's name (lenet, conv2, resnet20, vgg19, ...), a network of keras.applications such as "
        "MobileNetV2, or a saved .keras or .h5 file",
    )
    width: float = option(
        1.0, "factor on the numbers of filters and units of the literature's network", above_zero
    )
    block: int = option(
        1,
        "4 or 16: prune dense kernels in blocks of so many inputs, for the sparse kernels of mobile "
        "runtimes: 4 in float32, 16 in int8",
        lambda name, value: one_of(BLOCKS)(name, whole(name, value)),
        apart=True,
    )


def _verbose(name, value):
    one_of((True, False, 1, 2, 0, "auto"))(name, value)
    return value


@dataclasses.dataclass(frozen=True)
class Run(Config):
    """Where a run is kept, and what it shows."""

    run_dir: str | None = option(None, "folder of the run; the same command goes on where it was stopped")
    overwrite: bool = option(False, "start anew in run_dir, deleting the run that is there")
    verbose: bool | int | str = option(True, "show Keras' progress bars", _verbose)

    @property
    def progress(self):
        """`verbose` as `fit` takes it; bars become a line per epoch where they cannot be drawn, in a file or
        a pipe."""
        if self.verbose is True:
            return "auto" if is_drawn() else 2
        return self.verbose or 0
