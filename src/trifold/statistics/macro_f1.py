"""Macro-F1 of several methods on the same rows: F1 averaged over the classes that occur in truth or prediction."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trifold.statistics.accuracy import correct_rows
from trifold.statistics.intervals import Z_95, wilson
from trifold.statistics.paired import error_correlation

# The assumed effect of a wrong prediction weighs as much as this many wrong predictions that were seen.
_PRIOR_ERRORS = 4.0


class MacroF1Scores:
    """`MethodScores` by macro-F1.

    A row's influence is how much it adds to the score: the derivative of the score by the row's weight. The variance
    of the influences, divided by the number of rows, is the variance of the score; the variance of the differences of
    two methods' influences, divided by the number of rows, is the variance of the lead.

    Where few predictions are wrong, the observed variance is too small to rely on. A wrong prediction of average
    effect is then assumed: for a score, beside the wrong predictions that were seen; for a lead, as the least variance
    that a lead of that size can have. So no interval has a width of zero (`paired.lead_z` does this for accuracy).

    Args:
        truth: `(groups,)` class numbers, or `(groups, classes)` bool.
        predictions: One array for each method, in the shape of `truth`.
        counts: `(groups,)` number of rows in each group.
        classes: Number of classes.

    Source: Hampel 1974, "The Influence Curve and its Role in Robust Estimation". For the interval of a score as the
    interval of a share with an effective number of rows, Korn and Graubard 1998, "Confidence Intervals for Proportions
    with Small Expected Number of Positive Counts Estimated from Survey Data".
    """

    def __init__(self, truth: np.ndarray, predictions: Sequence[np.ndarray], counts: np.ndarray, classes: int) -> None:
        self.counts = counts
        true = _label_matrix(truth, classes)
        predicted = [_label_matrix(one, classes) for one in predictions]
        # 2 * TP and 2 * TP + FP + FN of each group and class: F1 is their quotient once summed over the rows.
        self._hits = [2 * true.multiply(one).tocsr() for one in predicted]
        self._appearances = [(true + one).tocsr() for one in predicted]
        self._wrong = np.stack([~correct_rows(truth, one) for one in predictions], axis=1)
        self._error_effect = _mean_error_effect(counts @ true, float(counts.sum()), several=truth.ndim == 2)

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """See `MethodScores`."""
        return np.stack([_mean_over_classes(self._f1(one, counts)) for one in range(len(self._hits))], axis=-1)

    def scores_of_part(self, counts: np.ndarray, part: np.ndarray) -> np.ndarray:
        """See `MethodScores`."""
        added = (part[..., None, :] @ self._influences(counts))[..., 0, :]
        scores: np.ndarray = self.scores(counts) + added / part.sum(axis=-1, keepdims=True)
        return scores

    def lead_z(self, counts: np.ndarray, lead: float) -> np.ndarray:
        """See `MethodScores`."""
        rows = counts.sum(axis=-1)[..., None, None]
        above = self._leads(counts) - lead
        # As in a score test, the variance is taken around the supposed lead, not around the observed one.
        variance = np.maximum(self._lead_variances(counts) + above**2, abs(lead) * self._error_effect)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: np.ndarray = np.where(above == 0, 0.0, above / np.sqrt(variance / rows))
        return found

    def lead_upper_bounds(self, counts: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """See `MethodScores`."""
        rows, lead, z = counts.sum(axis=-1)[..., None, None], self._leads(counts), np.asarray(z)
        with np.errstate(divide="ignore"):
            usual = lead + z * np.sqrt(self._lead_variances(counts) / np.maximum(rows - z * z, 0))
        # The largest lead u whose least variance still allows the observed lead:
        # (u - lead)^2 = z^2 * error_effect * u / rows.
        step = z * z * self._error_effect / rows
        root = np.square(2 * lead + step) - np.square(2 * lead)
        floor = np.where(root >= 0, (2 * lead + step + np.sqrt(np.maximum(root, 0))) / 2, -1)
        bounds: np.ndarray = np.minimum(np.maximum(usual, floor), 1)
        return bounds

    def interval_ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """See `MethodScores`."""
        scores, rows = self.scores(counts), counts.sum(axis=-1)[..., None]
        variances = (counts[..., None, :] @ np.square(self._influences(counts)))[..., 0, :] / rows
        wrong = counts @ self._wrong
        share_variance = np.maximum(scores * (1 - scores), 1e-12)
        effect = (wrong * variances / share_variance + _PRIOR_ERRORS * self._error_effect) / (wrong + _PRIOR_ERRORS)
        return wilson(scores, rows / effect, z)

    def identical_upper_bound(self, counts: np.ndarray, z: float) -> np.ndarray:
        """See `MethodScores`."""
        bound: np.ndarray = np.minimum(z * z * self._error_effect / counts.sum(axis=-1), 1)
        return bound

    def rows_for_bound(self, bound: float, z: float) -> float:
        """See `MethodScores`. The bound at `rows` rows is `z**2 / rows` times the effect of a wrong prediction."""
        return z * z * self._error_effect / bound

    def lead_standard_errors(self) -> np.ndarray:
        """See `MethodScores`."""
        rows = self.counts.sum()
        # `_lead_variances` counts one row more than there is; it is taken off again.
        variances = np.maximum(self._lead_variances(self.counts) - self._error_effect / rows, 0)
        errors: np.ndarray = np.sqrt(variances / rows)
        return errors

    def error_correlation(self) -> np.ndarray:
        """See `MethodScores`."""
        return error_correlation(self._influences(self.counts), self.counts)

    def _leads(self, counts: np.ndarray) -> np.ndarray:
        """Score of the first method minus score of the second, `(..., first, second)`."""
        scores = self.scores(counts)
        leads: np.ndarray = scores[..., :, None] - scores[..., None, :]
        return leads

    def _f1(self, method: int, counts: np.ndarray) -> np.ndarray:
        """F1 of each class, `(..., classes)`; NaN for a class that occurs neither in truth nor in prediction."""
        with np.errstate(invalid="ignore"):
            f1: np.ndarray = _product(counts, self._hits[method]) / _product(counts, self._appearances[method])
        return f1

    def _influences(self, counts: np.ndarray) -> np.ndarray:
        """Influence of a row of each group on each method's score, `(..., groups, methods)`."""
        found = []
        for method, (hits, appearances) in enumerate(zip(self._hits, self._appearances, strict=True)):
            appeared = _product(counts, appearances)
            f1 = np.nan_to_num(self._f1(method, counts))
            occurring = np.maximum((appeared > 0).sum(axis=-1, keepdims=True), 1)
            with np.errstate(divide="ignore"):
                scale = np.where(appeared > 0, counts.sum(axis=-1, keepdims=True) / (occurring * appeared), 0)
            found.append(_product(scale, hits.T) - _product(scale * f1, appearances.T))
        return np.stack(found, axis=-1)

    def _lead_variances(self, counts: np.ndarray) -> np.ndarray:
        """Variance of a row's influence on each method's lead over each other, `(..., first, second)`.

        One row where the two methods differ is added to those observed.

        Source: Agresti and Min 2005, "Simple Improved Confidence Intervals for Comparing Matched Proportions".
        """
        influences, rows = self._influences(counts), counts.sum(axis=-1)[..., None, None]
        products = (influences * counts[..., None]).swapaxes(-1, -2) @ influences / rows
        own = np.diagonal(products, axis1=-2, axis2=-1)
        variances: np.ndarray = np.maximum(own[..., :, None] + own[..., None, :] - 2 * products, 0)
        variances += self._error_effect / rows
        return variances


def _label_matrix(target: np.ndarray, classes: int) -> Any:
    """Which row has which label: a sparse `(rows, classes)` matrix of ones."""
    from scipy.sparse import csr_array

    if target.ndim == 2:
        return csr_array(target, dtype=np.float64)
    return csr_array((np.ones(len(target)), (np.arange(len(target)), target)), shape=(len(target), classes))


def _product(values: np.ndarray, matrix: Any) -> np.ndarray:
    """Matrix product of an array of any shape, along its last axis, with a sparse matrix."""
    flat: np.ndarray = values.reshape(-1, values.shape[-1]) @ matrix
    return flat.reshape(*values.shape[:-1], flat.shape[-1])


def _mean_over_classes(f1: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur in truth or prediction, as in scikit-learn; 0 where none occurs."""
    occurring = ~np.isnan(f1)
    mean: np.ndarray = np.where(occurring, f1, 0).sum(axis=-1) / np.maximum(occurring.sum(axis=-1), 1)
    return mean


def _mean_error_effect(class_rows: np.ndarray, rows: float, *, several: bool) -> float:
    """How much a wrong prediction lowers macro-F1, in units of `1 / rows`; each error is weighted by its own effect.

    A wrong prediction for a row of class c, where all others are correct, lowers macro-F1 by
    `rows / (2 * classes * class_rows[c])` through its own class, and by as much through the class that was predicted.
    With classes of equal size the result is 1, as for accuracy.

    Args:
        class_rows: `(classes,)` number of rows of each class.
        rows: Number of all rows.
        several: Whether a row may have several labels; a wrong label then concerns one class only.
    """
    class_rows = class_rows[class_rows > 0]
    if not len(class_rows):
        return 1.0
    own = rows / (2 * len(class_rows) * class_rows)
    effect = own if several or len(own) == 1 else own + (own.sum() - own) / (len(own) - 1)
    return float((class_rows * effect**2).sum() / (class_rows * effect).sum())
