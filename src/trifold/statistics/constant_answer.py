"""The best that can be answered without reading any text: the same to every row."""

import numpy as np

from trifold.statistics.metric import LABEL_TITLES
from trifold.statistics.row_influence import micro_f1, samples_f1

# Sets of so many of the commonest labels are tried.
_MOST_LABELS = 20


def constant_answer(kind: str, truth: np.ndarray, classes: int, column: int | None = None) -> np.ndarray:
    """The answer that is best for all training rows: the commonest class, or the best set of labels.

    Args:
        kind: Of the metric that decides, without a label; where a row has one label it has no say.
        truth: `(rows,)` class numbers of the training rows, or `(rows, classes)` bool.
        classes: Number of classes.
        column: Class number of the label that the metric is of.

    Returns:
        `(classes,)` bool, the labels that it consists of.
    """
    if truth.ndim == 1:
        return np.asarray(np.arange(classes) == np.bincount(truth, minlength=classes).argmax())
    if kind in LABEL_TITLES:
        return np.asarray(np.arange(classes) == column)
    label_rows = truth.sum(axis=0)
    if kind == "macro_f1":
        # Each label by itself is better named than not.
        return np.asarray(label_rows > 0)
    sets, rows = np.unique(truth, axis=0, return_counts=True)
    commonest = np.asarray(sets[rows.argmax()])
    if kind not in ("micro_f1", "samples_f1"):
        return commonest
    order = np.argsort(-label_rows, kind="stable")
    candidates = [np.isin(np.arange(classes), order[:size]) for size in range(min(classes, _MOST_LABELS) + 1)]
    figure = micro_f1 if kind == "micro_f1" else samples_f1
    return max([commonest, *candidates], key=lambda one: figure(truth, np.broadcast_to(one, truth.shape))[0])
