"""Intervals for shares, and for scores that behave like one: never degenerate, however few rows are wrong."""

from dataclasses import dataclass

import numpy as np

# Quantile of the normal distribution for each end of a two-sided 95 % interval.
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval, fractions from 0 to 1.

    Attributes:
        value: On the rows themselves.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def wilson(share: np.ndarray | float, rows: np.ndarray | float, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the score interval of a share.

    All shares within it are those that a test of the share, with the deviation that this share has, does not reject:
    `(share - p)**2 <= z**2 * p * (1 - p) / rows`. Ten right of ten give 72 to 100 %.

    Args:
        share: Of rows that are right, any shape.
        rows: How many rows it is of; not necessarily whole, where rows count for more or less than one.
        z: Normal quantile of each end.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    share, rows = np.asarray(share, dtype=float), np.asarray(rows, dtype=float)
    weight = z * z / rows
    middle = (share + weight / 2) / (1 + weight)
    half = np.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
    # Rounding must not push an end past what was seen.
    return np.clip(np.minimum(middle - half, share), 0, 1), np.clip(np.maximum(middle + half, share), 0, 1)


def share_interval(right: int, rows: int) -> Interval:
    """The share of rows that are right, with its interval; 0 to 1 where there is no row."""
    if rows == 0:
        return Interval(float("nan"), 0.0, 1.0)
    low, high = wilson(right / rows, rows)
    return Interval(right / rows, float(low), float(high))
