"""Which search takes three dense trainings."""

import dataclasses

from ..config import SearchConfig
from ..core.schedule import KEPT, round_sparsities

FAST = {"rate": 0.32, "budget": "3x", "rewind_once": True}  # docs/fast/curve.py measures it
STEEPER = (0.44, 0.6, 0.8)


def fast(search: SearchConfig, given=()) -> SearchConfig:
    """`search` as one that takes three dense trainings, but for the options that were `given` by name.

    The rate is the lowest that leaves each round an epoch.

    >>> found = fast(SearchConfig(epochs=6, final_sparsity=0.95))
    >>> found.rate, found.budget, found.rewind_once
    (0.32, '3x', True)
    """
    chosen = {name: value for name, value in FAST.items() if name not in given}
    if search.rewind in KEPT:
        chosen.pop("rewind_once", None)
    if search.rounds is not None and search.final_sparsity is not None:
        chosen.pop("rate", None)
    elif search.rounds is None and search.final_sparsity is None:
        chosen["final_sparsity"] = 0.9
    if "rate" in chosen and search.rounds is None:
        most = search.epochs + 1 if search.rewind == "trained" else 2 * search.epochs
        final = chosen.get("final_sparsity", search.final_sparsity)
        chosen["rate"] = next(
            (
                rate
                for rate in (FAST["rate"], *STEEPER)
                if len(round_sparsities(rate=rate, final_sparsity=final)) <= most
            ),
            FAST["rate"],
        )
    return dataclasses.replace(search, **chosen)
