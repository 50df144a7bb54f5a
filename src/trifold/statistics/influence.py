"""Intervals and paired comparisons of any score of which it is known how much each row adds to it."""

from abc import ABC, abstractmethod

import numpy as np

from trifold.statistics.intervals import Z_95, wilson
from trifold.statistics.paired import error_correlation

# The assumed effect of a wrong prediction weighs as much as this many wrong predictions that were seen.
_PRIOR_ERRORS = 4.0


class InfluenceScores(ABC):
    """Base of `MethodScores` that go by the rows' influences.

    A row's influence is how much it adds to the score: the derivative of the score by the row's weight. The variance
    of the influences, divided by the number of rows, is the variance of the score; the variance of the differences of
    two methods' influences, divided by the number of rows, is the variance of the lead. It is what a bootstrap over
    rows tends to, without its noise (the infinitesimal jackknife).

    Where few predictions are wrong, the observed variance is too small to rely on. A wrong prediction of average
    effect is then assumed: for a score, beside the wrong predictions that were seen; for a lead, as the least variance
    that a lead of that size can have. So no interval has a width of zero (`paired.lead_z` does this for accuracy).

    Args:
        counts: `(groups,)` number of rows in each group.
        wrong: `(groups, methods)` bool, which methods are wrong in each group.
        error_effect: How much a wrong prediction of average effect lowers the score, in units of `1 / rows`.
        span: Lowest and highest score that there can be.
        rows_for_one: Rows for each row that the score is made of: 1 where it is made of all of them.

    Source: Hampel 1974, "The Influence Curve and its Role in Robust Estimation"; Efron 1982, "The Jackknife, the
    Bootstrap and Other Resampling Plans", chapter 6. For the interval of a score as the interval of a share with an
    effective number of rows, Korn and Graubard 1998, "Confidence Intervals for Proportions with Small Expected Number
    of Positive Counts Estimated from Survey Data".
    """

    def __init__(
        self,
        counts: np.ndarray,
        wrong: np.ndarray,
        error_effect: float,
        span: tuple[float, float] = (0.0, 1.0),
        rows_for_one: float = 1.0,
    ) -> None:
        self.counts = counts
        self._wrong = wrong
        self._error_effect = error_effect
        self._lowest, self._width = span[0], span[1] - span[0]
        self._rows_for_one = rows_for_one

    @abstractmethod
    def scores(self, counts: np.ndarray) -> np.ndarray:
        """See `MethodScores`."""

    @abstractmethod
    def influences(self, counts: np.ndarray) -> np.ndarray:
        """Influence of a row of each group on each method's score; must broadcast to `(..., groups, methods)`."""

    def influences_for_variance(self, counts: np.ndarray) -> np.ndarray:
        """The influences of which variances are made, in the shape of `influences`.

        A score made of parts that few rows decide has influences near zero, however uncertain it is, and gives others.
        """
        return self.influences(counts)

    def scores_of_part(self, counts: np.ndarray, part: np.ndarray) -> np.ndarray:
        """See `MethodScores`."""
        added = (part[..., None, :] @ self.influences(counts))[..., 0, :]
        scores: np.ndarray = self.scores(counts) + added / part.sum(axis=-1, keepdims=True)
        return scores

    def lead_z(self, counts: np.ndarray, lead: float) -> np.ndarray:
        """See `MethodScores`."""
        rows = counts.sum(axis=-1)[..., None, None]
        above = self._leads(counts) - lead
        # As in a score test, the variance is taken around the supposed lead, not around the observed one.
        around = self._lead_variances(counts) + self._rows_for_one * above**2
        variance = np.maximum(around, abs(lead) * self._error_effect)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: np.ndarray = np.where(above == 0, 0.0, above / np.sqrt(variance / rows))
        return found

    def lead_upper_bounds(self, counts: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """See `MethodScores`."""
        rows, lead, z = counts.sum(axis=-1)[..., None, None], self._leads(counts), np.asarray(z)
        with np.errstate(divide="ignore"):
            own_rows = np.maximum(rows - self._rows_for_one * z * z, 0)
            usual = lead + z * np.sqrt(self._lead_variances(counts) / own_rows)
        # The largest lead u whose least variance still allows the observed lead:
        # (u - lead)^2 = z^2 * error_effect * u / rows.
        step = z * z * self._error_effect / rows
        root = np.square(2 * lead + step) - np.square(2 * lead)
        floor = np.where(root >= 0, (2 * lead + step + np.sqrt(np.maximum(root, 0))) / 2, -self._width)
        bounds: np.ndarray = np.minimum(np.maximum(usual, floor), self._width)
        return bounds

    def interval_ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """See `MethodScores`. That of a share with as many rows as the score's variance is worth."""
        shares, rows = (self.scores(counts) - self._lowest) / self._width, counts.sum(axis=-1)[..., None]
        variances = self._variances(counts) / self._width**2
        wrong = counts @ self._wrong
        share_variance = np.maximum(shares * (1 - shares), 1e-12)
        assumed = _PRIOR_ERRORS * self._error_effect / self._width
        effect = (wrong * variances / share_variance + assumed) / (wrong + _PRIOR_ERRORS)
        low, high = wilson(shares, rows / effect, z)
        return self._lowest + self._width * low, self._lowest + self._width * high

    def identical_upper_bound(self, counts: np.ndarray, z: float) -> np.ndarray:
        """See `MethodScores`."""
        bound: np.ndarray = np.minimum(z * z * self._error_effect / counts.sum(axis=-1), self._width)
        return bound

    def rows_for_bound(self, bound: float, z: float) -> float:
        """See `MethodScores`. The bound at `rows` rows is `z**2 / rows` times the effect of a wrong prediction."""
        return z * z * self._error_effect / bound

    def lead_standard_errors(self) -> np.ndarray:
        """See `MethodScores`."""
        rows = self.counts.sum()
        # `_lead_variances` counts one row more than there is; it is taken off again.
        added = self._rows_for_one * self._error_effect / rows
        variances = np.maximum(self._lead_variances(self.counts) - added, 0)
        errors: np.ndarray = np.sqrt(variances / rows)
        return errors

    def error_correlation(self) -> np.ndarray:
        """See `MethodScores`."""
        return error_correlation(self.influences(self.counts), self.counts)

    def _leads(self, counts: np.ndarray) -> np.ndarray:
        """Score of the first method minus score of the second, `(..., first, second)`."""
        scores = self.scores(counts)
        leads: np.ndarray = scores[..., :, None] - scores[..., None, :]
        return leads

    def _variances(self, counts: np.ndarray) -> np.ndarray:
        """Variance of a row's influence on each method's score, `(..., methods)`."""
        squares = (counts[..., None, :] @ np.square(self.influences_for_variance(counts)))[..., 0, :]
        return np.asarray(squares / counts.sum(axis=-1)[..., None])

    def _lead_variances(self, counts: np.ndarray) -> np.ndarray:
        """Variance of a row's influence on each method's lead over each other, `(..., first, second)`.

        One row where the two methods differ is added to those observed.

        Source: Agresti and Min 2005, "Simple Improved Confidence Intervals for Comparing Matched Proportions".
        """
        influences, rows = self.influences_for_variance(counts), counts.sum(axis=-1)[..., None, None]
        products = (influences * counts[..., None]).swapaxes(-1, -2) @ influences / rows
        own = np.diagonal(products, axis1=-2, axis2=-1)
        variances: np.ndarray = np.maximum(own[..., :, None] + own[..., None, :] - 2 * products, 0)
        variances += self._rows_for_one * self._error_effect / rows
        return variances


def mean_error_effect(class_rows: np.ndarray, rows: float, *, several: bool) -> float:
    """How much a wrong prediction lowers a mean over classes, in units of `1 / rows`; each error by its own effect.

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
