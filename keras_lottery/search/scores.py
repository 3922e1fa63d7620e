"""What a weight is kept for: a number for each weight; those with the highest numbers stay.

A score is a function of (path, weight, state) that gives a real number for each weight, as an array of
the weight's shape, larger for what is more worth keeping; `state` is a `State`. `find_ticket` takes the name
of one of the functions here, or a function of your own. Movement pruning (Sanh et al. 2020, arXiv 2005.07683,
section 4) keeps what moves away from 0: it adds up -w * dL/dw, which over a training by SGD without momentum
comes, up to a factor, to this:

>>> def movement(path, weight, state):
...     return weight**2 - state.start[path] ** 2

Wanda (Sun et al. 2023, arXiv 2306.11695, section 3) compares the weights into one output, so its scores are
ranks among them, for scope="layer":

>>> def wanda(path, weight, state):
...     importance = np.abs(weight) * state.inputs[path]
...     of_outputs = importance.reshape(-1, weight.shape[-1])
...     return of_outputs.argsort(0).argsort(0).reshape(weight.shape)

>>> import tf_keras, keras_lottery as lottery
>>> net = tf_keras.Sequential([tf_keras.layers.Dense(8, input_shape=(4,)), tf_keras.layers.Dense(2)])
>>> net.compile("adam", "mse")
>>> data = np.arange(256.0).reshape(64, 4), np.ones((64, 2))
>>> how = dict(epochs=1, rounds=1, rate=0.5, verbose=0)
>>> [lottery.find_ticket(net, data, score=score, **how).sparsity for score in (movement, "taylor")]
[0.5, 0.5]
>>> lottery.find_ticket(net, data, score=wanda, scope="layer", **how).masks["dense/kernel"].sum(0).tolist()
[2, 2, 2, 2, 2, 2, 2, 2]
"""

import functools
import zlib

import numpy as np

from ..core.errors import LotteryError
from ..engines.protocol import Handle
from . import measured

WITHOUT_DATA = ("magnitude", "random", "synflow")


class State:
    """What a score may look at beside the weight.

    What has to be measured is measured when it is first asked for: at the weights that the round before
    ended with, in inference mode and float32, on the first 16 batches of the first epoch of the training
    data, which are the same in each round.

    Attributes:
      round: the number of the round that is about to begin, from 1.
      step: of the dense training, the optimizer step that the weights are of; None where it is unknown.
      seed: that of the search.
      start: {path: array}, the weights that the search began with.
    """

    def __init__(
        self, handle: Handle, batches: list, start: dict, round: int, step: int | None, seed: int
    ) -> None:
        self.start = start
        self.round, self.step, self.seed = round, step, seed
        self._handle, self._batches, self._paths = handle, batches, list(handle.prunable())

    @property
    def gradient(self) -> dict:
        """{path: array}: the mean gradient of the loss over the batches."""
        return self._gradients[0]

    @property
    def squared_gradient(self) -> dict:
        """{path: array}: the mean over the batches of the square of their gradients."""
        return self._gradients[1]

    @functools.cached_property
    def inputs(self) -> dict:
        """{path: array} of the kernels of Dense layers and convolutions: the Euclidean norm of each input,
        over examples and positions, in a shape that multiplies the kernel."""
        return _Known(measured.inputs(self._handle, self._paths, self._given()))

    @functools.cached_property
    def flow(self) -> dict:
        """{path: array}: the gradient of the sum of the outputs for an input of ones, where every weight is
        its absolute value."""
        return measured.flow(self._handle, self._paths)

    @functools.cached_property
    def _gradients(self):
        return measured.gradients(self._handle, self._paths, self._given())

    def _given(self):
        if not self._batches:
            raise LotteryError(
                "this score needs data to measure on, and none are given: give them as train=..."
            )
        return self._batches


class _Known(dict):
    def __missing__(self, path):
        raise LotteryError(
            f"the score asks for the inputs of {path!r}, which are measured only for Dense layers and for "
            "convolutions without groups: where path is not in state.inputs, score the weight without them."
        )


def magnitude(path: str, weight: np.ndarray, state: State) -> np.ndarray:
    """|w|.

    Source: Frankle & Carbin 2019 (arXiv 1803.03635), section 2.
    """
    return np.abs(weight)


def random(path: str, weight: np.ndarray, state: State) -> np.ndarray:
    """Uniformly random, by seed, round and weight: a control for every other score.

    Source: Frankle & Carbin 2019 (arXiv 1803.03635), section 2, whose random controls prune no trained net.
    """
    return np.random.default_rng([state.seed, state.round, zlib.crc32(path.encode())]).random(weight.shape)


def taylor(path: str, weight: np.ndarray, state: State) -> np.ndarray:
    """|w| * sqrt(mean of (dL/dw)^2), of first order what the loss changes by without the weight.

    The mean is over batches. The root orders weights as the source's squares do, and adds up along channels
    and blocks as magnitudes do.

    Source: Molchanov et al. 2019 (arXiv 1906.10771), equation 8; of channels, Molchanov et al. 2017 (arXiv
      1611.06440), section 2.2.
    """
    return np.abs(weight) * np.sqrt(state.squared_gradient[path])


def synflow(path: str, weight: np.ndarray, state: State) -> np.ndarray:
    """|w| * dR/d|w|, with R the sum of the outputs for an input of ones through absolute weights: what flows
    through the weight. Needs no data.

    Made for activations such as ReLU, through which what is positive passes unchanged.

    Source: Tanaka et al. 2020 (arXiv 2006.05467), section 6 and algorithm 1, whose iterations are the rounds.
    """
    return np.abs(weight) * state.flow[path]
