"""Figures on predictions, with their uncertainty. Knows nothing of models or files.

Truth and prediction are `(rows,)` class numbers, or `(rows, classes)` bools where a row may have several labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trifold.statistics.calibration import calibration_error
from trifold.statistics.intervals import Z_95, Interval
from trifold.statistics.scores import indicator, right_rows, scored

__all__ = [
    "Difference",
    "Interval",
    "Metrics",
    "confusion",
    "interval",
    "label_f1",
    "main_score",
    "measure",
    "paired_difference",
    "right_rows",
    "roc_auc",
]


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
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def measure(truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """All metrics of some predictions.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        predicted: In the same shape.
        probabilities: `(rows, classes)`.
    """
    classes = probabilities.shape[1]
    of_truth, of_prediction = (indicator(target, classes) for target in (truth, predicted))
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
    """`accuracy` or `macro_f1` of predicted classes, with its 95 % interval."""
    one = scored(score, truth, [predicted], classes)
    low, high = one.ends(one.counts)
    return Interval(float(one.scores(one.counts)[0]), float(low[0]), float(high[0]))


def paired_difference(score: str, truth: np.ndarray, better: np.ndarray, other: np.ndarray, classes: int) -> Difference:
    """Score of `better` minus score of `other` on the same rows, by itself: no other comparison is counted."""
    both = scored(score, truth, [better, other], classes)
    first, second = both.scores(both.counts)
    leads = both.largest_leads(both.counts, Z_95)
    return Difference(float(first - second), float(-leads[1, 0]), float(leads[0, 1]))


def roc_auc(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Area under the ROC curve, averaged one label against the rest; `None` where a label is absent or everywhere."""
    classes = probabilities.shape[1]
    having = indicator(truth, classes)
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
        predicted: The predicted classes, in the same shape.
    """
    with np.errstate(invalid="ignore"):
        result: np.ndarray = 2 * (truth & predicted).sum(axis=0) / (truth.sum(axis=0) + predicted.sum(axis=0))
    return result


def main_score(label_counts: Sequence[int], *, multi_label: bool = False) -> Literal["accuracy", "macro_f1"]:
    """Which score comes first: macro-F1 where the commonest class is three times the rarest, else accuracy.

    With several labels a row it is always macro-F1: having all of them right says too little.
    """
    return "macro_f1" if multi_label or max(label_counts) >= 3 * min(label_counts) else "accuracy"


def _log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    if truth.ndim == 2:
        picked = np.where(truth, probabilities, 1.0 - probabilities)
    else:
        picked = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(picked, 1e-15, 1.0)).mean())
