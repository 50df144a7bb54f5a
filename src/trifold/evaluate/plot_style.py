"""How all figures look: their colours, their grid, and how they become SVG."""

import io
from typing import Any

GREEN, GREY, RED = "#0b6e4f", "#7a869a", "#c9302c"
# Of text on light cells of a matrix, and on dark ones.
DARK_TEXT, LIGHT_TEXT = "#222", "white"
_GRID_ALPHA = 0.25


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches, that needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def add_grid(axes: Any, **where: str) -> None:
    """Faint lines behind a plot."""
    axes.grid(alpha=_GRID_ALPHA, **where)


def as_svg(figure: Any) -> str:
    """A figure as an `<svg>` element, its text as text, without date, so that the same data give the same bytes."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "trifold", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
