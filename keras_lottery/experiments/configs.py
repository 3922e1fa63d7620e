"""What a transfer and a tuning are told, beyond `keras_lottery.config`; a study's is `question.Study`."""

import dataclasses

from ..config import Net, SearchConfig, seed_option
from ..core.checks import above_zero, share, whole, whole_or_text, zero_or_more
from ..core.errors import LotteryError
from ..core.options import Config, check_of, listed, one_of, option
from ..models.preprocessing import of_words
from ..tickets.ticket import STARTS
from .controls import CONTROLS, ON_SOURCE

GOALS = ("size", "download", "latency")
OF_TARGETS = ", ".join(name for name in CONTROLS if name not in ("ticket", *ON_SOURCE))


@dataclasses.dataclass(frozen=True)
class TransferConfig(Config):
    """How a ticket is carried to another data set, and beside which controls."""

    ticket: str | None = option(
        None,
        "where the ticket is: a folder, such as saved_models/NAME or RUN_DIR/round_09; hf://user/name; or "
        "https://....zip, a zip file of a folder, to which #sha256=HASH may be added to accept no other file",
    )
    start: str = option(
        "rewind",
        "the ticket's weights under its mask: rewind, trained or random",
        one_of(STARTS),
        apart=True,
    )
    controls: tuple = option((), f"also train: {OF_TARGETS}", listed)
    freeze_backbone: bool = option(False, "train the new head alone (tickets do badly at that)", apart=True)
    preprocessing: str = of_words(
        "the scaling that the ticket's search was given, such as that of a pretrained net; if it was given "
        "none, the images' own mean and deviation"
    )
    epochs: int = option(10, "epochs of training; the one with the best validation accuracy is kept", whole)
    seed: int = seed_option()


@dataclasses.dataclass(frozen=True)
class Control(Config):
    """One control of a comparison, and what it is compared at."""

    control: str = option("dense-scratch", "a name in `controls.CONTROLS`", one_of(tuple(CONTROLS)))
    ticket: str | None = option(None, "the ticket's folder, for a control that needs one")
    dense: str | None = option(None, "the folder of the search's round 0")
    on: str = option("target", "source or target", one_of(("source", "target")))
    sparsity: float = option(0.0, "what the control is compared at")
    epochs: int = option(10, "epochs of training", whole)
    seed: int = seed_option()
    patience: int | None = option(None, "as of the search, on the source", whole)


def _filled(check):
    def checked(name, values):
        values = tuple(check(name, value) for value in listed(name, values))
        if not values:
            raise LotteryError(
                f"{name} is empty: give one value or more, with commas between them, or leave it out."
            )
        return values

    return checked


def _range(check):
    def checked(name, values):
        values = listed(name, values)
        if len(values) != 2:
            raise LotteryError(
                f"{name}={','.join(map(str, values))}: give the lowest and the highest, as in LOW,HIGH."
            )
        low, high = (check(name, value) for value in values)
        if low > high:
            raise LotteryError(f"{name}={low:g},{high:g} is out of order: give the lowest first.")
        return low, high

    return checked


@dataclasses.dataclass(frozen=True)
class Pretrained(Config):
    """A net that may be there already: its weights, its code, how it takes images, and what of it is kept.

    `may_be_new`: whether it is taken for a new one where nothing tells how it takes images.
    """

    model: str | None = option(
        None, "a saved .keras or .h5 file, a network of keras.applications, or a builder's name"
    )
    weights: str | None = option(
        None, "of a network of keras.applications: imagenet, none, or an .h5 file of save_weights"
    )
    code: str | None = option(
        None, "a Python file of yours that defines the model's own layers; it is run, so know what is in it"
    )
    preprocessing: str = of_words(
        "the scaling found from the net's layers, from its name, or by measuring on the photos; for a new "
        "net the images' own mean and deviation"
    )
    width = 1
    new_head = True
    freeze_backbone = False
    may_be_new = False


@dataclasses.dataclass(frozen=True)
class OwnNet(Net, Pretrained):
    """Which net a search prunes: a new one, or one that is there already."""

    new_head: bool = option(False, "give a saved model a new head where its own is for other classes")
    freeze_backbone: bool = option(
        False,
        "keep the frozen layers of a saved model as they are; if it has none, train and prune only its head",
        apart=True,
    )
    may_be_new = True


def _of_source(name, values):
    return tuple(one_of(ON_SOURCE)(name, value) for value in listed(name, values))


@dataclasses.dataclass(frozen=True)
class ShrinkConfig(Pretrained):
    """Which model is made small for which photos, by how much it may suffer, and where the file goes."""

    output: str | None = option(None, "the .tflite file to write")
    goal: str = option("size", "what the best file is chosen by: size, download or latency", one_of(GOALS))
    max_loss: float = option(
        0.5, "points of validation accuracy that the file may lose; one image is always allowed", zero_or_more
    )
    epochs: int = option(6, "epochs of each training", whole)
    budget: float | None = option(
        None, "limit in minutes: no further training begins unless it would end in time", above_zero
    )
    controls: tuple = option(
        (), "dense-cyclic: also report the points lost against the dense net trained as often", _of_source
    )
    arm: bool = option(
        False, "also count instructions on an emulated ARM processor, as lottery-benchmark --arm does"
    )
    seed: int = seed_option()


@dataclasses.dataclass(frozen=True)
class TuneConfig(Config):
    """Which settings of a search are tried, and how many."""

    trials: int = option(10, "settings to try; more can be added to a finished run", whole)
    rates: tuple = option((0.2, 0.36, 0.5), "rates to choose from", _filled(share))
    rewinds: tuple | None = option(
        None,
        "rewind points to choose from, such as init,100,500 (default: init and the steps at 5% "
        "and 20% of the shortest training)",
        _filled(check_of(SearchConfig, "rewind")),
    )
    learning_rate_range: tuple | None = option(
        None,
        "lowest and highest, such as 0.01,0.1 (default: a third of the learning rate, given or chosen, to "
        "three times it)",
        _range(above_zero),
    )
    epochs_range: tuple | None = option(
        None,
        "fewest and most epochs of each round, such as 2,6 (default: half of --epochs to --epochs)",
        _range(lambda name, value: whole(name, whole_or_text(value))),
    )
