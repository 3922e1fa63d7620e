"""A ticket: masks and the weights to rewind to, in one checked folder without pickle."""

import dataclasses
import difflib
import gzip
import json
import warnings
from pathlib import Path

import numpy as np

from .. import engines, wrapping
from ..architecture import kind, translate
from ..architecture.trust import check_depth
from ..core import checks, html, jsonable
from ..core.checks import known, of_kind, true_or_false
from ..core.errors import LotteryError
from ..core.files import new_folder, sha256, write_arrays, write_json
from ..core.finite import check_finite
from ..core.masking import sparsity
from ..core.types import Model, PathLike
from ..engines.sizes import check_sizes
from . import ticket_file
from .anew import drawn_anew
from .card import card

DESCRIBED = {
    "name",
    "splits",
    "classes",
    "mean",
    "std",
    "validation",
}  # of data, as `data.Data.describe` does
STARTS = ("rewind", "trained", "random")


@dataclasses.dataclass(frozen=True)
class Ticket:
    """Masks, rewind weights and the architecture they belong to.

    Attributes:
      masks: {weight path: bool array}, True = kept.
      weights: {path: array}, the whole state at the rewind point (BatchNorm statistics
        included), pruned entries 0.
      trained: the same after training, or None.
      architecture: the plain model as JSON-able dict.
      heads: paths of the output layers.
      rounds: one record a round: round, sparsity (0..1), kept, total, metrics.
      settings: what its search was told: rewind, scope, epochs, seed, and what else it was.
      info: notes, which nothing is computed from: data, model, versions, the caller's own.
    """

    masks: dict
    weights: dict
    trained: dict | None
    architecture: dict
    heads: list
    rounds: list
    info: dict = dataclasses.field(default_factory=dict)
    settings: dict = dataclasses.field(default_factory=dict)

    @property
    def sparsity(self) -> float:
        """Share of zeros over the masked weights, 0..1."""
        return sparsity(self.masks)

    def __repr__(self):
        kept, total = (sum(map(count, self.masks.values())) for count in (np.count_nonzero, np.size))
        found = f", found on {self.images.get('label', self.images['name'])}" if self.images else ""
        return (
            f"Ticket({self.sparsity:.1%} zeros: {kept:,} of {total:,} weights in {len(self.masks)} "
            f"tensors{found})"
        )

    def _repr_html_(self):
        rows = [
            (path, "x".join(map(str, mask.shape)), f"{mask.size:,}", f"{1 - mask.mean():.1%}")
            for path, mask in self.masks.items()
        ]
        return html.table(repr(self), ("weight", "shape", "size", "zeros"), rows)

    def model(self, start: str = "rewind", keras: str | None = None) -> Model:
        """The wrapped, uncompiled model with the ticket in it.

        Args:
          start: the weights under the mask: "rewind", "trained" or "random": newly drawn, except for
            what is frozen and what Normalization was adapted to.
          keras: "tf_keras" or "keras" (Keras 3), whichever it was found with; None for that one.

        Raises:
          LotteryError: unknown start, no trained weights in the ticket, or an architecture
            that the other Keras has no counterpart for.
        """
        values = self.start(start)
        engine, architecture = as_built_by(keras, self)
        return assemble(
            engine, architecture, self.masks, values, draw=start == "random", pruned_by=self.pruned_by
        ).model

    @property
    def images(self) -> dict | None:
        """What `data.load` said of the images of its search, {} where the notes hold no such thing."""
        data = self.info.get("data")
        return data if isinstance(data, dict) and DESCRIBED <= data.keys() else {}

    @property
    def pruned_by(self) -> dict:
        """What `masking.prune` was told besides the sparsity: scope and blocks."""
        return {"scope": self.settings.get("scope") or "global", "blocks": self.settings.get("blocks") or {}}

    def start(self, name: str) -> dict:
        """{path: array} to start from; for "random" those that give what is not drawn anew."""
        known("start", name, STARTS)
        if name == "trained" and self.trained is None:
            raise LotteryError(
                "start='trained': this ticket was saved without trained weights. Choose 'rewind' or 'random'."
            )
        return self.trained if name == "trained" else self.weights

    def save(self, path: PathLike, overwrite: bool = False, trained: bool = True) -> None:
        """Write the ticket as a folder: ticket.json, safetensors files, a readable README.md.

        Masks take one bit a weight; of masked weights only the surviving values are kept.
        The folder appears whole or not at all.

        Args:
          path: the folder to make.
          overwrite: replace what is there.
          trained: keep the trained weights as well.

        Raises:
          LotteryError: the folder exists and overwrite is False, or cannot be written.
        """
        true_or_false(overwrite=overwrite, trained=trained)
        ends = self.weights, self.trained or self.weights
        for state, other in (ends, ends[::-1]):
            check_finite(state, other, "this ticket is of a training that diverged")
        if overwrite and Path(path).exists() and not (Path(path) / "ticket.json").is_file():
            raise LotteryError(f"{str(path)!r} holds no ticket to overwrite: give another path.")
        with new_folder(path, overwrite) as folder:
            packed = {name: np.packbits(mask) for name, mask in self.masks.items()}
            write_arrays(folder / ticket_file.MASKS, packed)
            write_arrays(folder / ticket_file.WEIGHTS, self._survivors(self.weights))
            if trained and self.trained is not None:
                write_arrays(folder / ticket_file.TRAINED, self._survivors(self.trained))
            # mtime=0: equal tickets are equal files.
            (folder / ticket_file.ARCHITECTURE).write_bytes(
                gzip.compress(json.dumps(self.architecture).encode(), mtime=0)
            )
            files = {file.name: sha256(file) for file in sorted(folder.iterdir())}
            shapes = {name: {"shape": list(m.shape), "kept": int(m.sum())} for name, m in self.masks.items()}
            content = jsonable.plain(
                {
                    "format": ticket_file.FORMAT,
                    "sparsity": self.sparsity,
                    "masks": shapes,
                    "heads": self.heads,
                    "rounds": self.rounds,
                    "settings": self.settings,
                    "info": self.info,
                    "sha256": files,
                }
            )
            write_json(folder / "ticket.json", {**content, "checksum": ticket_file.checksum(content)})
            (folder / "README.md").write_text(
                card(self, Path(path).name, sorted(folder.iterdir())), encoding="utf-8"
            )

    def _survivors(self, values):
        """Of masked weights what the mask keeps, without a copy where that is all."""

        def kept(value, mask):
            return value if mask is None else value.ravel() if mask.all() else value[mask]

        return {name: kept(value, self.masks.get(name)) for name, value in values.items()}


def shipped():
    """{name: folder} of the tickets that come with the package."""
    places = [folder / "saved_models" for folder in Path(__file__).parents[1:3]]  # installed, in a checkout
    return {file.parent.name: file.parent for place in places for file in sorted(place.glob("*/ticket.json"))}


def ticket_folder(ticket):
    """The folder of a ticket that is named by its path, or by its name if it comes with the package."""
    path = checks.path(ticket, "a ticket's folder or its name")
    return path if (path / "ticket.json").is_file() else shipped().get(str(ticket), path)


def load_ticket(path: PathLike) -> Ticket:
    """Read and check a ticket.

    Args:
      path: its folder, or the name of one that comes with the package (`ticket.shipped()`).

    Raises:
      LotteryError: no ticket there, or a file of it is missing, cut or altered.

    Example:
      >>> load_ticket("saved_models/none")
      Traceback (most recent call last):
      keras_lottery.core.errors.LotteryError: no ticket at 'saved_models/none': ...
    """
    folder = ticket_folder(path)
    if not (folder / "ticket.json").is_file():
        names = shipped()
        near = difflib.get_close_matches(Path(path).name, names, 1) or list(names)[:3]
        raise LotteryError(
            f"no ticket at {str(path)!r}: give a folder that holds ticket.json, made by Ticket.save, or "
            f"the name of one that comes with the package, such as {', '.join(near)}."
        )
    return Ticket(**ticket_file.read(folder))


def from_model(model, start, rounds, info=None, architecture=None, settings=None):
    """The Ticket in a wrapped model that was trained from the state `start` ({path: array}).

    info, settings: as for `Ticket`; versions, scope and blocks are added.
    architecture: what the engine says of the model, where it is at hand.
    """
    handle, masks = engines.of(model), wrapping.masks(model)  # which says so if it has none
    of_kind("start", start, dict, "the model's state, {path: array}")
    of_kind("rounds", rounds, (list, tuple), "a list of one record a round")
    of_kind("info", info or {}, dict, "a dict of notes")
    trained = handle.values()
    other = {
        path
        for path in {*start, *trained}
        if np.shape(start.get(path)) != np.shape(trained.get(path)) or path not in start
    }
    if other:
        raise LotteryError(
            f"start is no state of this model: {min(other)!r} is {_form(start, min(other))} in the one, "
            f"{_form(trained, min(other))} in the other. Give what the model held before its training."
        )
    for state, other in ((start, trained), (trained, start)):
        check_finite(state, other, "no ticket is made of a training that diverged")
    _, how = handle.settings()
    blocked = {"blocks": how["blocks"]} if how["blocks"] else {}
    return Ticket(
        masks=masks,
        weights=start,
        trained=trained,
        architecture=architecture or handle.architecture(),
        heads=handle.heads(),
        rounds=jsonable.plain(rounds),
        info=jsonable.plain({**handle.versions(), **(info or {})}),
        settings=jsonable.plain({"scope": how["scope"], **(settings or {}), **blocked}),
    )


def _form(state, path):
    return np.shape(state[path]) if path in state else "missing"


def as_built_by(keras, ticket):
    """(engine, the ticket's architecture in its form) for "tf_keras", "keras", or None: the Keras that it is
    of.

    Raises:
      LotteryError: the architecture holds what no file may, cannot be built, or has other weights than the
        ticket.
    """
    check_depth(ticket.architecture)
    engine = engines.engine_of(keras or kind(ticket.architecture))
    architecture = translate(ticket.architecture, engine.keras.__name__)
    most = sum(value.size * max(value.itemsize, 4) for value in ticket.weights.values())
    check_sizes(engine.shapes(architecture, most), ticket.weights)
    return engine, architecture


def assemble(engine, architecture, masks, values, new=(), *, draw=False, pruned_by):
    """The handle of a wrapped model of `architecture` with `masks` and `values`, newly drawn at the paths
    `new`, and with `draw` wherever it trains."""
    handle = engines.of(engine.build(architecture))
    shapes = {path: tuple(variable.shape) for path, variable in handle.variables().items()}
    given = {path: array.shape for path, array in {**masks, **values}.items()}
    needed = {path: shape for path, shape in shapes.items() if path in given or path not in new}
    for path in sorted({*given, *needed}):
        if given.get(path) != needed.get(path):
            raise LotteryError(
                f"the ticket's architecture does not fit its weights: {path!r} is {needed.get(path)} in "
                f"the one, {given.get(path)} in the other."
            )
    drawn = drawn_anew(handle)
    if stuck := sorted({*new} & shapes.keys() - drawn):
        warnings.warn(
            f"{', '.join(stuck)} is new, and frozen as in the ticket: what was newly drawn stays as it is.",
            stacklevel=3,
        )
    if draw:
        values = {path: value for path, value in values.items() if path not in drawn}
    wrapped = handle.on(handle.wrap_paths(list(masks), **pruned_by))
    wrapped.set_masks(masks)
    wrapped.load_state({**wrapped.values(), **values})
    return wrapped
