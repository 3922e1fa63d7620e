"""The card of a ticket: what it is, where it is from and how to use it, as Markdown."""

import jinja2

_CARD = jinja2.Template(
    """\
# {{ name }}

A lottery ticket: {{ "%.1f" % (100 * ticket.sparsity) }}% of {{ "{:,}".format(total) }} prunable weights are zero, {{ "{:,}".format(kept) }} are left.

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

| round | sparsity | {{ metrics | join(" | ") }} |
|---|---|{{ "---|" * metrics | length }}
{% for r in ticket.rounds %}
| {{ r.round }} | {{ "%.4f" % r.sparsity }} |{% for m in metrics %} {{ "%.4f" % r.metrics[m] if r.metrics.get(m) is number else "" }} |{% endfor %}

{% endfor %}

Figures at the end of each round; `val_` on the validation split.

{% endif %}
## Weights

| weight | shape | kept | sparsity |
|---|---|---|---|
{% for path, mask in ticket.masks.items() %}
| {{ path }} | {{ mask.shape | join("x") }} | {{ mask.sum() }} | {{ "%.4f" % (1 - mask.mean()) }} |
{% endfor %}

All other weights are dense.
""",
    trim_blocks=True,
    lstrip_blocks=True,
)


def card(ticket, name):
    """Markdown text for `ticket`, to be read where it is called `name`."""
    metrics = list(dict.fromkeys(metric for record in ticket.rounds for metric in record["metrics"]))
    total = sum(mask.size for mask in ticket.masks.values())
    kept = sum(int(mask.sum()) for mask in ticket.masks.values())
    return _CARD.render(ticket=ticket, name=name, metrics=metrics, total=total, kept=kept, origin=list(_flat(ticket.info)))


def _flat(info, prefix=""):
    """(name, value) of all entries; those of a dict within a dict as "data.name"."""
    for key, value in info.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
