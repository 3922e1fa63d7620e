"""What each group of rows that may be compared is called, with what tells it from the others."""

from .rows import APART, old_rule


def places(groups):
    """What each group of rows that may be compared is about, with what tells it from the others."""
    named = {}
    for alike in groups:
        named.setdefault(_place(alike[0]), []).append(_facts(alike[0]))
    return [
        ", ".join(
            [
                _place(alike[0]),
                *(
                    fact
                    for name, fact in _facts(alike[0]).items()
                    if any(other.get(name) != fact for other in named[_place(alike[0])])
                ),
            ]
        )
        for alike in groups
    ]


def _facts(first):
    told = {**first["recipe"], "precision": first["precision"], **(first.get("data") or {})}
    return {
        "images": f"{first['train_images']:,} images",
        "epochs": f"{first['epochs']} epochs",
        **{name: f"{name} {value}" for name, value in told.items()},
        **{f"search {name}": f"search {name} {value}" for name, value in (first.get("search") or {}).items()},
    }


def _place(first):
    variants = [f"{name} {first[name]}" for name in APART if name in first]
    model = ", ".join(
        [first["model"], *variants, *([f"rounds of {first['rewind']} + T steps"] if old_rule(first) else [])]
    )
    return (
        f"{model} on {first['target']}"
        if first["source"] == first["target"]
        else f"{model}, {first['source']} -> {first['target']}"
    )
