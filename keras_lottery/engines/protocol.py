"""What an engine is: `Engine`, what it does where there is no model yet, and `Handle`, what it does with a
model."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from ..core.types import Arrays


class Engine(Protocol):
    """The functions of an engine that need no model; `engines.engine_of` gives one.

    The packages tf_keras and keras3 are the engines, each for the models of one Keras.
    """

    keras: ModuleType  # the Keras itself
    nest: ModuleType  # its functions on nested structures: flatten, map_structure, pack_sequence_as
    NAMES: Any  # the `architecture.trust.Names` that files may hold

    def build(self, architecture: dict) -> Any:
        """A new plain model, randomly initialised, from its JSON, which is checked first."""

    def shapes(self, architecture: dict, most: float = math.inf) -> dict[str, tuple]:
        """{path: (shape, dtype)} of the weights that `build` would make, at most `most` bytes, none of them
        made."""

    def resize(
        self,
        architecture: dict,
        heads: Sequence[str],
        num_classes: int,
        input_shape: Sequence[int] | None = None,
    ) -> dict:
        """A copy of an architecture with another number of classes or another input."""

    def batches(self, *arrays: Any, batch_size: int, seed: int) -> Any:
        """(x, y[, sample_weight]) in batches whose order is a function of seed and epoch."""

    def set_epoch(self, train: Any, epoch: int) -> None:
        """Make the next pass over `train` be that epoch, where its order is ours to set."""

    def from_batch(self, train: Any, first: int) -> Any:
        """What fit takes for the rest of an epoch: `train` without its first batches."""

    def of_length(self, train: Any, batches: int) -> Any:
        """`train`, which has so many batches, and says so where this Keras needs to be told."""

    def versions(self) -> dict[str, str]:
        """The packages that make a ticket, and their versions."""

    def set_seed(self, seed: int) -> None:
        """Seed Python, NumPy and the backend."""

    def array(self, tensor: Any) -> np.ndarray:
        """A NumPy copy of a tensor or variable."""

    def unwrap(self, layer: Any) -> Any:
        """The model or layer under a pruning wrapper, or the one that was given."""

    def is_graph(self, layer: Any) -> bool:
        """Whether this is a built Sequential or functional model, whose layers have names of their own."""

    def flat_layers(self, layer: Any) -> list:
        """A model or layer and all layers below it."""

    def layer_variables(self, layer: Any) -> dict[str, Any]:
        """{path: variable} of all state of a layer or model but masks."""

    def last_layer(self, layer: Any) -> Any:
        """The layer that computes a model's output; linear activations, which only cast, are passed over."""

    def operation(self, layer: Any) -> str:
        """The name, in both Keras the same, of an operation on tensors; "" for a layer."""

    def calls(self, model: Any) -> Iterator[tuple]:
        """(layer, arguments, named arguments, outputs) of each call in a graph, inputs left out, in order."""

    def ends(self, model: Any) -> tuple:
        """The nests of a graph's inputs and of its outputs."""

    def maker(self, tensor: Any) -> Any:
        """The layer that a symbolic tensor is an output of."""

    def has_mask(self, tensor: Any) -> bool:
        """Whether a Keras mask goes along with a symbolic tensor."""

    def copy_trainable(self, layer: Any, other: Any) -> None:
        """Make `other` as trainable as `layer`, and leave the layers below it as they are."""


class Handle(Engine, Protocol):
    """A model with its engine: the functions of the engine that take a model, with this one in them.

    `engines.of` gives one. Ask for it once and pass it on: `handle.masks()` is
      `handle.engine.masks(handle.model)`.
    """

    model: Any
    engine: Engine

    def on(self, model: Any) -> "Handle":
        """The handle of another model of the same Keras, such as a copy."""

    # Masks
    def choose(self, skip: Any = None, include: Any = None, prune_head: bool = False) -> dict[str, str]:
        """{path: why it is left dense} for every weight of a plain model; "" if it is to be pruned."""

    def wrap_paths(
        self, paths: Any, scope: str = "global", blocks: dict | None = None, schedule: Any = None
    ) -> Any:
        """A copy of the model in which exactly the weights `paths` have masks, all True."""

    def strip(self) -> Any:
        """A new plain model with the zeros in it and no wrappers."""

    def prunable(self) -> dict[str, Any]:
        """{path: variable} with a mask in a wrapped model, else of what `wrap` would prune."""

    def kernels(self) -> Arrays:
        """{path: array} of the weights with a mask or, in a plain model, of those that could get one, also
        frozen."""

    def masks(self) -> Arrays:
        """{path: bool array}, True = kept; empty for a model that is not wrapped."""

    def set_masks(self, new: Arrays) -> None:
        """Set the masks in place and zero what they drop."""

    def settings(self) -> tuple:
        """(schedule, {scope, blocks}) of a wrapped model."""

    def reasons(self) -> dict[str, str]:
        """{path: why it is left dense} for every weight; "" if it is pruned."""

    # Layers and weights
    def layers(self) -> dict[str, Any]:
        """{path: layer} of all layers, the pruning wrapper left out."""

    def heads(self) -> list[str]:
        """Paths of the output layers."""

    def variables(self) -> dict[str, Any]:
        """{path: variable} of the whole state but masks."""

    def owned_variables(self) -> Iterator[tuple]:
        """(path, variable, name in its layer, layers from the top one below the model down to its own)."""

    def values(self) -> Arrays:
        """{path: array} copy of the whole state but masks."""

    def current(self) -> Mapping[str, np.ndarray]:
        """{path: array} of the same, each a copy that is made when it is asked for, of the state by then."""

    def load_state(self, values: Arrays) -> None:
        """Assign {path: array} to the variables of the same paths."""

    def custom_objects(self) -> dict[str, Any]:
        """{registered name: class or function} of the layers and their settings that is not Keras' own."""

    def architecture(self) -> dict:
        """The plain model as JSON-able dict; dtypes that follow the global policy are left open."""

    def freeze_all_but(self, paths: Sequence[str]) -> None:
        """Make the layers at `paths` the only ones that train."""

    def strategy_scope(self) -> AbstractContextManager:
        """The scope of the tf.distribute strategy that the model was made in."""

    def unify_replicas(self) -> None:
        """Give all replicas the state that a file would hold."""

    # Training
    def check_compiled(self) -> None:
        """Raises LotteryError unless the model is compiled."""

    def compile_like(self, other: Any) -> None:
        """Compile the model as `other` was, with a new optimizer and new metrics of the same settings."""

    def compiled(self) -> dict:
        """JSON-able account of optimizer, loss and precision, to tell one run from another."""

    def loss(self) -> Any:
        """The loss as it was given to compile."""

    def build_optimizer(self) -> None:
        """Make the slots of the optimizer, if they are not there yet."""

    def build_metrics(self, train: Any) -> None:
        """Make the metrics' variables, where Keras would make them at a worse time."""

    def optimizer_state(self) -> list[np.ndarray]:
        """Arrays of everything the optimizer keeps: slots, iterations, learning rate, loss scale."""

    def optimizer_variables(self) -> list:
        """The variables of everything the optimizer keeps, in the order of `optimizer_state`."""

    def load_optimizer(self, arrays: Sequence[np.ndarray]) -> None:
        """Assign arrays as `optimizer_state` gave them."""

    def weight_copies(self) -> list[tuple]:
        """[(slot, weight)] of the slots that begin as copies of the weights; asked before the first step."""

    def reset_optimizer(self, start: Sequence[np.ndarray], copies: Sequence[tuple] = ()) -> None:
        """Put the optimizer back to `start`, except for `copies`, which become those of the present
        weights."""

    def stateless_variables(self) -> tuple:
        """Lists of the variables that a loop hands from step to step: those that train, the others, masks
        among them, and the optimizer's. Raises LotteryError where a loop trains the model itself."""

    def hold_stateless(self, trainable: Sequence, non_trainable: Sequence) -> list:
        """The values of the variables that train, 0 where the masks among the others have it."""

    def finalize_optimizer(self) -> None:
        """What fit does at its end: write averaged weights into the model, where the optimizer averages."""

    def steps_taken(self) -> int:
        """How many steps the optimizer has taken."""

    def steps_per_execution(self) -> int:
        """Steps that a compiled model takes at a time."""

    def make_shiftable(self) -> None:
        """Let `shift_rate` move the learning rate's schedule."""

    def shift_rate(self, step: int) -> None:
        """Let the learning rate's schedule read `step` more than the optimizer has counted."""

    def rates(self) -> list[np.ndarray]:
        """The learning rates that are no schedules, and what schedules hold in variables: what callbacks may
        have changed."""

    def load_rates(self, arrays: Sequence[np.ndarray]) -> None:
        """Assign arrays as `rates` gave them."""

    def keep_randomness(self) -> None:
        """Let random layers draw from generators whose state a backup can hold."""

    def random_state(self) -> Arrays:
        """{name: array} of what random layers (Dropout and the like) draw from."""

    def load_random_state(self, arrays: Arrays) -> None:
        """Put back what `random_state` gave."""

    def gradients(self, paths: Sequence[str], x: Any, y: Any, loss: Callable) -> tuple[Arrays, Arrays]:
        """(g, H g) of a plain model: the gradient in the weights at `paths`, and the Hessian times it."""

    def gradient(self, paths: Sequence[str], batch: tuple, of: Callable | None = None) -> Arrays:
        """The gradient of of(outputs, *batch), or of the sum of the outputs, in the weights at `paths` of a
        plain model, in inference mode."""

    # Conversion
    def inputs(self) -> Any:
        """The nest of the model's inputs, each with name, shape and dtype; None where it was never built."""

    def is_float32(self) -> bool:
        """Whether no layer computes in 16 or 64 bits."""

    def in_float32(self) -> Any:
        """The model itself if it is float32, else a plain copy that is, with the same weights."""

    def unfused(self) -> AbstractContextManager:
        """Within it, recurrent layers compute as loops."""
