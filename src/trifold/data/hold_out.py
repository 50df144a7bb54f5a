"""Rows held out at random: the ones that scikit-learn's `train_test_split` would hold out, without importing it.

Everybody knows that split, and two people with one file must hold out the same rows. But importing scikit-learn takes
a second or more, longer than many a command needs for everything else (docs/decisions/0015).
"""

from collections.abc import Sequence

import numpy as np


def hold_out(rows: np.ndarray, share: float, seed: int, strata: Sequence[object] | None = None) -> list[np.ndarray]:
    """Draw rows to hold out, the same as `train_test_split(rows, test_size=share, random_state=seed, stratify=strata)`.

    Args:
        rows: `(rows,)`, of any kind.
        share: Of them that is held out, rounded up to whole rows.
        seed: Of the draw.
        strata: What each row belongs to, to be spread evenly; two rows of each at the least, and no more of them than
            rows in the smaller part.

    Returns:
        The rows that are kept and those held out, each in random order.
    """
    generator = np.random.RandomState(seed)
    out = int(np.ceil(share * len(rows)))
    if strata is None:
        order = generator.permutation(len(rows))
        return [rows[order[out:]], rows[order[:out]]]
    kept_places, out_places = _spread(np.unique(np.asarray(strata), return_inverse=True)[1], out, generator)
    return [rows[generator.permutation(kept_places)], rows[generator.permutation(out_places)]]


def _spread(numbers: np.ndarray, out: int, generator: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Places kept and held out, stratum by stratum; `numbers` says which stratum each row is of."""
    sizes = np.bincount(numbers)
    keep_of_each = _proportional(sizes, len(numbers) - out, generator)
    out_of_each = _proportional(sizes - keep_of_each, out, generator)
    kept, held = [], []
    by_stratum = np.split(np.argsort(numbers, kind="stable"), np.cumsum(sizes)[:-1])
    for places, keep, leave in zip(by_stratum, keep_of_each, out_of_each, strict=True):
        drawn = places[generator.permutation(len(places))]
        kept.append(drawn[:keep])
        held.append(drawn[keep : keep + leave])
    return np.concatenate(kept), np.concatenate(held)


def _proportional(sizes: np.ndarray, total: int, generator: np.random.RandomState) -> np.ndarray:
    """Whole numbers that sum to `total`, in proportion to `sizes`: the largest fractions are rounded up, ties drawn."""
    exact = sizes / sizes.sum() * total
    found = np.floor(exact)
    fractions = exact - found
    missing = int(total - found.sum())
    for fraction in np.unique(fractions)[::-1]:
        if missing <= 0:
            break
        (tied,) = np.nonzero(fractions == fraction)
        lucky = generator.choice(tied, size=min(len(tied), missing), replace=False)
        found[lucky] += 1
        missing -= len(lucky)
    whole: np.ndarray = found.astype(int)
    return whole
