"""The operations of a .tflite file's main graph as the runtime sees them: padding belongs to the operation
after it, and what only unpacks constants is none."""

import dataclasses

import numpy as np

from . import flatbuffer
from .flatbuffer import Op, schema

NAMES = {value: name for name, value in vars(Op).items() if not name.startswith("_")}


@dataclasses.dataclass(frozen=True)
class Kernel:
    shape: tuple
    count: int
    kept: int
    blocks: bool  # whether the operation itself reads the sparse encoding

    @property
    def zeros(self):
        return 1 - self.kept / self.count


class Step:
    """An operation, with the padding before it as its own."""

    def __init__(self, operation, builtin, inputs, outputs):
        self.operation, self.builtin, self.inputs, self.outputs = operation, builtin, inputs, outputs
        self.kernel = self.padding = None


class Graph:
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
            step = Step(
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
        return Kernel(
            tuple(int(side) for side in source.shape),
            int(np.prod(source.shape)),
            int(np.count_nonzero(values)),
            source.sparsity is not None and self._unpacked.get(int(index)) is None,
        )
