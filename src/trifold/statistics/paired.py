"""Paired comparison of two methods on the same rows.

A row counts for the first method where only the first is correct ("won"), and against it where only the second is
correct ("lost"). Rows where both are correct, or both wrong, count only in the number of rows.

All functions take arrays of any shape, so that a thousand pairs, or a thousand simulated test parts, are one call.
"""

import numpy as np

_BISECTION_STEPS = 45


def lead_z(won: np.ndarray, lost: np.ndarray, rows: np.ndarray | float, lead: np.ndarray | float) -> np.ndarray:
    """Tango's score statistic: standard deviations between the observed lead and a supposed one.

    `(won - lost - rows * lead) / sqrt(rows * (2 * q + lead * (1 - lead)))`, where `q` is the maximum likelihood
    estimate of the chance to lose a row if the supposed lead is true. It is defined where no row is won or lost, too:
    two methods that agree on 50 rows may still differ by 5 points.

    Args:
        won: Number of rows that only the first method gets right.
        lost: Number of rows that only the second method gets right.
        rows: Number of all rows.
        lead: The supposed lead: accuracy of the first method minus accuracy of the second, -1 to 1.

    Returns:
        Positive where the observed lead is above the supposed one, in the common shape of the arguments.

    Source: Tango 1998, "Equivalence Test and Confidence Interval for the Difference in Proportions for the
    Paired-Sample Design".
    """
    won, lost, rows, lead = (np.asarray(value, dtype=float) for value in (won, lost, rows, lead))
    linear = (2 * rows - won + lost) * lead - won - lost
    constant = -lost * lead * (1 - lead)
    chance = (np.sqrt(np.maximum(linear**2 - 8 * rows * constant, 0)) - linear) / (4 * rows)
    variance = np.maximum(rows * (2 * chance + lead * (1 - lead)), 0)
    above = won - lost - rows * lead
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = np.where(above == 0, 0.0, above / np.sqrt(variance))
    return found


def lead_upper_bound(won: np.ndarray, lost: np.ndarray, rows: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
    """Upper bound of the first method's lead in accuracy: the largest lead whose `lead_z` is above `-z`.

    The lower bound of a lead is minus the upper bound of the other method's lead.

    Args:
        won: See `lead_z`.
        lost: See `lead_z`.
        rows: See `lead_z`.
        z: Normal quantile: 1.96 for the upper end of a two-sided 95 % interval.
    """
    won, lost, rows, z = (np.asarray(value, dtype=float) for value in (won, lost, rows, z))
    low = (won - lost) / rows
    high = np.ones(np.broadcast_shapes(won.shape, lost.shape, rows.shape, z.shape))
    for _ in range(_BISECTION_STEPS):
        middle = (low + high) / 2
        possible = lead_z(won, lost, rows, middle) > -z
        low, high = np.where(possible, middle, low), np.where(possible, high, middle)
    bound: np.ndarray = (low + high) / 2
    return bound


def error_correlation(influences: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Correlation between the errors of the methods' scores, `(methods, methods)`.

    Args:
        influences: `(groups, methods)`, how much one row of each group adds to each method's score.
        counts: `(groups,)` number of rows in each group.
    """
    products = (influences * counts[:, None]).T @ influences
    deviations = np.sqrt(np.diagonal(products))
    with np.errstate(invalid="ignore"):
        found: np.ndarray = products / np.outer(deviations, deviations)
    # A method without a wrong prediction has no deviation: nothing is known about what it shares with the others.
    found = np.where(np.isfinite(found), found, 0.0)
    np.fill_diagonal(found, 1.0)
    return found
