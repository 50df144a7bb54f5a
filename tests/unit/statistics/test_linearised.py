"""Metrics with the influence of each row: values against scikit-learn, intervals against what drawing rows anew gives."""

import numpy as np
import pytest
from sklearn import metrics as reference

from made_predictions import predictions, several
from trifold.statistics.metrics import as_shown, paired_difference, score_interval
from trifold.statistics.scores import score_methods

SINGLE = ("f1", "recall", "precision", "micro_f1", "mcc", "roc_auc", "average_precision", "log_loss")
SEVERAL = ("f1", "recall", "precision", "micro_f1", "samples_f1", "roc_auc", "average_precision", "log_loss")
LABEL = 1


def reference_value(kind, truth, predicted, probabilities):
    """The metric as scikit-learn has it."""
    classes = probabilities.shape[1]
    if kind in ("f1", "recall", "precision"):
        columns = reference.precision_recall_fscore_support(truth, predicted, labels=range(classes), zero_division=0)
        return columns[("precision", "recall", "f1").index(kind)][LABEL]
    if kind in ("micro_f1", "samples_f1"):
        return reference.f1_score(truth, predicted, average=kind.removesuffix("_f1"), zero_division=1.0)
    if kind == "mcc":
        return reference.matthews_corrcoef(truth, predicted)
    having = truth if truth.ndim == 2 else np.arange(classes) == truth[:, None]
    if kind == "roc_auc":
        return reference.roc_auc_score(having, probabilities)
    if kind == "average_precision":
        return reference.average_precision_score(having, probabilities)
    if truth.ndim == 2:
        return reference.log_loss(truth.ravel(), probabilities.ravel())
    return reference.log_loss(truth, probabilities, labels=range(classes))


def made(kind, rows=300, seed=0):
    """Truth, two predictions and the probabilities that they follow from."""
    if kind in SINGLE:
        truth, first = predictions(rows, 3, seed=seed, sharpness=1.5)
        noise = np.random.default_rng(seed + 1).random(first.shape)
        second = first + 0.7 * noise
        second /= second.sum(axis=1, keepdims=True)
        return truth, (first.argmax(1), second.argmax(1)), (first, second)
    return several_made(rows, seed)


def several_made(rows, seed):
    truth, first = several(rows, 4, seed=seed)
    second = np.clip(first + 0.3 * np.random.default_rng(seed + 1).normal(size=first.shape), 0.01, 0.99)
    return truth, (first > 0.5, second > 0.5), (first, second)


CASES = [(kind, False) for kind in SINGLE] + [(kind, True) for kind in SEVERAL]


def case(kind, multi_label, rows=300, seed=0):
    return several_made(rows, seed) if multi_label else made(kind, rows, seed)


@pytest.mark.parametrize(("kind", "multi_label"), CASES)
def test_values_are_scikit_learns_and_lie_in_their_intervals(kind, multi_label):
    truth, predicted, probabilities = case(kind, multi_label)
    classes = probabilities[0].shape[1]
    for answers, chances in zip(predicted, probabilities, strict=True):
        found = score_interval(kind, truth, answers, classes, column=LABEL, probabilities=chances)
        assert found.value == pytest.approx(reference_value(kind, truth, answers, chances), abs=1e-9)
        assert found.low < found.value < found.high


@pytest.mark.parametrize(("kind", "multi_label"), CASES)
def test_standard_errors_are_those_of_rows_drawn_anew(kind, multi_label):
    truth, predicted, probabilities = case(kind, multi_label)
    classes, rng = probabilities[0].shape[1], np.random.default_rng(0)
    both = score_methods(kind, truth, predicted, classes, column=LABEL, probabilities=probabilities)
    drawn = []
    for _ in range(150):
        rows = rng.integers(0, len(truth), len(truth))
        drawn.append([reference_value(kind, truth[rows], predicted[i][rows], probabilities[i][rows]) for i in range(2)])
    first, second = np.array(drawn).T
    variances = both.influences(both.counts) ** 2 * both.counts[:, None]
    errors = np.sqrt(variances.sum(axis=0)) / len(truth)
    assert errors == pytest.approx([first.std(), second.std()], rel=0.25)
    assert both.lead_standard_errors()[0, 1] == pytest.approx((first - second).std(), rel=0.25)


@pytest.mark.parametrize(("kind", "multi_label"), CASES)
def test_perfect_answers_still_have_an_interval_and_equal_ones_a_bound(kind, multi_label):
    truth, _, probabilities = case(kind, multi_label, rows=40)
    classes = probabilities[0].shape[1]
    sure = (truth if multi_label else np.eye(classes)[truth]).astype(float)
    found = score_interval(kind, truth, truth, classes, column=LABEL, probabilities=sure)
    assert found.high - found.low > 0.02
    same = paired_difference(kind, truth, truth, truth, classes, column=LABEL, probabilities=[sure, sure])
    assert same.value == 0.0
    assert same.high > 0.01
    assert same.low == pytest.approx(-same.high)


def test_the_interval_of_a_recall_is_that_of_a_share_of_the_labels_rows():
    truth = np.array([1] * 3 + [0] * 97)
    found = score_interval("recall", truth, truth, 2, column=1)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.438, abs=0.01)


def test_a_label_that_no_row_has_or_gets_has_figures_of_zero():
    truth = np.zeros(20, dtype=int)
    for kind in ("f1", "recall", "precision"):
        found = score_interval(kind, truth, truth, 2, column=1)
        assert (found.value, found.low) == (0.0, 0.0)
        assert found.high > 0.3
    assert score_interval("mcc", truth, truth, 2).value == 0.0


def test_a_log_loss_is_shown_as_people_know_it_and_compared_with_the_lower_as_the_better():
    truth, predicted, probabilities = made("log_loss")
    worse = paired_difference("log_loss", truth, predicted[1], predicted[0], 3, probabilities=probabilities[::-1])
    assert worse.value < 0
    found = score_interval("log_loss", truth, predicted[0], 3, probabilities=probabilities[0])
    assert 0 < found.low < found.value < found.high
    assert as_shown("accuracy", found) == found


@pytest.mark.parametrize(
    ("kind", "multi_label"), [("f1", False), ("mcc", False), ("roc_auc", False), ("samples_f1", True)]
)
def test_intervals_cover_the_truth_about_as_often_as_they_say(kind, multi_label):
    truth, predicted, probabilities = case(kind, multi_label, rows=20_000, seed=5)
    classes, rng, covered = probabilities[0].shape[1], np.random.default_rng(1), []
    true = reference_value(kind, truth, predicted[0], probabilities[0])
    for _ in range(100):
        rows = rng.integers(0, len(truth), 120)
        found = score_interval(
            kind, truth[rows], predicted[0][rows], classes, column=LABEL, probabilities=probabilities[0][rows]
        )
        covered.append(found.low <= true <= found.high)
    assert np.mean(covered) >= 0.89


EIGHT_OF_FORTY = np.array([1] * 8 + [0] * 32)
WILSON_8 = 0.3244


@pytest.mark.parametrize("false_alarms", [0, 5, 32])
@pytest.mark.parametrize("kind", ["recall", "f1"])
def test_errors_on_other_rows_do_not_narrow_the_interval_of_a_label_that_is_never_found(kind, false_alarms):
    predicted = np.array([0] * 8 + [1] * false_alarms + [0] * (32 - false_alarms))
    found = score_interval(kind, EIGHT_OF_FORTY, predicted, 2, column=1)
    assert (found.value, found.low) == (0.0, 0.0)
    # The label's F1 is a share of the rows that have it or get it.
    rows = 8 if kind == "recall" else 8 + false_alarms
    assert found.high >= 3.8415 / (rows + 3.8415) - 1e-4
    assert kind == "f1" or found.high == pytest.approx(WILSON_8, abs=1e-4)


def test_a_recall_of_all_rows_has_the_interval_of_the_labels_rows_and_a_precision_that_of_the_predicted():
    always = score_interval("recall", EIGHT_OF_FORTY, np.ones(40, dtype=int), 2, column=1)
    assert (always.value, always.high, always.low) == (1.0, 1.0, pytest.approx(1 - WILSON_8, abs=1e-4))
    three = np.array([1] * 3 + [0] * 37)
    assert score_interval("precision", EIGHT_OF_FORTY, three, 2, column=1).low == pytest.approx(0.4385, abs=1e-4)
    assert score_interval("f1", EIGHT_OF_FORTY, EIGHT_OF_FORTY, 2, column=1).low <= 1 - WILSON_8 + 1e-4


def test_the_precision_of_a_label_that_is_never_predicted_may_be_anything():
    found = score_interval("precision", EIGHT_OF_FORTY, np.zeros(40, dtype=int), 2, column=1)
    assert (found.low, found.high) == pytest.approx((0.0, 1.0), abs=1e-6)


@pytest.mark.parametrize("kind", ["recall", "precision"])
def test_a_lead_that_eight_rows_show_is_bounded_as_by_eight_rows_however_many_others_there_are(kind):
    truth = np.array([1] * 8 + [0] * 392)
    wrong = np.array([0] * 8 + [1] * 8 + [0] * 384)
    lead = paired_difference(kind, truth, truth, wrong, 2, column=1)
    assert lead.value == 1.0
    assert 0.2 < lead.low < 0.7
    same = paired_difference(kind, truth, truth, truth, 2, column=1)
    assert same.high >= WILSON_8


def test_a_log_loss_on_rows_with_one_label_has_an_interval_of_some_width():
    constant = np.tile([0.5, 0.5], (20, 1))
    for truth in (np.zeros(20, dtype=int), np.tile([True, False], (20, 1))):
        found = score_interval("log_loss", truth, truth, 2, probabilities=constant)
        assert found.high - found.low > 0.05
