"""Figures on predictions, with their uncertainty. Knows nothing of models or files.

Resampling rows with replacement is the same as drawing the counts of distinct (truth, prediction) cells
from a multinomial, so thousands of bootstrap samples cost a matrix product instead of a loop over rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOOTSTRAP_SAMPLES = 2_000
_BOOTSTRAP_SEED = 0
_CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap 95 % interval, fractions from 0 to 1.

    Attributes:
        value: On the rows themselves.
        low: 2.5th percentile of the bootstrap.
        high: 97.5th percentile.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Metrics:
    """What `metrics.json` holds.

    Attributes:
        rows: Rows the figures are on.
        accuracy: Share of rows predicted rightly.
        macro_f1: F1 averaged over the classes that occur in truth or prediction.
        micro_f1: F1 over all rows; the accuracy where each row has one label.
        log_loss: Mean negative log-probability of the true class, natural logarithm.
        roc_auc: Area under the ROC curve, one class against the rest; `None` where it is not defined.
        calibration_error: Expected calibration error in 15 bins of equal width.
    """

    rows: int
    accuracy: Interval
    macro_f1: Interval
    micro_f1: float
    log_loss: float
    roc_auc: float | None
    calibration_error: float


@dataclass(frozen=True)
class Difference:
    """How much one prediction loses against another on the same rows.

    Attributes:
        value: Score of the better minus score of the other, on the rows themselves.
        low: 2.5th percentile of the paired bootstrap.
        high: 97.5th percentile.
        deviation: Standard deviation of the bootstrap.
    """

    value: float
    low: float
    high: float
    deviation: float


def measure(truth: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """All metrics of some predictions.

    Args:
        truth: `(rows,)` class numbers.
        probabilities: `(rows, classes)`, each row summing to 1.
    """
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    picked = np.clip(probabilities[np.arange(len(truth)), truth], 1e-15, 1.0)
    value = float((predicted == truth).mean())
    return Metrics(
        rows=len(truth),
        accuracy=interval("accuracy", truth, predicted, classes),
        macro_f1=interval("macro_f1", truth, predicted, classes),
        micro_f1=value,
        log_loss=float(-np.log(picked).mean()),
        roc_auc=roc_auc(truth, probabilities),
        calibration_error=calibration_error(truth, probabilities),
    )


def interval(score: str, truth: np.ndarray, predicted: np.ndarray, classes: int) -> Interval:
    """`accuracy` or `macro_f1` of predicted classes, with its bootstrap interval."""
    cells, counts = np.unique(np.stack([truth, predicted]), axis=1, return_counts=True)
    value = float(_score(score, counts[None, :], cells[0], cells[1], classes)[0])
    samples = _score(score, _draws(counts), cells[0], cells[1], classes)
    low, high = np.percentile(samples, [2.5, 97.5])
    return Interval(value, float(low), float(high))


def paired_difference(score: str, truth: np.ndarray, better: np.ndarray, other: np.ndarray, classes: int) -> Difference:
    """Score of `better` minus score of `other`, resampling the rows of both together."""
    cells, counts = np.unique(np.stack([truth, better, other]), axis=1, return_counts=True)

    def difference(draws: np.ndarray) -> np.ndarray:
        first, second = (_score(score, draws, cells[0], cells[i], classes) for i in (1, 2))
        lost: np.ndarray = first - second
        return lost

    samples = difference(_draws(counts))
    low, high = np.percentile(samples, [2.5, 97.5])
    return Difference(float(difference(counts[None, :])[0]), float(low), float(high), float(samples.std()))


def roc_auc(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Area under the ROC curve; averaged one-against-rest for more than two classes, `None` where a class is absent."""
    from sklearn.metrics import roc_auc_score

    classes = probabilities.shape[1]
    if len(np.unique(truth)) < classes:
        return None
    if classes == 2:
        return float(roc_auc_score(truth, probabilities[:, 1]))
    return float(np.mean([roc_auc_score(truth == c, probabilities[:, c]) for c in range(classes)]))


def calibration_error(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error: how far confidence is from accuracy, averaged over bins by their rows.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    sums = [np.bincount(bins, weights, _CALIBRATION_BINS) for weights in (confidence, right.astype(float))]
    return float(np.abs(sums[0] - sums[1]).sum() / len(truth))


def mean_log_loss(
    logits: np.ndarray, truth: np.ndarray, temperature: float = 1.0, weights: np.ndarray | None = None
) -> float:
    """Mean negative log-probability of the true class, natural logarithm.

    Args:
        logits: `(rows, classes)`, before the softmax.
        truth: `(rows,)` class numbers.
        temperature: Divides the logits.
        weights: `(rows,)`, how much each row counts; all alike where `None`.
    """
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]
    return float(np.average(losses, weights=weights))


def best_temperature(logits: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The one number between 1/4 and 20 that, dividing all logits, makes the log-loss lowest.

    Above 1 the logits were too sure of themselves, below 1 not sure enough. Which class wins never changes.

    Args:
        logits: `(rows, classes)`.
        truth: `(rows,)` class numbers.
        weights: As in `mean_log_loss`.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    from scipy.optimize import minimize_scalar

    bounds = (math.log(0.25), math.log(20.0))

    def loss(power: float) -> float:
        return mean_log_loss(logits, truth, math.exp(power), weights)

    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


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


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """`(classes, classes)` counts, truth by row and prediction by column."""
    counts: np.ndarray = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def main_score(label_counts: Sequence[int]) -> str:
    """Which score comes first: macro-F1 where the commonest class is three times the rarest, else accuracy."""
    return "macro_f1" if max(label_counts) >= 3 * min(label_counts) else "accuracy"


def _draws(counts: np.ndarray) -> np.ndarray:
    """`(samples, cells)` bootstrap counts of the cells."""
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    draws: np.ndarray = rng.multinomial(counts.sum(), counts / counts.sum(), size=BOOTSTRAP_SAMPLES)
    return draws


def _score(score: str, draws: np.ndarray, truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """The score of each row of cell counts: `(samples, cells)` to `(samples,)`."""
    right = truth == predicted
    if score == "accuracy":
        share: np.ndarray = draws[:, right].sum(axis=1) / draws.sum(axis=1)
        return share
    identity = np.eye(classes)
    # Twice the true positives over the rows that are truly or predictedly of the class: F1 = 2TP / (2TP + FP + FN).
    hits = 2 * draws[:, right] @ identity[truth[right]]
    appearances = draws @ (identity[truth] + identity[predicted])
    with np.errstate(invalid="ignore"):
        f1 = hits / appearances
    # As in scikit-learn, a class that occurs neither in truth nor in prediction does not count.
    mean: np.ndarray = np.nanmean(f1, axis=1)
    return mean
