"""Which classes are taken for which: counts, how deeply each is coloured, and the commonest mistakes."""

from dataclasses import dataclass

import numpy as np

from trifold.statistics.intervals import wilson
from trifold.tasks.labels import LabelMap
from trifold.types import Label

# With more classes a matrix is too large to be read.
MOST_MATRIX_CLASSES = 20


@dataclass(frozen=True)
class ConfusedPair:
    """Rows of one class that were taken for another.

    Attributes:
        true: The class they are of.
        predicted: The class they were taken for.
        rows: So many.
        of: Rows of the true class.
    """

    true: Label
    predicted: Label
    rows: int
    of: int


def count_confusions(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Number of rows of each true class that went to each predicted class, `(true, predicted)`."""
    from sklearn.metrics import confusion_matrix

    counts: np.ndarray = confusion_matrix(truth, predicted, labels=range(classes))
    return counts


def depths(counts: np.ndarray) -> np.ndarray:
    """How deeply each cell of a confusion matrix is coloured, from 0 to 1.

    It is the lower end of the 95 % interval of the cell's share of its true class, so that a class of few rows stays
    pale: 1 of 1 gives 0.21, 100 of 100 give 0.96.

    Args:
        counts: `(true, predicted)`.
    """
    rows = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    low, _ = wilson(counts / rows, np.broadcast_to(rows, counts.shape))
    return np.where(counts > 0, low, 0.0)


def most_confused(truth: np.ndarray, predicted: np.ndarray, labels: LabelMap, most: int) -> list[ConfusedPair]:
    """The pairs of classes with the most mistakes, at most so many; of equal ones those with the larger share first."""
    wrong = truth != predicted
    pairs, counts = np.unique(np.stack([truth[wrong], predicted[wrong]]), axis=1, return_counts=True)
    rows = np.bincount(truth, minlength=len(labels))
    order = np.lexsort((-counts / np.maximum(rows[pairs[0]], 1), -counts))[:most]
    return [
        ConfusedPair(labels.names[pairs[0, at]], labels.names[pairs[1, at]], int(counts[at]), int(rows[pairs[0, at]]))
        for at in order
    ]
