"""95 % intervals of scores. An interval always has a width, however few predictions are wrong."""

from dataclasses import dataclass

import numpy as np

# Quantile of the normal distribution for each end of a two-sided 95 % interval.
Z_95 = 1.959963984540054


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


def mean_interval(values: np.ndarray) -> Interval:
    """The mean of independent figures, such as one of each document, with Student's 95 % interval.

    Args:
        values: `(figures,)`; for a paired comparison, the differences. A single one gives an interval without bounds.
    """
    from scipy.stats import t

    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, -np.inf, np.inf)
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half)
