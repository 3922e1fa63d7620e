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
  :root { color-scheme: light dark; }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
    color: light-dark(#222, #ddd); background: light-dark(#fff, #16181c); }
  h1 { font-size: 1.5rem; }
  h2 { margin-top: 2.5rem; font-size: 1.1rem; }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
  th, td { padding: .2rem .7rem; border-bottom: 1px solid #8884; text-align: left; }
  td + td { text-align: right; }
  .words td { text-align: left; vertical-align: top; }
  figure { margin: 2rem 0; }
  figcaption { font-size: .9rem; max-width: 48rem; }
  img { width: max(100%, 40rem); max-width: 60rem; background: #fff; }
  div { overflow-x: auto; }
</style>
<h1>{{ title }}</h1>
<p>± is half of a 95% interval. The figures behind this page:
{% for name in files %}
<a href="{{ name }}">{{ name }}</a>{{ ", " if not loop.last else "." }}
{% endfor %}
</p>
{% for name, data in pictures %}
<figure>
<div><img alt="{{ captions[name] }}" src="data:image/png;base64,{{ data }}"></div>
<figcaption>{{ captions[name] }}</figcaption>
</figure>
{% endfor %}
<h2>What is compared</h2>
<div><table class="words">
{% for name, told in controls.items() %}
<tr><th>{{ name }}</th><td>{{ told }}</td></tr>
{% endfor %}
</table></div>
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


def page(tables, pictures, captions, controls, files):
    """HTML text that needs no other file.

    Args:
      tables: a list of `Table`.
      pictures: {name: PNG bytes}; captions: {name: what it shows}.
      controls: {control that is compared: what it is}.
      files: names of the files beside the page that hold its figures.
    """
    encoded = [(name, base64.b64encode(picture).decode()) for name, picture in pictures.items()]
    return _PAGE.render(
        title="Lottery tickets and their controls",
        tables=tables,
        pictures=encoded,
        captions=captions,
        controls=controls,
        files=files,
    )
