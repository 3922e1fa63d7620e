"""The card of a ticket: what it is, where it is from and how to use it, as Markdown."""

import functools
import json
import shlex

import jinja2

from ..core.files import sha256
from ..core.visible import cell
from .card_head import accuracy, facts, head

_CARD = """\
---
{{ head }}
---

# {{ name | cell }}

A lottery ticket: {{ "%.1f" % (100 * ticket.sparsity) }}% of {{ "{:,}".format(total) }} prunable weights \
are zero, {{ "{:,}".format(kept) }} are left.

```python
import keras_lottery as lottery

student = lottery.transfer(lottery.load_ticket({{ address | text }}), num_classes=5)
```

```
lottery-transfer --ticket={{ address | word }} --dataset=FOLDER_OF_PHOTOS
```

{% if origin %}
| from | |
|---|---|
{% for key, value in origin %}
| {{ key | cell }} | {{ value | cell }} |
{% endfor %}

{% endif %}
{% if ticket.rounds %}
## Rounds

| round |{{ " steps |" if steps }} sparsity |{% for m in metrics %} {{ m | cell }} |{% endfor %}

|---|---|{{ "---|" if steps }}{{ "---|" * metrics | length }}
{% for r in ticket.rounds %}
| {{ r.round | cell }} |{% if steps %} {{ r.start | cell }} to {{ r.stop | cell }} |{% endif %} \
{{ "%.4f" % r.sparsity }} |{% for m in metrics %} \
{{ "%.4f" % r.metrics[m] if r.metrics.get(m) is number else "" }} |{% endfor %}

{% endfor %}

{% if metrics %}
Figures at the end of each round; `val_` on the validation split.

{% endif %}
{% endif %}
## Weights

| weight | shape | kept | sparsity |
|---|---|---|---|
{% for path, mask in ticket.masks.items() %}
| {{ path | cell }} | {{ mask.shape | join("x") }} | {{ mask.sum() }} | \
{{ "%.4f" % (1 - mask.mean() if mask.size else 0) }} |
{% endfor %}

All other weights are dense.

{% if results %}
## {{ results.title | cell }}

{{ results.note | cell }}

| {{ results.header | map("cell") | join(" | ") }} |
|{{ "---|" * results.header | length }}
{% for row in results.rows %}
| {{ row | map("cell") | join(" | ") }} |
{% endfor %}

{% endif %}
## Files

| file | bytes | SHA-256 |
|---|---|---|
{% for file in files %}
| {{ file.name }} | {{ "{:,}".format(file.size) }} | {{ file.hash }} |
{% endfor %}
"""


def card(ticket, name, address, files):
    """Markdown text for `ticket`, called `name`, that is loaded from `address` and consists of `files`."""
    metrics = list(dict.fromkeys(metric for record in ticket.rounds for metric in record["metrics"]))
    total = sum(mask.size for mask in ticket.masks.values())
    kept = sum(int(mask.sum()) for mask in ticket.masks.values())
    results = _results(ticket.info.get("results"))
    told = [{"name": file.name, "size": file.stat().st_size, "hash": sha256(file)} for file in files]
    return _template().render(
        ticket=ticket,
        head=head(ticket, name),
        name=name,
        address=address,
        steps=all("stop" in record for record in ticket.rounds),
        metrics=metrics,
        total=total,
        kept=kept,
        origin=_origin(ticket, results),
        files=told,
        results=results,
    )


def _results(note):
    """The note, if it is a table of results."""
    if not isinstance(note, dict) or note.keys() != {"title", "note", "header", "rows"}:
        return None
    lists = note["header"], note["rows"], *(note["rows"] if isinstance(note["rows"], list) else ())
    return note if all(isinstance(one, (list, tuple)) for one in lists) else None


@functools.cache
def _template():
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "cell": cell,
        "text": lambda value: json.dumps(value, ensure_ascii=False),
        "word": lambda value: shlex.quote(" ".join(value.split())),
    }
    return environment.from_string(_CARD)


def _origin(ticket, results):
    """(name, value) of what a ticket says of itself, beside its rounds and results."""
    score, where = accuracy(ticket)
    told = facts(ticket)
    yield from told.items()
    if score is not None:
        yield "accuracy", f"{score:.2%} of the {where} images"
    if ticket.trained is ticket.weights:
        yield "weights", "trained; a transfer starts from them"
    yield from _flat(ticket.settings)
    shown = {**told, "results": results}
    yield from _flat({name: note for name, note in ticket.info.items() if shown.get(name) != note})


def _flat(info, prefix=""):
    """(name, value) of all entries; those of a dict within a dict as "data.name"."""
    for key, value in info.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
