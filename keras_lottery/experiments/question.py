"""What a study compares, checked before anything is loaded or trained."""

import dataclasses

from ..config import DataConfig, Machine, Net, Recipe, SearchConfig
from ..core.checks import known, share, whole, zero_or_more
from ..core.errors import LotteryError
from ..core.options import Config, listed, option, several
from ..core.schedule import KEPT
from . import controls
from .configs import OF_TARGETS

SEEDS = 10_000
BUDGET = 1500  # optimizer steps on a target, where nobody says another


@dataclasses.dataclass(frozen=True)
class StudyRun(Config):
    """Where and by how many processes a study is run."""

    jobs: int = option(
        1,
        "processes, among which the cores are shared out",
        lambda name, value: whole(name, value, most=1000),
    )
    ray_address: str | None = option(
        None, "run on this Ray cluster instead; run_dir must be on a file system its nodes share"
    )
    dry_run: bool = option(False, "say what would be run and how long it would take")
    tensorboard: bool = option(
        False, "write scalars and HParams for TensorBoard to run_dir/tensorboard as well"
    )
    run_dir: str = option("runs/study", "folder of the study's runs; several studies can share it")
    output: str | None = option(None, "folder for rows, tables, plots and page (default: run_dir)")


def _sparsities(name, values):
    values = tuple(share(name, at) for at in listed(name, values))
    if not values or list(values) != sorted(set(values)):
        raise LotteryError(f"{name}={list(values)}: give rising sparsities, such as [0.8, 0.9].")
    return values


def _once(name, values):
    values = listed(name, values)
    if len(set(values)) < len(values):
        raise LotteryError(f"{name}={','.join(map(str, values))}: give each once.")
    return values


@dataclasses.dataclass(frozen=True)
class Study(Config):
    """What a study compares: tickets of a source, carried to targets, beside controls, over seeds.

    The `search` is told once for all: its sparsities, rewind points and seeds are the study's own. Controls
    belong to the first of the rewind points. `data` says what all data sets share.

    Raises:
      LotteryError: an impossible value, or values that contradict each other.

    Example:
      >>> study = Study("cifar10", targets=("mnist",), data=DataConfig(batch_size=64))
      >>> study.datasets["mnist"].batch_size
      64
    """

    source: str = option("digits", "data set that tickets are found on")
    targets: tuple = option((), "data sets that they are carried to", _once)
    source_classes: tuple | None = option(
        None, "labels or names of the classes of the source to keep (default: those of --classes)", listed
    )
    target_classes: tuple | None = option(
        None, "classes to keep of each target, for example 5,6,7,8,9 where the source keeps 0,1,2,3,4", listed
    )
    target_train_split: str | None = option(
        None, "split or slice of the targets to train on (default: that of the source)"
    )
    sparsities: tuple = option(
        (0.8, 0.9, 0.95), "shares of zeros, each reached exactly by a round", _sparsities
    )
    rewinds: tuple = several(
        SearchConfig,
        "rewind",
        ("init",),
        "rewind points: init, steps, trained, lr or finetune. Controls belong to the first",
    )
    controls: tuple = option(
        ("random", "dense-scratch", "dense-transferred"),
        f"what the tickets are compared with: {OF_TARGETS}; on the source also dense-cyclic, which needs "
        "--rewinds=lr or finetune; random@0.9 trains a control at that sparsity only",
        _once,
    )
    source_controls: tuple | None = option(
        None, "controls on the source (default: those of --controls)", _once
    )
    seeds: int = option(3, "how many seeds, from 0 on", lambda name, value: whole(name, value, most=SEEDS))
    target_steps: int | None = option(
        None, f"optimizer steps on a target, to the nearest epoch (default {BUDGET})", whole
    )
    target_epochs: int | None = option(None, "epochs on a target instead", whole)
    target_learning_rate: float | list | None = option(
        None, "learning rate on targets (default: that on the source)"
    )
    target_weight_decay: float | None = option(
        None, "weight decay on targets (default: that on the source)", zero_or_more
    )
    search: SearchConfig = SearchConfig()
    net: Net = Net()
    data: DataConfig = DataConfig()
    recipe: Recipe = Recipe()
    machine: Machine = Machine()

    def __post_init__(self):
        super().__post_init__()
        if self.target_steps is not None and self.target_epochs is not None:
            raise LotteryError(
                f"target_steps={self.target_steps} and target_epochs={self.target_epochs} both say how long "
                "to train on a target: give one of them."
            )
        if self.target_steps is None and self.target_epochs is None:
            object.__setattr__(self, "target_steps", BUDGET)
        if self.source_controls is None:
            object.__setattr__(self, "source_controls", self.controls)
        _once("rewinds", self.rewinds)
        if not self.rewinds:
            raise LotteryError("rewinds is empty: give at least one rewind point, such as init or 200.")
        self.searched(self.rewinds[0], 0)  # says what is wrong with it
        self.target_recipe  # noqa: B018
        if self.source_name in self.target_names:
            raise LotteryError(
                f"targets: {self.source_name!r} is the source: leave it out, the searches test their "
                "tickets on it."
            )
        shortening = [name for name in ("rewind_once", "budget", "early_bird") if getattr(self.search, name)]
        if shortening and len(self.sparsities) > 1:
            raise LotteryError(
                f"{shortening[0]} trains only the last round to its end, so there is one ticket, and "
                f"sparsities={list(self.sparsities)} asks for {len(self.sparsities)}: give one sparsity, or "
                f"leave {shortening[0]} out."
            )
        for control in dict.fromkeys((*self.controls, *self.source_controls)):
            self._check_control(str(control))

    def _check_control(self, control):
        control, told, at = control.partition("@")
        known("control", control, [name for name in controls.CONTROLS if name != "ticket"])
        if control in controls.ON_SOURCE and self.rewinds[0] not in KEPT:
            raise LotteryError(
                f"control {control!r} is trained as often as a ticket whose weights stay, and rewind point "
                f"{self.rewinds[0]!r} takes them back: leave it out, or put {' or '.join(KEPT)} first "
                "among the rewind points."
            )
        if told and (control in controls.DENSE or not at or share(control, at) not in self.sparsities):
            raise LotteryError(
                f"control '{control}@{at}' is not understood: give one of the study's sparsities, "
                f"{', '.join(map(str, self.sparsities))}, after @; a dense control takes none."
            )

    def searched(self, rewind, seed) -> SearchConfig:
        """The search of one rewind point and seed."""
        return dataclasses.replace(
            self.search, rounds=None, final_sparsity=self.sparsities, rewind=rewind, seed=seed
        )

    @property
    def scope(self) -> str:
        """Of the thresholds that tickets are pruned by."""
        return self.search.scope or "global"

    @property
    def planned(self) -> list:
        """Sparsity after each round of a search."""
        return self.searched(self.rewinds[0], 0).sparsities

    @property
    def source_name(self) -> str:
        """What the source is called in rows and tables."""
        return self._data(self.source, self.source_classes).label

    @property
    def target_names(self) -> tuple:
        """What the targets are called in rows and tables."""
        return tuple(self._data(target, self.target_classes).label for target in self.targets)

    @property
    def datasets(self) -> dict:
        """{what a data set is called: its DataConfig}, the source first."""
        found = {self.source_name: self._data(self.source, self.source_classes)}
        split = {} if self.target_train_split is None else {"train_split": self.target_train_split}
        for name, target in zip(self.target_names, self.targets):
            found[name] = dataclasses.replace(self._data(target, self.target_classes), **split)
        return found

    @property
    def target_recipe(self) -> Recipe:
        """The recipe on targets."""
        own = {"learning_rate": self.target_learning_rate, "weight_decay": self.target_weight_decay}
        return dataclasses.replace(
            self.recipe, **{name: value for name, value in own.items() if value is not None}
        )

    def _data(self, name, classes):
        kept = {} if classes is None else {"classes": classes}
        return dataclasses.replace(self.data, dataset=name, **kept)

    def on(self, dataset) -> str:
        """Whether a data set is the "source" or a "target"."""
        return "source" if dataset == self.source_name else "target"

    def epochs_on(self, dataset, batches) -> int:
        """Epochs of a training on a data set with so many batches to train."""
        if dataset == self.source_name:
            return self.search.epochs
        return self.target_epochs or max(1, round(self.target_steps / batches))

    def wants(self, control, sparsity, on) -> bool:
        """Whether a control is asked for at a sparsity, on the "source" or on a "target"; a dense one at
        None."""
        asked = self.source_controls if on == "source" else self.controls
        if control in asked:
            return control not in controls.ON_SOURCE or on == "source"
        return any(
            name == control and at and float(at) == sparsity
            for name, _, at in (one.partition("@") for one in asked)
        )
