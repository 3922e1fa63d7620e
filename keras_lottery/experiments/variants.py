"""The ways to search and to transfer that tell runs apart, and what they are where a result does not say."""

VARIANTS = {
    "rate": 0.2,
    "scope": "global",
    "block": 1,
    "rewind_once": False,
    "structured": False,
    "budget": None,
    "early_bird": None,
    "patience": None,
    "start": "rewind",
    "freeze_backbone": False,
    "augment": False,
    "batch_size": 128,
    "backend": "tf_keras",
}


def unusual(given):
    """The entries of VARIANTS that `given` has with another value than the usual one.

    >>> unusual({"scope": "global", "block": 4, "seed": 1})
    {'block': 4}
    """
    return {name: given[name] for name, usual in VARIANTS.items() if given.get(name, usual) != usual}
