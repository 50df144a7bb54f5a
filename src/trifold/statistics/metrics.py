"""Metrics of predictions, with 95 % intervals.

Truth and predictions are `(rows,)` class numbers, or `(rows, classes)` bool where a row may have several labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trifold.statistics.calibration import calibration_error
from trifold.statistics.intervals import Z_95, Interval
from trifold.statistics.scores import score_methods


@dataclass(frozen=True)
class Metrics:
    """The metrics in `metrics.json`.

    Attributes:
        rows: Number of rows that were predicted.
        accuracy: Share of rows predicted correctly. Where a row may have several labels, all must be correct.
        macro_f1: F1 averaged over the classes that occur in truth or prediction.
        micro_f1: F1 over all rows and labels; equal to the accuracy where each row has one label.
        log_loss: Mean negative natural logarithm of the probability given to the true class. Where a row may have
            several labels, the mean over all rows and labels of the loss on whether the row has the label.
        roc_auc: Area under the ROC curve, the mean over the labels, each against the rest; `None` where no row or
            every row has a label.
        calibration_error: Expected calibration error in 15 bins of equal width. Where a row may have several labels,
            over the probabilities of all labels.
    """

    rows: int
    accuracy: Interval
    macro_f1: Interval
    micro_f1: float
    log_loss: float
    roc_auc: float | None
    calibration_error: float


def measure(truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """All metrics of a set of predictions.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        predicted: In the shape of `truth`.
        probabilities: `(rows, classes)`.
    """
    from sklearn.metrics import f1_score

    classes = probabilities.shape[1]
    return Metrics(
        rows=len(truth),
        accuracy=score_interval("accuracy", truth, predicted, classes),
        macro_f1=score_interval("macro_f1", truth, predicted, classes),
        micro_f1=float(f1_score(truth, predicted, average="micro", zero_division=0)),
        log_loss=_log_loss(truth, probabilities),
        roc_auc=_roc_auc(truth, probabilities),
        calibration_error=calibration_error(truth, probabilities),
    )


def score_interval(score: str, truth: np.ndarray, predicted: np.ndarray, classes: int) -> Interval:
    """Accuracy or macro-F1 of predictions, with its 95 % interval.

    Args:
        score: `accuracy` or `macro_f1`.
        truth: `(rows,)` or `(rows, classes)`.
        predicted: In the shape of `truth`.
        classes: Number of classes.
    """
    method = score_methods(score, truth, [predicted], classes)
    low, high = method.interval_ends(method.counts)
    return Interval(float(method.scores(method.counts)[0]), float(low[0]), float(high[0]))


def paired_difference(score: str, truth: np.ndarray, better: np.ndarray, other: np.ndarray, classes: int) -> Interval:
    """Score of `better` minus score of `other` on the same rows, with its 95 % interval.

    The interval is that of a single comparison; it is not widened for other comparisons.

    Args:
        score: `accuracy` or `macro_f1`.
        truth: `(rows,)` or `(rows, classes)`.
        better: Predictions in the shape of `truth`.
        other: Predictions in the shape of `truth`.
        classes: Number of classes.
    """
    both = score_methods(score, truth, [better, other], classes)
    first, second = both.scores(both.counts)
    bounds = both.lead_upper_bounds(both.counts, Z_95)
    return Interval(float(first - second), float(-bounds[1, 0]), float(bounds[0, 1]))


def main_score(label_counts: Sequence[int], *, multi_label: bool = False) -> Literal["accuracy", "macro_f1"]:
    """The score by which methods are ranked: macro-F1 where the classes are uneven, otherwise accuracy.

    Uneven means that the commonest class has at least three times the rows of the rarest. Where a row may have several
    labels the score is always macro-F1, since accuracy would count a row as wrong for a single label.

    Args:
        label_counts: Number of rows of each label.
        multi_label: Whether a row may have several labels.
    """
    return "macro_f1" if multi_label or max(label_counts) >= 3 * min(label_counts) else "accuracy"


def _log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    from sklearn.metrics import log_loss

    if truth.ndim == 2:
        return float(log_loss(truth.ravel(), probabilities.ravel(), labels=[False, True]))
    return float(log_loss(truth, probabilities, labels=np.arange(probabilities.shape[1])))


def _roc_auc(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    from sklearn.metrics import roc_auc_score

    classes = probabilities.shape[1]
    label_rows = truth.sum(axis=0) if truth.ndim == 2 else np.bincount(truth, minlength=classes)
    if label_rows.min() == 0 or label_rows.max() == len(truth):
        return None
    if truth.ndim == 2:
        return float(roc_auc_score(truth, probabilities))
    if classes == 2:
        return float(roc_auc_score(truth, probabilities[:, 1]))
    # Label by label: a matrix of rows times classes would need gigabytes where there are thousands of classes.
    return float(np.mean([roc_auc_score(truth == label, probabilities[:, label]) for label in range(classes)]))
