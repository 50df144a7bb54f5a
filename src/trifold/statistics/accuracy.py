"""Accuracy of several methods on the same rows: the share of correct predictions."""

import numpy as np

from trifold.statistics.intervals import Z_95, wilson
from trifold.statistics.paired import error_correlation, lead_upper_bound, lead_z


def correct_rows(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Which rows are predicted correctly, `(rows,)` bool; where a row has several labels, all must be correct."""
    same: np.ndarray = truth == predicted
    return same if same.ndim == 1 else np.asarray(same.all(axis=1))


class AccuracyScores:
    """`MethodScores` by accuracy.

    Args:
        correct: `(groups, methods)` bool, which methods are correct in each group of rows.
        counts: `(groups,)` number of rows in each group.
    """

    def __init__(self, correct: np.ndarray, counts: np.ndarray) -> None:
        self.counts = counts
        self._correct = correct.astype(float)
        # 1 in the groups where only the first of two methods is correct: `(groups, first, second)`.
        self._won = (correct[:, :, None] & ~correct[:, None, :]).astype(float)

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """See `MethodScores`."""
        shares: np.ndarray = counts @ self._correct / counts.sum(axis=-1, keepdims=True)
        return shares

    def scores_of_part(self, counts: np.ndarray, part: np.ndarray) -> np.ndarray:  # noqa: ARG002 - a share is linear
        """See `MethodScores`."""
        return self.scores(part)

    def lead_z(self, counts: np.ndarray, lead: float) -> np.ndarray:
        """See `MethodScores`."""
        won = self._rows_won(counts)
        return lead_z(won, won.swapaxes(-1, -2), counts.sum(axis=-1)[..., None, None], lead)

    def lead_upper_bounds(self, counts: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """See `MethodScores`."""
        won = self._rows_won(counts)
        return lead_upper_bound(won, won.swapaxes(-1, -2), counts.sum(axis=-1)[..., None, None], z)

    def interval_ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """See `MethodScores`."""
        return wilson(self.scores(counts), counts.sum(axis=-1)[..., None], z)

    def identical_upper_bound(self, counts: np.ndarray, z: float) -> np.ndarray:
        """See `MethodScores`."""
        return lead_upper_bound(np.array(0), np.array(0), counts.sum(axis=-1), z)

    def rows_for_bound(self, bound: float, z: float) -> float:
        """See `MethodScores`. The bound at `rows` rows is `z**2 / (rows + z**2)`."""
        return z * z * (1 / bound - 1)

    def lead_standard_errors(self) -> np.ndarray:
        """See `MethodScores`."""
        won, rows = self._rows_won(self.counts), self.counts.sum()
        variances = (won + won.T) / rows - np.square((won - won.T) / rows)
        errors: np.ndarray = np.sqrt(np.maximum(variances, 0) / rows)
        return errors

    def error_correlation(self) -> np.ndarray:
        """See `MethodScores`."""
        return error_correlation(self._correct - self.scores(self.counts), self.counts)

    def _rows_won(self, counts: np.ndarray) -> np.ndarray:
        """Number of rows where only the first of two methods is correct, `(..., first, second)`."""
        return np.tensordot(counts.astype(float), self._won, axes=1)
