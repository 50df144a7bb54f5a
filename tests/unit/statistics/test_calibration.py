"""How sure to be: temperature, thresholds, shifts, and the figures that say whether confidence is accuracy."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from made_predictions import predictions, several
from trifold.statistics.calibration import (
    best_prior_shift,
    best_temperature,
    calibration_error,
    coverage_curve,
    mean_log_loss,
    prior_logits,
    prior_loss,
    reliability,
)


def test_calibration_error_of_a_table_counted_by_hand():
    # Bins are 1/15 wide: 0.55 (bin 8) is right once of two, 0.75 (bin 11) always, 1.0 (the last bin) never.
    confidence = np.array([0.55, 0.55, 0.75, 0.75, 1.0])
    truth = np.array([0, 1, 0, 0, 1])
    expected = (abs(1.10 - 1) + abs(1.50 - 2) + abs(1.0 - 0)) / 5
    assert calibration_error(truth, np.stack([confidence, 1 - confidence], axis=1)) == pytest.approx(expected)


def test_a_prediction_that_is_sure_and_right_is_calibrated():
    truth = np.array([0, 1, 2, 1])
    assert calibration_error(truth, np.eye(3)[truth]) == 0.0


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


def test_multi_label_losses_are_those_of_one_label_at_a_time():
    truth, probabilities = several()
    logits = np.log(probabilities / (1 - probabilities))
    assert mean_log_loss(logits, truth) == pytest.approx(log_loss(truth.ravel(), probabilities.ravel()))
    weights = np.random.default_rng(2).random(truth.shape)
    expected = log_loss(truth.ravel(), probabilities.ravel(), sample_weight=weights.ravel())
    assert mean_log_loss(logits, truth, weights=weights) == pytest.approx(expected)
    constant = np.broadcast_to(truth.mean(0), truth.shape)
    assert prior_loss(truth, np.ones(truth.shape)) == pytest.approx(log_loss(truth.ravel(), constant.ravel()))
    assert best_temperature(3 * logits, truth) == pytest.approx(3 * best_temperature(logits, truth), rel=1e-3)


@pytest.mark.parametrize("several_labels", [False, True])
def test_no_answer_that_is_the_same_for_every_row_is_better_than_that_of_chance(*, several_labels: bool) -> None:
    truth = several(classes=3)[0] if several_labels else predictions(500, 3)[0]
    weights = np.random.default_rng(3).random(truth.shape)
    logits = prior_logits(truth, weights, 3)

    def loss(change: np.ndarray) -> float:
        return mean_log_loss(np.tile(logits + change, (len(truth), 1)), truth, weights=weights)

    assert loss(np.zeros(3)) == pytest.approx(prior_loss(truth, weights))
    for change in np.eye(3) * 0.1:
        assert min(loss(change), loss(-change)) > loss(np.zeros(3))


def test_a_class_that_no_row_has_is_as_likely_as_if_half_a_row_had_it() -> None:
    shares = np.exp(prior_logits(np.array([0, 0, 2]), np.ones(3), 3))
    np.testing.assert_allclose(shares, np.array([2, 0.5, 1]) / 3.5)
    odds = np.exp(prior_logits(np.array([[False, True, True], [False, True, False]]), np.ones((2, 3)), 3))
    np.testing.assert_allclose(odds, [1 / 3, 3, 1])


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
