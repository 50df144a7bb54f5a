"""Pictures of a run and of a comparison, as files or as SVG inside the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trifold.evaluate.leaderboard import LeaderboardRow
from trifold.evaluate.plot_style import DARK_TEXT, GREEN, GREY, LIGHT_TEXT, RED, add_grid, new_figure
from trifold.evaluate.results import read_csv
from trifold.statistics.calibration import coverage_curve, reliability
from trifold.statistics.metric import is_share, title
from trifold.tasks.labels import LabelMap
from trifold.terminal import printable
from trifold.train.history import HISTORY
from trifold.types import Label

_MOST_NAMED_CLASSES = 30
_MOST_CHARACTERS = 24


def confusion_figure(truth: np.ndarray, predicted: np.ndarray, labels: LabelMap) -> Any:
    """Rows of each true class that went to each predicted class; darkness is the share of the true class.

    Where a row may have several labels, none goes to another: F1 of each label instead.
    """
    from sklearn.metrics import confusion_matrix

    if labels.multi_label:
        return _label_figure(truth, predicted, labels)
    counts = confusion_matrix(truth, predicted, labels=range(len(labels)))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    named = len(labels) <= _MOST_NAMED_CLASSES
    side = min(9.0, 2.6 + 0.42 * len(labels)) if named else 8.0
    figure = new_figure(side + 0.8, side)
    axes = figure.subplots()
    axes.imshow(share, cmap="Greens", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if named:
        names = [_short(name) for name in labels.names]
        axes.set_xticks(range(len(names)), names, **_slanted(names))
        axes.set_yticks(range(len(names)), names)
        for i, j in np.ndindex(*counts.shape):
            axes.text(
                j,
                i,
                f"{counts[i, j]:,}",
                ha="center",
                va="center",
                color=LIGHT_TEXT if share[i, j] > 0.55 else DARK_TEXT,
                fontsize=8,
            )
    return figure


def _short(label: Label) -> str:
    """A label's name as it stands beside an axis: one short line."""
    return printable(" ".join(str(label).split()))[:_MOST_CHARACTERS]


def _label_figure(truth: np.ndarray, predicted: np.ndarray, labels: LabelMap) -> Any:
    """F1 of each label, the best on top, with the number of rows that have it."""
    from sklearn.metrics import f1_score

    f1 = f1_score(truth, predicted, average=None, zero_division=0)
    # The worst are what one looks for.
    order = np.argsort(f1, kind="stable")[: 2 * _MOST_NAMED_CLASSES]
    names = [f"{_short(labels.names[number])} ({int(truth[:, number].sum()):,})" for number in order]
    figure = new_figure(5.6, 1.0 + 0.24 * len(order))
    axes = figure.subplots()
    axes.barh(range(len(order)), 100 * f1[order], color=GREEN, height=0.7)
    axes.set_yticks(range(len(order)), names, fontsize=8)
    axes.set(xlabel="F1, %", xlim=(0, 100), ylim=(-0.6, len(order) - 0.4))
    add_grid(axes, axis="x")
    return figure


def _slanted(names: Sequence[str]) -> dict[str, Any]:
    """Names under the columns stand upright where they have room, else aslant."""
    return {"rotation": 45, "ha": "right"} if len(names) > 3 or max(map(len, names)) > 10 else {}


def cost_figure(rows: Sequence[LeaderboardRow], ship: str) -> Any:
    """Score with its interval against time per text: up and to the left is better."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = new_figure(7.2, 3.6)
    axes = figure.subplots()
    score = rows[0].score_name
    scale, unit = (100, ", %") if is_share(score) else (1, "")
    for row in rows:
        colour = GREEN if row.method == ship else GREY
        if not row.ms_per_text:
            # No time at all has no place on a logarithmic axis.
            axes.axhline(scale * row.score, color=GREY, linewidth=0.8, linestyle=":")
            axes.annotate(
                row.method,
                (0, scale * row.score),
                (4, 3),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                color=GREY,
                fontsize=9,
            )
            continue
        below, above = scale * (row.score - row.score_low), scale * (row.score_high - row.score)
        axes.errorbar(row.ms_per_text, scale * row.score, [[below], [above]], fmt="o", color=colour, capsize=3)
        axes.annotate(
            row.method,
            (row.ms_per_text, scale * row.score),
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
    axes.set(xlabel="milliseconds per text (logarithmic)", ylabel=f"{title(score)}{unit} (95 % interval)")
    add_grid(axes, which="both")
    return figure


def curves_figure(history: Sequence[Mapping[str, str]], *, accuracy: bool = False) -> Any:
    """Training and validation loss over the epochs, and beside it the accuracy where that is asked for.

    Args:
        history: The rows of `history.csv`, with at least one validation.
        accuracy: Whether it is drawn, too.
    """
    figure = new_figure(8.0, 3.2) if accuracy else new_figure(4.6, 2.8)
    ends = [row for row in history if row["validation_loss"]]
    kept = ends[int(np.argmin([float(row["validation_calibrated_loss"]) for row in ends]))]
    measures = ("loss", "accuracy") if accuracy else ("loss",)
    for axes, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
        axes.plot(*_points(history, f"train_{measure}"), color=GREY, label="training")
        axes.plot(*_points(ends, f"validation_{measure}"), "o-", color=GREEN, label="validation")
        calibrated, plain = (_points(ends, name) for name in ("validation_calibrated_loss", "validation_loss"))
        if measure == "loss" and calibrated != plain:
            axes.plot(*calibrated, "o--", color=GREEN, alpha=0.5, label="validation, calibrated")
        axes.axvline(float(kept["epoch"]), color=RED, linewidth=0.8, linestyle=":", label="kept")
        axes.set(xlabel="epoch", ylabel=measure)
        add_grid(axes)
        if measure == "loss":
            axes.legend(frameon=False)
    return figure


def _points(rows: Sequence[Mapping[str, str]], column: str) -> tuple[list[float], list[float]]:
    """Epochs, and what a column of the history holds at them."""
    return [float(row["epoch"]) for row in rows], [float(row[column]) for row in rows]


def write_curves(folder: Path) -> None:
    """Write `loss.png`: loss and accuracy over the epochs, from the `history.csv` in the same folder."""
    curves_figure(list(read_csv(folder / HISTORY)), accuracy=True).savefig(folder / "loss.png", dpi=120)


def trust_figure(right: np.ndarray, confidence: np.ndarray) -> Any:
    """Left: is a model that says 80 % right in 80 %? Right: how right it is when it may decline to answer."""
    figure = new_figure(7.2, 2.9)
    reliable, covered = figure.subplots(1, 2)
    bins = reliability(right, confidence)
    share = np.array([one.rows for one in bins]) / len(right)
    reliable.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    confidences, accuracies = [one.confidence for one in bins], [one.accuracy for one in bins]
    reliable.plot(confidences, accuracies, color=GREEN, linewidth=1)
    reliable.scatter(confidences, accuracies, s=12 + 180 * share, color=GREEN, alpha=0.75)
    low = min(0.5, float(confidence.min()), *accuracies)
    reliable.set(xlabel="confidence", ylabel="accuracy", xlim=(low - 0.03, 1.03), ylim=(low - 0.03, 1.03))
    _, answered, accuracy = coverage_curve(right, confidence)
    covered.plot(100 * answered, 100 * accuracy, color=GREEN)
    covered.set(xlabel="texts answered, %", ylabel="accuracy of the answers, %", xlim=(0, 103))
    for axes in (reliable, covered):
        add_grid(axes)
    return figure


def write_confusion(folder: Path, truth: np.ndarray, predicted: np.ndarray, labels: LabelMap) -> None:
    """Write `confusion.png`."""
    confusion_figure(truth, predicted, labels).savefig(folder / "confusion.png", dpi=120)
