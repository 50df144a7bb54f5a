"""Rank and linear correlation of scores with what they should be, with intervals and paired comparisons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trifold.statistics.intervals import Z_95, Interval
from trifold.statistics.linearised import LinearisedScores
from trifold.statistics.row_influence import Figure

# The variance that normal data would have weighs as much as so many rows.
_PRIOR_ROWS = 10.0


def spearman(truth: np.ndarray, predicted: np.ndarray) -> Figure:
    """Spearman's rank correlation, and the influence of each row on it; 0 where all values are equal.

    With `r` and `s` the rows' ranks among truth and predictions as fractions, less one half, and means over all rows
    `C = mean(r s)`, `A = mean(r r)`, `B = mean(s s)`, the correlation is `C / sqrt(A B)`. A row that is given more
    weight adds to these means by its own ranks, and moves the ranks of all rows that lie above it.

    Args:
        truth: `(rows,)` numbers.
        predicted: `(rows,)` numbers.

    Source: Croux and Dehon 2010, "Influence Functions of the Spearman and Kendall Correlation Measures"; ties have the
    mean of their ranks.
    """
    r, s = _centred_ranks(truth), _centred_ranks(predicted)
    own, first, second = np.mean(r * s), np.mean(r * r), np.mean(s * s)
    if not first * second:
        return 0.0, np.zeros(len(truth))
    value, scale = own / np.sqrt(first * second), np.sqrt(first * second)
    d_own = r * s + _moved(truth, s) + _moved(predicted, r) - 3 * own
    d_first = r * r + 2 * _moved(truth, r) - 3 * first
    d_second = s * s + 2 * _moved(predicted, s) - 3 * second
    return float(value), d_own / scale - value / 2 * (d_first / first + d_second / second)


def pearson(truth: np.ndarray, predicted: np.ndarray) -> Figure:
    """Pearson's linear correlation, and the influence of each row on it; 0 where all values are equal.

    Args:
        truth: `(rows,)` numbers.
        predicted: `(rows,)` numbers.

    Source: Devlin, Gnanadesikan and Kettenring 1975, "Robust Estimation and Outlier Detection with Correlation
    Coefficients".
    """
    if np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        return 0.0, np.zeros(len(truth))
    x, y = ((one - one.mean()) / one.std() for one in (truth.astype(float), predicted.astype(float)))
    value = float(np.mean(x * y))
    return value, x * y - value / 2 * (x * x + y * y)


CORRELATIONS: dict[str, Callable[[np.ndarray, np.ndarray], Figure]] = {"spearman": spearman, "pearson": pearson}


class CorrelationScores(LinearisedScores):
    """`MethodScores` by a correlation of each method's scores with the truth.

    A row whose score is drawn at random lowers a perfect correlation by `1 / rows`, which stands for a wrong prediction
    of average effect.

    Args:
        kind: One of `CORRELATIONS`.
        truth: `(rows,)` numbers.
        predictions: `(rows,)` numbers of each method.
    """

    def __init__(self, kind: str, truth: np.ndarray, predictions: Sequence[np.ndarray]) -> None:
        figures = [CORRELATIONS[kind](truth, one) for one in predictions]
        wrong = np.zeros((len(truth), len(figures)), dtype=bool)
        super().__init__(figures, wrong, error_effect=1.0, span=(-1.0, 1.0))
        # Ranks vary more than the values that they are made of.
        self._excess = 0.5 if kind == "spearman" else 0.0

    def interval_ends(self, counts: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
        """See `MethodScores`. On Fisher's transformation, by the variance of the rows' influences.

        With few rows these do not tell how much they vary: the variance `1 + rho**2 / 2` that the transformed rank
        correlation of normal data has (1 for Pearson's) is added, weighed as some rows.

        Source: Bonett and Wright 2000, "Sample Size Requirements for Estimating Pearson, Kendall and Spearman
        Correlations".
        """
        scores, rows = self.scores(counts), counts.sum(axis=-1)[..., None]
        # Half a row out of order is assumed where none is, or a perfect order of ten rows would seem certain.
        most = 1 - 0.5 / rows
        values = np.clip(scores, -most, most)
        observed, normal = self._variances(counts) / np.square(1 - values**2), 1 + self._excess * values**2
        variance = (rows * observed + _PRIOR_ROWS * normal) / (rows + _PRIOR_ROWS)
        half = z * np.sqrt(variance / np.maximum(rows - 3, 1))
        low, high = np.tanh(np.arctanh(values) - half), np.tanh(np.arctanh(values) + half)
        return np.minimum(low, scores), np.maximum(high, scores)


@dataclass(frozen=True)
class SimilarityMetrics:
    """The metrics of scores, in `metrics.json`.

    Attributes:
        rows: Number of rows that were scored.
        spearman: Rank correlation with the true scores.
        pearson: Linear correlation with them.
        mean_absolute_error: Of the scores once they are on the scale of the true ones.
    """

    rows: int
    spearman: Interval
    pearson: Interval
    mean_absolute_error: float


def correlation_interval(kind: str, truth: np.ndarray, predicted: np.ndarray) -> Interval:
    """A correlation with its 95 % interval.

    Args:
        kind: One of `CORRELATIONS`.
        truth: `(rows,)` numbers.
        predicted: `(rows,)` numbers.
    """
    method = CorrelationScores(kind, truth, [predicted])
    low, high = method.interval_ends(method.counts)
    return Interval(float(method.scores(method.counts)[0]), float(low[0]), float(high[0]))


def measure_similarity(truth: np.ndarray, cosines: np.ndarray, scaled: np.ndarray) -> SimilarityMetrics:
    """All metrics of the similarities of pairs.

    Args:
        truth: `(pairs,)` true scores.
        cosines: `(pairs,)`, as the model gives them.
        scaled: `(pairs,)`, the same on the scale of the true scores.
    """
    return SimilarityMetrics(
        rows=len(truth),
        spearman=correlation_interval("spearman", truth, cosines),
        pearson=correlation_interval("pearson", truth, cosines),
        mean_absolute_error=float(np.abs(truth - scaled).mean()),
    )


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    """Share of the rows that lie below each, ties counting half, less one half."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - counts / 2
    return np.asarray(middles[place] / len(values) - 0.5)


def _moved(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mean over all rows of `others` where their value is above a row's own, and half of it where it is equal.

    Args:
        values: `(rows,)`.
        others: `(rows,)`, of mean zero.
    """
    _, place = np.unique(values, return_inverse=True)
    sums = np.bincount(place, others)
    above = sums.sum() - np.cumsum(sums) + sums / 2
    return np.asarray(above[place] / len(values))
