"""What several methods scored on the same rows, and how much one may lead another, by accuracy or by macro-F1.

Rows of the same truth and the same answers are one cell, with a count. Resampling, splitting or simulating rows is
drawing other counts for the cells, so everything takes counts as `(..., cells)` and does them all at once.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from trifold.statistics.intervals import Z_95, wilson
from trifold.statistics.paired import largest_lead, lead_statistic

# Rows that a guess at the effect of one wrong answer weighs beside the wrong answers that were seen.
_PRIOR_ERRORS = 4.0


class Scored(Protocol):
    """Methods on the same rows, by one score.

    Attributes:
        counts: `(cells,)` rows of each cell.
    """

    counts: np.ndarray

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """`(..., cells)` counts to the `(..., methods)` scores, fractions."""

    def scores_of_part(self, counts: np.ndarray, part: np.ndarray) -> np.ndarray:
        """The scores of a part of the rows, `(..., methods)`, by what each row adds to the scores of all.

        Of macro-F1 by itself, a small part in which a rare class is absent would say something else.
        """

    def lead_statistics(self, counts: np.ndarray, lead: float) -> np.ndarray:
        """How many deviations each method's lead over each other lies above a supposed one, `(..., first, second)`."""

    def largest_leads(self, counts: np.ndarray, z: float) -> np.ndarray:
        """Upper bounds of each method's lead over each other, `(..., first, second)`, `z` deviations away."""

    def ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """Both ends of the intervals of the scores, each `(..., methods)`, `z` deviations away."""

    def least_bound(self, counts: np.ndarray, z: float) -> np.ndarray:
        """Upper bound of the lead over a method that answers alike on every row, `(...)`, `z` deviations away."""

    def rows_for(self, bound: float, z: float) -> float:
        """How many rows it takes until that bound is so small."""

    def deviations(self) -> np.ndarray:
        """`(methods, methods)`, of each method's lead over each other; 0 for two that answer alike."""

    def correlation(self) -> np.ndarray:
        """`(methods, methods)`, of the scores' errors."""


def scored(name: str, truth: np.ndarray, predictions: Sequence[np.ndarray], classes: int) -> Scored:
    """What methods predicted, by `accuracy` or `macro_f1`.

    Args:
        name: Of the score.
        truth: `(rows,)` class numbers, or `(rows, classes)` bools where a row may have several labels.
        predictions: One for each method, in the same shape.
        classes: How many there are.
    """
    if name == "accuracy":
        right = np.stack([right_rows(truth, one) for one in predictions], axis=1)
        patterns, counts = np.unique(right, axis=0, return_counts=True)
        return Accuracies(patterns, counts)
    cells, counts = _distinct(truth, *predictions)
    return MacroF1s(cells[0], cells[1:], counts, classes)


def right_rows(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Which rows are predicted rightly, `(rows,)` bool; with several labels, all of them."""
    same: np.ndarray = truth == predicted
    return same if same.ndim == 1 else np.asarray(same.all(axis=1))


class Accuracies:
    """Shares of right rows."""

    def __init__(self, right: np.ndarray, counts: np.ndarray) -> None:
        """Take the cells.

        Args:
            right: `(cells, methods)` bool, which methods are right.
            counts: `(cells,)`.
        """
        self.counts = counts
        self._right = right.astype(float)
        # In which cells the first is right and the second wrong: `(cells, first, second)`.
        self._won = (right[:, :, None] & ~right[:, None, :]).astype(float)

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """See `Scored`."""
        shares: np.ndarray = counts @ self._right / counts.sum(axis=-1, keepdims=True)
        return shares

    def scores_of_part(self, counts: np.ndarray, part: np.ndarray) -> np.ndarray:  # noqa: ARG002 - a share is linear
        """See `Scored`."""
        return self.scores(part)

    def lead_statistics(self, counts: np.ndarray, lead: float) -> np.ndarray:
        """See `Scored`."""
        won = self._wins(counts)
        return lead_statistic(won, won.swapaxes(-1, -2), counts.sum(axis=-1)[..., None, None], lead)

    def largest_leads(self, counts: np.ndarray, z: float) -> np.ndarray:
        """See `Scored`."""
        won = self._wins(counts)
        return largest_lead(won, won.swapaxes(-1, -2), counts.sum(axis=-1)[..., None, None], z)

    def ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """See `Scored`."""
        return wilson(self.scores(counts), counts.sum(axis=-1)[..., None], z)

    def least_bound(self, counts: np.ndarray, z: float) -> np.ndarray:
        """See `Scored`."""
        return largest_lead(np.array(0), np.array(0), counts.sum(axis=-1), z)

    def rows_for(self, bound: float, z: float) -> float:
        """See `Scored`. The bound of `rows` rows is `z**2 / (rows + z**2)`."""
        return z * z * (1 / bound - 1)

    def deviations(self) -> np.ndarray:
        """See `Scored`."""
        won, rows = self._wins(self.counts), self.counts.sum()
        variances = (won + won.T) / rows - np.square((won - won.T) / rows)
        found: np.ndarray = np.sqrt(np.maximum(variances, 0) / rows)
        return found

    def correlation(self) -> np.ndarray:
        """See `Scored`."""
        return _correlation(self._right - self.scores(self.counts), self.counts)

    def _wins(self, counts: np.ndarray) -> np.ndarray:
        return np.tensordot(counts.astype(float), self._won, axes=1)


class MacroF1s:
    """F1 averaged over the classes that occur in truth or prediction.

    A row's influence is what it adds to the score: the score's derivative by the row's weight. Its variance over the
    rows, over their number, is the score's; that of two methods' difference is that of their lead.

    Where few rows are wrong, the variance that is seen says little. A wrong answer of average effect stands in for it:
    for one score beside the wrong answers seen, for a lead as the least variance that a lead of that size can have, so
    that neither is ever zero wide (what `lead_statistic` does for shares).

    Source: Hampel 1974, "The Influence Curve and its Role in Robust Estimation"; for a score's interval as that of a
    share of so many effective rows, Korn and Graubard 1998, "Confidence Intervals for Proportions with Small Expected
    Number of Positive Counts Estimated from Survey Data".
    """

    def __init__(self, truth: np.ndarray, predictions: Sequence[np.ndarray], counts: np.ndarray, classes: int) -> None:
        """Take the cells.

        Args:
            truth: `(cells,)` class numbers, or `(cells, classes)` bools.
            predictions: One for each method, in the same shape.
            counts: `(cells,)`.
            classes: How many there are.
        """
        self.counts = counts
        of_truth = indicator(truth, classes)
        found = [indicator(one, classes) for one in predictions]
        # Twice the true positives, and the rows that are truly or predictedly of the class: F1 = 2TP / (2TP + FP + FN).
        self._hits = [2 * of_truth.multiply(one).tocsr() for one in found]
        self._appearances = [(of_truth + one).tocsr() for one in found]
        self._wrong = np.stack([~right_rows(truth, one) for one in predictions], axis=1)
        self._unit = _effect_of_an_error(counts @ of_truth, float(counts.sum()), several=truth.ndim == 2)

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """See `Scored`."""
        return np.stack([_mean_f1(self._f1(one, counts)) for one in range(len(self._hits))], axis=-1)

    def scores_of_part(self, counts: np.ndarray, part: np.ndarray) -> np.ndarray:
        """See `Scored`."""
        added = (part[..., None, :] @ self._influences(counts))[..., 0, :]
        scores: np.ndarray = self.scores(counts) + added / part.sum(axis=-1, keepdims=True)
        return scores

    def lead_statistics(self, counts: np.ndarray, lead: float) -> np.ndarray:
        """See `Scored`."""
        scores, rows = self.scores(counts), counts.sum(axis=-1)
        above = scores[..., :, None] - scores[..., None, :] - lead
        # As in a score test, the spread is taken around the supposed lead, not around the one that was seen.
        variance = np.maximum(self._lead_variances(counts) + above**2, abs(lead) * self._unit)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: np.ndarray = np.where(above == 0, 0.0, above / np.sqrt(variance / rows[..., None, None]))
        return found

    def largest_leads(self, counts: np.ndarray, z: float) -> np.ndarray:
        """See `Scored`."""
        scores, rows = self.scores(counts), counts.sum(axis=-1)[..., None, None]
        lead = scores[..., :, None] - scores[..., None, :]
        with np.errstate(divide="ignore"):
            usual = lead + z * np.sqrt(self._lead_variances(counts) / np.maximum(rows - z * z, 0))
        # The largest lead u whose least variance still allows what was seen: (u - lead)^2 = z^2 * unit * u / rows.
        step = z * z * self._unit / rows
        root = np.square(2 * lead + step) - np.square(2 * lead)
        floor = np.where(root >= 0, (2 * lead + step + np.sqrt(np.maximum(root, 0))) / 2, -1)
        bound: np.ndarray = np.minimum(np.maximum(usual, floor), 1)
        return bound

    def ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """See `Scored`."""
        scores, rows = self.scores(counts), counts.sum(axis=-1)[..., None]
        variances = (counts[..., None, :] @ np.square(self._influences(counts)))[..., 0, :] / rows
        wrong = counts @ self._wrong
        spread = np.maximum(scores * (1 - scores), 1e-12)
        effect = (wrong * variances / spread + _PRIOR_ERRORS * self._unit) / (wrong + _PRIOR_ERRORS)
        return wilson(scores, rows / effect, z)

    def least_bound(self, counts: np.ndarray, z: float) -> np.ndarray:
        """See `Scored`."""
        bound: np.ndarray = np.minimum(z * z * self._unit / counts.sum(axis=-1), 1)
        return bound

    def rows_for(self, bound: float, z: float) -> float:
        """See `Scored`. The bound of `rows` rows is `z**2 / rows` times the effect of a wrong answer."""
        return z * z * self._unit / bound

    def deviations(self) -> np.ndarray:
        """See `Scored`."""
        rows = self.counts.sum()
        # Without the row that is counted beyond those there are.
        found: np.ndarray = np.sqrt(np.maximum(self._lead_variances(self.counts) - self._unit / rows, 0) / rows)
        return found

    def correlation(self) -> np.ndarray:
        """See `Scored`."""
        return _correlation(self._influences(self.counts), self.counts)

    def _f1(self, method: int, counts: np.ndarray) -> np.ndarray:
        """`(..., classes)`, not a number where a class occurs neither in truth nor in prediction."""
        with np.errstate(invalid="ignore"):
            f1: np.ndarray = _per_class(counts, self._hits[method]) / _per_class(counts, self._appearances[method])
        return f1

    def _influences(self, counts: np.ndarray) -> np.ndarray:
        """`(..., cells, methods)`."""
        found = []
        for method, (hits, appearances) in enumerate(zip(self._hits, self._appearances, strict=True)):
            appeared = _per_class(counts, appearances)
            f1 = np.nan_to_num(self._f1(method, counts))
            occurring = np.maximum((appeared > 0).sum(axis=-1, keepdims=True), 1)
            with np.errstate(divide="ignore"):
                scale = np.where(appeared > 0, counts.sum(axis=-1, keepdims=True) / (occurring * appeared), 0)
            found.append(_per_class(scale, hits.T) - _per_class(scale * f1, appearances.T))
        return np.stack(found, axis=-1)

    def _lead_variances(self, counts: np.ndarray) -> np.ndarray:
        """Variance of a row's part in each method's lead over each other, `(..., first, second)`.

        One more row where the two differ is counted than there is.

        Source: Agresti and Min 2005, "Simple Improved Confidence Intervals for Comparing Matched Proportions".
        """
        influences, rows = self._influences(counts), counts.sum(axis=-1)[..., None, None]
        products = (influences * counts[..., None]).swapaxes(-1, -2) @ influences / rows
        own = np.diagonal(products, axis1=-2, axis2=-1)
        variances: np.ndarray = np.maximum(own[..., :, None] + own[..., None, :] - 2 * products, 0)
        variances += self._unit / rows
        return variances


def indicator(target: np.ndarray, classes: int) -> Any:
    """Which row has which label, a sparse `(rows, classes)` of ones."""
    from scipy.sparse import csr_array

    if target.ndim == 2:
        return csr_array(target, dtype=np.float64)
    return csr_array((np.ones(len(target)), (np.arange(len(target)), target)), shape=(len(target), classes))


def _per_class(values: np.ndarray, matrix: Any) -> np.ndarray:
    """Arrays of any shape times a sparse matrix, along their last axis."""
    flat: np.ndarray = values.reshape(-1, values.shape[-1]) @ matrix
    return flat.reshape(*values.shape[:-1], flat.shape[-1])


def _mean_f1(f1: np.ndarray) -> np.ndarray:
    # As in scikit-learn, a class that occurs neither in truth nor in prediction does not count.
    occurring = ~np.isnan(f1)
    mean: np.ndarray = np.where(occurring, f1, 0).sum(axis=-1) / np.maximum(occurring.sum(axis=-1), 1)
    return mean


def _effect_of_an_error(class_rows: np.ndarray, rows: float, *, several: bool) -> float:
    """By how many times `1 / rows` a wrong answer lowers macro-F1, where wrong answers weigh by their effect.

    Of a row of class c in a prediction that is otherwise right: `rows / (2 * classes * class_rows[c])` for its own
    class, and as much for the class it was taken for. In classes of equal size that is 1, as for accuracy.
    """
    class_rows = class_rows[class_rows > 0]
    if not len(class_rows):
        return 1.0
    own = rows / (2 * len(class_rows) * class_rows)
    effect = own if several or len(own) == 1 else own + (own.sum() - own) / (len(own) - 1)
    return float((class_rows * effect**2).sum() / (class_rows * effect).sum())


def _correlation(influences: np.ndarray, counts: np.ndarray) -> np.ndarray:
    products = (influences * counts[:, None]).T @ influences
    deviations = np.sqrt(np.diagonal(products))
    with np.errstate(invalid="ignore"):
        found: np.ndarray = products / np.outer(deviations, deviations)
    # A method without a wrong answer has no deviation: nothing is known of what it shares with the others.
    found = np.where(np.isfinite(found), found, 0.0)
    np.fill_diagonal(found, 1.0)
    return found


def _distinct(*targets: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The distinct rows of several targets side by side, and how often each occurs."""
    if targets[0].ndim == 1:
        cells, counts = np.unique(np.stack(targets), axis=1, return_counts=True)
        return list(cells), counts
    rows, counts = np.unique(np.concatenate(targets, axis=1), axis=0, return_counts=True)
    return np.split(rows, len(targets), axis=1), counts
