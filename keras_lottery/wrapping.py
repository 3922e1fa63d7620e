"""Wrap, strip and look into models; the engine follows from the model.

A path names a weight by its layers and its attribute: "conv1/kernel".
"""

import warnings
from typing import Any

import numpy as np
from rich.table import Table

from . import engines
from .core import html
from .core.checks import known, true_or_false, whole
from .core.counts import SCOPES
from .core.errors import LotteryError
from .core.masking import BLOCKS
from .core.saying import say
from .core.schedule import LotterySchedule
from .core.screen import Screen
from .core.types import Masks, Model
from .engines.again import lost


def wrap(
    model: Model,
    *,
    schedule: LotterySchedule | None = None,
    scope: str = "global",
    block: int = 1,
    skip: Any = None,
    include: Any = None,
    prune_head: bool = False,
    verbose: Any = True,
) -> Model:
    """A copy of `model` whose kernels have masks; prints what is pruned, what is not, and why.

    The copy computes exactly what `model` does and is compiled and trained like any Keras
    model: weights that a mask drops stay exactly 0 under every optimizer. `model` itself
    stays as it is. If its tickets could be saved but the model not rebuilt from them, because a class is
    not registered for example, a warning says so; masks and weights are saved in any case.

    Args:
      model: a built Keras 3 model, subclassed ones included, or a Sequential or functional
        tf_keras model. One whose class has a fit of its own, such as a KerasHub task, is made
        from a wrapped model instead: ImageClassifier(backbone=lottery.wrap(backbone), ...).
      schedule: a LotterySchedule, for `LotteryCallback`; not needed by `find_ticket`.
      scope: "global" (one threshold over all weights), "layer" (one in each, at the same sparsity)
        or "erk" (one in each, small layers denser; see `counts.competing`).
      block: 1, or 4 or 16 to prune the kernels of Dense layers in blocks of so many inputs of one
        output, which is what the sparse kernels of mobile runtimes multiply by: 4 in float32, 16 in
        int8. Other kernels, and those whose inputs are no multiple of it, lose single weights.
      skip: what to leave dense: layer names or paths, layer classes, a function of the
        layer, or a list of these.
      include: the same, for what is left dense unless asked for: depthwise kernels and
        embeddings.
      prune_head: prune the output layer as well.
      verbose: print what is pruned, what is not, and why.

    Returns:
      A new, uncompiled model of the same Keras.

    Raises:
      LotteryError: not a model that can be wrapped, one that is pruned already, nothing to
        prune, an unknown name, blocks that fit no kernel.

    Example:
      >>> import tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
      >>> model = lottery.wrap(net)  # doctest: +ELLIPSIS
      32 of 58 parameters are pruned in rounds, 1 of 4 weights...
    """
    known("scope", scope, SCOPES)
    true_or_false(prune_head=prune_head, verbose=verbose)
    known("block", whole("block", block), BLOCKS)
    if schedule is not None and not isinstance(schedule, LotterySchedule):
        raise LotteryError(
            f"schedule is a {type(schedule).__name__}: give a LotterySchedule, or None for find_ticket."
        )
    handle = engines.of(model)
    check_unpruned(handle)
    reasons = handle.choose(skip, include, prune_head)
    paths = [path for path, reason in reasons.items() if not reason]
    if not paths:
        said = sorted(set(reasons.values())) or ["the model has no weights"]
        raise LotteryError(f"there is nothing to prune in {model.name!r}: {'; '.join(said)}.")
    blocks = _blocks(handle, paths, block)
    wrapped = handle.wrap_paths(paths, scope=scope, blocks=blocks, schedule=schedule)
    if why := lost(handle.on(wrapped)):
        warnings.warn(f"the model of a saved ticket could not be built again: {why}.", stacklevel=2)
    if verbose:
        say(_overview(_rows(handle, reasons)))
    if verbose and blocks:
        say(f"  in blocks of {block} inputs: {', '.join(blocks)}")
    return wrapped


def strip(model: Model) -> Model:
    """A new plain Keras model with the zeros of `model` in it and no wrappers.

    Raises:
      LotteryError: not a built Keras model.

    Example:
      >>> import tf_keras, keras_lottery as lottery
      >>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
      >>> [type(layer).__name__ for layer in lottery.strip(lottery.wrap(net)).layers]  # doctest: +ELLIPSIS
      32 of ...
      ['Dense', 'Dense']
    """
    return engines.of(model).strip()


def prunable(model: Model) -> dict[str, Any]:
    """{weight path: variable} of the weights that have a mask or, in a plain model, would get one."""
    return _built(model).prunable()


def masks(model: Model) -> Masks:
    """{weight path: bool array}, True = kept.

    Raises:
      LotteryError: the model is not wrapped.
    """
    found = engines.of(model).masks()
    if not found:
        raise LotteryError(f"the model {model.name!r} has no masks: wrap it first, lottery.wrap(model).")
    return found


def sparsity(model: Model) -> float:
    """Share of zeros, 0..1, over the weights with a mask or, in a plain model, over those that could get one,
    frozen ones too."""
    return _sparsity(_built(model))


class Summary(list):
    """The rows of `summary`, as one line or, in a notebook, as a table."""

    def __repr__(self):
        return f"Summary({_overview(self).splitlines()[0]})"

    def _repr_html_(self):
        cells = [
            (row["path"], row["shape"], row["size"], f"{row['sparsity']:.1%}", row["reason"] or "yes")
            for row in self
        ]
        return html.table(repr(self), ("weight", "shape", "size", "zeros", "pruned"), cells)


def summary(model: Model) -> Summary:
    """Print each weight of `model`: pruned or not, why not, and its share of zeros.

    Returns:
      A list of dicts with path, shape, size, pruned (bool), reason ("" if pruned) and
      sparsity (0..1), in the order of the model.
    """
    handle = _built(model)
    rows = _rows(handle, handle.reasons())
    table = Table(title=f"{model.name}: {_overview(rows).splitlines()[0]}", title_justify="left")
    for column in ("weight", "shape", "size", "zeros", "pruned"):
        table.add_column(column, justify="right" if column in ("size", "zeros") else "left", overflow="fold")
    for row in rows:
        shape = "x".join(map(str, row["shape"]))
        table.add_row(
            row["path"], shape, f"{row['size']:,}", f"{row['sparsity']:.1%}", row["reason"] or "yes"
        )
    Screen().print(table)
    return Summary(rows)


def is_wrapped(model):
    """Whether `model` has masks."""
    return bool(engines.of(model).masks())


def check_unpruned(handle):
    """Raises LotteryError if a mask of the handle's model has dropped a weight already."""
    if not all(mask.all() for mask in handle.masks().values()):
        raise LotteryError(
            f"{handle.model.name!r} is pruned already ({_sparsity(handle):.1%}): wrap the dense model anew."
        )


def _sparsity(handle):
    weights = handle.kernels().values()
    total = sum(weight.size for weight in weights)
    return 1 - sum(int(np.count_nonzero(weight)) for weight in weights) / total if total else 0.0


def _built(model):
    """The handle of a model that is built."""
    handle = engines.of(model)
    if not handle.variables() and not getattr(model, "built", True):
        raise LotteryError(
            f"the model {model.name!r} is not built: give it an Input layer, or call it once first."
        )
    return handle


def _blocks(handle, paths, block):
    """{path: block} of the kernels that are pruned in blocks: those of Dense layers with a multiple of so
    many inputs."""
    if block == 1:
        return {}
    variables, dense = handle.variables(), handle.keras.layers.Dense
    kernels = [f"{path}/kernel" for path, layer in handle.layers().items() if isinstance(layer, dense)]
    fitting = [path for path in kernels if path in paths and variables[path].shape[0] % block == 0]
    if not fitting:
        raise LotteryError(
            f"block={block} fits no kernel of {handle.model.name!r}: a Dense layer is needed that has a "
            f"multiple of {block} inputs."
        )
    return dict.fromkeys(fitting, int(block))


def _rows(handle, reasons):
    variables = handle.variables()
    rows = []
    for path, reason in reasons.items():
        value = variables[path].numpy()
        zeros = 1 - np.count_nonzero(value) / value.size if value.size else 0.0
        rows.append(
            dict(
                path=path,
                shape=value.shape,
                size=value.size,
                pruned=not reason,
                reason=reason,
                sparsity=zeros,
            )
        )
    return rows


def _overview(rows):
    pruned = [row for row in rows if row["pruned"]]
    lines = [
        f"{sum(row['size'] for row in pruned):,} of {sum(row['size'] for row in rows):,} parameters are "
        f"pruned in rounds, {len(pruned)} of {len(rows)} weights (lottery.summary(model) lists them)."
    ]
    for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
        paths = [row["path"] for row in rows if row["reason"] == reason]
        named = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        lines.append(f"  left dense: {named}: {reason}")
    return "\n".join(lines)
