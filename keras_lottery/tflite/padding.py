"""Padding of a .tflite file in the form that the sparse kernels of an ARM processor ask for."""

import math

import numpy as np

from . import flatbuffer
from .flatbuffer import Op, schema
from .sparse_kernels import rows
from .steps import Graph

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID


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
    for step in Graph(model).steps:
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
