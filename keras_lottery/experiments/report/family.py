"""The family of primary comparisons that a plan names before its runs, as a JSON file beside the study."""

import dataclasses
from pathlib import Path

from ...core import files
from ...core.checks import above_zero, of_kind, share, shown, true_or_false
from ...core.errors import LotteryError
from ..verdicts import MARGIN


@dataclasses.dataclass(frozen=True)
class Primary:
    """One primary comparison: the ticket minus a control, pooled over the family's nets.

    Attributes:
      target: the data set that is tested on, as rows name it.
      sparsity: of the ticket, 0..1.
      control: what the ticket is compared with.
      source, train_images, epochs: of the rows, where the target alone does not tell its runs apart.
    """

    target: str
    sparsity: float
    control: str
    source: str | None = None
    train_images: int | None = None
    epochs: int | None = None

    def is_of(self, one):
        """Whether a `Comparison` of one net is a part of this."""
        told = {name: getattr(self, name) for name in ("target", "source", "train_images", "epochs")}
        same = all(value is None or one.first[name] == value for name, value in told.items())
        return same and (one.ticket, one.control, round(one.sparsity, 4)) == (
            "ticket",
            self.control,
            round(self.sparsity, 4),
        )

    def __str__(self):
        data = f"{self.source} -> {self.target}" if self.source else self.target
        facts = [
            f"{count:,} {name}"
            for count, name in ((self.train_images, "images"), (self.epochs, "epochs"))
            if count is not None
        ]
        return ", ".join([data, *facts])


@dataclasses.dataclass(frozen=True)
class Family:
    """All primary comparisons of a study, and how they are judged: fixed before its runs.

    Attributes:
      models: the nets that are pooled, as rows name them ("resnet18 x0.25"); each has the same weight.
      cells: a Primary for each comparison. All are corrected for together.
      margin: points that do not matter; at most so many with margin_share.
      margin_share: the share of the dense nets' mean error that does not matter, 0..1, for targets that are
        nearly solved: the margin is then the smaller of the two. None for the margin alone.
      common_variance: pool the variance over the nets, too; see `stats.pooled`.
      new_images: judge by the interval over seeds and test images, so that the verdicts are about images like
        those that were tested, not about these alone; see `crossed`. The rows must tell which images were
        right.

    Raises:
      LotteryError: a value that cannot be.

    >>> cell = {"target": "mnist", "sparsity": 0.9, "control": "dense-scratch"}
    >>> Family(models=["resnet18"], cells=[cell]).margin
    0.5
    """

    models: tuple
    cells: tuple
    margin: float = MARGIN
    margin_share: float | None = None
    common_variance: bool = False
    new_images: bool = False

    def __post_init__(self):
        for name in ("models", "cells"):
            values = getattr(self, name)
            of_kind(name, values, (list, tuple), "a list")
            if not values:
                raise LotteryError(f"{name} is empty: give at least one.")
            object.__setattr__(self, name, tuple(values))
        if not all(isinstance(model, str) for model in self.models) or len(set(self.models)) < len(
            self.models
        ):
            raise LotteryError(
                f"models={shown(list(self.models))}: give the name of each net once, as the rows have it."
            )
        object.__setattr__(self, "cells", tuple(_made(Primary, cell, "a cell") for cell in self.cells))
        if len(set(self.cells)) < len(self.cells):
            raise LotteryError("cells: one stands there twice; give each once.")
        for cell in self.cells:
            share("sparsity", cell.sparsity)
        above_zero("margin", self.margin)
        if self.margin_share is not None:
            share("margin_share", self.margin_share)
        true_or_false(common_variance=self.common_variance, new_images=self.new_images)
        if self.common_variance and self.new_images:
            raise LotteryError(
                "common_variance=True is of the interval over seeds alone: leave it out, or new_images."
            )


def read_family(path) -> Family:
    """The family in a JSON file, whose fields are those of `Family`.

    Raises:
      LotteryError: no such file, no JSON, or fields that are not a family's.
    """
    found = files.read_json(path)
    try:
        return _made(Family, found, "the file")
    except LotteryError as error:
        raise LotteryError(f"{str(Path(path))!r} names no primary comparisons: {error}") from None


def _made(kind, given, what):
    if isinstance(given, kind):
        return given
    of_kind(what, given, dict, "an object of names and values")
    fields = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(kind)}
    wrong = [name for name in given if name not in fields]
    lacking = [name for name, needed in fields.items() if needed and name not in given]
    if wrong or lacking:
        raise LotteryError(
            f"{what} {'has' if wrong else 'lacks'} {', '.join(map(repr, wrong or lacking))}: "
            f"its fields are {', '.join(fields)}."
        )
    return kind(**given)
