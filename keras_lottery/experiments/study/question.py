"""What a study compares, checked before anything is loaded or trained."""

import dataclasses
from collections.abc import Iterable

from ...core.checks import MOST, above_zero, known, share, shown, whole, whole_or_text, zero_or_more
from ...core.errors import LotteryError
from ...core.masking import SCOPES
from ...core.schedule import KEPT, check_rewind, round_sparsities
from ...data import label
from .. import controls
from ..machine import BACKENDS, OF_ONE_MACHINE, PRECISIONS

SEEDS = 10_000


@dataclasses.dataclass(frozen=True)
class Study:
    """What a study compares.

    Attributes:
      source: name of the data set that tickets are found on.
      targets: names of those they are carried to; may be empty.
      source_classes, target_classes: the classes to keep of the source and of each target, as `data.load` takes
        them, where they are not those that `data` says: tickets of CIFAR-10's classes 0 to 4 on its classes 5 to 9.
      target_train_split: what to train on of each target, where it is another split.
      model, width: a builder's name and its width, or a saved .keras file.
      sparsities: shares of zeros, 0..1, rising; rounds end at each exactly.
      rate: the most that a round prunes of what is left, 0..1.
      rewinds: rewind points: "init", steps, "trained", "lr" or "finetune". Controls belong to
        the first of them.
      controls: names in `controls.CONTROLS`; "random@0.9" asks for one at that sparsity alone.
      source_controls: those on the source, where they are not the same.
      seeds: how many; 0, 1, ... are used.
      epochs: of the dense training and of each round, on the source.
      target_steps: optimizer steps on a target, to the nearest whole epoch; or
      target_epochs: epochs on a target.
      recipe: optimizer, learning_rate, schedule and weight_decay, as a dict.
      target_learning_rate, target_weight_decay: on targets, where they are to be others.
      data: the arguments of `data.load` that all sets share, as a dict.
      scope, precision, strategy, backend: as for `jobs.find`.
    """

    source: str
    targets: tuple
    model: str
    sparsities: tuple
    epochs: int
    recipe: dict
    data: dict
    target_steps: int | None = None
    target_epochs: int | None = None
    source_classes: tuple | None = None
    target_classes: tuple | None = None
    target_train_split: str | None = None
    target_learning_rate: float | list | None = None
    target_weight_decay: float | None = None
    width: float = 1.0
    rate: float = 0.2
    rewinds: tuple = ("init",)
    controls: tuple = ("random", "dense-scratch", "dense-transferred")
    source_controls: tuple | None = None
    seeds: int = 3
    scope: str = "global"
    precision: str = "auto"
    strategy: str = "none"
    backend: str = "auto"

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        for name, choices in (
            ("scope", SCOPES),
            ("precision", PRECISIONS),
            ("strategy", OF_ONE_MACHINE),
            ("backend", BACKENDS),
        ):
            known(name, getattr(self, name), choices)
        if self.source_controls is None:
            put("source_controls", self.controls)
        for name in ("sparsities", "rewinds", "targets", "controls", "source_controls"):
            if isinstance(getattr(self, name), str) or not isinstance(getattr(self, name), Iterable):
                raise LotteryError(f"{name}={shown(getattr(self, name))} is impossible: give a list.")
        put("sparsities", tuple(share("sparsities", at) for at in self.sparsities))
        put("rate", share("rate", self.rate))
        if not self.sparsities or list(self.sparsities) != sorted(set(self.sparsities)):
            raise LotteryError(
                f"sparsities={list(self.sparsities)}: give rising sparsities, such as [0.8, 0.9]."
            )
        round_sparsities(rate=self.rate, final_sparsity=self.sparsities)
        put("rewinds", tuple(_rewind(point) for point in self.rewinds))
        for name in ("rewinds", "targets", "controls", "source_controls"):
            values = tuple(getattr(self, name))
            put(name, values)
            if len(set(values)) < len(values):
                raise LotteryError(f"{name}={','.join(map(str, values))}: give each once.")
        for name in ("source_classes", "target_classes"):
            if getattr(self, name) is not None:
                put(name, tuple(getattr(self, name)))
        if self.source_name in self.target_names:
            raise LotteryError(
                f"targets: {self.source_name!r} is the source: leave it out, the searches test their tickets on it."
            )
        if not self.rewinds:
            raise LotteryError("rewinds is empty: give at least one rewind point, such as init or 200.")
        if (self.target_steps is None) == (self.target_epochs is None):
            raise LotteryError(
                "the budget on a target is open or told twice: give target_steps or target_epochs."
            )
        for name in ("seeds", "epochs", "target_steps" if self.target_epochs is None else "target_epochs"):
            put(name, whole(name, getattr(self, name), most=SEEDS if name == "seeds" else MOST))
        above_zero("width", self.width)
        if self.target_weight_decay is not None:
            zero_or_more("target_weight_decay", self.target_weight_decay)
        for control in dict.fromkeys((*self.controls, *self.source_controls)):
            control, told, at = str(control).partition("@")
            known("control", control, [name for name in controls.CONTROLS if name != "ticket"])
            if control in controls.ON_SOURCE and self.rewinds[0] not in KEPT:
                raise LotteryError(
                    f"control {control!r} is trained as often as a ticket whose weights stay, and rewind point {self.rewinds[0]!r} takes "
                    f"them back: leave it out, or put {' or '.join(KEPT)} first among the rewind points."
                )
            if told and (control in controls.DENSE or not at or share(control, at) not in self.sparsities):
                raise LotteryError(
                    f"control {control!r}: after @ stands one of the study's sparsities, "
                    f"{', '.join(map(str, self.sparsities))}, and nothing for the dense ones."
                )

    @property
    def source_name(self):
        """What the source is called in rows and tables."""
        return label(self.source, self._options(self.source_classes).get("classes"))

    @property
    def target_names(self):
        """What the targets are called in rows and tables."""
        classes = self._options(self.target_classes).get("classes")
        return tuple(label(target, classes) for target in self.targets)

    @property
    def datasets(self):
        """{what a data set is called: the arguments of `data.load`}, the source first."""
        found = {self.source_name: {"name": self.source, **self._options(self.source_classes)}}
        split = {} if self.target_train_split is None else {"train_split": self.target_train_split}
        for name, target in zip(self.target_names, self.targets):
            found[name] = {"name": target, **self._options(self.target_classes), **split}
        return found

    @property
    def target_recipe(self):
        """The recipe on targets."""
        own = {"learning_rate": self.target_learning_rate, "weight_decay": self.target_weight_decay}
        return {**self.recipe, **{name: value for name, value in own.items() if value is not None}}

    def _options(self, classes):
        return self.data if classes is None else {**self.data, "classes": list(classes)}

    def epochs_on(self, dataset, batches):
        """Epochs of a training on a data set with so many batches to train."""
        if dataset == self.source_name:
            return self.epochs
        return self.target_epochs or max(1, round(self.target_steps / batches))

    def wants(self, control, sparsity, on):
        """Whether a control is asked for at a sparsity, on the "source" or on a "target"; a dense one at None."""
        asked = self.source_controls if on == "source" else self.controls
        if control in asked:
            return control not in controls.ON_SOURCE or on == "source"
        return any(
            name == control and at and float(at) == sparsity
            for name, _, at in (one.partition("@") for one in asked)
        )


def _rewind(point):
    return check_rewind(whole_or_text(point))
