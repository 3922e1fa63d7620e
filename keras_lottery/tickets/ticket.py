"""A ticket: masks and the weights to rewind to, in one checked folder without pickle."""

import dataclasses
import os
import tempfile
from pathlib import Path

import numpy as np

from .. import engines, wrapping
from ..core import html, jsonable
from ..core.checks import known, of_kind, true_or_false
from ..core.errors import LotteryError
from ..core.files import new_folder
from ..core.finite import check_finite
from ..core.masking import sparsity
from ..core.types import Arrays, Model, PathLike
from ..core.visible import visible
from . import hub, ticket_file
from . import layout as layout_of
from .building import as_built_by, assemble
from .card_head import noted
from .described import described
from .places import shipped, ticket_folder  # noqa: F401  part of this module
from .saving import check_savable, write
from .without_paths import without_paths

STARTS = ("rewind", "trained", "random")


@dataclasses.dataclass(frozen=True)
class Ticket:
    """Masks, rewind weights and the architecture they belong to.

    Attributes:
      masks: {weight path: bool array}, True = kept.
      weights: {path: array}, the whole state at the rewind point (BatchNorm statistics
        included), pruned entries 0.
      trained: the same after training, or None; `weights` itself in a ticket that starts from its trained
        weights, which are then saved once.
      architecture: the plain model as JSON-able dict.
      heads: paths of the output layers.
      rounds: one record a round: round, sparsity (0..1), kept, total, metrics.
      settings: the options of its search: rewind, scope, epochs, seed and all others that were given.
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
        found = visible(f", found on {self.dataset}") if self.images else ""
        return (
            f"Ticket({self.sparsity:.1%} zeros: {kept:,} of {total:,} weights in {len(self.masks)} "
            f"tensors{found})"
        )

    def _repr_html_(self):
        rows = [
            (path, "x".join(map(str, mask.shape)), f"{mask.size:,}", f"{sparsity({path: mask}):.1%}")
            for path, mask in self.masks.items()
        ]
        return html.table(repr(self), ("weight", "shape", "size", "zeros"), rows)

    def model(self, start: str = "rewind", keras: str | None = None) -> Model:
        """The wrapped, uncompiled model with the ticket in it.

        Args:
          start: the weights under the mask: "rewind", "trained" or "random": newly drawn, except for
            what is frozen and what Normalization was adapted to.
          keras: the Keras of the model, "tf_keras" or "keras" (Keras 3), which need not be the one that
            the ticket was found with; None for that one.

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
    def images(self) -> dict:
        """What `data.load` said of the images of its search, {} where the notes hold no such thing."""
        return described(self.info.get("data"))

    @property
    def dataset(self) -> str | None:
        """What the images that it was trained on are called, None where the notes do not say."""
        return str(self.images.get("label", self.images["name"])) if self.images else None

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

    def numpy(self, layout: str = "keras", start: str = "rewind") -> Arrays:
        """The weights as plain arrays, pruned ones 0, for what is not Keras.

        Args:
          layout: "keras", or "torch": kernels have their axes as PyTorch's layers of the same kind have them.
            Dense (out, in); Conv1D to 3D (out, in, *sides); their transposes (in, out, *sides);
            DepthwiseConv1D and 2D, and the depthwise half of SeparableConv1D and 2D,
            (channels * multiplier, 1, *sides), for groups=channels. Embeddings, biases and the statistics of
            BatchNorm are the same in both.
          start: "rewind" or "trained".

        Returns:
          {path: array} of all weights and statistics, not of the masked ones alone; new arrays.

        Raises:
          LotteryError: an unknown value, no trained weights, or for "torch" a layer of another kind.

        Example:
          >>> ticket = load_ticket("lenet-fashion_mnist-95")
          >>> ticket.numpy()["dense1/kernel"].shape, ticket.numpy("torch")["dense1/kernel"].shape
          ((784, 300), (300, 784))
        """
        return layout_of.arrays(self, layout, start)

    def save(
        self,
        path: PathLike,
        overwrite: bool = False,
        trained: bool = True,
        *,
        name: str | None = None,
        license: str | None = None,
        author: str | None = None,
    ) -> None:
        """Write the ticket as a folder: ticket.json, safetensors files, a readable README.md.

        Masks take one bit a weight; of masked weights only the surviving values are kept.
        The folder appears whole or not at all.

        Args:
          path: the folder to make.
          overwrite: replace what is there.
          trained: keep the trained weights as well.
          name: what the card calls the ticket; by default the folder's name.
          license: identifier of its licence, such as "apache-2.0", as the Hugging Face Hub has them.
          author: who made it. What is said of these three stays with the ticket, as notes.

        Raises:
          LotteryError: the folder exists and overwrite is False, or cannot be written.
        """
        true_or_false(overwrite=overwrite, trained=trained)
        told = dataclasses.replace(self, info=noted(self.info, name=name, license=license, author=author))
        if overwrite and os.path.exists(path) and not os.path.isfile(Path(path) / "ticket.json"):
            raise LotteryError(f"{str(path)!r} holds no ticket to overwrite: give another path.")
        check_savable(self)
        with new_folder(path, overwrite) as folder:
            write(told, folder, Path(path).name, trained=trained)

    def push(
        self,
        address: str,
        *,
        trained: bool = True,
        name: str | None = None,
        license: str | None = None,
        author: str | None = None,
    ) -> str:
        """Publish the ticket in a repository of the Hugging Face Hub, as one commit.

        Of paths in its notes, absolute or from a home folder, the last part alone is published. The
        repository is made if it is not there. `load_ticket`, and `--ticket` of the commands, take the
        address. Log in first, once, with `hf auth login`. Needs `pip install 'keras_lottery[hub]'`.

        Args:
          address: "hf://user/name".
          trained: publish the trained weights as well.
          name, license, author: as for `save`; the name is by default that of the repository.

        Returns:
          The address of the commit, "hf://user/name@commit", which is always this very ticket.

        Raises:
          LotteryError: no such address, or you may not write there.
        """
        true_or_false(trained=trained)
        repository = hub.repository(address)
        notes = noted(without_paths(self.info), name=name, license=license, author=author)
        told = dataclasses.replace(self, info=notes)
        check_savable(self)
        with tempfile.TemporaryDirectory() as folder:
            write(told, Path(folder), repository.rpartition("/")[2], address, trained)
            return hub.published(Path(folder), address)


def load_ticket(path: PathLike, sha256: str | None = None) -> Ticket:
    """Read and check a ticket.

    A ticket from elsewhere is read as data: none but its own files are fetched, and no code of it is run.

    Args:
      path: its folder, the name of one that comes with the package (`ticket.shipped()`), "hf://user/name" of
        the Hugging Face Hub, with "@" and a branch, a tag or a commit if need be, or the "https://..." of a
        zip file of its folder.
      sha256: SHA-256 of that zip file; by default what it was the first time. "#sha256=" and the hash at the
        end of the address says the same.

    Raises:
      LotteryError: no ticket there, a file of it is missing, cut or altered, or the zip file is another one.

    Example:
      >>> load_ticket("saved_models/none")
      Traceback (most recent call last):
      keras_lottery.core.errors.LotteryError: no ticket at 'saved_models/none': ...
    """
    return Ticket(**ticket_file.read(ticket_folder(path, sha256)))


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
