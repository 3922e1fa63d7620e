"""Which layers of a file the sparse kernels of an ARM processor can run, and the form that they ask for.

XNNPACK, TFLite's default runtime, has sparse kernels for 1x1 convolutions alone, and runs them in a stretch
of the graph whose every operation it can compute with channels first: from a first convolution on an RGB
image to a mean over its height and width. See xnn_subgraph_rewrite_for_nchw in XNNPACK's subgraph.c. TFLite
itself has kernels for fully connected layers with blocks of zeros.
"""

import collections
import dataclasses

from . import flatbuffer
from .flatbuffer import Op, schema
from .steps import NAMES, Graph

ENOUGH_ZEROS = 2 / 3  # of a stretch's 1x1 kernels
UNARY = {
    Op.ABS,
    Op.CEIL,
    Op.ELU,
    Op.FLOOR,
    Op.HARD_SWISH,
    Op.LEAKY_RELU,
    Op.LOGISTIC,
    Op.NEG,
    Op.RELU,
    Op.RELU6,
    Op.RELU_N1_TO_1,
    Op.ROUND,
    Op.SQUARE,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One operation with a kernel: the name of what it computes, its kind, the kernel's shape (output
    channels first, for a depthwise one last), the share of zeros in it, and whether sparse kernels can run
    it, or why not."""

    name: str
    operation: str
    shape: tuple
    zeros: float
    sparse: bool
    why: str | None = None


def rows(model):
    """A `Row` for each convolution and fully connected layer of a file's main graph, a `schema.ModelT`."""
    graph = Graph(model)
    reasons = _reasons(graph)
    found = []
    for step in graph.steps:
        if step.kernel is not None:
            why = reasons.get(id(step))
            name = graph.tensor(step.outputs[0]).name or b""
            found.append(
                Row(
                    name.decode().split(";")[0],
                    NAMES[step.builtin],
                    step.kernel.shape,
                    step.kernel.zeros,
                    why is None,
                    why,
                )
            )
    return found


ENTRY, INSIDE, EXIT = "entry", "inside", "exit"


def _place(graph, step):
    """(where the step may stand in a stretch with channels first, or None; why it may not)."""
    if step.padding is not None and step.builtin not in (Op.CONV_2D, Op.DEPTHWISE_CONV_2D):
        return None, "pads"
    sizes = [len(graph.tensor(index).shape) for index in step.inputs + step.outputs]
    options = step.operation.builtinOptions
    if step.builtin == Op.CONV_2D and step.kernel:
        _, height, width, depth = step.kernel.shape
        strides = options.strideH, options.strideW
        if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
            return None, "is dilated"
        if (height, width, *strides) == (1, 1, 1, 1) and step.padding is None:
            return INSIDE, None
        if (height, width, *strides, depth) == (3, 3, 2, 2, 3):
            return (ENTRY, None) if _padded(step, 1) else (None, "needs explicit padding of 1 on each side")
        return (
            None,
            f"is a {height}x{width} convolution with stride {strides[0]}: only 1x1 with stride 1 has "
            "sparse kernels",
        )
    if step.builtin == Op.DEPTHWISE_CONV_2D and step.kernel:
        _, height, width, channels = step.kernel.shape
        strides = options.strideH, options.strideW
        fits = (
            height == width
            and height in (3, 5)
            and strides in ((1, 1), (2, 2))
            and options.depthMultiplier in (0, 1)
        )
        fits = (
            fits
            and graph.tensor(step.inputs[0]).shape[-1] == channels
            and (options.dilationHFactor, options.dilationWFactor) == (1, 1)
        )
        if not fits:
            return None, f"is a depthwise convolution of {height}x{width} with stride {strides[0]}"
        side = height // 2
        unpadded = options.padding == schema.Padding.SAME and step.padding is None
        if _padded(step, side) or (strides == (1, 1) and unpadded):
            return INSIDE, None
        return None, f"needs explicit padding of {side} on each side"
    if step.builtin in (Op.ADD, Op.MUL) and set(sizes) == {4}:
        return INSIDE, None
    if step.builtin in UNARY | {Op.RESIZE_BILINEAR} and set(sizes) == {4}:
        return INSIDE, None
    if step.builtin == Op.DEPTH_TO_SPACE:
        return EXIT, None
    if step.builtin == Op.MEAN and sizes[0] == 4:
        axes = flatbuffer.constant(graph.model, graph.tensor(step.operation.inputs[1]), "<i4")
        if axes is not None and sorted(axis % 4 for axis in axes.tolist()) == [1, 2]:
            return EXIT, None
    return None, f"is {NAMES[step.builtin]}"


def _padded(step, side):
    return step.operation.builtinOptions.padding == schema.Padding.VALID and step.padding == [
        [0, 0],
        [side, side],
        [side, side],
        [0, 0],
    ]


def _reasons(graph):
    """{id of a step with a kernel: why sparse kernels cannot run it, or None}."""
    places = {id(step): _place(graph, step) for step in graph.steps}
    maker = {index: step for step in graph.steps for index in step.outputs}
    stretch = _stretches(graph.steps, places, maker)
    spoiled = _spoiled(graph, places, maker, stretch)
    kept, count = collections.Counter(), collections.Counter()
    for step in filter(lambda step: _is_pointwise(step, places), graph.steps):
        kept[stretch(step)] += step.kernel.kept
        count[stretch(step)] += step.kernel.count
    encoded = flatbuffer.sparse_tensors(graph.model)

    def reason(step):
        place, why = places[id(step)]
        if step.builtin == Op.FULLY_CONNECTED:
            return None if step.kernel.blocks else "has no blocks of zeros, which its sparse kernels need"
        if not _is_pointwise(step, places):
            return (
                why
                or f"is a {NAMES[step.builtin]} of {step.kernel.shape[1]}x{step.kernel.shape[2]}: only 1x1 "
                "convolutions have sparse kernels"
            )
        if any(graph.tensor(index).type != schema.TensorType.FLOAT32 for index in step.operation.inputs[:2]):
            return "computes in integers: sparse kernels compute in floating point"
        if not encoded:
            return "is dense-encoded: sparse kernels are for sparse-encoded files"
        if kept[stretch(step)] >= (1 - ENOUGH_ZEROS) * count[stretch(step)]:
            return "stands in a part with less than 2/3 zeros in its 1x1 kernels"
        return spoiled.get(stretch(step))

    return {id(step): reason(step) for step in graph.steps if step.kernel}


def _is_pointwise(step, places):
    return step.builtin == Op.CONV_2D and places[id(step)][0] == INSIDE


def _spoiled(graph, places, maker, stretch):
    """{a stretch: why it cannot be computed with channels first, by what comes before it or after it}."""
    ends, found = {int(index) for index in graph.graph.outputs}, {}
    for step in graph.steps:
        for index in step.inputs:
            before = maker.get(index)
            if places[id(step)][0] in (INSIDE, EXIT) and (
                before is None or places[id(before)][0] in (None, EXIT)
            ):
                found.setdefault(
                    stretch(step),
                    "comes without a 3x3 convolution with stride 2 on an RGB image before it"
                    if before is None
                    else f"comes after an operation that {places[id(before)][1] or 'ends such a part'}",
                )
            if (
                before is not None
                and places[id(before)][0] in (ENTRY, INSIDE)
                and places[id(step)][0] in (None, ENTRY)
            ):
                found.setdefault(
                    stretch(before),
                    f"comes before an operation that {places[id(step)][1] or 'begins such a part'}",
                )
        if places[id(step)][0] in (ENTRY, INSIDE) and ends & {*step.outputs}:
            found.setdefault(
                stretch(step), "gives an output of the model before a mean over height and width"
            )
    return found


def _stretches(steps, places, maker):
    """A function from a step to the id of one that stands for all it is connected to, by steps that have a
    place."""
    leader = {id(step): step for step in steps}

    def find(step):
        while leader[id(step)] is not step:
            step = leader[id(step)]
        return step

    for step in steps:
        for index in step.inputs:
            other = maker.get(index)
            if (
                other is not None
                and places[id(step)][0] not in (None, ENTRY)
                and places[id(other)][0] not in (None, EXIT)
            ):
                leader[id(find(step))] = find(other)
    return lambda step: id(find(step))
