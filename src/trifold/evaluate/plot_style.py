"""How all figures look: their colours in the light and in the dark, their grid, and how they become SVG."""

import io
import re
from html import escape
from typing import Any

GREEN, GREY, RED = "#0b6e4f", "#6b7688", "#c9302c"
# The colours of a page, by name: in the light, and in the dark.
LIGHT = {
    "ink": "#1d2433",
    "soft": "#566175",
    "line": "#dfe3ea",
    "paper": "#ffffff",
    "wash": "#f3f7f5",
    "green": GREEN,
    "grey": GREY,
    "red": RED,
}
DARK = {
    "ink": "#e6e9ef",
    "soft": "#a9b3c2",
    "line": "#343c49",
    "paper": "#14181f",
    "wash": "#1c232c",
    "green": "#4cc38a",
    "grey": "#98a3b3",
    "red": "#ff7b72",
}
# Inches: as wide as a telephone is, so that letters keep their size there.
NARROW = 3.9
_GRID_ALPHA = 0.25
# The parts' names are the same in every figure, and a page must hold each name once; clip paths and markers are
# named by a hash of their content and of the figure's own name.
_PART_NAMES = re.compile(r' id="[A-Za-z][A-Za-z0-9._]*_\d+"')


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches, that needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def add_grid(axes: Any, **where: str) -> None:
    """Faint lines behind a plot, and no frame on its upper and right sides."""
    axes.grid(alpha=_GRID_ALPHA, **where)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def as_svg(figure: Any, name: str) -> str:
    """A figure as an `<svg>` element of a page: text as text, in the page's colours, the same bytes for the same data.

    Black becomes the colour of the text around it, and each colour of `LIGHT` the page's variable of that name, so
    that a figure follows its page into the dark; by itself it looks as it was drawn.

    Args:
        figure: Of matplotlib.
        name: What it shows, for readers who cannot see it; of each figure in a page another.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    text = buffer.getvalue()
    text = _PART_NAMES.sub("", text[text.index("<svg") :]).replace("#000000", "currentColor")
    for colour in ("green", "grey", "red"):
        text = text.replace(LIGHT[colour], f"var(--{colour}, {LIGHT[colour]})")
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" fill="currentColor" ', 1)
