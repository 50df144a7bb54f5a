"""Pictures of a run and of a comparison, as files or as SVG inside the report."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trifold.evaluate.leaderboard import SCORE_NAMES, LeaderboardRow
from trifold.metrics import confusion
from trifold.tasks.labels import LabelMap

_GREEN, _GREY, _RED = "#0b6e4f", "#7a869a", "#c9302c"
_MOST_NAMED_CLASSES = 30


def confusion_figure(truth: np.ndarray, predicted: np.ndarray, labels: LabelMap, title: str = "") -> Any:
    """Rows of each true class that went to each predicted class; darkness is the share of the true class."""
    from matplotlib.figure import Figure

    counts = confusion(truth, predicted, len(labels))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    named = len(labels) <= _MOST_NAMED_CLASSES
    side = min(9.0, 2.6 + 0.42 * len(labels)) if named else 8.0
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Greens", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    if named:
        names = [str(name)[:24] for name in labels.names]
        axes.set_xticks(range(len(names)), names, **_slanted(names))
        axes.set_yticks(range(len(names)), names)
        for i, j in np.ndindex(*counts.shape):
            axes.text(
                j,
                i,
                f"{counts[i, j]:,}",
                ha="center",
                va="center",
                color="white" if share[i, j] > 0.55 else "#222",
                fontsize=8,
            )
    return figure


def _slanted(names: Sequence[str]) -> dict[str, Any]:
    """Names under the columns stand upright where they have room, else aslant."""
    return {"rotation": 45, "ha": "right"} if len(names) > 3 or max(map(len, names)) > 10 else {}


def cost_figure(rows: Sequence[LeaderboardRow], ship: str) -> Any:
    """Score with its interval against time per text: up and to the left is better."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        colour = _GREEN if row.method == ship else _GREY
        below, above = row.score - row.score_low, row.score_high - row.score
        axes.errorbar(
            row.ms_per_text, 100 * row.score, [[100 * below], [100 * above]], fmt="o", color=colour, capsize=3
        )
        axes.annotate(
            row.method,
            (row.ms_per_text, 100 * row.score),
            (7, 4),
            textcoords="offset points",
            color=colour,
            fontsize=10,
        )
    axes.set_xscale("log")
    axes.margins(x=0.25)
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(
        xlabel="milliseconds per text (logarithmic)", ylabel=f"{SCORE_NAMES[rows[0].score_name]}, % (95 % interval)"
    )
    axes.grid(alpha=0.25, which="both")
    return figure


def curves_figure(history: Sequence[dict[str, str]]) -> Any:
    """Training and validation loss over the epochs, from the rows of `history.csv`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        [float(r["epoch"]) for r in history], [float(r["train_loss"]) for r in history], color=_GREY, label="training"
    )
    ends = [(float(r["epoch"]), float(r["validation_loss"])) for r in history if r["validation_loss"]]
    axes.plot(*zip(*ends, strict=True), "o-", color=_GREEN, label="validation")
    best = min(ends, key=lambda pair: pair[1])
    axes.axvline(best[0], color=_RED, linewidth=0.8, linestyle=":", label="kept")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    return figure


def as_svg(figure: Any) -> str:
    """A figure as an `<svg>` element, its text as text, without date, so that the same data give the same bytes."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "trifold", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def write_confusion(folder: Path, truth: np.ndarray, predicted: np.ndarray, labels: LabelMap) -> None:
    """Write `confusion.png`."""
    confusion_figure(truth, predicted, labels).savefig(folder / "confusion.png", dpi=120)
