"""Metrics of predictions, with 95 % intervals.

Truth and predictions are `(rows,)` class numbers, or `(rows, classes)` bool where a row may have several labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trifold.statistics.calibration import calibration_error
from trifold.statistics.intervals import Z_95, Interval
from trifold.statistics.metric import lower_is_better
from trifold.statistics.row_influence import mcc
from trifold.statistics.scores import MethodScores, score_methods

# With fewer classes the right one is among the first five nearly always.
_TOP_5_CLASSES = 10
_EVEN = 3


@dataclass(frozen=True)
class ClassMetrics:
    """How well one class is found.

    Attributes:
        precision: Share of the rows predicted to have it that do; 0 where none is predicted to.
        recall: Share of the rows that have it that are predicted to; 0 where none has it.
        f1: Their harmonic mean.
        support: Rows that have it.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Metrics:
    """The metrics in `metrics.json`.

    Attributes:
        rows: Number of rows that were predicted.
        accuracy: Share of rows predicted correctly. Where a row may have several labels, all must be correct.
        macro_f1: F1 averaged over the classes that occur in truth or prediction.
        micro_f1: F1 over all rows and labels; equal to the accuracy where each row has one label.
        samples_f1: Mean over the rows of the F1 of a row's labels, 1 where a row rightly gets none; `None` where each
            row has one label.
        top5_accuracy: Share of rows whose class is among the five likeliest; `None` under 10 classes, and where a row
            may have several labels.
        mcc: Matthews correlation coefficient, -1 to 1; `None` where a row may have several labels, and where all rows
            have the same one.
        log_loss: Mean negative natural logarithm of the probability given to the true class. Where a row may have
            several labels, the mean over all rows and labels of the loss on whether the row has the label.
        roc_auc: Area under the ROC curve, the mean over the labels, each against the rest; `None` where no row or
            every row has a label.
        average_precision: Area under the precision-recall curve, the mean over the labels, each against the rest;
            `None` where no row or every row has a label.
        calibration_error: Expected calibration error in 15 bins of equal width. Where a row may have several labels,
            over the probabilities of all labels.
        classes: Of each class, in class order.
    """

    rows: int
    accuracy: Interval
    macro_f1: Interval
    micro_f1: float
    samples_f1: float | None
    top5_accuracy: float | None
    mcc: float | None
    log_loss: float
    roc_auc: float | None
    average_precision: float | None
    calibration_error: float
    classes: tuple[ClassMetrics, ...]


def measure(truth: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray) -> Metrics:
    """All metrics of a set of predictions.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        predicted: In the shape of `truth`.
        probabilities: `(rows, classes)`.
    """
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    classes, several = probabilities.shape[1], truth.ndim == 2
    return Metrics(
        rows=len(truth),
        accuracy=score_interval("accuracy", truth, predicted, classes),
        macro_f1=score_interval("macro_f1", truth, predicted, classes),
        micro_f1=float(f1_score(truth, predicted, average="micro", zero_division=0)),
        samples_f1=float(f1_score(truth, predicted, average="samples", zero_division=1.0)) if several else None,
        top5_accuracy=None if several or classes < _TOP_5_CLASSES else _top5_accuracy(truth, probabilities),
        mcc=None if several or (truth == truth[0]).all() else mcc(truth, predicted, classes)[0],
        log_loss=_log_loss(truth, probabilities),
        roc_auc=_mean_over_labels(roc_auc_score, truth, probabilities),
        average_precision=_mean_over_labels(average_precision_score, truth, probabilities),
        calibration_error=calibration_error(truth, probabilities),
        classes=class_metrics(truth, predicted, classes),
    )


def class_metrics(truth: np.ndarray, predicted: np.ndarray, classes: int) -> tuple[ClassMetrics, ...]:
    """Precision, recall, F1 and support of each class.

    Args:
        truth: `(rows,)` or `(rows, classes)`.
        predicted: In the shape of `truth`.
        classes: Number of classes.
    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(truth, predicted, labels=np.arange(classes), zero_division=0)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(ClassMetrics(precision, recall, f1, int(support)) for precision, recall, f1, support in rows)


def score_interval(
    score: str,
    truth: np.ndarray,
    predicted: np.ndarray,
    classes: int,
    *,
    column: int | None = None,
    probabilities: np.ndarray | None = None,
) -> Interval:
    """Any metric of predictions, with its 95 % interval.

    Args:
        score: Name of the metric; what stands behind a colon is left to `column`.
        truth: `(rows,)` or `(rows, classes)`.
        predicted: In the shape of `truth`.
        classes: Number of classes.
        column: Class number of the label, where the metric is of one.
        probabilities: `(rows, classes)`, where the metric needs them.
    """
    given = [] if probabilities is None else [probabilities]
    method = score_methods(score, truth, [predicted], classes, column=column, probabilities=given)
    low, high = method.interval_ends(method.counts)
    return as_shown(score, Interval(float(method.scores(method.counts)[0]), float(low[0]), float(high[0])))


def as_shown(score: str, found: Interval) -> Interval:
    """A figure of `MethodScores`, where the higher is the better, as people know it: a log loss is positive."""
    return Interval(-found.value, -found.high, -found.low) if lower_is_better(score) else found


def paired_difference(
    score: str,
    truth: np.ndarray,
    better: np.ndarray,
    other: np.ndarray,
    classes: int,
    *,
    column: int | None = None,
    probabilities: Sequence[np.ndarray] = (),
) -> Interval:
    """Lead of `better` over `other` on the same rows: the difference of their scores, with its 95 % interval.

    The interval is that of a single comparison; it is not widened for other comparisons.

    Args:
        score: Name of the metric; what stands behind a colon is left to `column`.
        truth: `(rows,)` or `(rows, classes)`.
        better: Predictions in the shape of `truth`.
        other: Predictions in the shape of `truth`.
        classes: Number of classes.
        column: Class number of the label, where the metric is of one.
        probabilities: `(rows, classes)` of both, where the metric needs them.
    """
    return lead(score_methods(score, truth, [better, other], classes, column=column, probabilities=probabilities))


def lead(both: MethodScores, z: float = Z_95) -> Interval:
    """Lead of the first of two methods over the second, with its interval.

    Args:
        both: The two.
        z: Normal quantile of each end.
    """
    first, second = both.scores(both.counts)
    bounds = both.lead_upper_bounds(both.counts, z)
    return Interval(float(first - second), float(-bounds[1, 0]), float(bounds[0, 1]))


def main_score(label_counts: Sequence[int], *, multi_label: bool = False) -> Literal["accuracy", "macro_f1"]:
    """The score by which methods are ranked: macro-F1 where the classes are uneven, otherwise accuracy.

    Uneven means that the commonest class has at least three times the rows of the rarest. Where a row may have several
    labels the score is always macro-F1, since accuracy would count a row as wrong for a single label.

    Args:
        label_counts: Number of rows of each label.
        multi_label: Whether a row may have several labels.
    """
    return "macro_f1" if multi_label or max(label_counts) >= _EVEN * min(label_counts) else "accuracy"


def why_main_score(label_counts: Sequence[int], *, multi_label: bool = False) -> str:
    """Why `main_score` is what it is, in a sentence without a full stop."""
    if multi_label:
        return "macro-F1 decides: a row may have several labels; --metric micro_f1 or samples_f1 changes that"
    times = max(label_counts) / min(label_counts)
    if times < _EVEN:
        return "accuracy decides: the classes are even"
    return (
        f"macro-F1 decides: the commonest class has {times:,.1f} times the rows of the rarest; "
        "--metric accuracy changes that"
    )


def _top5_accuracy(truth: np.ndarray, probabilities: np.ndarray) -> float:
    from sklearn.metrics import top_k_accuracy_score

    return float(top_k_accuracy_score(truth, probabilities, k=5, labels=np.arange(probabilities.shape[1])))


def _log_loss(truth: np.ndarray, probabilities: np.ndarray) -> float:
    from sklearn.metrics import log_loss

    if truth.ndim == 2:
        return float(log_loss(truth.ravel(), probabilities.ravel(), labels=[False, True]))
    return float(log_loss(truth, probabilities, labels=np.arange(probabilities.shape[1])))


def _mean_over_labels(
    of_label: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, probabilities: np.ndarray
) -> float | None:
    """A metric of one label against the rest, averaged; `None` where no row or every row has a label."""
    classes = probabilities.shape[1]
    label_rows = truth.sum(axis=0) if truth.ndim == 2 else np.bincount(truth, minlength=classes)
    if label_rows.min() == 0 or label_rows.max() == len(truth):
        return None
    # Label by label: a matrix of rows times classes would need gigabytes where there are thousands of classes.
    columns = (truth[:, label] if truth.ndim == 2 else truth == label for label in range(classes))
    return float(np.mean([of_label(having, probabilities[:, label]) for label, having in enumerate(columns)]))
