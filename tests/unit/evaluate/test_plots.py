"""Figures of a run: drawn from what stands in its files, and the same bytes for the same data."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from made_predictions import several
from trifold.evaluate.leaderboard import LeaderboardRow
from trifold.evaluate.plot_style import GREEN, as_svg
from trifold.evaluate.plots import (
    confusion_figure,
    cost_figure,
    coverage_figure,
    curves_figure,
    kept_epoch,
    reliability_figure,
    write_curves,
)
from trifold.tasks.labels import LabelMap
from trifold.train.history import History, HistoryRow

HISTORY = History(
    rows=(
        HistoryRow(0.5, 1, 1e-3, 0.9, 0.5, None, None, None, 1.0),
        HistoryRow(1.0, 2, 1e-3, 0.7, 0.6, 0.8, 0.75, 0.6, 2.0),
        HistoryRow(2.0, 4, 0.0, 0.4, 0.9, 0.9, 0.70, 0.7, 4.0),
    ),
    best_epoch=2.0,
    stopped_early=False,
)


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, str]]:
    from trifold.evaluate.results import read_csv

    HISTORY.write(tmp_path)
    return list(read_csv(tmp_path / "history.csv"))


def test_curves_mark_the_epoch_that_was_kept(rows: list[dict[str, str]]) -> None:
    axes = curves_figure(rows).axes[0]
    drawn = {line.get_label(): line for line in axes.lines}
    assert list(drawn) == ["training", "validation", "validation, calibrated", "kept"]
    assert list(drawn["training"].get_ydata()) == [0.9, 0.7, 0.4]
    assert list(drawn["validation"].get_xdata()) == [1.0, 2.0]
    # By the loss after temperature scaling, not by the plain one.
    assert drawn["kept"].get_xdata()[0] == kept_epoch(rows) == HISTORY.best_epoch


def test_a_legend_stands_beside_the_curves(rows: list[dict[str, str]]) -> None:
    for accuracy in (False, True):
        figure = curves_figure(rows, accuracy=accuracy)
        figure.draw_without_rendering()
        legend = figure.legends[0].get_window_extent()
        assert not any(legend.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_a_history_becomes_a_picture_of_loss_and_accuracy(rows: list[dict[str, str]], tmp_path: Path) -> None:
    write_curves(tmp_path)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert [axes.get_ylabel() for axes in curves_figure(rows, accuracy=True).axes] == ["loss", "accuracy"]


def confusion(truth: list[int], predicted: list[int], classes: int) -> Any:
    labels = LabelMap(tuple(f"class {number}" for number in range(classes)))
    return confusion_figure(np.array(truth), np.array(predicted), labels)


def test_the_same_data_give_the_same_bytes() -> None:
    first, again = (as_svg(confusion([0, 1, 1, 0], [0, 1, 0, 0], 2), "confusion") for _ in range(2))
    assert first == again
    assert "class 1" in first


def test_a_figure_of_a_page_takes_its_colours_and_shares_no_names_with_others() -> None:
    right = np.array([True] * 80 + [False] * 20)
    first, second = (as_svg(coverage_figure(right, np.linspace(0.5, 1, 100)), name) for name in ('a "name"', "b"))
    assert f"var(--green, {GREEN})" in first
    assert "#000000" not in first
    assert 'aria-label="a &quot;name&quot;"' in first
    names = [{part.split('"')[0] for part in text.split(' id="')[1:]} for text in (first, second)]
    assert not names[0] & names[1]


def test_a_class_of_few_rows_is_paler_than_one_of_many() -> None:
    picture = confusion([0] * 50 + [1], [0] * 50 + [1], 2).axes[0].images[0].get_array()
    assert picture[0, 0] > 2 * picture[1, 1] > 0
    assert picture[0, 1] == 0


def test_many_classes_become_the_commonest_mistakes() -> None:
    figure = confusion([0, 0, 0, 1, 2, 2], [5, 5, 0, 7, 2, 2], 77)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["class 1 taken for class 7", "class 0 taken for class 5"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1, 2]
    # Where nothing is wrong there is no bar, and the picture can be drawn.
    assert not confusion([0, 1], [0, 1], 77).axes[0].patches


def test_several_labels_a_row_are_drawn_as_bars_the_worst_first() -> None:
    truth, probabilities = several()
    axes = confusion_figure(truth, probabilities > 0.5, LabelMap(tuple("abcdef"), multi_label=True)).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == sorted(widths)
    assert len(widths) == 6


def test_trust_is_drawn_in_the_colour_of_all_figures() -> None:
    right = np.array([True] * 80 + [False] * 20)
    lines = [line.get_color() for line in coverage_figure(right, np.full(100, 0.8)).axes[0].lines]
    assert lines == [GREEN]
    assert reliability_figure(right, np.full(100, 0.8)).axes[0].lines[1].get_ydata() == [80]


def contestant(name: str, score: float, ms: float) -> LeaderboardRow:
    zeros = dict.fromkeys(
        (
            "accuracy",
            "macro_f1",
            "train_seconds",
            "rarest_recall",
            "rarest_precision",
            "micro_f1",
            "samples_f1",
            "top5_accuracy",
        ),
        0.0,
    )
    counts = dict.fromkeys(("trainable_parameters", "size_bytes", "peak_memory_bytes", "rarest_rows"), 0)
    return LeaderboardRow(
        method=name, score_name="accuracy", score=score, score_low=score - 0.05, score_high=min(1, score + 0.05),
        ms_per_text=ms, rarest_label="", **zeros, **counts,
    )  # fmt: skip


@pytest.mark.parametrize("spread", [0.0, 0.001, 0.3])
@pytest.mark.parametrize("methods", [2, 8, 24])
def test_names_of_methods_overlap_neither_each_other_nor_the_points(methods: int, spread: float) -> None:
    rows = [contestant(f"method number {n}", 0.9 - spread * n / methods, 2 + n / 100) for n in range(methods)]
    figure = cost_figure(rows, "method number 0")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    # Of the words alone, without the lines that join them to their points.
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert len(boxes) == methods
    assert all(above.y0 >= below.y1 - 2 for above, below in pairwise(boxes))
    assert all(box.x0 > axes.get_window_extent().x1 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize("times", [(2.4, 2.6), (0.02, 3.0), (0.03, 900.0), (0.0, 1.0)])
def test_costs_have_numbers_beside_their_axis(times: tuple[float, float]) -> None:
    figure = cost_figure([contestant("a", 0.8, times[0]), contestant("b", 0.7, times[1])], "a")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    shown = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    assert 2 <= len(shown) <= 7
    boxes = [label.get_window_extent() for label in shown]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_what_takes_no_time_is_a_line_with_its_name_beside_it() -> None:
    figure = cost_figure([contestant("a", 0.8, 2.0), contestant("majority", 0.5, 0.0)], "a")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["a", "majority"]
    assert [50.0, 50.0] in [list(line.get_ydata()) for line in axes.lines]
