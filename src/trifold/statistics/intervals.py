"""95 % intervals of scores. An interval always has a width, however few cases there are, and however alike."""

from dataclasses import dataclass

import numpy as np

# Quantile of the normal distribution for each end of a two-sided 95 % interval.
Z_95 = 1.959963984540054
# Figures that differ by less are equal but for rounding.
_EQUAL = 1e-12


@dataclass(frozen=True)
class Interval:
    """A score, or the difference of two scores, with its 95 % interval.

    Attributes:
        value: As computed from the rows at hand; a score lies between 0 and 1, a difference between -1 and 1.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float


def wilson(share: np.ndarray | float, rows: np.ndarray | float, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a share, such as the share of correct predictions.

    The interval holds every true share p with `(share - p)**2 <= z**2 * p * (1 - p) / rows`. Ten correct predictions
    of ten give 72 to 100 %.

    Args:
        share: Shares from 0 to 1, in any shape.
        rows: Number of rows behind each share. Fractions are allowed, for rows that count more or less than one.
        z: Normal quantile of each end.

    Returns:
        Lower and upper ends, each in the shape of `share`.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    share, rows = np.asarray(share, dtype=float), np.asarray(rows, dtype=float)
    weight = z * z / rows
    middle = (share + weight / 2) / (1 + weight)
    half = np.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
    # Rounding errors must not put the observed share outside its own interval.
    return np.clip(np.minimum(middle - half, share), 0, 1), np.clip(np.maximum(middle + half, share), 0, 1)


def mean_interval(values: np.ndarray, lowest: float = 0.0) -> Interval:
    """The mean of independent figures, such as one of each document, with Student's 95 % interval.

    Where all figures are equal, as a single one is, they do not tell how much others may differ. That none of n cases
    was unlike them leaves it possible that a share of `z**2 / (n + z**2)` is (Wilson's upper end of no case in n), and
    those may have any figure from `lowest` to 1. For figures of 0 or 1 that is Wilson's interval.

    Args:
        values: `(figures,)`, at least one; for a paired comparison, the differences.
        lowest: What a figure is at least; of differences, -1. At most it is 1.

    Source: Student 1908, "The Probable Error of a Mean"; Wilson 1927, as in `wilson`.
    """
    from scipy.stats import t

    mean, count = float(values.mean()), len(values)
    if np.ptp(values) < _EQUAL:
        unlike = Z_95**2 / (count + Z_95**2)
        low, high = mean + unlike * (lowest - mean), mean + unlike * (1 - mean)
    else:
        half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count))
        low, high = mean - half, mean + half
    return Interval(mean, max(low, lowest), min(high, 1.0))
