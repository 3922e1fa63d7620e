"""The recipe of a training: what is open in it is the ticket's, or chosen for the net."""

import math

from .. import engines
from ..config import DataConfig, Recipe
from ..core.errors import LotteryError
from ..core.schedule import KEPT
from ..models import measuring
from .optimizers import make_optimizer

# Layers with kernels from which a net counts as deep, and steps below which a training has few.
DEEP, DEEP_WITH_BATCH_NORM, FEW = 12, 64, 1000
WARMUP = 0.1
RATES = {  # a kind of net: {optimizer: its learning rate}, first the optimizer that is chosen
    "a new net with BatchNorm": {"sgd": 0.1, "adam": 3e-3},
    "a new net with BatchNorm and few steps": {"adam": 1e-2, "sgd": 0.1},
    "a new, deep net with BatchNorm and few steps": {"adam": 3e-3, "sgd": 0.03},
    "a new net without BatchNorm": {"adam": 2e-3, "sgd": 1e-2},
    "a new, deep net without BatchNorm": {"adam": 3e-4, "sgd": 3e-3},
    "a pretrained net with BatchNorm": {"adam": 1e-3, "sgd": 1e-2},
    "a pretrained net without BatchNorm": {"adam": 1e-4, "sgd": 1e-3},
}
_LIKE = {"nesterov": ("sgd", 1), "adamw": ("adam", 1), "rmsprop": ("adam", 1), "lion": ("adam", 10)}


def settled(
    recipe: Recipe,
    model,
    noted: Recipe | None = None,
    pretrained: bool | None = None,
    steps: int | None = None,
) -> tuple:
    """(the recipe without open options, {option: where its value is from}) for a net.

    What the user gives stays. What a ticket says comes next, unless the user gives another optimizer. The
    rest is chosen:

    - The optimizer and the learning rate are those of the net's kind in `RATES`. If a rate alone is known,
      the optimizer is the one whose own rate is nearest.
    - The schedule is a cosine to 0; for several rates it is "step".
    - A rate that is chosen has a warm-up of a tenth of the training; one that is known has none.
    - There is no weight decay.

    Args:
      recipe: what the user gives.
      model: a plain or wrapped model of either Keras, as it begins to train.
      noted: what a ticket says; see `noted`.
      pretrained: whether the model is; None to look at its weights.
      steps: optimizer steps of the training; None counts as many.

    Source: without BatchNorm, Frankle and Carbin 2019 (arXiv 1803.03635), figure 2, train by Adam, the
    deeper nets at smaller rates; BatchNorm is what allows large ones, Bjorck et al. 2018 (arXiv 1806.02375);
    SGD with momentum at 0.1, He et al. 2016 (arXiv 1512.03385), section 4.2, after a warm-up, Goyal et al.
    2017 (arXiv 1706.02677), section 2.2; a warm-up for Adam, Ma and Yarats 2021 (arXiv 1910.04209);
    fine-tuning takes smaller rates than training anew, Kornblith et al. 2019 (arXiv 1805.08974) and Li et al.
    2020 (arXiv 2002.11770); a rate that reaches 0 where a short training ends, Li et al. 2020 (arXiv
    1905.04753); Lion's smaller rates, Chen et al. 2023 (arXiv 2302.06675). benchmarks/recipes.py measures
    what is chosen.

    Example:
      >>> from keras_lottery import models
      >>> recipe, source = settled(Recipe(weight_decay=1e-4), models.build("lenet", (8, 8, 1), 10))
      >>> recipe.optimizer, recipe.learning_rate, recipe.weight_decay
      ('adam', 0.002, 0.0001)
      >>> source["weight_decay"], source["optimizer"]
      ('as given', 'chosen for a new net without BatchNorm')
    """
    given = recipe.given
    told = _fitting(noted.given if noted else {}, given)
    kind = kind_of(model, pretrained, steps)
    found = _completed({**told, **given}, RATES[kind])
    source = {
        name: "as given" if name in given else "the ticket's" if name in told else f"chosen for {kind}"
        for name in found.entries()
    }
    return found, source


def kind_of(model, pretrained: bool | None = None, steps: int | None = None) -> str:
    """The key of `RATES` that a model belongs to, trained for so many steps."""
    handle = engines.of(model)
    normalised = any(map(measuring.is_batch_norm, handle.layers().values()))
    kernels = sum(len(variable.shape) > 1 for variable in handle.variables().values())
    norm = "with BatchNorm" if normalised else "without BatchNorm"
    if measuring.trained(model) if pretrained is None else pretrained:
        return f"a pretrained net {norm}"
    if not normalised:
        return f"a new{', deep' if kernels >= DEEP else ''} net {norm}"
    if steps is None or steps >= FEW:
        return f"a new net {norm}"
    return f"a new{', deep' if kernels >= DEEP_WITH_BATCH_NORM else ''} net {norm} and few steps"


def noted(ticket) -> Recipe | None:
    """The recipe among a ticket's notes; None where there is none, or none that a net can be trained by."""
    told = ticket.info.get("recipe")
    try:
        return Recipe.of(told) if isinstance(told, dict) else None
    except LotteryError:
        return None


def pretrained(ticket, start: str) -> bool | None:
    """Whether the weights that a ticket starts from are those of a finished training; None to look at them.

    Rounds that rewind to "init" start from what the search was given, a new net or a pretrained one; to a
    later step, from a net that has just begun. A ticket may start from its trained weights, too.
    """
    if start != "rewind":
        return start == "trained"
    if ticket.trained is ticket.weights:
        return True
    rewind = ticket.settings.get("rewind", "init")
    return None if rewind == "init" else rewind in ("trained", *KEPT)


def check(recipe: Recipe, keras: str) -> None:
    """Raises LotteryError if a Keras cannot train by what is given of a recipe."""
    some = _completed(recipe.given, next(iter(RATES.values())))
    make_optimizer(steps=4, keras=keras, **some.entries())


def line(recipe: Recipe, source: dict, asked: DataConfig, loaded) -> str:
    """A recipe and the batch of its data as flags, and where they are from."""
    values = {**recipe.entries(), "batch_size": loaded.settings["batch_size"]}
    images = "as given" if asked.batch_size else f"chosen for {loaded.sizes['train']:,} images"
    names = {}
    for name, where in {**source, "batch_size": images}.items():
        names.setdefault(where, []).append(name)
    whose = [
        where if set(source) <= set(of) else f"{', '.join(f'--{name}' for name in of)} {where}"
        for where, of in names.items()
    ]
    flags = [f"--{name}={_text(value)}" for name, value in values.items()]
    return f"recipe: {' '.join(flags)}; {'; '.join(whose)}"


def _text(value):
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else value


def _fitting(told, given):
    """What of a ticket's recipe goes with what the user gives."""
    if given.get("optimizer", told.get("optimizer")) != told.get("optimizer"):
        return {}
    told = dict(told)
    if _several(given):
        told.pop("schedule", None)
    schedule = given.get("schedule", told.get("schedule"))
    if _several(told) and schedule != "step":
        told["learning_rate"] = told["learning_rate"][0]
    if schedule != "cosine":
        told.pop("warmup", None)
    return told


def _completed(found, rates):
    """The Recipe of the options that are known, and of those that are chosen at these rates."""
    rate = found.get("learning_rate")
    optimizer = found.get("optimizer") or (next(iter(rates)) if rate is None else _nearest(rate, rates))
    like, part = _LIKE.get(optimizer, (optimizer, 1))
    schedule = found.get("schedule") or ("step" if _several(found) else "cosine")
    chosen = {
        "optimizer": optimizer,
        "learning_rate": rates[like] / part,
        "schedule": schedule,
        "weight_decay": 0.0,
        "warmup": WARMUP if rate is None and schedule == "cosine" else 0.0,
    }
    return Recipe(**{**chosen, **found})


def _several(options):
    rate = options.get("learning_rate")
    return isinstance(rate, list) and len(rate) > 1


def _nearest(rate, rates):
    """The optimizer whose own rate is nearest to a rate, or to the first of several."""
    rate = rate[0] if isinstance(rate, list) else rate
    return min(rates, key=lambda name: abs(math.log(rate / rates[name])))
