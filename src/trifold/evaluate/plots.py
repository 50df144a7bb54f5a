"""Pictures of a run and of a comparison, as files or as SVG inside the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trifold.evaluate.confusion import MOST_MATRIX_CLASSES, count_confusions, depths, most_confused
from trifold.evaluate.leaderboard import MethodRow
from trifold.evaluate.plot_style import GREEN, GREY, NARROW, RED, add_grid, new_figure
from trifold.evaluate.results import read_csv
from trifold.formatting import shortened
from trifold.statistics.calibration import coverage_curve, reliability
from trifold.statistics.metric import is_share, title
from trifold.tasks.labels import LabelMap
from trifold.terminal import printable
from trifold.train.history import HISTORY
from trifold.types import Label

_MOST_BARS = 30
_MOST_CHARACTERS = 24
# A line of small letters and its space, in inches.
_LINE = 0.18
_JOINING_LINE = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 4, "relpos": (0, 0.5)}
# Cells stay so pale that black numbers can be read in them.
_DEEPEST = 0.6


def confusion_figure(truth: np.ndarray, predicted: np.ndarray, labels: LabelMap) -> Any:
    """Rows of each true class that went to each predicted class; where there are many classes, the commonest mistakes.

    Where a row may have several labels, none goes to another: F1 of each label instead.
    """
    if labels.multi_label:
        return _label_figure(truth, predicted, labels)
    if len(labels) > MOST_MATRIX_CLASSES:
        return _pairs_figure(truth, predicted, labels)
    counts = count_confusions(truth, predicted, len(labels))
    side = 2.6 + 0.42 * len(labels)
    figure = new_figure(side + 0.8, side)
    axes = figure.subplots()
    axes.imshow(_DEEPEST * depths(counts), cmap="Greens", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    names = [_short(name) for name in labels.names]
    axes.set_xticks(range(len(names)), names, **_slanted(names))
    axes.set_yticks(range(len(names)), names)
    for i, j in np.ndindex(*counts.shape):
        axes.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=8)
    return figure


def _short(label: Label) -> str:
    """A label's name as it stands beside an axis: one short line."""
    return shortened(printable(str(label)), _MOST_CHARACTERS)


def _slanted(names: Sequence[str]) -> dict[str, Any]:
    """Names under the columns stand upright where they have room, else aslant."""
    return {"rotation": 45, "ha": "right"} if len(names) > 3 or max(map(len, names)) > 10 else {}


def _label_figure(truth: np.ndarray, predicted: np.ndarray, labels: LabelMap) -> Any:
    """F1 of each label, the best on top, with the number of rows that have it."""
    from sklearn.metrics import f1_score

    f1 = f1_score(truth, predicted, average=None, zero_division=0)
    # The worst are what one looks for.
    order = np.argsort(f1, kind="stable")[: 2 * _MOST_BARS]
    names = [f"{_short(labels.names[number])} ({int(truth[:, number].sum()):,})" for number in order]
    return _bars(names, 100 * f1[order], "F1, %", 100)


def _pairs_figure(truth: np.ndarray, predicted: np.ndarray, labels: LabelMap) -> Any:
    """The pairs of classes with the most mistakes, the commonest on top."""
    pairs = most_confused(truth, predicted, labels, _MOST_BARS)[::-1]
    names = [f"{_short(pair.true)} taken for {_short(pair.predicted)}" for pair in pairs]
    rows = np.array([pair.rows for pair in pairs])
    return _bars(names, rows, "rows", max(1, rows.max(initial=1)))


def _bars(names: Sequence[str], lengths: np.ndarray, measure: str, longest: float) -> Any:
    """Bars from the left, the first at the bottom."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(6.4, 1.0 + 0.24 * max(1, len(names)))
    axes = figure.subplots()
    axes.barh(range(len(names)), lengths, color=GREEN, height=0.7)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel=measure, xlim=(0, longest), ylim=(-0.6, max(1, len(names)) - 0.4))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_grid(axes, axis="x")
    return figure


def cost_figure(rows: Sequence[MethodRow], ship: str) -> Any:
    """Score with its interval against time per text; what takes no time, such as always the same answer, is a line.

    Names stand in a column on the right, apart from all points, each joined to its own.
    """
    height = max(2.7, 0.9 + _LINE * len(rows))
    figure = new_figure(NARROW, height)
    axes = figure.subplots()
    score = rows[0].score_name
    scale, unit = (100, ", %") if is_share(score) else (1, "")
    low, high = scale * min(row.score_low for row in rows), scale * max(row.score_high for row in rows)
    room = 0.06 * max(high - low, 0.01 * scale)
    axes.set(xlabel="milliseconds per text (logarithmic)", ylabel=f"{_short(title(score))}{unit} (95 % interval)")
    axes.set_ylim(low - room, high + room)
    _logarithmic(axes, [row.ms_per_text for row in rows if row.ms_per_text] or [1.0])
    sorted_down = sorted(rows, key=lambda row: -row.score)
    heights = [(scale * row.score - low + room) / (high - low + 2 * room) for row in sorted_down]
    for row, place in zip(sorted_down, _apart(heights, _LINE / (height - 0.7)), strict=True):
        _draw_method(axes, row, scale, place, shipped=row.method == ship)
    add_grid(axes)
    return figure


def _draw_method(axes: Any, row: MethodRow, scale: int, place: float, *, shipped: bool) -> None:
    """A method's point and interval, or its line; and its name at a height from 0 to 1 beside the plot."""
    colour, value = GREEN if shipped else GREY, scale * row.score
    if row.ms_per_text:
        point, where = (row.ms_per_text, value), "data"
        bar = [[max(0.0, value - scale * row.score_low)], [max(0.0, scale * row.score_high - value)]]
        axes.errorbar(*point, bar, fmt="o", color=colour, markersize=5, elinewidth=1, capsize=2, zorder=3 + shipped)
    else:
        point, where = (1.0, value), axes.get_yaxis_transform()
        axes.axhline(value, color=GREY, linewidth=1, linestyle=":")
    axes.annotate(
        _short(row.method), point, (1.05, place), xycoords=where, textcoords="axes fraction", va="center", fontsize=9,
        color=GREEN if shipped else "#000000", fontweight="bold" if shipped else "normal", arrowprops=_JOINING_LINE,
    )  # fmt: skip


def _apart(places: Sequence[float], gap: float) -> Sequence[float]:
    """Places from 0 to 1, each moved as little as keeps a gap to its neighbours; of equal ones the first is highest.

    With the gaps taken out, places that keep their order are what isotonic regression finds.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.lexsort((-np.arange(len(places)), np.asarray(places)))
    gap = min(gap, 1 / max(1, len(places) - 1))
    taken = gap * np.arange(len(places))
    moved = isotonic_regression(np.asarray(places)[order] - taken, y_min=0, y_max=1 - taken[-1]) + taken
    found = np.empty(len(places))
    found[order] = moved
    return list(found)


def _logarithmic(axes: Any, values: Sequence[float]) -> None:
    """A logarithmic axis around positive values, with at least two numbers beside it, and none so close as to touch."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = min(values) / 2.3, 2.3 * max(values)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def kept_epoch(history: Sequence[Mapping[str, str]]) -> float:
    """The epoch whose weights were kept: that of the lowest calibrated validation loss."""
    ends = _ends(history)
    return float(ends[int(np.argmin([float(row["validation_calibrated_loss"]) for row in ends]))]["epoch"])


def curves_figure(history: Sequence[Mapping[str, str]], *, accuracy: bool = False) -> Any:
    """Training and validation loss over the epochs, and beside it the accuracy where that is asked for.

    Args:
        history: The rows of `history.csv`, with at least one validation.
        accuracy: Whether it is drawn, too.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(8.0, 3.4) if accuracy else new_figure(NARROW, 2.9)
    ends, kept = _ends(history), kept_epoch(history)
    measures = ("loss", "accuracy") if accuracy else ("loss",)
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        axes.plot(*_points(history, f"train_{measure}"), color=GREY, label="training")
        axes.plot(*_points(ends, f"validation_{measure}"), "o-", color=GREEN, markersize=4, label="validation")
        calibrated, plain = (_points(ends, name) for name in ("validation_calibrated_loss", "validation_loss"))
        if measure == "loss" and calibrated != plain:
            axes.plot(*calibrated, "o--", color=GREEN, alpha=0.5, markersize=4, label="validation, calibrated")
        axes.axvline(kept, color=RED, linewidth=1, linestyle=":", label="kept")
        axes.set(xlabel="epoch", ylabel=measure)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=float(history[-1]["epoch"]) > 2))
        add_grid(axes)
    # Beside the curves, where no curve can run through it.
    figure.legend(
        handles=panels[0].lines, loc="outside upper left", ncols=4 if accuracy else 2, frameon=False, fontsize=9
    )
    return figure


def _ends(history: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows of a history that end an epoch."""
    return [row for row in history if row["validation_loss"]]


def _points(rows: Sequence[Mapping[str, str]], column: str) -> tuple[list[float], list[float]]:
    """Epochs, and what a column of the history holds at them."""
    return [float(row["epoch"]) for row in rows], [float(row[column]) for row in rows]


def write_curves(folder: Path) -> None:
    """Write `loss.png`: loss and accuracy over the epochs, from the `history.csv` in the same folder."""
    curves_figure(list(read_csv(folder / HISTORY)), accuracy=True).savefig(folder / "loss.png", dpi=120)


def reliability_figure(right: np.ndarray, confidence: np.ndarray) -> Any:
    """Is a model that says 80 % right in 80 %? Larger dots are more texts."""
    figure = new_figure(NARROW, 2.7)
    axes = figure.subplots()
    bins = reliability(right, confidence)
    share = np.array([one.rows for one in bins]) / len(right)
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle=":")
    confidences, accuracies = (
        [100 * value for value in found] for found in ([one.confidence for one in bins], [one.accuracy for one in bins])
    )
    axes.plot(confidences, accuracies, color=GREEN, linewidth=1)
    axes.scatter(confidences, accuracies, s=12 + 180 * share, color=GREEN, alpha=0.75)
    low = min(50, *confidences, *accuracies) - 4
    axes.set(xlabel="confidence, %", ylabel="right, %", xlim=(low, 104), ylim=(low, 104))
    add_grid(axes)
    return figure


def coverage_figure(right: np.ndarray, confidence: np.ndarray) -> Any:
    """How right a model is where it may decline to answer."""
    figure = new_figure(NARROW, 2.7)
    axes = figure.subplots()
    _, answered, accuracy = coverage_curve(right, confidence)
    # Where all texts are equally sure, all or none are answered: one point.
    axes.plot(100 * answered, 100 * accuracy, "o-" if len(answered) == 1 else "-", color=GREEN)
    low = min(97.0, 100 * float(accuracy.min())) - 1
    axes.set(xlabel="texts answered, %", ylabel="accuracy of the answers, %", xlim=(0, 103), ylim=(low, 101))
    add_grid(axes)
    return figure


def write_confusion(folder: Path, truth: np.ndarray, predicted: np.ndarray, labels: LabelMap) -> None:
    """Write `confusion.png`."""
    confusion_figure(truth, predicted, labels).savefig(folder / "confusion.png", dpi=120)
