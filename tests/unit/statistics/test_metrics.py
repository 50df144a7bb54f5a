import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_recall_fscore_support,
    roc_auc_score,
)

from made_predictions import predictions, several
from trifold.statistics.metrics import main_score, measure, paired_difference, score_interval, why_main_score


@pytest.mark.parametrize("classes", [2, 5])
def test_every_figure_is_scikit_learns(classes):
    truth, probabilities = predictions(400, classes)
    predicted = probabilities.argmax(axis=1)
    metrics = measure(truth, probabilities.argmax(1), probabilities)
    assert metrics.rows == 400
    assert metrics.accuracy.value == metrics.micro_f1 == pytest.approx(accuracy_score(truth, predicted))
    assert metrics.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert metrics.micro_f1 == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert metrics.log_loss == pytest.approx(log_loss(truth, probabilities))
    area = roc_auc_score(truth, probabilities[:, 1] if classes == 2 else probabilities, multi_class="ovr")
    assert metrics.roc_auc == pytest.approx(area)


PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30)


@given(PAIRS)
def test_macro_f1_is_scikit_learns_even_where_classes_are_absent(pairs):
    truth, predicted = np.array(pairs).T
    value = paired_difference("macro_f1", truth, predicted, np.full(len(pairs), 7), 8).value
    expected = f1_score(truth, predicted, average="macro", zero_division=0)
    # Against a prediction that is always wrong, the difference is the score itself.
    assert value == pytest.approx(expected)


def test_a_probability_of_zero_for_the_truth_gives_a_finite_log_loss():
    assert np.isfinite(measure(np.array([0, 1]), np.array([1, 0]), np.array([[0.0, 1.0], [0.5, 0.5]])).log_loss)


def test_roc_auc_is_undefined_where_a_class_is_absent():
    truth, probabilities = predictions(50, 3)
    absent = np.where(truth == 2, 0, truth)
    assert measure(absent, probabilities.argmax(1), probabilities).roc_auc is None
    assert measure(np.zeros(50, dtype=int), probabilities.argmax(1), probabilities).roc_auc is None


def test_rows_with_one_label_have_no_mcc_and_give_no_warning():
    metrics = measure(np.zeros(20, dtype=int), np.zeros(20, dtype=int), np.tile([0.9, 0.1], (20, 1)))
    assert metrics.mcc is metrics.roc_auc is metrics.average_precision is None
    assert metrics.accuracy.value == 1.0


def resampled(score, truth, predicted):
    """The middle 95 % of a score when rows are drawn again and again, the plain way."""
    rng = np.random.default_rng(1)
    samples = []
    for _ in range(500):
        rows = rng.integers(0, len(truth), len(truth))
        if score == "accuracy":
            samples.append(accuracy_score(truth[rows], predicted[rows]))
        else:
            samples.append(f1_score(truth[rows], predicted[rows], average="macro", zero_division=0))
    return np.percentile(samples, [2.5, 97.5]).tolist()


@pytest.mark.parametrize("score", ["accuracy", "macro_f1"])
def test_the_interval_is_that_of_resampling_rows(score):
    truth, probabilities = predictions(300, 3)
    predicted = probabilities.argmax(axis=1)
    found = score_interval(score, truth, predicted, 3)
    assert [found.low, found.high] == pytest.approx(resampled(score, truth, predicted), abs=0.012)


def test_the_paired_interval_is_that_of_resampling_rows():
    truth, probabilities = predictions(300, 3)
    better, other = probabilities.argmax(axis=1), predictions(300, 3, sharpness=1.0)[1].argmax(axis=1)
    gain = (better == truth).astype(float) - (other == truth)
    samples = gain[np.random.default_rng(1).integers(0, 300, (2_000, 300))].mean(axis=1)
    found = paired_difference("accuracy", truth, better, other, 3)
    assert found.value == pytest.approx(gain.mean())
    assert [found.low, found.high] == pytest.approx(np.percentile(samples, [2.5, 97.5]).tolist(), abs=0.012)


@pytest.mark.parametrize("score", ["accuracy", "macro_f1"])
@given(pairs=PAIRS)
def test_a_prediction_loses_nothing_against_itself_but_might_on_other_rows(score, pairs):
    truth, predicted = np.array(pairs).T
    found = paired_difference(score, truth, predicted, predicted, 6)
    assert found.value == 0.0
    assert found.low == pytest.approx(-found.high)
    assert found.high > (3.84 if score == "accuracy" else 1.9) / (len(pairs) + 3.85)


def test_intervals_of_flawless_predictions_are_not_of_no_width():
    truth = np.arange(10) % 2
    accuracy = score_interval("accuracy", truth, truth, 2)
    assert (accuracy.value, accuracy.high) == (1.0, 1.0)
    assert accuracy.low == pytest.approx(0.7225, abs=1e-4)
    assert score_interval("macro_f1", truth, truth, 2).low == pytest.approx(accuracy.low)


def test_one_row_of_difference_in_four_hundred_may_be_1_4_points():
    truth = np.zeros(400, dtype=int)
    other = np.where(np.arange(400) == 0, 1, 0)
    assert paired_difference("accuracy", truth, truth, other, 2).high == pytest.approx(0.0140, abs=1e-4)


@given(PAIRS)
def test_the_interval_contains_the_accuracy(pairs):
    truth, predicted = np.array(pairs).T
    found = score_interval("accuracy", truth, predicted, 6)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_the_interval_contains_the_macro_f1():
    for seed in range(5):
        truth, probabilities = predictions(200, 4, seed)
        found = measure(truth, probabilities.argmax(1), probabilities).macro_f1
        assert found.low < found.value < found.high


def test_the_interval_is_the_same_every_time():
    truth, probabilities = predictions(100, 3)
    assert measure(truth, probabilities.argmax(1), probabilities) == measure(
        truth, probabilities.argmax(1), probabilities
    )


@pytest.mark.parametrize(
    ("counts", "score"),
    [([100, 100], "accuracy"), ([299, 100], "accuracy"), ([300, 100], "macro_f1"), ([9, 3, 5], "macro_f1")],
)
def test_macro_f1_comes_first_where_classes_are_uneven(counts, score):
    assert main_score(counts) == score


def test_every_multi_label_figure_is_scikit_learns():
    truth, probabilities = several()
    predicted = probabilities > 0.5
    metrics = measure(truth, predicted, probabilities)
    assert metrics.accuracy.value == pytest.approx(accuracy_score(truth, predicted))
    assert metrics.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert metrics.micro_f1 == pytest.approx(f1_score(truth, predicted, average="micro"))
    losses = [log_loss(truth[:, c], probabilities[:, c]) for c in range(truth.shape[1])]
    assert metrics.log_loss == pytest.approx(np.mean(losses))
    assert metrics.roc_auc == pytest.approx(roc_auc_score(truth, probabilities, average="macro"))


@pytest.mark.parametrize("score", ["accuracy", "macro_f1"])
def test_the_multi_label_interval_is_that_of_resampling_rows(score):
    truth, probabilities = several()
    predicted = probabilities > 0.5
    found = score_interval(score, truth, predicted, 6)
    assert [found.low, found.high] == pytest.approx(resampled(score, truth, predicted), abs=0.02)
    assert paired_difference(score, truth, predicted, predicted, 6).value == 0.0


def test_four_thousand_classes_need_no_square_of_them():
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat(np.arange(4_500), 2))
    predicted = np.where(rng.random(9_000) < 0.7, truth, rng.integers(0, 4_500, 9_000))
    tracemalloc.start()
    found = score_interval("macro_f1", truth, predicted, 4_500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.value == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0), abs=1e-6)
    assert found.low < found.value < found.high
    # A class-by-class table of floats alone would be 162 MB.
    assert peak < 120e6


@pytest.mark.parametrize("classes", [2, 5])
def test_each_class_has_scikit_learns_figures(classes):
    truth, probabilities = predictions(300, classes)
    predicted = probabilities.argmax(1)
    metrics = measure(truth, predicted, probabilities)
    expected = precision_recall_fscore_support(truth, predicted, labels=range(classes))
    found = np.array([[one.precision, one.recall, one.f1, one.support] for one in metrics.classes]).T
    assert found == pytest.approx(np.array(expected))
    assert metrics.mcc == pytest.approx(matthews_corrcoef(truth, predicted))
    truths = np.arange(classes) == truth[:, None]
    assert metrics.average_precision == pytest.approx(average_precision_score(truths, probabilities))
    assert (metrics.samples_f1, metrics.top5_accuracy) == (None, None)


def test_the_right_class_among_five_counts_from_ten_classes_on():
    truth, probabilities = predictions(200, 12, sharpness=0.5)
    best = np.argsort(-probabilities, axis=1)[:, :5]
    assert measure(truth, probabilities.argmax(1), probabilities).top5_accuracy == pytest.approx(
        (best == truth[:, None]).any(axis=1).mean()
    )


def test_a_row_that_rightly_gets_no_label_is_right_in_samples_f1():
    truth = np.array([[False, False], [True, False]])
    assert measure(truth, truth, np.where(truth, 0.9, 0.1)).samples_f1 == 1.0


@pytest.mark.parametrize(
    ("counts", "several", "said"),
    [
        ([10, 12], False, "accuracy decides: the classes are even"),
        (
            [10, 52],
            False,
            "macro-F1 decides: the commonest class has 5.2 times the rows of the rarest; --metric accuracy",
        ),
        ([10, 10], True, "macro-F1 decides: a row may have several labels"),
    ],
)
def test_why_a_metric_decides_is_said(counts, several, said):
    assert why_main_score(counts, multi_label=several).startswith(said)


def test_macro_f1_of_classes_of_few_rows_is_as_uncertain_as_it_is() -> None:
    # A class of one row has an F1 of 0 or 1, which says little: by influences alone half of these intervals missed.
    rows, classes, draws = 400, 200, 40
    random = np.random.default_rng(3)
    found = []
    for _ in range(draws):
        truth = random.integers(0, classes, rows)
        predicted = np.where(random.random(rows) < 0.7, truth, random.integers(0, classes, rows))
        found.append(score_interval("macro_f1", truth, predicted, classes))
    expected = np.mean([one.value for one in found])
    assert sum(one.low <= expected <= one.high for one in found) >= 0.88 * draws
