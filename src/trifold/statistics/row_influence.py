"""A metric of one method's answers, with the influence of every row on it.

Each function returns the metric and `(rows,)` influences: the derivative of the metric by a row's weight, times the
number of rows. Truth and predictions are `(rows,)` class numbers, or `(rows, classes)` bool.
"""

from collections.abc import Callable

import numpy as np

from trifold.statistics.accuracy import correct_rows

Figure = tuple[float, np.ndarray]


def has_label(target: np.ndarray, column: int) -> np.ndarray:
    """Which rows have a label, `(rows,)` bool."""
    having: np.ndarray = target[:, column] if target.ndim == 2 else target == column
    return having


def label_figure(kind: str, true: np.ndarray, named: np.ndarray) -> Figure:
    """F1, recall or precision of one label; 0 where it has no row to be found in.

    Args:
        kind: `f1`, `recall` or `precision`.
        true: `(rows,)` bool, which rows have the label.
        named: `(rows,)` bool, which rows are predicted to have it.
    """
    true, named = true.astype(float), named.astype(float)
    if kind == "f1":
        return _quotient(2 * true * named, true + named)
    return _quotient(true * named, true if kind == "recall" else named)


def micro_f1(truth: np.ndarray, predicted: np.ndarray) -> Figure:
    """F1 over all rows and labels; equal to the accuracy where each row has one label."""
    if truth.ndim == 1:
        return _quotient(correct_rows(truth, predicted).astype(float), np.ones(len(truth)))
    return _quotient(2.0 * (truth & predicted).sum(axis=1), truth.sum(axis=1) + predicted.sum(axis=1))


def samples_f1(truth: np.ndarray, predicted: np.ndarray) -> Figure:
    """Mean over the rows of the F1 between a row's labels and those predicted; 1 where both are none."""
    named = truth.sum(axis=1) + predicted.sum(axis=1)
    each = np.where(named > 0, 2.0 * (truth & predicted).sum(axis=1) / np.maximum(named, 1), 1.0)
    return _quotient(each, np.ones(len(each)))


def negative_log_loss(truth: np.ndarray, probabilities: np.ndarray) -> Figure:
    """Minus the mean negative natural logarithm of the probability of the truth: the higher, the better."""
    smallest = np.finfo(np.float64).eps
    if truth.ndim == 2:
        given = np.where(truth, probabilities, 1.0 - probabilities)
        return _quotient(np.log(np.clip(given, smallest, 1.0)).mean(axis=1), np.ones(len(truth)))
    given = probabilities[np.arange(len(truth)), truth]
    return _quotient(np.log(np.clip(given, smallest, 1.0)), np.ones(len(truth)))


def mcc(truth: np.ndarray, predicted: np.ndarray, classes: int) -> Figure:
    """Matthews correlation coefficient of class numbers; 0 where truth or prediction is always the same class.

    Source: Gorodkin 2004, "Comparing Two K-Category Assignments by a K-Category Correlation Coefficient".
    """
    rows, right = len(truth), (truth == predicted).astype(float)
    true, named = (np.bincount(one, minlength=classes).astype(float) for one in (truth, predicted))
    shared = right.sum() * rows - true @ named
    spread = np.array([rows**2 - named @ named, rows**2 - true @ true])
    if not spread.all():
        return 0.0, np.zeros(rows)
    root = np.sqrt(spread.prod())
    more_shared = right * rows + right.sum() - true[predicted] - named[truth]
    more_spread = (rows - named[predicted]) / spread[0] + (rows - true[truth]) / spread[1]
    return float(shared / root), rows * (more_shared - shared * more_spread) / root


def roc_auc(truth: np.ndarray, probabilities: np.ndarray) -> Figure:
    """Area under the ROC curve: the mean over the labels that some rows have and some lack.

    Source: DeLong, DeLong and Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated Receiver
    Operating Characteristic Curves".
    """
    return _mean_over_labels(_auc_of_label, truth, probabilities)


def average_precision(truth: np.ndarray, probabilities: np.ndarray) -> Figure:
    """Average precision, the area under the precision-recall curve: the mean over the labels that some rows have."""
    return _mean_over_labels(_precision_of_label, truth, probabilities)


def _quotient(above: np.ndarray, below: np.ndarray) -> Figure:
    """Sum of one array over the sum of another."""
    total = float(below.sum())
    if not total:
        return 0.0, np.zeros(len(below))
    value = float(above.sum()) / total
    return value, len(below) * (above - value * below) / total


def _mean_over_labels(
    of_label: Callable[[np.ndarray, np.ndarray], Figure], truth: np.ndarray, probabilities: np.ndarray
) -> Figure:
    values, influences = [], np.zeros(len(truth))
    for column in range(probabilities.shape[1]):
        having = has_label(truth, column)
        if 0 < having.sum() < len(truth):
            value, influence = of_label(having, probabilities[:, column])
            values.append(value)
            influences += influence
    return (float(np.mean(values)), influences / len(values)) if values else (0.0, influences)


def _auc_of_label(having: np.ndarray, scores: np.ndarray) -> Figure:
    inside, outside = np.sort(scores[having]), np.sort(scores[~having])
    below = (np.searchsorted(outside, scores, "left") + np.searchsorted(outside, scores, "right")) / (2 * len(outside))
    above = 1.0 - (np.searchsorted(inside, scores, "left") + np.searchsorted(inside, scores, "right")) / (
        2 * len(inside)
    )
    area = float(below[having].mean())
    share = len(inside) / len(scores)
    return area, np.where(having, (below - area) / share, (above - area) / (1.0 - share))


def _precision_of_label(having: np.ndarray, scores: np.ndarray) -> Figure:
    """Precision at each row that has the label, averaged; a row's precision is over all rows that score no less."""
    _, place = np.unique(-scores, return_inverse=True)
    hits = np.bincount(place, having)
    named, found = np.cumsum(np.bincount(place)), np.cumsum(hits)
    rows = int(found[-1])
    value = float(hits @ (found / named)) / rows
    # A row adds to what is named, and where it has the label to what is found, at its own place and all later ones.
    later = [np.cumsum((hits * one)[::-1])[::-1][place] for one in (1.0 / named, found / named**2)]
    influence = having * ((found / named)[place] - value + later[0]) - later[1]
    return value, len(scores) / rows * influence
