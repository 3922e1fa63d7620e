"""One HTML page with every table and picture in it."""

import base64

import jinja2

_PAGE = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
    color: #222; }
  h2 { margin-top: 2.5rem; font-size: 1.1rem; }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
  th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }
  td + td { text-align: right; }
  img { max-width: 100%; }
  div { overflow-x: auto; }
</style>
<h1>{{ title }}</h1>
{% for name, data in pictures %}
<p><img alt="{{ name }}" src="data:image/png;base64,{{ data }}"></p>
{% endfor %}
{% for table in tables %}
<h2>{{ table.title }}</h2>
<p>{{ table.note }}</p>
<div><table>
<tr>{% for name in table.header %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in table.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
{% endfor %}
</html>
"""
)


def page(tables, pictures):
    """HTML text that needs no other file.

    Args:
      tables: a list of `Table`.
      pictures: {name: PNG bytes}.
    """
    encoded = [(name, base64.b64encode(picture).decode()) for name, picture in pictures.items()]
    return _PAGE.render(title="Lottery tickets and their controls", tables=tables, pictures=encoded)
