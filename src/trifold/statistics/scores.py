"""Scores of several methods on the same test rows, and how far one method may be ahead of another.

Rows that do not differ in what a score depends on are one group, with a count. To resample, divide or
simulate rows is to draw other counts for the groups, so all functions take counts of shape `(..., groups)` and compute
all draws at once.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from trifold.statistics.accuracy import AccuracyScores, correct_rows
from trifold.statistics.intervals import Z_95
from trifold.statistics.linearised import linearised_scores
from trifold.statistics.macro_f1 import MacroF1Scores
from trifold.statistics.metric import split_name


class MethodScores(Protocol):
    """The scores of methods whose answers to the same rows are known; the higher, the better.

    Attributes:
        counts: `(groups,)` number of rows in each group.
    """

    counts: np.ndarray

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """Each method's score, `(..., methods)`; a fraction, or minus the log loss.

        Args:
            counts: `(..., groups)`.
        """

    def scores_of_part(self, counts: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Each method's score on a part of the rows, `(..., methods)`.

        The part's score is estimated from the score of all rows and how much each row of the part adds to that score.
        Macro-F1 of a small part alone would be misleading where a rare class is absent from it.

        Args:
            counts: `(..., groups)`, all rows.
            part: `(..., groups)`, the rows of the part.
        """

    def lead_z(self, counts: np.ndarray, lead: float) -> np.ndarray:
        """Standard deviations between each method's observed lead over each other method and a supposed lead.

        Args:
            counts: `(..., groups)`.
            lead: The supposed lead, a fraction.

        Returns:
            `(..., first, second)`, positive where the first method's lead is above the supposed one.
        """

    def lead_upper_bounds(self, counts: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """Upper bounds of each method's lead over each other method, `(..., first, second)`.

        Args:
            counts: `(..., groups)`.
            z: Normal quantile of the bounds; an array must broadcast to `(..., first, second)`.
        """

    def interval_ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of the scores' intervals, each `(..., methods)`.

        Args:
            counts: `(..., groups)`.
            z: Normal quantile of each end.
        """

    def identical_upper_bound(self, counts: np.ndarray, z: float) -> np.ndarray:
        """Upper bound of the lead over a method with identical predictions, `(...)`: the smallest bound possible.

        Args:
            counts: `(..., groups)`.
            z: Normal quantile of the bound.
        """

    def rows_for_bound(self, bound: float, z: float) -> float:
        """Number of rows at which `identical_upper_bound` is `bound`."""

    def lead_standard_errors(self) -> np.ndarray:
        """Standard error of each method's lead over each other, `(methods, methods)`; 0 for identical predictions."""

    def error_correlation(self) -> np.ndarray:
        """Correlation between the errors of the methods' scores, `(methods, methods)`."""


def score_methods(
    score: str,
    truth: np.ndarray,
    predictions: Sequence[np.ndarray],
    classes: int,
    *,
    column: int | None = None,
    probabilities: Sequence[np.ndarray] = (),
) -> MethodScores:
    """Group the rows of a test part and prepare the scores of all methods.

    Args:
        score: Name of a metric; what stands behind a colon is left to `column`.
        truth: `(rows,)` class numbers, or `(rows, classes)` bool where a row may have several labels.
        predictions: One array for each method, in the shape of `truth`.
        classes: Number of classes.
        column: Class number of the label, where the metric is of one.
        probabilities: `(rows, classes)` for each method, where the metric needs them.
    """
    kind, _ = split_name(score)
    if kind not in ("accuracy", "macro_f1"):
        return linearised_scores(kind, truth, predictions, classes, column, probabilities)
    if kind == "accuracy":
        correct = np.stack([correct_rows(truth, one) for one in predictions], axis=1)
        patterns, counts = np.unique(correct, axis=0, return_counts=True)
        return AccuracyScores(patterns, counts)
    groups, counts = _group_rows(truth, *predictions)
    return MacroF1Scores(groups[0], groups[1:], counts, classes)


def _group_rows(*targets: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The distinct combinations of several targets, one array for each target, and how often each occurs."""
    if targets[0].ndim == 1:
        groups, counts = np.unique(np.stack(targets), axis=1, return_counts=True)
        return list(groups), counts
    rows, counts = np.unique(np.concatenate(targets, axis=1), axis=0, return_counts=True)
    return np.split(rows, len(targets), axis=1), counts
