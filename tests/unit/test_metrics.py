import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, roc_auc_score

from trifold.metrics import (
    best_prior_shift,
    best_temperature,
    best_thresholds,
    calibration_error,
    chance_loss,
    confusion,
    coverage_curve,
    interval,
    label_f1,
    main_score,
    mean_log_loss,
    measure,
    paired_difference,
    reliability,
    roc_auc,
)


def predictions(rows, classes, seed=0, sharpness=2.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) + sharpness * np.eye(classes)[truth]
    probabilities = np.exp(logits)
    return truth, probabilities / probabilities.sum(axis=1, keepdims=True)


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
    assert roc_auc(np.where(truth == 2, 0, truth), probabilities) is None
    assert measure(np.zeros(50, dtype=int), probabilities.argmax(1), probabilities).roc_auc is None


def test_calibration_error_of_a_table_counted_by_hand():
    # Bins are 1/15 wide: 0.55 (bin 8) is right once of two, 0.75 (bin 11) always, 1.0 (the last bin) never.
    confidence = np.array([0.55, 0.55, 0.75, 0.75, 1.0])
    truth = np.array([0, 1, 0, 0, 1])
    expected = (abs(1.10 - 1) + abs(1.50 - 2) + abs(1.0 - 0)) / 5
    assert calibration_error(truth, np.stack([confidence, 1 - confidence], axis=1)) == pytest.approx(expected)


def test_a_prediction_that_is_sure_and_right_is_calibrated():
    truth = np.array([0, 1, 2, 1])
    assert calibration_error(truth, np.eye(3)[truth]) == 0.0


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
    found = interval(score, truth, predicted, 3)
    assert [found.low, found.high] == pytest.approx(resampled(score, truth, predicted), abs=0.012)


def test_the_paired_interval_is_that_of_resampling_rows():
    truth, probabilities = predictions(300, 3)
    better, other = probabilities.argmax(axis=1), predictions(300, 3, sharpness=1.0)[1].argmax(axis=1)
    gain = (better == truth).astype(float) - (other == truth)
    samples = gain[np.random.default_rng(1).integers(0, 300, (2_000, 300))].mean(axis=1)
    found = paired_difference("accuracy", truth, better, other, 3)
    assert found.value == pytest.approx(gain.mean())
    assert found.deviation == pytest.approx(samples.std(), rel=0.1)
    assert [found.low, found.high] == pytest.approx(np.percentile(samples, [2.5, 97.5]).tolist(), abs=0.012)


@pytest.mark.parametrize("score", ["accuracy", "macro_f1"])
@given(pairs=PAIRS)
def test_a_prediction_loses_nothing_against_itself(score, pairs):
    truth, predicted = np.array(pairs).T
    found = paired_difference(score, truth, predicted, predicted, 6)
    assert (found.value, found.low, found.high, found.deviation) == (0.0, 0.0, 0.0, 0.0)


@given(PAIRS)
def test_the_interval_contains_the_accuracy(pairs):
    truth, predicted = np.array(pairs).T
    found = interval("accuracy", truth, predicted, 6)
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


def test_confusion_is_scikit_learns():
    truth, probabilities = predictions(100, 4)
    predicted = probabilities.argmax(axis=1)
    assert (confusion(truth, predicted, 5) == confusion_matrix(truth, predicted, labels=range(5))).all()


@pytest.mark.parametrize(
    ("counts", "score"),
    [([100, 100], "accuracy"), ([299, 100], "accuracy"), ([300, 100], "macro_f1"), ([9, 3, 5], "macro_f1")],
)
def test_macro_f1_comes_first_where_classes_are_uneven(counts, score):
    assert main_score(counts) == score


def test_the_temperature_takes_back_what_overconfidence_added() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    odds = np.exp(logits)
    truth = (odds.cumsum(1) / odds.sum(1, keepdims=True) < rng.random((20_000, 1))).sum(1)
    for factor in (0.5, 1.0, 3.0):
        assert best_temperature(factor * logits, truth) == pytest.approx(factor, rel=0.05)
    assert mean_log_loss(3 * logits, truth, 3.0) == pytest.approx(mean_log_loss(logits, truth))
    probabilities = odds / odds.sum(1, keepdims=True)
    assert mean_log_loss(logits, truth) == pytest.approx(-np.log(probabilities[np.arange(20_000), truth]).mean())


def test_the_temperature_stays_in_its_bounds_where_nothing_is_wrong() -> None:
    logits, truth = np.array([[5.0, 0.0], [0.0, 5.0]]), np.array([0, 1])
    assert best_temperature(logits, truth) == pytest.approx(0.25, abs=0.01)
    assert best_temperature(logits, 1 - truth) == pytest.approx(20.0, rel=0.01)


def test_reliability_bins_hold_every_row_once_and_agree_with_the_calibration_error() -> None:
    truth, probabilities = predictions(3_000, 3)
    right, confidence = probabilities.argmax(1) == truth, probabilities.max(1)
    bins = reliability(right, confidence, 15)
    assert sum(one.rows for one in bins) == 3_000
    error = sum(one.rows * abs(one.confidence - one.accuracy) for one in bins) / 3_000
    assert error == pytest.approx(calibration_error(truth, probabilities))


def test_the_coverage_curve_is_that_of_declining_below_each_threshold() -> None:
    truth, probabilities = predictions(500, 3)
    right, confidence = probabilities.argmax(1) == truth, probabilities.max(1)
    thresholds, answered, accuracy = coverage_curve(right, confidence)
    assert answered[0] == 1.0
    assert accuracy[0] == pytest.approx(right.mean())
    for number in (0, 100, len(thresholds) - 1):
        sure = confidence >= thresholds[number]
        assert (answered[number], accuracy[number]) == (pytest.approx(sure.mean()), pytest.approx(right[sure].mean()))


def several(rows=300, classes=6, seed=0):
    """Truth and probabilities of a task whose rows may have several labels, the later ones rarer."""
    rng = np.random.default_rng(seed)
    truth = rng.random((rows, classes)) < np.linspace(0.5, 0.05, classes)
    return truth, 1 / (1 + np.exp(-(rng.normal(size=truth.shape) + 3.0 * truth - 1.5)))


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
    np.testing.assert_allclose(label_f1(truth, predicted), f1_score(truth, predicted, average=None))


@pytest.mark.parametrize("score", ["accuracy", "macro_f1"])
def test_the_multi_label_interval_is_that_of_resampling_rows(score):
    truth, probabilities = several()
    predicted = probabilities > 0.5
    found = interval(score, truth, predicted, 6)
    assert [found.low, found.high] == pytest.approx(resampled(score, truth, predicted), abs=0.02)
    assert paired_difference(score, truth, predicted, predicted, 6).value == 0.0


def test_no_other_threshold_gives_a_label_a_higher_f1():
    truth, probabilities = several()
    truth[:, 5] = False
    probabilities = probabilities.round(1)  # ties, which no threshold can part
    chosen = best_thresholds(probabilities, truth)
    assert chosen[5] == 0.5
    for label in range(5):
        reached = f1_score(truth[:, label], probabilities[:, label] >= chosen[label])
        tried = [f1_score(truth[:, label], probabilities[:, label] >= t) for t in np.arange(0.05, 1.0, 0.1)]
        assert reached == pytest.approx(max(tried))


def test_multi_label_losses_are_those_of_one_label_at_a_time():
    truth, probabilities = several()
    logits = np.log(probabilities / (1 - probabilities))
    assert mean_log_loss(logits, truth) == pytest.approx(log_loss(truth.ravel(), probabilities.ravel()))
    weights = np.random.default_rng(2).random(truth.shape)
    expected = log_loss(truth.ravel(), probabilities.ravel(), sample_weight=weights.ravel())
    assert mean_log_loss(logits, truth, weights=weights) == pytest.approx(expected)
    constant = np.broadcast_to(truth.mean(0), truth.shape)
    assert chance_loss(truth, np.ones(truth.shape)) == pytest.approx(log_loss(truth.ravel(), constant.ravel()))
    assert best_temperature(3 * logits, truth) == pytest.approx(3 * best_temperature(logits, truth), rel=1e-3)


def test_four_thousand_classes_need_no_square_of_them():
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat(np.arange(4_500), 2))
    predicted = np.where(rng.random(9_000) < 0.7, truth, rng.integers(0, 4_500, 9_000))
    tracemalloc.start()
    found = interval("macro_f1", truth, predicted, 4_500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.value == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0), abs=1e-6)
    assert found.low < found.value < found.high
    # A class-by-class table of floats alone would be 162 MB.
    assert peak < 120e6


def two_classes(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True logits and classes of two classes 19:1, one and a half deviations apart."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(rows) < 0.05).astype(int)
    value = rng.normal(truth, 0.7)
    return np.stack([np.zeros(rows), (2 * value - 1) / (2 * 0.7**2) + np.log(0.05 / 0.95)], 1), truth


def test_the_best_prior_shift_lies_between_accuracy_and_mean_recall() -> None:
    logits, truth = two_classes(20_000, 0)
    shares = np.array([0.95, 0.05])
    strength, shift = best_prior_shift(logits, truth, shares)
    assert 0 < strength < 1
    np.testing.assert_allclose(shift, -strength * np.log(shares), rtol=1e-6)
    macro = {
        kind: f1_score(truth, (logits + by).argmax(1), average="macro")
        for kind, by in {"none": 0.0, "chosen": shift, "whole": -np.log(shares)}.items()
    }
    assert macro["chosen"] > max(macro["none"], macro["whole"])


def test_few_rare_rows_are_enough_to_find_a_shift_that_helps() -> None:
    logits, truth = two_classes(20_000, 0)
    shares = np.array([0.95, 0.05])
    plain = f1_score(truth, logits.argmax(1), average="macro")
    for seed in range(1, 21):
        shift = best_prior_shift(*two_classes(320, seed), shares)[1]
        assert f1_score(truth, (logits + shift).argmax(1), average="macro") > plain


def test_a_class_that_training_lacks_is_not_shifted() -> None:
    logits, truth = two_classes(2_000, 0)
    wider = np.column_stack([logits, np.full(len(truth), -30.0)])
    strength, shift = best_prior_shift(wider, truth, np.array([0.95, 0.05, 0.0]))
    assert strength > 0
    assert shift[2] == 0
    assert (wider + shift).argmax(1).max() != 2


def test_classes_that_are_equally_common_are_not_shifted() -> None:
    truth = np.array([0, 1, 0, 1])
    assert best_prior_shift(np.eye(2)[truth], truth, np.array([0.5, 0.5]))[0] == 0
