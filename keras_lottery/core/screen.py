"""The terminal."""

from rich.console import Console

from .visible import visible


class Screen(Console):
    """Where tables and lines of plain text, of whomever, are printed."""

    def __init__(self):
        super().__init__(markup=False, emoji=False)

    def render_str(self, text, **how):
        return super().render_str(visible(text), **how)
