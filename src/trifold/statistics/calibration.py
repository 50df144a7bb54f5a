"""What makes answers mean what they say: temperature, thresholds and shifts found on validation; how far to trust them.

Truth is `(rows,)` class numbers, or `(rows, classes)` bools where a row may have several labels.
"""

import math
from dataclasses import dataclass

import numpy as np

_CALIBRATION_BINS = 15


def mean_log_loss(
    logits: np.ndarray, truth: np.ndarray, temperature: float = 1.0, weights: np.ndarray | None = None
) -> float:
    """Mean negative log-probability of the true class, natural logarithm; of every label's where there are several.

    Args:
        logits: `(rows, classes)`, before the softmax or sigmoid.
        truth: `(rows,)` or `(rows, classes)`.
        temperature: Divides the logits.
        weights: In the shape of `truth`, how much each counts; all alike where `None`.
    """
    scaled = logits.astype(np.float64) / temperature
    if truth.ndim == 2:
        losses = np.logaddexp(0.0, np.where(truth, -scaled, scaled))
    else:
        scaled -= scaled.max(axis=1, keepdims=True)
        losses = np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]
    return float(np.average(losses, weights=weights))


def chance_logits(truth: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """The logits, the same for every row, whose `mean_log_loss` is the lowest: those of the priors of the labels.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        weights: In the shape of `truth`.
        classes: How many there are. One that no row has counts as if half a row had it.

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


def chance_loss(truth: np.ndarray, weights: np.ndarray) -> float:
    """The lowest `mean_log_loss` of answers that are the same for every row: those that give the priors of the labels.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        weights: In the shape of `truth`.
    """
    if truth.ndim == 1:
        priors = np.bincount(truth, weights) / weights.sum()
        return float(-(priors[priors > 0] * np.log(priors[priors > 0])).sum())
    present = (weights * truth).sum(axis=0) / weights.sum(axis=0)
    entropies = -sum(share * np.log(np.maximum(share, 1e-12)) for share in (present, 1.0 - present))
    return float(np.average(entropies, weights=weights.sum(axis=0)))


def best_temperature(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The one number between 1/4 and 20 that, dividing all logits, makes the log-loss lowest.

    Above 1 the logits were too sure of themselves, below 1 not sure enough. Which class wins never changes.

    Args:
        logits: `(rows, classes)`.
        truth: As in `mean_log_loss`.
        weights: As in `mean_log_loss`.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    from scipy.optimize import minimize_scalar

    bounds = (math.log(0.25), math.log(20.0))

    def loss(power: float) -> float:
        return mean_log_loss(logits, truth, math.exp(power), weights)

    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def calibrated_loss(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The mean log-loss once the best temperature, fitted on these very rows, has divided the logits."""
    return mean_log_loss(logits, truth, best_temperature(logits, truth, weights), weights)


def best_thresholds(probabilities: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    """For each label the threshold with the highest F1; 0.5 for one that no row has.

    Args:
        probabilities: `(rows, classes)`.
        truth: `(rows, classes)` bool.

    Source: Lipton et al. 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure".
    """
    chosen = []
    for column, having in zip(probabilities.T, truth.T, strict=True):
        if not having.any():
            chosen.append(0.5)
            continue
        order = np.argsort(-column, kind="stable")
        sorted_down = column[order]
        hits = np.cumsum(having[order])
        f1 = 2 * hits / (np.arange(1, len(column) + 1) + having.sum())
        # A threshold can only stand between two different probabilities.
        f1[:-1][sorted_down[:-1] == sorted_down[1:]] = -1.0
        last = int(f1.argmax())
        below = sorted_down[last + 1] if last + 1 < len(column) else 0.0
        chosen.append(float((sorted_down[last] + below) / 2))
    return tuple(chosen)


def best_prior_shift(logits: np.ndarray, truth: np.ndarray, priors: np.ndarray) -> tuple[float, np.ndarray]:
    """What to add to calibrated logits so that rare classes are named as readily as macro-F1 is best served.

    Taking off the logarithms of the classes' priors gives the answers with the best mean recall, and too many of them
    name a rare class; taking off nothing gives the best accuracy. Between the two lies the best macro-F1. The rows of a
    rare class are few to find it by, and probabilities are somewhat off: both are asked, what macro-F1 is by the true
    classes and what it would be by the probabilities, and the strength with the highest sum is taken.

    Args:
        logits: `(rows, classes)`, divided by their temperature.
        truth: `(rows,)` the true classes.
        priors: `(classes,)` of the training part; a class that it lacks is not shifted.

    Returns:
        The strength from 0 to 1, of equally good ones the weakest; and the shift, `(classes,)`.

    Source: Menon et al. 2021, "Long-tail learning via logit adjustment", section 4.
    """
    logs = np.log(np.where(priors > 0, priors, 1.0))
    rows, classes = np.arange(len(truth)), logits.shape[1]
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    expected = probabilities.sum(axis=0)
    counted = np.bincount(truth, minlength=classes)

    def judged(strength: float) -> float:
        named = (logits - strength * logs).argmax(1)
        appearances = np.bincount(named, minlength=classes)
        return sum(
            float(np.nanmean(2 * np.bincount(named, right, classes) / _nonzero(appearances + wanted)))
            for right, wanted in ((named == truth, counted), (probabilities[rows, named], expected))
        )

    best = max((round(0.1 * step, 1) for step in range(11)), key=judged)
    return best, (-best * logs).astype(np.float32)


def _nonzero(counts: np.ndarray) -> np.ndarray:
    """As divisors: a class that occurs nowhere counts nowhere."""
    return np.where(counts > 0, counts, np.nan)


def calibration_error(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error: how far confidence is from accuracy, averaged over bins by their rows.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
    """
    if truth.ndim == 2:
        confidence, right = probabilities.ravel(), truth.ravel()
    else:
        confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    sums = [np.bincount(bins, weights, _CALIBRATION_BINS) for weights in (confidence, right.astype(float))]
    return float(np.abs(sums[0] - sums[1]).sum() / len(confidence))


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of like confidence.

    Attributes:
        rows: How many.
        confidence: Their mean confidence.
        accuracy: The share of them that is right.
    """

    rows: int
    confidence: float
    accuracy: float


def reliability(right: np.ndarray, confidence: np.ndarray, bins: int = 10) -> list[ReliabilityBin]:
    """Confidence against accuracy in bins of equal width; empty ones are left out.

    Args:
        right: `(rows,)` bool, whether the prediction is right.
        confidence: `(rows,)` probability of the predicted class.
        bins: Between 0 and 1.
    """
    numbers = np.minimum((confidence * bins).astype(int), bins - 1)
    found = []
    for number in np.unique(numbers):
        inside = numbers == number
        found.append(ReliabilityBin(int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean())))
    return found


def coverage_curve(right: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is left and how right it is when the least sure predictions are declined.

    Args:
        right: `(rows,)` bool.
        confidence: `(rows,)` probability of the predicted class.

    Returns:
        Ascending thresholds, the share of rows at or above each, and the accuracy of those, three arrays of the
        same length.
    """
    thresholds, first = np.unique(np.sort(confidence), return_index=True)
    order = np.argsort(confidence, kind="stable")
    answered = len(right) - first
    rights = np.cumsum(right[order][::-1])[::-1][first]
    return thresholds, answered / len(right), rights / answered
