"""Figures of a run: drawn from what stands in its files, and the same bytes for the same data."""

from pathlib import Path

import numpy as np
import pytest

from made_predictions import several
from trifold.evaluate.plot_style import GREEN, as_svg
from trifold.evaluate.plots import confusion_figure, curves_figure, trust_figure, write_curves
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
    assert drawn["kept"].get_xdata()[0] == HISTORY.best_epoch


def test_a_history_becomes_a_picture_of_loss_and_accuracy(rows: list[dict[str, str]], tmp_path: Path) -> None:
    write_curves(tmp_path)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert [axes.get_ylabel() for axes in curves_figure(rows, accuracy=True).axes] == ["loss", "accuracy"]


def test_the_same_data_give_the_same_bytes() -> None:
    truth, labels = np.array([0, 1, 1, 0]), LabelMap(("bad", "good"))
    first, again = (as_svg(confusion_figure(truth, np.array([0, 1, 0, 0]), labels)) for _ in range(2))
    assert first == again
    assert "bad" in first


def test_several_labels_a_row_are_drawn_as_bars_the_worst_first() -> None:
    truth, probabilities = several()
    axes = confusion_figure(truth, probabilities > 0.5, LabelMap(tuple("abcdef"), multi_label=True)).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == sorted(widths)
    assert len(widths) == 6


def test_trust_is_drawn_in_the_colour_of_all_figures() -> None:
    right = np.array([True] * 80 + [False] * 20)
    lines = [line.get_color() for line in trust_figure(right, np.full(100, 0.8)).axes[1].lines]
    assert lines == [GREEN]
