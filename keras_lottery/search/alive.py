"""Whether pruning leaves a net that can learn: weights in each layer, answers that depend on the input."""

import contextlib
import warnings

import numpy as np

from ..core.errors import Dead

EXAMPLES = 4  # a batch
SCALES = (1.0, 100.0)  # of what is drawn: nets take normalised images, or pixels up to 255


def set_masks(handle, masks):
    """Set the masks of a wrapped model in place, unless they would leave it dead; it then stays as it was.

    Args:
      handle: that of a wrapped model, whose weights are those that it was pruned by.
      masks: {path: bool array}, subsets of the masks that it has.

    Raises:
      Dead: no weight is left, or the outputs for any two random batches are equal, bit for bit.

    Warns of each weight tensor that loses its last weight.
    """
    before, scope = handle.masks(), handle.settings()[1]["scope"]
    emptied = _emptied(before, masks, scope)
    dropped = {path: before[path] & ~mask for path, mask in masks.items()}
    lost = {path: variable.numpy()[dropped[path]] for path, variable in handle.prunable().items()}
    handle.set_masks(masks)
    if answers_alike(handle):
        handle.set_masks(before)
        state = handle.values()
        for path, weights in lost.items():
            state[path][dropped[path]] = weights
        handle.load_state(state)
        where = f", since no weight is left in {', '.join(emptied)}" if emptied else ""
        raise Dead(
            f"pruned to {_share(masks)} the net gives one answer, whatever its input{where}{_cure(scope)}."
        )
    if emptied:
        warnings.warn(
            f"pruned to {_share(masks)}, no weight is left in {', '.join(emptied)}: no signal "
            f"passes there any more, except along a shortcut past it{_cure(scope)}.",
            stacklevel=3,
        )


def _emptied(before, after, scope):
    """Paths of the tensors that lose their last weight; raises Dead if all do."""
    if not any(mask.any() for mask in after.values()):
        raise Dead(f"no prunable weight would be left{_cure(scope)}.")
    return [path for path, mask in after.items() if before[path].any() and not mask.any()]


def _share(masks):
    total = sum(mask.size for mask in masks.values())
    return f"{1 - sum(np.count_nonzero(mask) for mask in masks.values()) / total:.2%} zeros"


def _cure(scope):
    layer = ", or give scope='layer', which leaves each layer its share" if scope == "global" else ""
    return f" (prune less, by a smaller rate or final_sparsity{layer})"


def answers_alike(handle):
    """Whether the outputs of a model for random batches are all equal, bit for bit; False where none can be
    drawn."""
    model, nest = handle.model, handle.nest
    structure = handle.inputs()
    if structure is None:
        return False
    handle.variables()  # on JAX this brings the state of a training into the model
    rng, highest = np.random.default_rng(0), _highest(handle)
    first = None
    for scale in (*SCALES, *SCALES):
        drawn = [_draw(tensor, rng, scale, highest) for tensor in nest.flatten(structure)]
        if any(array is None for array in drawn):
            return False
        try:
            outputs = model(nest.pack_sequence_as(structure, drawn), training=False)
        except Exception:  # of whatever kind: a layer that takes no such numbers
            return False
        outputs = [handle.array(tensor) for tensor in nest.flatten(outputs)]
        first = first or outputs
        if any(
            not np.isfinite(new).all() or new.tobytes() != old.tobytes() for old, new in zip(first, outputs)
        ):
            return False
    return True


def _draw(tensor, rng, scale, highest):
    """A random batch for an input; None for text and what else is no number."""
    kind = str(getattr(tensor.dtype, "name", tensor.dtype))
    shape = (tensor.shape[0] or EXAMPLES, *(16 if side is None else side for side in tensor.shape[1:]))
    if "float" in kind:
        return (scale * rng.normal(size=shape)).astype("float32")
    return rng.integers(0, highest, shape).astype(kind) if "int" in kind or kind == "bool" else None


def _highest(handle):
    """One more than the largest whole number that every layer that looks numbers up knows."""
    names = ("input_dim", "num_tokens")
    known = [getattr(layer, name, None) for layer in handle.layers().values() for name in names]
    return min([size for size in known if isinstance(size, int) and size > 1], default=2)


@contextlib.contextmanager
def naming_the_last_good(number, sparsity, where=""):
    """What the block raises of a dead net also says which round's ticket is the last that is alive."""
    try:
        yield
    except Dead as error:
        raise Dead(
            f"{error} The last good ticket is that of round {number}, {sparsity:.2%} sparse{where}."
        ) from None
