"""The card of a ticket: what it is, where it is from and how to use it, as Markdown."""

import jinja2

from ..core.files import sha256

_CARD = """\
# {{ name }}

A lottery ticket: {{ "%.1f" % (100 * ticket.sparsity) }}% of {{ "{:,}".format(total) }} prunable weights \
are zero, {{ "{:,}".format(kept) }} are left.

```python
import keras_lottery as lottery

student = lottery.transfer(lottery.load_ticket("{{ name }}"), num_classes=5)
```

{% if origin %}
| from | |
|---|---|
{% for key, value in origin %}
| {{ key }} | {{ value | string | replace("|", "\\\\|") | replace("\n", " ") }} |
{% endfor %}

{% endif %}
{% if ticket.rounds %}
## Rounds

| round |{{ " steps |" if steps }} sparsity |{% for m in metrics %} {{ m }} |{% endfor %}

|---|---|{{ "---|" if steps }}{{ "---|" * metrics | length }}
{% for r in ticket.rounds %}
| {{ r.round }} |{% if steps %} {{ r.start }} to {{ r.stop }} |{% endif %} {{ "%.4f" % r.sparsity }} |{% \
for m in metrics %} {{ "%.4f" % r.metrics[m] if r.metrics.get(m) is number else "" }} |{% endfor %}

{% endfor %}

{% if metrics %}
Figures at the end of each round; `val_` on the validation split.

{% endif %}
{% endif %}
## Weights

| weight | shape | kept | sparsity |
|---|---|---|---|
{% for path, mask in ticket.masks.items() %}
| {{ path }} | {{ mask.shape | join("x") }} | {{ mask.sum() }} | {{ "%.4f" % (1 - mask.mean()) }} |
{% endfor %}

All other weights are dense.

{% if results %}
## {{ results.title }}

{{ results.note }}

| {{ results.header | join(" | ") }} |
|{{ "---|" * results.header | length }}
{% for row in results.rows %}
| {{ row | join(" | ") }} |
{% endfor %}

{% endif %}
## Files

| file | bytes | SHA-256 |
|---|---|---|
{% for file in files %}
| {{ file.name }} | {{ "{:,}".format(file.size) }} | {{ file.hash }} |
{% endfor %}
"""


def card(ticket, name, files):
    """Markdown text for `ticket`, to be read where it is called `name` and consists of `files`."""
    metrics = list(dict.fromkeys(metric for record in ticket.rounds for metric in record["metrics"]))
    total = sum(mask.size for mask in ticket.masks.values())
    kept = sum(int(mask.sum()) for mask in ticket.masks.values())
    results = ticket.info.get("results")
    results = (
        results
        if isinstance(results, dict) and results.keys() == {"title", "note", "header", "rows"}
        else None
    )
    notes = {key: value for key, value in ticket.info.items() if key != "results" or not results}
    told = [{"name": file.name, "size": file.stat().st_size, "hash": sha256(file)} for file in files]
    template = jinja2.Template(_CARD, trim_blocks=True, lstrip_blocks=True)
    steps = all("stop" in record for record in ticket.rounds)
    return template.render(
        ticket=ticket,
        name=name,
        steps=steps,
        metrics=metrics,
        total=total,
        kept=kept,
        origin=[*_flat(ticket.settings), *_flat(notes)],
        files=told,
        results=results,
    )


def _flat(info, prefix=""):
    """(name, value) of all entries; those of a dict within a dict as "data.name"."""
    for key, value in info.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
