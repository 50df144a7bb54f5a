"""How much one of two methods leads on the same rows: rows where both are right, or both wrong, say nothing.

Everything takes arrays of any shape, so that a thousand pairs, or a thousand simulated test parts, are one call.
"""

import numpy as np

_HALVINGS = 45


def lead_statistic(won: np.ndarray, lost: np.ndarray, rows: np.ndarray | float, lead: np.ndarray | float) -> np.ndarray:
    """How many deviations the lead that was seen lies above a supposed one; negative where it lies below.

    `(won - lost - rows * lead) / sqrt(rows * (2 * q + lead * (1 - lead)))`, where `q` is the likeliest chance of
    losing a row under the supposed lead. With no row won or lost it is still defined: two methods that agree on 50 rows
    may well differ by 5 points.

    Args:
        won: Rows that the first method has right and the second wrong.
        lost: Rows that the first has wrong and the second right.
        rows: All rows, those where both are right or both wrong included.
        lead: The supposed lead of the first method's share of right rows over the second's, -1 to 1.

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


def largest_lead(won: np.ndarray, lost: np.ndarray, rows: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
    """The largest lead of the first method that is not `z` deviations above what was seen: an upper bound.

    The lower bound of a lead is the upper bound of the other method's, with its sign turned.

    Args:
        won: As in `lead_statistic`.
        lost: As there.
        rows: As there.
        z: Normal quantile: 1.96 for an upper end of a two-sided 95 % interval.
    """
    won, lost, rows, z = (np.asarray(value, dtype=float) for value in (won, lost, rows, z))
    low = (won - lost) / rows
    high = np.ones(np.broadcast_shapes(won.shape, lost.shape, rows.shape, z.shape))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        possible = lead_statistic(won, lost, rows, middle) > -z
        low, high = np.where(possible, middle, low), np.where(possible, high, middle)
    bound: np.ndarray = (low + high) / 2
    return bound
