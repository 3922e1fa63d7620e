"""Models made from the JSON of a file, which is checked first, and what weights they would have."""

import dataclasses
import math
from collections.abc import Callable

from ..architecture.trust import Names, trusted
from ..core.errors import LotteryError
from .sizes import Budget, built, check_constants, dtype_name


@dataclasses.dataclass(frozen=True)
class Builder:
    """What builds the models of one Keras.

    Args:
      names: what files may hold.
      make: a function from checked JSON to the model.
      counted: a function of (budget, symbolic) that gives a context: in it, weights are taken from the budget
        before they are made and tensors are counted; symbolic ones are not made at all.
      tensors: a function from a model to (name, shape, bytes per value) of each tensor in its graphs.
      variables: a function from a model to its {path: variable}.
      said: a function from an error of this Keras to a line of text.
    """

    names: Names
    make: Callable
    counted: Callable
    tensors: Callable
    variables: Callable
    said: Callable

    def build(self, architecture):
        """A new plain model, randomly initialised in the current precision policy. The JSON may be a file's.

        Raises:
          LotteryError: it holds what is not allowed, see `architecture.trust`, or cannot be built.
        """
        return self._built(lambda: self.make(trusted(architecture, self.names)))

    def shapes(self, architecture, most=math.inf):
        """{path: (shape, dtype)} of the weights that `build` would make, at most `most` bytes, none of them
        made.

        Raises:
          LotteryError: as `build`, or they would take more.
        """
        return self._built(lambda: self._shapes(trusted(architecture, self.names), most))

    def _built(self, make):
        return built(make, self.said, self.names.register)

    def _shapes(self, checked, most):
        try:
            return self._counted_shapes(checked, most, symbolic=True)
        except LotteryError:
            raise
        except Exception:  # of layers that read what they have just made; that is within the same bytes
            return self._counted_shapes(checked, most, symbolic=False)

    def _counted_shapes(self, checked, most, symbolic):
        with self.counted(Budget(most), symbolic):
            model = self.make(checked)
            found = {
                path: (tuple(variable.shape), dtype_name(variable.dtype))
                for path, variable in self.variables(model).items()
                if hasattr(variable, "shape")  # no lookup table has one
            }
            inputs = [tuple(one.shape) for one in getattr(model, "inputs", None) or ()]
            check_constants(self.tensors(model), inputs, found)
        return found
