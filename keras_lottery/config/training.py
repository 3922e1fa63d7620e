"""How a net is trained, and on what machine."""

import dataclasses

from ..core.checks import above_zero, zero_or_more
from ..core.errors import LotteryError
from ..core.options import Config, one_of, option

OPTIMIZERS = ("sgd", "nesterov", "adam", "adamw", "rmsprop", "lion")
SCHEDULES = ("constant", "cosine", "step")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
BACKENDS = ("auto", "tf_keras", "tensorflow", "jax", "torch")
STRATEGIES = ("none", "mirrored", "multiworker", "tpu")
OF_ONE_MACHINE = STRATEGIES[:2]
CHOSEN = "default: chosen from the model and the data"  # or as a ticket's recipe says


def _learning_rate(name, value):
    rates = value if isinstance(value, (list, tuple)) else [value]
    rates = [above_zero(name, rate) for rate in rates]
    if not rates:
        raise LotteryError(f"{name}=[] holds no rate: give one, for example 0.1.")
    return rates if isinstance(value, (list, tuple)) else rates[0]


def _warmup(name, value):
    value = zero_or_more(name, value)
    if value >= 1:
        raise LotteryError(f"{name}={value:g}: give the share of a training that it takes, 0 to below 1.")
    return value


@dataclasses.dataclass(frozen=True)
class Recipe(Config):
    """How a net is trained: optimizer, learning rate and its schedule, weight decay.

    What is None is open: it is the ticket's, or chosen for the net and its images; see `recipes.settled`.

    Raises:
      LotteryError: an impossible value, or values that contradict each other.

    Example:
      >>> Recipe("adam", 0.001).given
      {'optimizer': 'adam', 'learning_rate': 0.001}
    """

    optimizer: str | None = option(
        None,
        f"sgd, nesterov (momentum 0.9), adam, adamw, rmsprop or lion ({CHOSEN})",
        one_of(OPTIMIZERS),
    )
    learning_rate: float | list | None = option(
        None,
        "learning rate at the start; with --schedule=step also several, such as 0.005,0.001,0.0001 "
        f"({CHOSEN})",
        _learning_rate,
    )
    schedule: str | None = option(
        None,
        "learning rate over a training: constant, cosine (to 0) or step (a tenth after 1/2 and after 3/4) "
        f"({CHOSEN})",
        one_of(SCHEDULES),
    )
    weight_decay: float | None = option(
        None,
        "weight decay, times the learning rate (PyTorch's SGD with momentum 0.9 decays ten times as much "
        f"for the same number) ({CHOSEN})",
        zero_or_more,
    )
    warmup: float | None = option(
        None,
        f"share of a training in which the learning rate rises to its value, before a cosine ({CHOSEN})",
        _warmup,
        was=0.0,
    )

    def __post_init__(self):
        super().__post_init__()
        several = isinstance(self.learning_rate, list) and len(self.learning_rate) != 1
        if several and self.schedule not in ("step", None):
            raise LotteryError(
                f"learning_rate={self.learning_rate!r}: several rates are for schedule='step', not "
                f"{self.schedule!r}."
            )
        if self.warmup and (several or self.schedule not in ("cosine", None)):
            raise LotteryError(
                f"warmup={self.warmup:g} is for schedule='cosine': choose that, or leave it out."
            )

    @property
    def given(self) -> dict:
        """{name: value} of what is not open."""
        return {name: value for name, value in self.entries().items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Machine(Config):
    """What the numbers are computed with, on one machine."""

    precision: str = option(
        "auto",
        "auto, float32, mixed_bfloat16 or mixed_float16. auto is the fastest here: mixed_float16 on GPUs "
        "with tensor cores, mixed_bfloat16 on TPUs, and on a processor what a trial of a second shows. "
        "Weights stay float32",
        one_of(PRECISIONS),
    )
    backend: str = option(
        "auto",
        "tf_keras, or tensorflow, jax or torch for Keras 3 on it. auto is the fastest here",
        one_of(BACKENDS),
        apart=True,
        was="tf_keras",
    )
    strategy: str = option(
        "none", "none, or mirrored to train on all devices of this machine", one_of(OF_ONE_MACHINE)
    )
    tpu = None


@dataclasses.dataclass(frozen=True)
class Machines(Machine):
    """What the numbers are computed with, where a run is one training after the other: also on several
    machines."""

    strategy: str = option(
        "none",
        "none, mirrored to train on all devices of this machine, multiworker on the machines that "
        "TF_CONFIG names, each of which runs this command, or tpu",
        one_of(STRATEGIES),
    )
    tpu: str | None = option(None, "name or address of the TPU for --strategy=tpu (default: local)")
