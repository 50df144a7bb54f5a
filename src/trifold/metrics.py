"""Figures on predictions, with their uncertainty. Knows nothing of models or files.

Truth and prediction are `(rows,)` class numbers, or `(rows, classes)` bools where a row may have several labels.

Resampling rows with replacement is the same as drawing the counts of distinct (truth, prediction) rows from a
multinomial, so thousands of bootstrap samples cost a sparse matrix product instead of a loop over rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trifold.calibration import calibration_error

BOOTSTRAP_SAMPLES = 2_000
# Drawn so many at a time, so that memory stays linear in rows and classes.
_SAMPLES_AT_ONCE = 200
_BOOTSTRAP_SEED = 0


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
        accuracy: Share of rows predicted rightly; with several labels a row, of those with all labels right.
        macro_f1: F1 averaged over the classes that occur in truth or prediction.
        micro_f1: F1 over all rows and labels; the accuracy where each row has one label.
        log_loss: Mean negative log-probability of the true class, natural logarithm; with several labels a row, of
            each label's presence or absence.
        roc_auc: Area under the ROC curve, one class against the rest; `None` where it is not defined.
        calibration_error: Expected calibration error in 15 bins of equal width; with several labels a row, of every
            label's probability.
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


def measure(truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """All metrics of some predictions.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        predicted: In the same shape.
        probabilities: `(rows, classes)`.
    """
    classes = probabilities.shape[1]
    of_truth, of_prediction = (_indicator(target, classes) for target in (truth, predicted))
    hits = float(of_truth.multiply(of_prediction).sum())
    return Metrics(
        rows=len(truth),
        accuracy=interval("accuracy", truth, predicted, classes),
        macro_f1=interval("macro_f1", truth, predicted, classes),
        micro_f1=2 * hits / max(1.0, float(of_truth.sum() + of_prediction.sum())),
        log_loss=_log_loss(truth, probabilities),
        roc_auc=roc_auc(truth, probabilities),
        calibration_error=calibration_error(truth, probabilities),
    )


def interval(score: str, truth: np.ndarray, predicted: np.ndarray, classes: int) -> Interval:
    """`accuracy` or `macro_f1` of predicted classes, with its bootstrap interval."""
    (true, found), counts = _distinct(truth, predicted)
    value = float(_score(score, counts[None, :], true, found, classes)[0])
    samples = np.concatenate([_score(score, draws, true, found, classes) for draws in _draws(counts)])
    low, high = _central(samples, value)
    return Interval(value, max(0.0, low), min(1.0, high))


def paired_difference(score: str, truth: np.ndarray, better: np.ndarray, other: np.ndarray, classes: int) -> Difference:
    """Score of `better` minus score of `other`, resampling the rows of both together."""
    (true, *found), counts = _distinct(truth, better, other)

    def difference(draws: np.ndarray) -> np.ndarray:
        first, second = (_score(score, draws, true, one, classes) for one in found)
        lost: np.ndarray = first - second
        return lost

    samples = np.concatenate([difference(draws) for draws in _draws(counts)])
    value = float(difference(counts[None, :])[0])
    return Difference(value, *_central(samples, value), float(samples.std()))


def roc_auc(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Area under the ROC curve, averaged one label against the rest; `None` where a label is absent or everywhere."""
    classes = probabilities.shape[1]
    having = _indicator(truth, classes)
    counts = np.asarray(having.sum(axis=0)).ravel()
    if counts.min() == 0 or counts.max() == len(truth):
        return None
    if truth.ndim == 1 and classes == 2:
        return _area(truth == 1, probabilities[:, 1])
    columns = having.tocsc()
    areas = [_area(columns[:, [c]].toarray().ravel() > 0, probabilities[:, c]) for c in range(classes)]
    return float(np.mean(areas))


def _area(having: np.ndarray, scores: np.ndarray) -> float:
    """The chance that a row with the label scores higher than one without; equal scores count half.

    Source: Hanley and McNeil 1982, "The Meaning and Use of the Area under a ROC Curve".
    """
    _, level, count = np.unique(scores, return_inverse=True, return_counts=True)
    # Rows of one score share the mean of their ranks.
    ranks = (np.cumsum(count) - (count - 1) / 2)[level]
    with_label = int(having.sum())
    wins = ranks[having].sum() - with_label * (with_label + 1) / 2
    return float(wins / (with_label * (len(scores) - with_label)))


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """`(classes, classes)` counts, truth by row and prediction by column."""
    counts: np.ndarray = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def label_f1(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """F1 of each label, `(classes,)`; not a number where it occurs neither in truth nor in prediction.

    Args:
        truth: `(rows, classes)` bool.
        predicted: Likewise.
    """
    with np.errstate(invalid="ignore"):
        result: np.ndarray = 2 * (truth & predicted).sum(axis=0) / (truth.sum(axis=0) + predicted.sum(axis=0))
    return result


def main_score(label_counts: Sequence[int], *, multi_label: bool = False) -> str:
    """Which score comes first: macro-F1 where the commonest class is three times the rarest, else accuracy.

    With several labels a row it is always macro-F1: having all of them right says too little.
    """
    return "macro_f1" if multi_label or max(label_counts) >= 3 * min(label_counts) else "accuracy"


def right_rows(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Which rows are predicted rightly, `(rows,)` bool; with several labels, all of them."""
    same: np.ndarray = truth == predicted
    return same if same.ndim == 1 else np.asarray(same.all(axis=1))


def _log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    if truth.ndim == 2:
        picked = np.where(truth, probabilities, 1.0 - probabilities)
    else:
        picked = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(picked, 1e-15, 1.0)).mean())


def _indicator(target: np.ndarray, classes: int) -> Any:
    """Which row has which label, a sparse `(rows, classes)` of ones."""
    from scipy.sparse import csr_array

    if target.ndim == 2:
        return csr_array(target, dtype=np.float64)
    return csr_array((np.ones(len(target)), (np.arange(len(target)), target)), shape=(len(target), classes))


def _distinct(*targets: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The distinct rows of several targets side by side, and how often each occurs."""
    if targets[0].ndim == 1:
        cells, counts = np.unique(np.stack(targets), axis=1, return_counts=True)
        return list(cells), counts
    rows, counts = np.unique(np.concatenate(targets, axis=1), axis=0, return_counts=True)
    return np.split(rows, len(targets), axis=1), counts


def _draws(counts: np.ndarray) -> Iterator[np.ndarray]:
    """`(samples, cells)` bootstrap counts of the cells, some samples at a time."""
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    shares = counts / counts.sum()
    for _ in range(0, BOOTSTRAP_SAMPLES, _SAMPLES_AT_ONCE):
        yield rng.multinomial(counts.sum(), shares, size=_SAMPLES_AT_ONCE)


def _central(samples: np.ndarray, value: float) -> tuple[float, float]:
    """The middle 95 % of `samples`, moved so that their mean is `value`.

    A resampling lacks some rows, and with them whole rare classes, so it scores a macro-F1 lower than the rows do.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 10 (the bootstrap's bias).
    """
    low, high = np.percentile(samples, [2.5, 97.5]) + value - samples.mean()
    return float(low), float(high)


def _score(score: str, draws: np.ndarray, truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """The score of each row of cell counts: `(samples, cells)` to `(samples,)`."""
    if score == "accuracy":
        share: np.ndarray = draws[:, right_rows(truth, predicted)].sum(axis=1) / draws.sum(axis=1)
        return share
    of_truth, of_prediction = (_indicator(target, classes) for target in (truth, predicted))
    # Twice the true positives over the rows that are truly or predictedly of the class: F1 = 2TP / (2TP + FP + FN).
    hits = draws @ (2 * of_truth.multiply(of_prediction)).tocsr()
    appearances = draws @ (of_truth + of_prediction)
    with np.errstate(invalid="ignore"):
        f1 = hits / appearances
    # As in scikit-learn, a class that occurs neither in truth nor in prediction does not count.
    mean: np.ndarray = np.nanmean(f1, axis=1)
    return mean
