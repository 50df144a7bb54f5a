"""A thousand classes, each in a row or two of the test part: figures come without warnings and in little memory."""

import tracemalloc

import numpy as np
import pytest

from made_predictions import predictions
from trifold.evaluate.plot_style import as_svg
from trifold.evaluate.plots import confusion_figure
from trifold.methods.cost_forecast import Workload, features_seconds, tfidf_seconds
from trifold.methods.settings import MethodSettings
from trifold.statistics.metrics import measure, score_interval
from trifold.tasks.labels import LabelMap

CLASSES, ROWS = 1_000, 400


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, np.ndarray]:
    truth, probabilities = predictions(ROWS, CLASSES, sharpness=4.0)
    return truth, probabilities


def test_all_figures_are_measured_without_a_warning_in_little_memory(answers: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = answers
    tracemalloc.start()
    metrics = measure(truth, probabilities.argmax(1), probabilities)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6
    assert len(metrics.classes) == CLASSES
    assert metrics.top5_accuracy is not None
    assert metrics.accuracy.value < metrics.top5_accuracy < 1.0


@pytest.mark.parametrize("score", ["macro_f1", "mcc", "roc_auc", "average_precision", "log_loss"])
def test_every_metric_has_an_interval(score: str, answers: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = answers
    found = score_interval(score, truth, probabilities.argmax(1), CLASSES, probabilities=probabilities)
    assert found.low < found.value < found.high


def test_the_confusion_matrix_is_a_picture_of_moderate_size(answers: tuple[np.ndarray, np.ndarray]) -> None:
    truth, probabilities = answers
    labels = LabelMap(tuple(f"intent {number}" for number in range(CLASSES)))
    assert len(as_svg(confusion_figure(truth, probabilities.argmax(1), labels), "confusion")) < 2_000_000


def test_the_forecast_knows_that_many_labels_take_longer() -> None:
    few, many = (Workload(2_560, 640, 800, 55.0, labels=labels) for labels in (2, CLASSES))
    for seconds, least in ((tfidf_seconds, 20), (features_seconds, 100)):
        assert seconds(few, MethodSettings()) < 13
        assert seconds(many, MethodSettings()) > least
