"""Which layers of a file the sparse kernels of an ARM processor can run, and the form that they ask for.

XNNPACK, TFLite's default runtime, has sparse kernels for 1x1 convolutions alone, and runs them in a stretch
of the graph whose every operation it can compute with channels first: from a first convolution on an RGB
image to a mean over its height and width. See xnn_subgraph_rewrite_for_nchw in XNNPACK's subgraph.c. TFLite
itself has kernels for fully connected layers with blocks of zeros.
"""

import collections
import dataclasses
import math

import numpy as np

from . import flatbuffer
from .flatbuffer import Op, schema

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
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
NAMES = {value: name for name, value in vars(Op).items() if not name.startswith("_")}


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
    graph = _Graph(model)
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


def pad_symmetrically(model):
    """Write 'same' padding with stride 2 as explicit padding where it is the same on both sides, which the
    kernels ask for.

    With stride 2 it is so for images of odd height and width alone; for even ones 'same' pads one side only,
    and the symmetric form would be another function. Left as it was unless more layers can run sparse
    thereby.

    Args:
      model: a `schema.ModelT`, changed in place.
    """
    changed = flatbuffer.read(flatbuffer.write(model))
    _pad(changed)
    if sum(row.sparse for row in rows(changed)) > sum(row.sparse for row in rows(model)):
        model.__dict__.update(changed.__dict__)


def _pad(model):
    graph = model.subgraphs[0]
    for step in _Graph(model).steps:
        options = step.operation.builtinOptions
        if (
            step.builtin not in (Op.CONV_2D, Op.DEPTHWISE_CONV_2D)
            or options.padding != SAME
            or (options.strideH, options.strideW) == (1, 1)
        ):
            continue
        image = graph.tensors[step.operation.inputs[0]]
        kernel = graph.tensors[step.operation.inputs[1]].shape[1:3]
        totals = [
            max((math.ceil(size / stride) - 1) * stride + (side - 1) * dilation + 1 - size, 0)
            for size, stride, side, dilation in zip(
                image.shape[1:3],
                (options.strideH, options.strideW),
                kernel,
                (options.dilationHFactor, options.dilationWFactor),
            )
        ]
        if any(total % 2 for total in totals) or not any(totals):
            continue
        sides = np.array([[0, 0], *([total // 2] * 2 for total in totals), [0, 0]], "int32")
        amounts = flatbuffer.add_tensor(model, graph, sides.shape, schema.TensorType.INT32, sides)
        padded = flatbuffer.add_tensor(
            model, graph, image.shape + sides.sum(1), image.type, quantization=image.quantization
        )
        pad = schema.OperatorT()
        pad.opcodeIndex = flatbuffer.code(model, Op.PAD)
        pad.inputs, pad.outputs = (
            np.array([step.operation.inputs[0], amounts], "int32"),
            np.array([padded], "int32"),
        )
        pad.builtinOptionsType, pad.builtinOptions = schema.BuiltinOptions.PadOptions, schema.PadOptionsT()
        graph.operators.insert(next(n for n, one in enumerate(graph.operators) if one is step.operation), pad)
        step.operation.inputs = np.array([padded, *step.operation.inputs[1:]], "int32")
        options.padding = VALID


# The graph as the runtime sees it.


@dataclasses.dataclass(frozen=True)
class _Kernel:
    shape: tuple
    count: int
    kept: int
    blocks: bool  # whether the operation itself reads the sparse encoding

    @property
    def zeros(self):
        return 1 - self.kept / self.count


class _Step:
    """An operation, with the padding before it as its own."""

    def __init__(self, operation, builtin, inputs, outputs):
        self.operation, self.builtin, self.inputs, self.outputs = operation, builtin, inputs, outputs
        self.kernel = self.padding = None


class _Graph:
    """A file's main graph: its steps, without those that only unpack constants."""

    def __init__(self, model):
        self.model, self.graph = model, model.subgraphs[0]
        self._unpacked, pads, self.steps = {}, {}, []
        consumers = {}
        for operation in self.graph.operators:
            for index in () if operation.inputs is None else operation.inputs:
                consumers.setdefault(int(index), []).append(operation)
        for operation, builtin in flatbuffer.operations(model, self.graph):
            inputs, outputs = (
                [] if ends is None else [int(index) for index in ends]
                for ends in (operation.inputs, operation.outputs)
            )
            first, output = (ends[0] if ends else -1 for ends in (inputs, outputs))
            if builtin in (Op.DENSIFY, Op.DEQUANTIZE) and self.constant(first) is not None:
                self._unpacked[output] = self._unpacked.get(first, first)
                continue
            if builtin == Op.PAD and len(consumers.get(output, ())) == 1:
                pads[output] = operation
                continue
            step = _Step(
                operation,
                builtin,
                [index for index in inputs if index >= 0 and self.constant(index) is None],
                outputs,
            )
            if step.inputs and step.inputs[0] in pads:
                pad = pads[step.inputs[0]]
                amounts = flatbuffer.constant(model, self.tensor(pad.inputs[1]), "<i4")
                step.padding, step.inputs[0] = (
                    ([] if amounts is None else amounts.reshape(-1, 2).tolist()),
                    int(pad.inputs[0]),
                )
            if (
                builtin
                in (Op.CONV_2D, Op.DEPTHWISE_CONV_2D, Op.FULLY_CONNECTED, Op.TRANSPOSE_CONV, Op.CONV_3D)
                and self.constant(inputs[1]) is not None
            ):
                step.kernel = self._kernel(inputs[1])
            self.steps.append(step)

    def tensor(self, index):
        return self.graph.tensors[int(index)]

    def constant(self, index):
        """The tensor whose buffer a constant comes from, or None."""
        if index < 0:
            return None
        tensor = self.tensor(self._unpacked.get(int(index), index))
        data = self.model.buffers[tensor.buffer].data
        return None if data is None or not len(data) else tensor

    def _kernel(self, index):
        source = self.constant(index)
        size = {
            schema.TensorType.FLOAT32: "<f4",
            schema.TensorType.FLOAT16: "<f2",
            schema.TensorType.INT8: "i1",
        }.get(source.type, "u1")
        values = flatbuffer.constant(self.model, source, size)
        return _Kernel(
            tuple(int(side) for side in source.shape),
            int(np.prod(source.shape)),
            int(np.count_nonzero(values)),
            source.sparsity is not None and self._unpacked.get(int(index)) is None,
        )


# XNNPACK's rules.

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
        if _padded(step, side) or (strides == (1, 1) and options.padding == SAME and step.padding is None):
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
    return step.operation.builtinOptions.padding == VALID and step.padding == [
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
