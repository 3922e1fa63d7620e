"""What a run is told: the options of searches, nets, data, recipes and machines, each written once.

Commands make their flags of these fields, functions take the configs, and run folders, results and reports
read them.
"""

import dataclasses
import os

import numpy as np

from .core.budget import check_budget
from .core.checks import SEED, above_zero, share, shown, whole, whole_or_text, zero_or_more
from .core.errors import LotteryError
from .core.masking import BLOCKS, SCOPES
from .core.options import Config, one_of, option, options
from .core.schedule import MOST, check_rewind, check_rewind_once, round_sparsities

__all__ = ["DataConfig", "Machine", "Machines", "Net", "Recipe", "Run", "SearchConfig", "label", "options"]

OPTIMIZERS = ("sgd", "nesterov", "adam", "adamw", "rmsprop", "lion")
SCHEDULES = ("constant", "cosine", "step")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
BACKENDS = ("auto", "tf_keras", "tensorflow", "jax", "torch")
STRATEGIES = ("none", "mirrored", "multiworker", "tpu")
OF_ONE_MACHINE = STRATEGIES[:2]
RATE = 0.2  # of a search that does not say another
ROUNDS = 10  # of a command's search that does not say how far to prune


def _seed():
    return option(0, "random seed: same seed, same result", lambda name, value: whole(name, value, **SEED))


def _final_sparsity(name, value):
    return tuple(share(name, at) for at in value) if isinstance(value, (list, tuple)) else share(name, value)


def _rewind(name, value):
    return check_rewind(whole_or_text(value))


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
    scope: str | None = option(
        None,
        "global: one threshold over all weights; layer: one in each layer",
        one_of(SCOPES),
        apart=True,
        was="global",
    )
    rewind: int | str = option(
        "init",
        "init, a step of the first training (later rounds train from it to that training's end), trained "
        "(its end), lr or finetune (keep weights)",
        _rewind,
    )
    rewind_once: bool = option(
        False,
        "rewind before the last round alone: those between go on with what they have learned, and can be "
        "short",
        apart=True,
    )
    structured: bool = option(
        False,
        "let weak channels die as wholes, at the same sparsity: lottery-export --compact takes "
        "them out, and any phone gains",
        apart=True,
    )
    budget: str | int | None = option(
        None,
        "optimizer steps of the whole search, dense trainings as in 3x, or minutes as in 90m: all rounds "
        "but the last, which makes the ticket, end early enough to keep it",
        _budget,
        apart=True,
    )
    early_bird: float | None = option(
        None,
        "end a round, but the last, once less than this share of the weights it prunes are others than an "
        "epoch before, such as 0.1",
        share,
        apart=True,
    )
    patience: int | None = option(
        None, "end a round after so many epochs without a better validation accuracy", whole, apart=True
    )
    seed: int = _seed()

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
        "lenet", "a builder's name (lenet, conv2, resnet20, vgg19, ...) or a saved .keras file"
    )
    width: float = option(1.0, "times as many filters as the literature's net", above_zero)
    block: int = option(
        1,
        "4 or 16: prune dense kernels in blocks of so many inputs, for the sparse kernels of mobile "
        "runtimes: 4 in float32, 16 in int8",
        lambda name, value: one_of(BLOCKS)(name, whole(name, value)),
        apart=True,
    )


def dataset_name(name, value) -> str:
    """`value` as what a data set is called; raises LotteryError, which calls it `name`, unless it is text or
    a path."""
    if not isinstance(value, (str, os.PathLike)):
        raise LotteryError(
            f"{name}={shown(value)}: expected text: digits, a TFDS name or a folder of images (./NAME)"
        )
    return os.fsdecode(value)


def _classes(name, value):
    if isinstance(value, (str, bytes)) or not np.iterable(value):
        raise LotteryError(
            f"{name}={shown(value)}: expected a list of labels or names, such as [0, 1], or None for all"
        )
    return tuple(value)


def _held_out(name, value):
    try:
        fits = bool(0 <= value < 1)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise LotteryError(f"{name}={shown(value)}: expected the share of train to hold out, 0 <= share < 1")
    return value


def _batch_size(name, value):
    try:
        return whole(name, value, most=2**63 - 1)
    except LotteryError:
        raise LotteryError(f"{name}={shown(value)}: expected a whole number, 1 or more") from None


def _image_size(name, value):
    try:
        height, width = (value,) * 2 if np.ndim(value) == 0 else value
        size = whole("height", height), whole("width", width)
        return size[0] if np.ndim(value) == 0 else size
    except (TypeError, ValueError):  # LotteryError is one
        raise LotteryError(
            f"{name}={shown(value)}: expected a positive whole number below 2**31 or (height, width) of such"
        ) from None


def _channels(name, value):
    if isinstance(value, bool) or not np.isscalar(value) or value not in (1, 3):
        raise LotteryError(f"{name}={shown(value)}: expected 1 (grey), 3 (colour) or None (as stored)")
    return int(value)


@dataclasses.dataclass(frozen=True)
class DataConfig(Config):
    """Which images are trained and tested on; what `data.load` takes.

    Example:
      >>> DataConfig("cifar10", classes=(0, 1, 2)).label
      'cifar10[0-2]'
    """

    dataset: str = option(
        "digits", "a TFDS name, a folder with one sub-folder of images a class, or digits", dataset_name
    )
    data_dir: str | None = option(None, "where TFDS data are (default: TFDS's own place)")
    train_split: str = option("train", "split or slice to train on, such as train[:50%]")
    test_split: str = option("test", "split or slice to test on")
    classes: tuple | None = option(None, "labels or names of the classes to keep (default: all)", _classes)
    validation: float = option(0.1, "share of the training split held out for validation", _held_out)
    image_size: int | tuple | None = option(None, "resize images to this height and width", _image_size)
    channels: int | None = option(None, "1 makes images grey, 3 makes them RGB", _channels)
    crop: bool = option(
        False, "cut images to the shape of --image_size, instead of squeezing them", apart=True, was=False
    )
    skip_bad: bool = option(False, "leave out files that cannot be read, and list them", was=False)
    augment: bool = option(False, "random flip and pad-4 crop of training images", apart=True)
    batch_size: int = option(128, "images a step", _batch_size, apart=True)

    def __post_init__(self):
        super().__post_init__()
        if self.crop and self.image_size is None:
            raise LotteryError(
                "crop=True cuts images to the shape of image_size: give that too, such as image_size=96"
            )

    @property
    def label(self) -> str:
        """What the data set, or these classes of it, is called in rows and tables."""
        return label(self.dataset, self.classes)

    def arguments(self) -> dict:
        """What `data.load` is called with, but for the seed."""
        own = self.told()
        return {"name": own.pop("dataset"), **own}


def label(name, classes=None) -> str:
    """What a data set, or these classes of it, is called in rows and tables.

    >>> label("mnist"), label("cifar10", [5, 6, "7", 8, 9]), label("cifar10", ["cat", 0, 1])
    ('mnist', 'cifar10[5-9]', 'cifar10[cat,0-1]')
    """
    if classes is None:
        return os.fsdecode(name)
    runs = []  # (first, last) of labels that rise one by one
    for kept in map(str, classes):
        if runs and kept.isdecimal() and runs[-1][1].isdecimal() and int(kept) == int(runs[-1][1]) + 1:
            runs[-1] = runs[-1][0], kept
        else:
            runs.append((kept, kept))
    kept = ",".join(first if first == last else f"{first}-{last}" for first, last in runs)
    return f"{os.fsdecode(name)}[{kept}]"


def _learning_rate(name, value):
    rates = value if isinstance(value, (list, tuple)) else [value]
    rates = [above_zero(name, rate) for rate in rates]
    if not rates:
        raise LotteryError(f"{name}=[] holds no rate: give one, for example 0.1.")
    return rates if isinstance(value, (list, tuple)) else rates[0]


@dataclasses.dataclass(frozen=True)
class Recipe(Config):
    """How a net is trained: optimizer, learning rate and its schedule, weight decay."""

    optimizer: str = option(
        "sgd", "sgd, nesterov (momentum 0.9), adam, adamw, rmsprop or lion", one_of(OPTIMIZERS)
    )
    learning_rate: float | list = option(
        0.1,
        "learning rate at the start; with --schedule=step also several, such as 0.005,0.001,0.0001",
        _learning_rate,
    )
    schedule: str = option(
        "cosine",
        "learning rate over a training: constant, cosine (to 0) or step (a tenth after 1/2 and after 3/4)",
        one_of(SCHEDULES),
    )
    weight_decay: float = option(
        0.0,
        "weight decay, times the learning rate (PyTorch's SGD with momentum 0.9 decays ten times as much "
        "for the same number)",
        zero_or_more,
    )

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.learning_rate, list) and len(self.learning_rate) != 1 and self.schedule != "step":
            raise LotteryError(
                f"learning_rate={self.learning_rate!r}: several rates are for schedule='step', not "
                f"{self.schedule!r}."
            )


@dataclasses.dataclass(frozen=True)
class Machine(Config):
    """What the numbers are computed with, on one machine."""

    precision: str = option(
        "auto",
        "auto, float32, mixed_bfloat16 or mixed_float16. auto is the fastest here: "
        "mixed_bfloat16 on TPUs and processors that have it, mixed_float16 on GPUs with tensor cores. "
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
        """`verbose` as `fit` takes it."""
        return (
            "auto" if self.verbose is True else int(self.verbose) if self.verbose is False else self.verbose
        )
