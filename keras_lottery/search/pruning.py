"""Which weights a round keeps: a score for each weight, and how many stay where."""

import numpy as np

from ..channels.whole import by_channel, relative_worth, worth_of_work
from ..core.counts import check_rounds, of_paths, own_sparsities
from ..core.errors import LotteryError
from ..core.lazily import Lazily
from ..core.masking import prune
from . import scores
from .measured import first_batches


class Pruning:
    """Tightens the masks of a wrapped model from round to round.

    Args:
      handle: that of the model.
      score: a name in `config.search.SCORES`, or a function as `search.scores` tells.
      scope: among which weights scores are compared; None for what `wrap` was told.
      layer_rates: {layer or pattern: rate} of the layers that have a rate of their own.
      sides: prune whole channels, these, rather than single weights; see `whole.by_channel`.
      work: of the model's kernels, where there are sides; see `whole.worth_of_work`.
      seed: that of the search.
      train: what a score measures on; None where it needs no data.

    Raises:
      LotteryError: `layer_rates` names no weight that is pruned.
    """

    def __init__(
        self,
        handle,
        score="magnitude",
        scope=None,
        layer_rates=None,
        sides=None,
        work=None,
        seed=0,
        train=None,
    ):
        self.handle, self.sides, self.work, self.seed = handle, sides, work, seed
        self.name = score if isinstance(score, str) else getattr(score, "__name__", type(score).__name__)
        self.of_user = callable(score)
        self.score = score if self.of_user else getattr(scores, score)
        self.pruned_by = {**handle.settings()[1], **({"scope": scope} if scope else {})}
        self.rates = of_paths(layer_rates or {}, handle.masks())
        needs_data = train is not None and score not in scores.WITHOUT_DATA
        self.batches = first_batches(handle, train) if needs_data else []
        self.begin()

    @classmethod
    def of(cls, handle, search, scope, train):
        """That of a search, a SearchConfig, checked for its rounds."""
        sides = work = None
        if search.structured:
            from ..channels import counts, groups  # with SciPy, which other searches do without

            sides, work = groups.sides(handle.model), counts.work_of_weights(handle)
        pruning = cls(handle, search.scored_by, scope, search.layer_rates, sides, work, search.seed, train)
        pruning.check(search.sparsities)
        return pruning

    def begin(self):
        """The present weights are those that the search begins with."""
        self.start = self._weights() if self.of_user else {}

    def check(self, sparsities):
        """Raises LotteryError if rounds to these sparsities cannot be pruned, or the score is none."""
        check_rounds(self.handle.masks(), sparsities, self.pruned_by["scope"], self.rates)
        if self.name != "magnitude":
            dict(self._scores(1, 0, finite=False))

    def masks(self, round, step=None):
        """{path: mask} that a `schedule.Round` begins with, by the present weights, which are of `step`."""
        found, masks = self._scores(round.number, step), self.handle.masks()
        if self.sides is not None:
            found = dict(found)
            self._check_above_zero(found)
            found = by_channel(found, masks, self.sides, self._worth(found, masks))
        own = own_sparsities(self.rates, round.number)
        return prune(found, masks, round.sparsity, own=own, **self.pruned_by)

    def _worth(self, found, masks):
        if self.name == "taylor" and not self.of_user:
            return worth_of_work(found, masks, self.sides, self.work)
        return relative_worth(found, masks, self.sides)

    def _weights(self):
        return {path: np.array(variable.numpy()) for path, variable in self.handle.prunable().items()}

    def _scores(self, round, step, finite=True):
        """{path: array}; a score of ours is made whenever it is asked for, one of the user's once."""
        state = scores.State(self.handle, self.batches, self.start, round, step, self.seed)
        variables = self.handle.prunable()

        def scored(path):
            weight = variables[path].numpy().view()
            weight.flags.writeable = False
            return self._checked(path, weight, self.score(path, weight, state), finite)

        found = Lazily({path: path for path in variables}, scored)
        return dict(found) if self.of_user else found

    def _checked(self, path, weight, score, finite):
        """What a score gave, as an array; raises LotteryError unless it is one finite number for each weight.

        A weight that is no finite number itself is told of later.
        """
        kind = type(score).__name__
        try:
            score = np.asarray(score)
            numbers = np.isfinite(score)
        except (TypeError, ValueError):
            numbers = None
        if numbers is None or score.shape != weight.shape or np.iscomplexobj(score):
            what = f"a {kind}" if numbers is None else f"{score.dtype} of shape {score.shape}"
            raise LotteryError(
                f"score {self.name!r} gives {what} for {path!r}, whose shape is {weight.shape}: give a real "
                "number for each weight."
            )
        if finite and not numbers.all() and np.isfinite(weight).all():
            raise LotteryError(
                f"score {self.name!r} gives {np.count_nonzero(~numbers):,} NaN or infinite numbers for "
                f"{path!r}: give finite ones."
            )
        return score.astype("float64") if score.dtype.kind in "iub" else score

    def _check_above_zero(self, found):
        for path, score in found.items():
            if score.size and score.min() < 0:
                raise LotteryError(
                    f"score {self.name!r} gives {score.min():g} for a weight of {path!r}, and structured "
                    "rounds add scores up along channels: give scores of 0 and more, or search without "
                    "structured."
                )
