"""What a ticket is compared with: the same training from other masks or other weights.

A control is a Ticket of its own and the weights it starts from, so it is built, carried to another data set
and trained exactly as the ticket is. Three find their mask on the target itself: see `saliency` and
`gradual`. Newly drawn is what trains: what is frozen, and what Normalization was adapted to, is the ticket's
in every control.
"""

import dataclasses
import zlib

import numpy as np

from ..core.checks import SEED, known, of_kind, true_or_false, whole
from ..core.counts import of_paths
from ..core.errors import LotteryError
from ..core.masking import erdos_renyi, prune, random
from ..core.masking import shuffled as moved_about
from ..core.schedule import KEPT
from ..core.types import Model
from ..search.stopping import was_cut
from ..tickets.carry import transfer
from ..tickets.ticket import Ticket

CONTROLS = {
    "ticket": "the ticket: its mask over its rewind weights",
    "trained": "its mask over its own trained weights",
    "late-reset": "its mask over the dense net's trained weights (the paper's late reset)",
    "reinit": "its mask over newly drawn weights",
    "random": "a random mask with the same counts in each tensor, over the dense rewind weights",
    "random-rescaled": "as random, with each tensor divided by the square root of its share of kept "
    "weights: outputs keep their scale",
    "random-erk": "a random mask with as many weights in all, in Erdos-Renyi-kernel ratios, over the dense "
    "rewind weights, rescaled",
    "shuffled": "its mask and its rewind weights, moved to random places of each tensor together",
    "one-shot": "the dense net's trained weights pruned once, by magnitude, over the dense rewind weights",
    "snip": "newly drawn weights, pruned by SNIP on the target before training",
    "grasp": "newly drawn weights, pruned by GraSP on the target before training",
    "gradual": "newly drawn weights, pruned by magnitude little by little while they train on the target",
    "dense-transferred": "the dense net with its trained weights",
    "dense-rewound": "the dense net from the rewind point; on the source a check, for it is the dense "
    "training over again",
    "dense-cyclic": "the dense net trained as often as the ticket, with as many restarts of the learning "
    "rate and without pruning",
    "dense-scratch": "the dense net newly drawn",
    "dense-longer": "the dense net newly drawn, trained twice as long: whether the budget is enough",
}
ON_TARGET = ("snip", "grasp", "gradual")  # prune a newly drawn net, on the data that it trains on
DENSE = ("dense-scratch", "dense-transferred", "dense-rewound", "dense-longer")
ON_SOURCE = ("dense-cyclic",)  # trains on the data of the search alone
FROM_POINT = (
    "ticket",
    "random",
    "random-rescaled",
    "random-erk",
    "shuffled",
    "one-shot",
    "dense-rewound",
)  # begin with weights of the rewind point
FROM_END = ("trained", "late-reset", "dense-transferred")  # begin with weights that were trained to the end
_OF_DENSE = ("late-reset", "one-shot", "dense-transferred")  # its trained weights
_OF_TICKET = {"ticket": "rewind", "trained": "trained", "reinit": "random"}
_NEW = (*ON_TARGET, "dense-scratch", "dense-longer")  # newly drawn and dense: of the search they take the net


def student(
    control: str,
    ticket: Ticket,
    dense: Ticket | None,
    *,
    num_classes: int | None = None,
    input_shape: tuple | None = None,
    freeze_backbone: bool = False,
    seed: int = 0,
    keras: str | None = None,
) -> Model:
    """The wrapped, uncompiled model of one control of a comparison.

    The controls in ON_TARGET come dense: their masks are found once the model is compiled.

    Args:
      control: a name in `CONTROLS`.
      ticket: a Ticket.
      dense: the Ticket of round 0 of the same search; None where it is not at hand.
      num_classes, input_shape, freeze_backbone: on the target, as for `transfer`; with
        num_classes=None the ticket's own head is kept, with the weights of the control's start.
      keras: as for `transfer`.
      seed: of the random places.

    Raises:
      LotteryError: unknown control, or a control that needs `dense` without it.
    """
    true_or_false(freeze_backbone=freeze_backbone)
    made, start = masks_and_start(control, ticket, dense, seed)
    if num_classes is None:
        return made.model(start, keras)
    return transfer(
        made,
        num_classes=num_classes,
        input_shape=input_shape,
        start=start,
        freeze_backbone=freeze_backbone,
        keras=keras,
    )


def masks_and_start(control: str, ticket: Ticket, dense: Ticket | None, seed: int = 0) -> tuple[Ticket, str]:
    """(Ticket, start) of a control: its masks and weights, and the name of the weights to start from."""
    check(control, dense, "source")
    of_kind("ticket", ticket, Ticket, "a Ticket")
    seed = whole("seed", seed, **SEED)
    if control in _OF_TICKET:
        return ticket, _OF_TICKET[control]
    if control == "random":
        return random_mask(ticket, dense, seed), "rewind"
    if control == "random-rescaled":
        return rescaled(random_mask(ticket, dense, seed)), "rewind"
    if control == "random-erk":
        return rescaled(erdos_renyi_mask(ticket, dense, seed)), "rewind"
    if control == "late-reset":
        return _over(ticket, ticket.masks, dense.start("trained")), "rewind"
    if control == "shuffled":
        return shuffled(ticket, seed), "rewind"
    if control == "one-shot":
        return one_shot(dense, ticket.sparsity, _own_sparsities(ticket)), "rewind"
    if control in ("dense-rewound", "dense-cyclic"):
        return dense, "rewind"
    if control == "dense-transferred":
        return dense, "trained"
    return _unpruned(ticket) if dense is None else dense, "random"


def _unpruned(ticket):
    """A Ticket of the same net with nothing pruned, whose weights are to be drawn."""
    masks = {path: np.ones_like(mask) for path, mask in ticket.masks.items()}
    return dataclasses.replace(ticket, masks=masks, trained=None)


def first_step(control: str, ticket: Ticket) -> int:
    """The step of the dense training at which a control begins on the source: k with weights of the rewind
    point k, else 0."""
    return ticket.settings["rewind"] if control in FROM_POINT and ticket.settings.get("rule") else 0


def trainings_before(control: str, ticket: Ticket) -> int:
    """How many full trainings on the source the weights have had with which a control begins there."""
    rewind, number = ticket.settings.get("rewind"), ticket.rounds[-1]["round"] if ticket.rounds else 0
    if control in ("ticket", "shuffled") and rewind in KEPT or control == "dense-cyclic":
        return number
    if control == "trained" and rewind in KEPT:
        return number + 1
    return int(control in FROM_END or control in FROM_POINT and rewind == "trained")


def check(control: str, dense: Ticket | None, on: str = "target") -> None:
    """Raises LotteryError for an unknown control, or one that needs `dense` where it is None or was not
    trained in full."""
    known("control", control, CONTROLS)
    if dense is not None:
        of_kind("dense", dense, Ticket, "the Ticket of round 0 of the search, or None")
    if on == "target" and control in ON_SOURCE:
        raise LotteryError(
            f"control {control!r} repeats the rounds of the search without pruning, so it is trained only on "
            "the source, by lottery-study: leave it out here."
        )
    if control not in (*_OF_TICKET, *_NEW, "shuffled") and dense is None:
        raise LotteryError(
            f"control {control!r} needs the dense weights of the search, round_00 beside the ticket's "
            "folder: give a ticket of a search's run folder, RUN_DIR/round_NN."
        )
    if control in _OF_DENSE and was_cut(dense):
        raise LotteryError(
            f"control {control!r} needs the dense net trained in full, and its search ended that after "
            f"{len(dense.rounds[0]['history'])} of {dense.settings['epochs']} epochs: search without "
            "budget, early_bird and fast, or leave it out."
        )


def random_mask(ticket: Ticket, dense: Ticket, seed: int) -> Ticket:
    """A Ticket with as many weights in each tensor as `ticket`, at random places, of the dense rewind
    weights.

    Args:
      ticket: a Ticket.
      dense: the Ticket of round 0 of the same search: all weights at the rewind point.
      seed: int.
    """
    _check_pair(ticket, dense)
    return _over(ticket, random(ticket.masks, seed, ticket.pruned_by["blocks"]), dense.weights)


def erdos_renyi_mask(ticket: Ticket, dense: Ticket, seed: int) -> Ticket:
    """A Ticket with as many weights in all as `ticket`, at random places in Erdos-Renyi-kernel ratios, of the
    dense rewind weights.

    Args:
      ticket: a Ticket.
      dense: the Ticket of round 0 of the same search: all weights at the rewind point.
      seed: int.

    Source: Evci et al. 2020 (arXiv 1911.11134), section 3; as a control of pruning Liu et al. 2022 (arXiv
      2202.02643).
    """
    _check_pair(ticket, dense)
    return _over(ticket, erdos_renyi(ticket.masks, seed, ticket.pruned_by["blocks"]), dense.weights)


def rescaled(ticket: Ticket) -> Ticket:
    """A Ticket whose pruned tensors are divided by the square root of their share of kept weights.

    A sum over fewer random weights is smaller by that factor, so in a net without BatchNorm a random mask of
    10% gives logits near 0 that learn late. Divided, they are of the dense net's scale.
    """
    of_kind("ticket", ticket, Ticket, "a Ticket")

    def scaled(path, value):
        share = ticket.masks[path].mean()
        return (value / np.sqrt(share)).astype(value.dtype) if share else value

    weights = {
        path: scaled(path, value) if path in ticket.masks else value for path, value in ticket.weights.items()
    }
    return dataclasses.replace(ticket, weights=weights, trained=None)


def shuffled(ticket: Ticket, seed: int) -> Ticket:
    """A Ticket whose masks, and the rewind weights under them, are moved to random places of each tensor.

    Counts and values are the ticket's own; only where they stand is lost. Blocks move whole.
    """
    of_kind("ticket", ticket, Ticket, "a Ticket")

    def moved(path, array):
        return moved_about(
            array,
            np.random.default_rng([seed, zlib.crc32(path.encode())]),
            ticket.pruned_by["blocks"].get(path, 1),
        )

    weights = {
        path: moved(path, value) if path in ticket.masks else value for path, value in ticket.weights.items()
    }
    places = {path: moved(path, mask) for path, mask in ticket.masks.items()}
    return dataclasses.replace(ticket, masks=places, weights=weights, trained=None)


def one_shot(dense: Ticket, sparsity: float, own: dict | None = None) -> Ticket:
    """A Ticket of the dense net pruned to `sparsity` at once, by the magnitude of its trained weights.

    Args:
      dense: the Ticket of round 0 of a search.
      sparsity: share of zeros, 0..1.
      own: {weight path: share of zeros of this weight alone}, where layers had rates of their own.

    Source: one-shot pruning, Frankle & Carbin 2019 (arXiv 1803.03635), section 2.
    """
    of_kind("dense", dense, Ticket, "the Ticket of round 0 of the search")
    scores = {path: np.abs(dense.start("trained")[path]) for path in dense.masks}
    return _over(dense, prune(scores, dense.masks, sparsity, own=own, **dense.pruned_by), dense.weights)


def _own_sparsities(ticket):
    """{path: share of zeros} of the weights whose layers had rates of their own."""
    named = of_paths(ticket.settings.get("layer_rates") or {}, ticket.masks)
    return {path: 1 - ticket.masks[path].mean() for path in named}


def _check_pair(ticket, dense):
    """Raises LotteryError unless both are Tickets of one net."""
    of_kind("ticket", ticket, Ticket, "a Ticket")
    of_kind("dense", dense, Ticket, "the Ticket of round 0 of the same search")
    other = [path for path, mask in ticket.masks.items() if np.shape(dense.weights.get(path)) != mask.shape]
    if other:
        raise LotteryError(
            f"dense is of another net than the ticket: {other[0]!r} has another shape there, or none. Give "
            "round 0 of its search."
        )


def _over(ticket, places, weights):
    """`ticket` with other masks, over `weights`, those pruned 0; without trained weights."""
    kept = {
        path: np.where(places[path], value, np.zeros((), value.dtype)) if path in places else value
        for path, value in weights.items()
    }
    return dataclasses.replace(ticket, masks=places, weights=kept, trained=None)
