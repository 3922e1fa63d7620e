"""A ticket's dead channels taken out, exactly, so that any runtime gains."""

import numpy as np
from rich.table import Table

from .. import engines
from ..core.checks import true_or_false
from ..core.saying import say
from ..core.screen import Screen
from ..core.types import Model
from . import graph
from .counts import costs, costs_of, total  # noqa: F401  costs is public
from .rules import channels_of


def compact(model: Model, *, verbose: bool = True) -> Model:
    """A copy of `model` without the channels that do nothing; prints what each layer and the whole had and
    has.

    A channel (a filter, a unit) does nothing if no weight leads on from it, or if no weight leads to it, so
    that its value does not depend on the input: a constant, made of biases, BatchNorm and activations, which
    is added to the biases of the next layer. Each channel taken out may leave others with nothing to do,
    before it and after it, until none is left. What is computed in inference stays the same but for rounding.
    The masks of a ticket at 90% and more often leave such channels, and dense kernels without them are
    smaller and faster in any runtime, int8 included.

    A constant that enters a padded convolution is not the same at the image's border, where the convolution
    sees zeros instead. Of all such constants of a tensor one channel is kept and carries the others in its
    weights, which may fill weights that were zero. All other zeros stay zeros.

    Convolutions of all kinds, Dense, BatchNormalization, activations, pooling, merging and reshaping are seen
    through, in models in the model too. All other layers, also those of one's own, keep all that goes in and
    comes out, as do the model's inputs and outputs. Every layer keeps at least one channel.

    Args:
      model: a built functional or Sequential model of either Keras; a wrapped one is stripped first.
      verbose: print the channels, parameters and multiply-adds before and after.

    Returns:
      A new, plain, uncompiled model of the same Keras. `costs` of both has the printed numbers.

    Raises:
      LotteryError: not a built Keras model, or one whose layers' calls cannot be read.

    Source: neurons whose value never changes are folded into the next bias as in Sietsma & Dow 1988 ("Neural
      net
    pruning: why and how"), section 3; dead filters follow from masks as in Li et al. 2017 (arXiv 1608.08710).

    Example:
      >>> import numpy as np, tf_keras, keras_lottery as lottery
      >>> L = tf_keras.layers
      >>> net = tf_keras.Sequential([L.Dense(8, "relu", input_shape=(4,)), L.Dense(2)])
      >>> net.layers[0].kernel.assign(net.layers[0].kernel * (np.arange(8) > 4))  # doctest: +ELLIPSIS
      <...
      >>> lottery.compact(net).layers[0].units  # doctest: +ELLIPSIS
      sequential...
      3
    """
    true_or_false(verbose=verbose)
    handle = engines.of(model)
    graph.check_readable(handle)
    plain = new = handle.on(handle.strip())
    # Again, as a grouped convolution with one group left is a plain one.
    while (smaller := _compacted(new)) is not None:
        new = handle.on(handle.on(smaller).strip())
    if verbose:
        _print(new.model.name, costs_of(plain), costs_of(new))
    return new.model


def _compacted(handle):
    """A model that shares layers with the handle's; None where no channel can go."""
    read = graph.read(handle)
    channels = channels_of(read)
    kept = channels.keeper()

    made, weights = {}, {}
    for call in {id(call.layer): call for call in read.calls}.values():
        edit = _edit(channels, call, kept)
        if edit is not None:
            made[id(call.layer)], weights[id(call.layer)] = edit
    if not made:
        return None
    new = graph.rebuild(handle, made)
    for key, values in weights.items():
        for name, variable in handle.layer_variables(made[key]).items():
            variable.assign(values[name].astype(variable.numpy().dtype))
    return new


def _edit(channels, call, kept):
    """(the layer that takes the place of a call's, {name: array} of its weights); None where it stays as it
    is."""
    layer = id(call.layer)
    bound = [kept(ids) for (owner, _), ids in channels.bound.items() if owner == layer]
    if all(mask.all() for mask in bound):
        return None
    weights = (
        _folded(channels.mixes[layer], call.weights, kept) if layer in channels.mixes else dict(call.weights)
    )
    for name, axes in channels.cuts.get(layer, {}).items():
        for axis, ids in axes.items():
            weights[name] = np.compress(kept(ids), weights[name], axis=axis)
    changes = {setting: count(kept) for setting, count in channels.sizes.get(layer, {}).items()}
    if "bias" in weights.keys() - call.weights.keys():
        changes["use_bias"] = True
    if call.kind == "InputLayer":
        changes = graph.input_shape(call.layer, *changes["shape"])
    return graph.with_config(call.layer, changes), weights


def _folded(mix, weights, kept):
    """A layer's weights with the constants that are cut from its inputs in them."""
    constants = np.where(kept(mix.inputs), 0, np.nan_to_num(mix.constants))
    carrier, outputs, weights = mix.carrier(), kept(mix.outputs), dict(weights)
    if mix.fold == "bias":
        share = (constants @ mix.sums) * outputs
        if "bias" in weights:
            weights["bias"] = weights["bias"] + share
        elif share.any():
            weights["bias"] = share[outputs]
    elif mix.fold == "carrier" and constants.any() and kept(mix.inputs)[carrier]:
        kernel = np.moveaxis(weights["kernel"].copy(), mix.inward, -1)
        kernel[..., carrier] += kernel @ (constants / mix.constants[carrier])
        weights["kernel"] = np.moveaxis(kernel, -1, mix.inward)
    return weights


def _print(name, before, after):
    totals = ", ".join(
        f"{total(before, column):,} → {total(after, column):,} {column.replace('_', '-')}"
        for column in ("channels", "parameters", "multiply_adds")
    )
    say(f"{name}: {totals}")
    changed = [(old, new) for old, new in zip(before, after) if old["channels"] != new["channels"]]
    if changed:
        table = Table()
        for column in ("layer", "channels", "parameters", "multiply-adds"):
            table.add_column(column, justify="left" if column == "layer" else "right", overflow="fold")
        for old, new in changed:
            columns = ("channels", "parameters", "multiply_adds")
            numbers = [
                [f"{row[column]:,}" if row[column] is not None else "–" for column in columns]
                for row in (old, new)
            ]
            table.add_row(old["path"], *(f"{was} → {now}" for was, now in zip(*numbers)))
        Screen().print(table)
