"""Calibration: temperature and prior shift, fitted on validation rows; and metrics of calibration.

Truth is `(rows,)` class numbers, or `(rows, classes)` bool where a row may have several labels.
"""

import math
from dataclasses import dataclass

import numpy as np

_CALIBRATION_BINS = 15


def mean_log_loss(
    logits: np.ndarray, truth: np.ndarray, temperature: float = 1.0, weights: np.ndarray | None = None
) -> float:
    """Mean negative natural logarithm of the probability of the true class.

    Where a row may have several labels, the mean over all rows and labels of the loss on whether the row has the label.

    Args:
        logits: `(rows, classes)`, before the softmax or sigmoid.
        truth: `(rows,)` or `(rows, classes)`.
        temperature: Divides the logits.
        weights: Weight of each element of `truth`, in its shape; equal weights where `None`.
    """
    scaled = logits.astype(np.float64) / temperature
    if truth.ndim == 2:
        losses = np.logaddexp(0.0, np.where(truth, -scaled, scaled))
    else:
        scaled -= scaled.max(axis=1, keepdims=True)
        losses = np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]
    return float(np.average(losses, weights=weights))


def prior_logits(truth: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """Logits of the class priors: of all logits that are equal for every row, those with the lowest `mean_log_loss`.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        weights: Weight of each element of `truth`, in its shape.
        classes: Number of classes. A class that no row has counts as half a row, so that its logit is finite.

    Returns:
        `(classes,)` float64.
    """
    several = truth.ndim == 2
    present = (weights * truth).sum(0) if several else np.bincount(truth, weights, minlength=classes)
    total = weights.sum(0)
    least = 0.5 * total / len(truth)
    if not several:
        priors = np.maximum(present, least)
        return np.asarray(np.log(priors / priors.sum()))
    present = np.clip(present, least, total - least)
    return np.asarray(np.log(present / (total - present)))


def prior_loss(truth: np.ndarray, weights: np.ndarray) -> float:
    """`mean_log_loss` of predicting the class priors for every row: what can be reached without reading the texts.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        weights: Weight of each element of `truth`, in its shape.
    """
    if truth.ndim == 1:
        priors = np.bincount(truth, weights) / weights.sum()
        return float(-(priors[priors > 0] * np.log(priors[priors > 0])).sum())
    present = (weights * truth).sum(axis=0) / weights.sum(axis=0)
    entropies = -sum(share * np.log(np.maximum(share, 1e-12)) for share in (present, 1.0 - present))
    return float(np.average(entropies, weights=weights.sum(axis=0)))


def best_temperature(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The temperature between 1/4 and 20 with the lowest log loss.

    A temperature above 1 means that the logits were overconfident, below 1 underconfident. It never changes which
    class has the highest probability.

    Args:
        logits: `(rows, classes)`.
        truth: `(rows,)` or `(rows, classes)`.
        weights: See `mean_log_loss`.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    from scipy.optimize import minimize_scalar

    bounds = (math.log(0.25), math.log(20.0))

    def loss(power: float) -> float:
        return mean_log_loss(logits, truth, math.exp(power), weights)

    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def calibrated_loss(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Log loss at the best temperature, which is fitted on the rows themselves.

    Args:
        logits: `(rows, classes)`.
        truth: `(rows,)` or `(rows, classes)`.
        weights: See `mean_log_loss`.
    """
    return mean_log_loss(logits, truth, best_temperature(logits, truth, weights), weights)


def best_prior_shift(logits: np.ndarray, truth: np.ndarray, priors: np.ndarray) -> tuple[float, np.ndarray]:
    """Logit adjustment for rare classes: a multiple of the negative log class priors that is added to the logits.

    Strength 1 (all of the log priors is subtracted) gives the best mean recall, but predicts rare classes too often;
    strength 0 gives the best accuracy. The best macro-F1 lies in between. A rare class has few rows to estimate F1
    from, and the probabilities are not exact. So both are used: macro-F1 by the true classes, and macro-F1 as the
    probabilities predict it. The strength with the highest sum of the two is chosen.

    Args:
        logits: `(rows, classes)`, divided by their temperature.
        truth: `(rows,)` class numbers.
        priors: `(classes,)`, share of each class in the training part. A class with share 0 is not shifted.

    Returns:
        The strength, from 0 to 1 in steps of 0.1 (the smallest of those with equal macro-F1), and the shift,
        `(classes,)` float32.

    Source: Menon et al. 2021, "Long-tail learning via logit adjustment", section 4.
    """
    logs = np.log(np.where(priors > 0, priors, 1.0))
    rows, classes = np.arange(len(truth)), logits.shape[1]
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    expected = probabilities.sum(axis=0)
    counted = np.bincount(truth, minlength=classes)

    def sum_of_macro_f1s(strength: float) -> float:
        predicted = (logits - strength * logs).argmax(1)
        appearances = np.bincount(predicted, minlength=classes)
        return sum(
            float(np.nanmean(2 * np.bincount(predicted, correct, classes) / _nan_for_zero(appearances + class_rows)))
            for correct, class_rows in ((predicted == truth, counted), (probabilities[rows, predicted], expected))
        )

    best = max((round(0.1 * step, 1) for step in range(11)), key=sum_of_macro_f1s)
    return best, (-best * logs).astype(np.float32)


def _nan_for_zero(counts: np.ndarray) -> np.ndarray:
    """Counts to divide by: NaN for 0, so that a class that does not occur is left out of the mean."""
    return np.where(counts > 0, counts, np.nan)


def calibration_error(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error: mean distance between confidence and accuracy, over 15 bins of equal width.

    Each bin counts by its number of rows.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        probabilities: `(rows, classes)`. Where a row may have several labels, each label is a prediction of its own.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
    """
    if truth.ndim == 2:
        confidence, correct = probabilities.ravel(), truth.ravel()
    else:
        confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    sums = [np.bincount(bins, weights, _CALIBRATION_BINS) for weights in (confidence, correct.astype(float))]
    return float(np.abs(sums[0] - sums[1]).sum() / len(confidence))


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions whose confidence lies in one bin.

    Attributes:
        rows: Number of predictions.
        confidence: Mean confidence of the predictions.
        accuracy: Share of the predictions that is correct.
    """

    rows: int
    confidence: float
    accuracy: float


def reliability(correct: np.ndarray, confidence: np.ndarray, bins: int = 10) -> list[ReliabilityBin]:
    """Accuracy by confidence (a reliability diagram), in bins of equal width; empty bins are left out.

    Args:
        correct: `(rows,)` bool, whether each prediction is correct.
        confidence: `(rows,)` probability of the predicted class.
        bins: Number of bins between 0 and 1.
    """
    numbers = np.minimum((confidence * bins).astype(int), bins - 1)
    found = []
    for number in np.unique(numbers):
        inside = numbers == number
        found.append(ReliabilityBin(int(inside.sum()), float(confidence[inside].mean()), float(correct[inside].mean())))
    return found


def coverage_curve(correct: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coverage and accuracy where predictions below a threshold of confidence are rejected (selective prediction).

    Args:
        correct: `(rows,)` bool, whether each prediction is correct.
        confidence: `(rows,)` probability of the predicted class.

    Returns:
        Ascending thresholds, the share of rows at or above each threshold, and the accuracy of these rows: three arrays
        of equal length.
    """
    thresholds, first = np.unique(np.sort(confidence), return_index=True)
    order = np.argsort(confidence, kind="stable")
    accepted = len(correct) - first
    correct_and_accepted = np.cumsum(correct[order][::-1])[::-1][first]
    return thresholds, accepted / len(correct), correct_and_accepted / accepted
